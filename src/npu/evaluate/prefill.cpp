// A prompt through the linear layers, NPU against CPU; through the whole model where there is one; and its energy.
#include <algorithm>

#include "npu/evaluate/cpu_linear.h"
#include "npu/evaluate/energy.h"
#include "npu/evaluate/estimates.h"

namespace onebit::npu::evaluate {
namespace {

// Multiply-adds per block that a quick plan measures on the CPU; longer prompts are scaled.
constexpr double kQuickMacs = 4e10;

// What the CPU beside the NPU in Strix Halo can do at most, as onebit roofline estimates it: 16 cores, 2 x 64 multiply-adds
// a cycle, 4.0 GHz.
constexpr double kHostPeakOps = 16 * 128 * 2 * 4.0e9;

struct Cpu {
  double linears[std::size(kPrefillTokens)]{}, whole[std::size(kPrefillTokens)]{};  // seconds; whole 0: no model
  bool scaled[std::size(kPrefillTokens)]{};
};

std::string tokens_per_s(uint32_t tokens, double seconds) { return fmt::format("{:.0f} tok/s", tokens / seconds); }

// The better of two.
Result<double> best_whole(const WholePrefill& whole, uint32_t tokens) {
  ONEBIT_ASSIGN(const double first, whole(tokens));
  ONEBIT_ASSIGN(const double second, whole(tokens));
  return std::min(first, second);
}

Result<Cpu> measure_cpu(const Context& c) {
  Cpu cpu;
  std::vector<uint32_t> tokens;
  for (const uint32_t t : kPrefillTokens)
    if (!c.options.quick || tokens.empty() || t * c.model.macs_per_token() / c.model.layers <= kQuickMacs) tokens.push_back(t);
  ONEBIT_ASSIGN(const std::vector<double> block, cpu_linear_seconds(c.model, tokens, c.options.quick ? 2 : 3, c.options.isa, c.pool));
  for (size_t i = 0; i < std::size(kPrefillTokens); ++i) {
    const size_t from = std::min(i, tokens.size() - 1);
    cpu.scaled[i] = from != i;
    cpu.linears[i] = block[from] * c.model.layers * kPrefillTokens[i] / tokens[from];
    if (!c.options.whole_cpu || (c.options.quick && i + 1 == std::size(kPrefillTokens))) continue;
    ONEBIT_ASSIGN(cpu.whole[i], best_whole(c.options.whole_cpu, kPrefillTokens[i]));
  }
  return cpu;
}

// The sum over the layers of what the sections before found on the device; nothing unless all layers ran there.
std::optional<double> device_seconds(const Context& c, uint32_t tokens) {
  double us = 0;
  for (const Layer& l : c.model.linears) {
    const Figure* f = c.report.find(fmt::format("ternary.us.m{}.{}x{}", tokens, l.n, l.k));
    if (!f || f->label == Label::estimated) return std::nullopt;
    us += f->value;
  }
  return us * 1e-6 * c.model.layers;
}

struct Npu {
  double seconds;
  Label label;
  std::string how;
};

Result<std::vector<Npu>> npu_seconds(const Context& c, const gemm::ArrayProgram& program, uint32_t tokens) {
  std::vector<Npu> list;
  if (const auto ran = device_seconds(c, tokens)) list.push_back({*ran, c.device_label(), "sum over the layers, each run alone"});
  GemmTime sum;
  for (const Layer& l : c.model.linears) {
    ONEBIT_ASSIGN(const GemmTime e, estimate_ternary(program, tokens, l));
    sum.add(e, c.model.layers);
  }
  list.push_back({sum.seconds, Label::estimated, "performance model, sum over the layers, one command each"});
  return list;
}

// A ratio is as good as the weaker of its two figures.
Label weaker(Label a, Label b) { return std::max(a, b); }

Status add_tokens(Context& c, const Cpu& cpu, const gemm::ArrayProgram& program, size_t i, Section& s) {
  const uint32_t t = kPrefillTokens[i];
  const auto id = [&](const char* what) { return fmt::format("prefill.{}.{}", what, t); };
  const Label on_cpu = cpu.scaled[i] ? Label::estimated : Label::measured;
  s.figures.push_back({id("cpu.ms"), fmt::format("CPU, linears, {} tokens", t), cpu.linears[i] * 1e3, "ms", on_cpu,
                       (cpu.scaled[i] ? "scaled from a shorter prompt; " : "one block times the blocks; ") + tokens_per_s(t, cpu.linears[i])});
  ONEBIT_ASSIGN(const std::vector<Npu> npu, npu_seconds(c, program, t));
  for (const Npu& n : npu)
    s.figures.push_back({id("npu.ms"), fmt::format("NPU, linears, {} tokens", t), n.seconds * 1e3, "ms", n.label, n.how + "; " + tokens_per_s(t, n.seconds)});
  const Npu& best = npu.front();
  s.figures.push_back({id("ratio"), fmt::format("speed-up over the CPU, linears, {} tokens", t), cpu.linears[i] / best.seconds, "x", weaker(best.label, on_cpu),
                       fmt::format("NPU {}, CPU {}", name(best.label), name(on_cpu))});
  // In the simulator the CPU at hand is not the one beside an NPU.
  if (c.simulated())
    s.figures.push_back({id("peak.ratio"), fmt::format("speed-up over a Strix Halo CPU at its int8 peak, linears, {} tokens", t),
                         2 * c.model.macs_per_token() * t / kHostPeakOps / best.seconds, "x", Label::estimated, "16.4 TOPS, which no CPU code reaches"});
  if (cpu.whole[i] <= 0) return {};
  s.figures.push_back({id("whole.cpu.ms"), fmt::format("CPU, whole model, {} tokens", t), cpu.whole[i] * 1e3, "ms", Label::measured, tokens_per_s(t, cpu.whole[i])});
  double whole = best.seconds + std::max(0.0, cpu.whole[i] - cpu.linears[i]);
  Label label = Label::estimated;
  std::string how = "the NPU's linears and what else the CPU does";
  if (c.options.whole_npu) {
    ONEBIT_ASSIGN(whole, best_whole(c.options.whole_npu, t));
    label = Label::measured;
    how = "prompt on the NPU through the engine";
  }
  s.figures.push_back({id("whole.npu.ms"), fmt::format("NPU, whole model, {} tokens", t), whole * 1e3, "ms", label, how + "; " + tokens_per_s(t, whole)});
  s.figures.push_back({id("whole.ratio"), fmt::format("speed-up over the CPU, whole model, {} tokens", t), cpu.whole[i] / whole, "x", label, "the two figures above"});
  return {};
}

// Package energy over prompts of 512 tokens: all of the machine's work in that time, idle power included.
Status energy(Context& c) {
  constexpr uint32_t kTokens = 512;
  Section s{.title = "Energy"};
  auto meter = EnergyMeter::open(c.options.powercap);
  if (!meter) {
    s.notes.push_back("the system reports none: " + meter.error().message);
    c.report.sections.push_back(std::move(s));
    return {};
  }
  const auto per_token = [&](const char* id, const char* what, const WholePrefill& prompt) -> Status {
    if (!prompt) return {};
    ONEBIT_TRY(meter->restart());
    ONEBIT_ASSIGN(const double seconds, prompt(kTokens));
    ONEBIT_ASSIGN(const double joules, meter->joules());
    if (seconds > 0) s.figures.push_back({id, what, joules / kTokens * 1e3, "mJ/token", Label::measured, "package counter around one prompt of 512 tokens"});
    return {};
  };
  ONEBIT_TRY(per_token("energy.cpu", "CPU prefill, whole model", c.options.whole_cpu));
  ONEBIT_TRY(per_token("energy.npu", "NPU prefill, whole model", c.options.whole_npu));
  if (s.figures.empty()) s.notes.push_back("counters there; a prompt of 512 tokens is measured with --model");
  if (!c.options.whole_npu) s.notes.push_back("none for the NPU: it takes a real one and a model");
  c.report.sections.push_back(std::move(s));
  return {};
}

}  // namespace

Status evaluate_prefill(Context& c) {
  ONEBIT_ASSIGN(const Cpu cpu, measure_cpu(c));
  ONEBIT_ASSIGN(const gemm::ArrayProgram program, gemm::ArrayProgram::make());
  Section s{.title = fmt::format("Prefill, NPU against this CPU ({})", c.report.machine)};
  for (size_t i = 0; i < std::size(kPrefillTokens); ++i) ONEBIT_TRY(add_tokens(c, cpu, program, i, s));
  s.notes.push_back("linears: the integer products of all linear layers; attention, norms and the head stay on the CPU either way");
  if (c.simulated()) s.notes.push_back("the NPU is not in this machine: the ratio compares an XDNA 2 with the CPU the command ran on");
  c.report.sections.push_back(std::move(s));
  return energy(c);
}

}  // namespace onebit::npu::evaluate
