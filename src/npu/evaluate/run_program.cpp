#include "npu/evaluate/run_program.h"

#include <algorithm>

#include "npu/compiled/core_code.h"
#include "npu/evaluate/clock.h"

namespace onebit::npu::evaluate {
namespace {

// An example program with its buffers on a device of its own.
struct Loaded {
  std::unique_ptr<NpuDevice> device;
  NpuCommand command{};
  std::vector<ExampleBuffer> data{};
};

Result<Loaded> load(const Context& c, const ExampleProgram& p, const ExampleShape& shape) {
  ONEBIT_ASSIGN(const design::Program description, p.build());
  ONEBIT_ASSIGN(const design::Lowered lowered, lower_with_code(description));
  ONEBIT_ASSIGN(const Transaction stream, p.sequence(lowered, shape));
  ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, write_transaction(stream));
  Loaded l;
  ONEBIT_ASSIGN(l.device, NpuDevice::open(c.options.device));
  ONEBIT_TRY(l.device->load(lowered.xclbin));
  ONEBIT_ASSIGN(l.command.instructions, l.device->instructions(bytes));
  l.data = p.data(shape, 1);
  for (unsigned i = 0; i < l.data.size(); ++i) {
    const ExampleBuffer& b = l.data[i];
    ONEBIT_ASSIGN(NpuBufferRef buffer, l.device->allocate(b.bytes.size(), BufferUse::data, i));
    std::transform(b.bytes.begin(), b.bytes.end(), buffer->bytes().begin(), [&](uint8_t byte) { return static_cast<uint8_t>(b.output ? ~byte : byte); });
    ONEBIT_TRY(l.device->upload(buffer));
    l.command.arguments.push_back(std::move(buffer));
  }
  return l;
}

Status compare(const std::string& what, Loaded& l, Checks& checks) {
  for (size_t i = 0; i < l.data.size(); ++i) {
    if (!l.data[i].output) continue;
    ONEBIT_TRY(l.device->download(l.command.arguments[i]));
    const std::span<const uint8_t> found = l.command.arguments[i]->bytes();
    ++checks.products;
    for (size_t e = 0; e + 4 <= found.size(); e += 4) {
      ++checks.elements;
      if (std::equal(&found[e], &found[e] + 4, &l.data[i].bytes[e])) continue;
      if (checks.wrong++ == 0) checks.first_wrong = fmt::format("{}, word {} of bo{}", what, e / 4, i);
    }
  }
  return {};
}

Result<Timing> time(const Context& c, Loaded& l, unsigned runs) {
  const auto once = [&] { return timed(*l.device, [&]() -> Status {
    ONEBIT_ASSIGN(const NpuRun run, l.device->submit(l.command));
    return l.device->wait(run);
  }); };
  Timing t;
  ONEBIT_ASSIGN(t.first, once());
  std::vector<double> seconds;
  for (unsigned i = 0; i < runs; ++i) {
    ONEBIT_ASSIGN(const double s, once());
    seconds.push_back(s);
  }
  t.seconds = median(std::move(seconds));
  if (c.simulated()) return t;  // its clock runs while a command runs, one after the other
  const auto begin = std::chrono::steady_clock::now();
  std::vector<NpuRun> queued;
  for (unsigned i = 0; i < kNpuQueueDepth; ++i) {
    ONEBIT_ASSIGN(const NpuRun run, l.device->submit(l.command));
    queued.push_back(run);
  }
  for (const NpuRun run : queued) ONEBIT_TRY(l.device->wait(run));
  t.pipelined = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kNpuQueueDepth;
  return t;
}

}  // namespace

Result<std::optional<Timing>> try_program(Context& c, const char* program, const ExampleShape& shape, unsigned runs, Section& section) {
  const ExampleProgram* p = find_example_program(program);
  const std::string what = fmt::format("{} {}", program, shape.name());
  auto loaded = load(c, *p, shape);
  if (!loaded && !c.simulated() && (loaded.error().code == Errc::unsupported || loaded.error().code == Errc::device)) {
    section.notes.push_back(fmt::format("{}: not run: {}", what, loaded.error().message));
    return std::nullopt;
  }
  if (!loaded) return with_context(std::move(loaded).error(), what);
  auto timing = time(c, *loaded, runs);
  if (!timing) return with_context(std::move(timing).error(), what);
  ONEBIT_TRY(compare(what, *loaded, c.report.checks));
  return *timing;
}

std::string how(const Context& c, unsigned runs) {
  return c.simulated() ? "timed simulation, warm context" : fmt::format("median of {} runs, host clock from submit to wait", runs);
}

}  // namespace onebit::npu::evaluate
