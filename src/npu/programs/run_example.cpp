#include "npu/programs/run_example.h"

#include <algorithm>

#include "npu/kernels/registry.h"

namespace onebit::npu {

Result<Simulator> open_example(const Device& device, const std::vector<uint8_t>& image, bool timed) {
  SimOptions options;
  options.kernels = builtin_kernels();
  options.timed = timed;
  return Simulator::open(device, image, options);
}

Result<RunReport> run_example(Simulator& context, const std::vector<uint8_t>& stream, const std::vector<ExampleBuffer>& data) {
  std::vector<std::vector<uint8_t>> memory;
  for (const ExampleBuffer& b : data) {
    memory.push_back(b.bytes);
    if (b.output)
      for (uint8_t& byte : memory.back()) byte = static_cast<uint8_t>(~byte);
  }
  std::vector<std::span<uint8_t>> buffers(memory.begin(), memory.end());
  ONEBIT_ASSIGN(RunReport report, context.run(stream, buffers));
  for (size_t i = 0; i < data.size(); ++i) {
    const auto [found, expected] = std::mismatch(memory[i].begin(), memory[i].end(), data[i].bytes.begin());
    if (found != memory[i].end())
      return fail(Errc::format, "bo{} ({}): byte {} is {:#04x}, expected {:#04x}", i, data[i].output ? "output" : "input", found - memory[i].begin(), *found,
                  *expected);
  }
  if (!report.still_active.empty()) return fail(Errc::format, "{} still runs after the last wait", report.still_active[0]);
  return report;
}

}  // namespace onebit::npu
