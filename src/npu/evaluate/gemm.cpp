// GEMM over the model's linear layers: int8 and packed ternary weights, and one token (GEMV).
#include <algorithm>

#include "npu/evaluate/clock.h"
#include "npu/evaluate/estimates.h"
#include "npu/evaluate/run_program.h"
#include "npu/evaluate/ternary.h"
#include "npu/programs/gemm.h"
#include "npu/programs/ternary.h"

namespace onebit::npu::evaluate {
namespace {

constexpr const char* kModel = "performance model, one command per product";

// The weighted rate over the layers: one label for all of it.
void add_rate(const std::string& kind, const char* title, uint32_t m, const GemmTime& sum, Label label, const std::string& how, Section& s) {
  s.figures.push_back({fmt::format("{}.tops.m{}", kind, m), fmt::format("{}, all linears, M {}", title, m), sum.tops(), "TOPS", label, how});
}

// In the simulator only where the program takes all layers.
bool int8_runs(const Context& c, uint32_t m, const Layer& l) {
  const auto fits = [](const Layer& x) { return std::max(x.n, x.k) <= kMaxGemmSize; };
  return worth_running(c, m) && fits(l) && (!c.simulated() || std::all_of(c.model.linears.begin(), c.model.linears.end(), fits));
}

Status int8_gemm(Context& c) {
  Section s{.title = "int8 GEMM over the model's layers (int32 results)"};
  for (const uint32_t m : kGemmTokens) {
    GemmTime estimated, ran;
    for (const Layer& l : c.model.linears) {
      ONEBIT_ASSIGN(const GemmTime e, estimate_int8(m, l));
      estimated.add(e);
      if (!int8_runs(c, m, l)) continue;
      const unsigned runs = c.simulated() ? 1 : 20;
      ONEBIT_ASSIGN(const auto t, try_program(c, "gemm_8x4", {{m, l.n, l.k}}, runs, s));
      if (!t) continue;
      ran.add({.seconds = t->seconds, .ops = e.ops});
      s.figures.push_back({fmt::format("int8.us.m{}.{}x{}", m, l.n, l.k), fmt::format("{}: {} x {} x {}", l.name, m, l.n, l.k), t->seconds * 1e6, "us", c.device_label(), how(c, runs)});
    }
    add_rate("int8", "int8", m, estimated, Label::estimated, kModel, s);
    if (ran.ops == estimated.ops) add_rate("int8", "int8", m, ran, c.device_label(), how(c, 20), s);
  }
  s.notes.push_back(fmt::format("the int8 program takes N and K up to {}", kMaxGemmSize));
  c.report.sections.push_back(std::move(s));
  return {};
}

// One product on the device beside the same product in the performance model.
Status probe(TernaryBench& bench, Context& c, Section& s) {
  const Layer layer{"probe", 1280, 512};
  const uint32_t m = 128;
  ONEBIT_ASSIGN(const GemmTime e, estimate_ternary(bench.program(), m, layer));
  ONEBIT_ASSIGN(const double seconds, bench.run(c, m, layer));
  const std::string what = fmt::format("ternary {} x {} x {}", m, layer.n, layer.k);
  s.figures.push_back({"ternary.probe.us", what, seconds * 1e6, "us", c.device_label(), "one product on the device"});
  s.figures.push_back({"ternary.probe.us", what, e.seconds * 1e6, "us", Label::estimated, kModel});
  return {};
}

// The same kernel with results scaled and rounded to bfloat16 in the cores: half the bytes on the way out, not the bits
// that the engine's layers give.
Status bf16_results(Context& c, Section& s) {
  const unsigned runs = c.simulated() ? 1 : 20;
  const ExampleShape shape{{128, 1024, 512}};
  ONEBIT_ASSIGN(const auto t, try_program(c, "linear_bf16", shape, runs, s));
  if (t) s.figures.push_back({"ternary.bf16.us", fmt::format("linear_bf16 {}", shape.name()), t->seconds * 1e6, "us", c.device_label(), how(c, runs)});
  return {};
}

Status ternary_tokens(Context& c, TernaryBench* bench, const gemm::ArrayProgram& program, uint32_t m, Section& s) {
  GemmTime estimated, ran;
  for (const Layer& l : c.model.linears) {
    ONEBIT_ASSIGN(const GemmTime e, estimate_ternary(program, m, l));
    estimated.add(e);
    const std::string what = fmt::format("{}: {} x {} x {}", l.name, m, l.n, l.k);
    s.figures.push_back({fmt::format("ternary.us.m{}.{}x{}", m, l.n, l.k), what, e.seconds * 1e6, "us", Label::estimated, kModel});
    if (!bench || !worth_running(c, m)) continue;
    ONEBIT_ASSIGN(const double seconds, bench->run(c, m, l));
    ran.add({.seconds = seconds, .ops = e.ops});
    s.figures.push_back({fmt::format("ternary.us.m{}.{}x{}", m, l.n, l.k), what, seconds * 1e6, "us", c.device_label(), bench->how(c)});
  }
  add_rate("ternary", "ternary", m, estimated, Label::estimated, kModel, s);
  if (ran.ops == estimated.ops) add_rate("ternary", "ternary", m, ran, c.device_label(), bench->how(c), s);
  s.figures.push_back({fmt::format("ternary.bytes.m{}", m), fmt::format("DDR bytes over the least possible, M {}", m), estimated.bytes / estimated.least_bytes, "x",
                       Label::estimated, "counted from the plans; the simulator counts the same"});
  return {};
}

// The program for one token on its own.
Status gemv_program(Context& c, Section& s) {
  GemmTime estimated, ran;
  double bytes = 0, ran_bytes = 0;
  const unsigned runs = c.simulated() ? 1 : 20;
  for (const Layer& l : c.model.linears) {
    const double weights = static_cast<double>(l.n) * l.k / 4;
    bytes += weights;
    ONEBIT_ASSIGN(const GemmTime e, estimate_gemv(l));
    estimated.add(e);
    if (std::max(l.n, l.k) > kMaxGemvSize) continue;
    ONEBIT_ASSIGN(const auto t, try_program(c, "gemv_ternary", {{l.n, l.k}}, runs, s));
    if (!t) continue;
    ran.add({.seconds = t->seconds, .ops = e.ops});
    ran_bytes += weights;
  }
  const auto add = [&](const GemmTime& t, double of, Label label, const std::string& how) {
    s.figures.push_back({"gemv.program.gb_s", "packed weights, gemv_ternary", of / t.seconds * 1e-9, "GB/s", label, how});
    s.figures.push_back({"gemv.program.tokens_s", "decode, linears alone, gemv_ternary", 1 / (t.seconds * c.model.layers), "tok/s", label, how});
  };
  add(estimated, bytes, Label::estimated, kModel);
  if (ran.ops == estimated.ops) add(ran, ran_bytes, c.device_label(), how(c, runs));
  return {};
}

// Beside it the program for prompts with M = 1, which the engine uses: its rate is that of its weights.
Status gemv(Context& c, TernaryBench* bench, const gemm::ArrayProgram& program) {
  Section s{.title = "Ternary GEMV (one token)"};
  GemmTime estimated, ran;
  double bytes = 0, ran_bytes = 0;
  for (const Layer& l : c.model.linears) {
    ONEBIT_ASSIGN(const GemmTime e, estimate_ternary(program, 1, l));
    estimated.add(e);
    const double weights = static_cast<double>(l.n) * l.k / 4;
    bytes += weights;
    if (!bench || !worth_running(c, 1)) continue;
    ONEBIT_ASSIGN(const double seconds, bench->run(c, 1, l));
    ran.add({.seconds = seconds, .ops = e.ops});
    ran_bytes += weights;
  }
  const auto add = [&](const GemmTime& t, double of, Label label, const std::string& how) {
    s.figures.push_back({"gemv.gb_s", "packed weights, all linears", of / t.seconds * 1e-9, "GB/s", label, how});
    s.figures.push_back({"gemv.tokens_s", "decode, linears alone", 1 / (t.seconds * c.model.layers), "tok/s", label, how});
  };
  add(estimated, bytes, Label::estimated, kModel);
  if (bench && ran_bytes == bytes) add(ran, ran_bytes, c.device_label(), bench->how(c));
  ONEBIT_TRY(gemv_program(c, s));
  s.notes.push_back("the engine runs the program for prompts with M = 1; DDR gives the array at most 55.5 GB/s (published)");
  c.report.sections.push_back(std::move(s));
  return {};
}

}  // namespace

Status evaluate_gemm(Context& c) {
  ONEBIT_TRY(int8_gemm(c));
  Section s{.title = "Ternary GEMM over the model's layers (2-bit weights expanded in the cores, int32 results)"};
  ONEBIT_ASSIGN(const gemm::ArrayProgram program, gemm::ArrayProgram::make());
  auto bench = TernaryBench::open(c);
  if (!bench && c.simulated()) return std::unexpected(bench.error());
  if (!bench) s.notes.push_back("not run: " + bench.error().message);
  TernaryBench* const runs = bench ? bench->get() : nullptr;
  if (runs) ONEBIT_TRY(probe(*runs, c, s));
  ONEBIT_TRY(bf16_results(c, s));
  for (const uint32_t m : kTernaryTokens) ONEBIT_TRY(ternary_tokens(c, runs, program, m, s));
  if (c.simulated()) s.notes.push_back("what would take the simulator too long is estimated only");
  c.report.sections.push_back(std::move(s));
  return gemv(c, runs, program);
}

}  // namespace onebit::npu::evaluate
