// Example programs on the device: what a dispatch costs, what one channel moves, the first GEMMs.
#include <algorithm>

#include "npu/evaluate/estimates.h"
#include "npu/evaluate/run_program.h"
#include "npu/perf/estimate.h"
#include "npu/perf/presets.h"

namespace onebit::npu::evaluate {
namespace {

constexpr uint32_t kBf16Cube = 2048;

Status dispatch(Context& c) {
  Section s{.title = "Dispatch and pass-through"};
  const unsigned runs = c.simulated() ? 2 : c.options.quick ? 50 : 500;
  ONEBIT_ASSIGN(const auto small, try_program(c, "passthrough", {{64}}, runs, s));
  if (small) {
    s.figures.push_back({"dispatch.us", "round trip of 256 bytes", small->seconds * 1e6, "us", c.device_label(), how(c, runs)});
    s.figures.push_back({"dispatch.first.us", "the same, first in its context", small->first * 1e6, "us", c.device_label(), c.simulated() ? "timed simulation" : "once"});
    if (small->pipelined > 0)
      s.figures.push_back({"dispatch.queued.us", "per run, queue full", small->pipelined * 1e6, "us", Label::measured, fmt::format("{} runs in flight", kNpuQueueDepth)});
  }
  if (c.simulated())
    s.figures.push_back({"dispatch.queued.us", "per run, queue full", TimingModel{}.dispatch_chained_s * 1e6, "us", Label::estimated, "published 20 to 25 us on Strix Halo"});
  const uint32_t words = c.options.quick ? 1u << 18 : 1u << 20;
  ONEBIT_ASSIGN(const auto large, try_program(c, "passthrough", {{words}}, c.simulated() ? 1 : runs, s));
  if (large && small && large->seconds > small->seconds)
    s.figures.push_back({"passthrough.gb_s", fmt::format("{} MiB in and out, one channel", words >> 18), words * 4e-9 / (large->seconds - small->seconds), "GB/s",
                         c.device_label(), "without the round trip above"});
  c.report.sections.push_back(std::move(s));
  return {};
}

Status hello_gemm(Context& c) {
  Section s{.title = "Hello-world GEMM (int8 to int32)"};
  const unsigned runs = c.simulated() ? 1 : 20;
  const uint32_t cube = c.options.quick ? 256 : 512;
  for (const auto& [program, sizes, cores] : {std::tuple{"gemm_1", std::vector<uint32_t>{128, 128, 128}, "1 core"},
                                              std::tuple{"gemm_8x4", std::vector<uint32_t>{cube, 512, cube}, "32 cores"}}) {
    const ExampleShape shape{sizes};
    ONEBIT_ASSIGN(const auto t, try_program(c, program, shape, runs, s));
    if (!t) continue;
    const double ops = 2.0 * sizes[0] * sizes[1] * sizes[2];
    s.figures.push_back({fmt::format("{}.us", program), fmt::format("{}, {}", cores, shape.name()), t->seconds * 1e6, "us", c.device_label(), how(c, runs)});
    s.figures.push_back({fmt::format("{}.tops", program), fmt::format("{} {}", program, shape.name()), ops / t->seconds * 1e-12, "TOPS", c.device_label(), "round trip included"});
  }
  c.report.sections.push_back(std::move(s));
  return {};
}

}  // namespace

Status evaluate_programs(Context& c) {
  ONEBIT_TRY(dispatch(c));
  return hello_gemm(c);
}

// The program on 32 cores; in the simulator, which would take minutes for the cube of 2048, on smaller ones.
Status evaluate_bf16(Context& c) {
  Section s{.title = "bf16 GEMM (fp32 results)"};
  ONEBIT_ASSIGN(const perf::Dataflow flow, perf::preset("bf16-stock"));
  ONEBIT_ASSIGN(const perf::Estimate e, perf::estimate(flow, {kBf16Cube, kBf16Cube, kBf16Cube}, {}));
  s.figures.push_back({"bf16.tflops", "bf16 2048 cube, stock data flow", e.tops(), "TFLOPS", Label::estimated, "performance model, design bf16-stock"});
  ONEBIT_ASSIGN(const GemmTime own, estimate_bf16(kBf16Cube, kBf16Cube, kBf16Cube));
  s.figures.push_back({"bf16.kernel.tflops", "bf16 2048 cube, gemm_bf16_8x4", own.tops(), "TFLOPS", Label::estimated, "performance model, the kernel's assumed cycles"});
  const unsigned runs = c.simulated() ? 1 : 20;
  const auto run = [&](const char* program, const char* cores, std::vector<uint32_t> sizes) -> Status {
    const ExampleShape shape{sizes};
    ONEBIT_ASSIGN(const auto t, try_program(c, program, shape, runs, s));
    if (!t) return {};
    const double ops = 2.0 * sizes[0] * sizes[1] * sizes[2];
    s.figures.push_back({fmt::format("{}.us", program), fmt::format("{}, {}", cores, shape.name()), t->seconds * 1e6, "us", c.device_label(), how(c, runs)});
    const bool cube = std::all_of(sizes.begin(), sizes.end(), [](uint32_t size) { return size == kBf16Cube; });
    s.figures.push_back({cube ? "bf16.kernel.tflops" : fmt::format("{}.tflops", program), fmt::format("{} {}", program, shape.name()), ops / t->seconds * 1e-12, "TFLOPS",
                         c.device_label(), "round trip included"});
    return {};
  };
  ONEBIT_TRY(run("gemm_bf16_1", "1 core", {128, 128, 128}));
  ONEBIT_TRY(run("gemm_bf16_8x4", "32 cores", {256, 512, 256}));
  if (!c.options.quick) ONEBIT_TRY(run("gemm_bf16_8x4", "32 cores", {1024, 1024, 1024}));
  if (!c.simulated()) ONEBIT_TRY(run("gemm_bf16_8x4", "32 cores", {kBf16Cube, kBf16Cube, kBf16Cube}));
  s.notes.push_back("cycles of the bf16 kernel are assumed (docs/aie-kernels.md): no criterion rests on them");
  c.report.sections.push_back(std::move(s));
  return {};
}

}  // namespace onebit::npu::evaluate
