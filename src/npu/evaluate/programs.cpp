// Example programs on the device: what a dispatch costs, what one channel moves, the first GEMMs.
#include "npu/evaluate/estimates.h"
#include "npu/evaluate/run_program.h"
#include "npu/perf/estimate.h"
#include "npu/perf/presets.h"

namespace onebit::npu::evaluate {
namespace {

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

// No array program takes the bf16 kernel yet: what it would take in the data flow of gemm_8x4, and what the stock example takes.
Status evaluate_bf16(Context& c) {
  Section s{.title = "bf16 GEMM, 2048 cube"};
  ONEBIT_ASSIGN(const perf::Dataflow flow, perf::preset("bf16-stock"));
  ONEBIT_ASSIGN(const perf::Estimate e, perf::estimate(flow, {2048, 2048, 2048}, {}));
  s.figures.push_back({"bf16.tflops", "bf16 2048 cube, stock data flow", e.tops(), "TFLOPS", Label::estimated, "performance model, design bf16-stock"});
  ONEBIT_ASSIGN(const GemmTime own, estimate_bf16(2048, 2048, 2048));
  s.figures.push_back({"bf16.kernel.tflops", "bf16 2048 cube, our kernel", own.tops(), "TFLOPS", Label::estimated, "performance model, the kernel's cycles in the data flow of gemm_8x4"});
  s.notes.push_back("no array program for bf16: nothing is run, no criterion rests on it");
  c.report.sections.push_back(std::move(s));
  return {};
}

}  // namespace onebit::npu::evaluate
