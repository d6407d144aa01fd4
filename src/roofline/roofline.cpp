#include "roofline/roofline.h"

#include <algorithm>
#include <functional>

#include "npu/gemm/array_program.h"
#include "npu/gemm/dataflow.h"
#include "npu/perf/estimate.h"
#include "npu/perf/presets.h"

namespace onebit::roofline {
namespace {

using npu::perf::Estimate;

constexpr size_t kMaxShapes = 64;

struct Seconds {
  double seconds = 0, ops = 0;
};
// One linear layer of m tokens.
using Layer = std::function<Result<Seconds>(uint32_t m, uint64_t k, uint64_t n)>;

Modelled model_design(const char* design, const char* how, const std::vector<LinearShape>& linears, uint32_t m, const Layer& layer) {
  Modelled result{.design = design, .how = how, .m = m, .tokens_per_s = 0, .tops = 0, .not_covered = {}};
  if (linears.empty()) result.not_covered = "no linear layers";
  if (linears.size() > kMaxShapes) result.not_covered = fmt::format("{} shapes, expected at most {}", linears.size(), kMaxShapes);
  Seconds sum;
  for (const LinearShape& l : linears) {
    if (!result.not_covered.empty()) return result;
    if (std::max(l.k, l.n) > npu::perf::kMaxDimension) {
      result.not_covered = fmt::format("{} x {}, expected at most {}", l.k, l.n, npu::perf::kMaxDimension);
      return result;
    }
    const auto s = layer(m, l.k, l.n);
    if (!s) {
      result.not_covered = fmt::format("{} x {} x {}: {}", m, l.k, l.n, s.error().message);
      return result;
    }
    sum.seconds += s->seconds * static_cast<double>(l.count);
    sum.ops += s->ops * static_cast<double>(l.count);
  }
  if (!result.not_covered.empty()) return result;
  result.tokens_per_s = m / sum.seconds;
  result.tops = sum.ops / sum.seconds * 1e-12;
  return result;
}

// This project's ternary GEMM, each layer submitted and waited for by itself; more tokens than one program takes go in slices.
Modelled own_design(const TokenCost& cost, uint32_t m) {
  const auto program = npu::gemm::ArrayProgram::make();
  const auto slice = [&](uint32_t tokens, uint32_t k, uint32_t n) -> Result<Seconds> {
    ONEBIT_ASSIGN(const npu::gemm::Plan plan, npu::gemm::make_plan({.m = tokens, .n = n, .k = k}));
    ONEBIT_ASSIGN(const npu::Transaction stream, program->stream(plan));
    ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, npu::write_transaction(stream));
    ONEBIT_ASSIGN(const Estimate e, npu::perf::estimate(npu::gemm::dataflow(plan, bytes.size(), program->lowered().pdi.size()), {tokens, k, n}, {}));
    return Seconds{e.total, e.useful_ops};
  };
  const auto layer = [&](uint32_t tokens, uint64_t k64, uint64_t n64) -> Result<Seconds> {
    if (!program) return std::unexpected(program.error());
    const auto k = static_cast<uint32_t>(k64), n = static_cast<uint32_t>(n64);
    const uint32_t most = std::min(tokens, npu::gemm::most_tokens(n, k));
    if (most == 0) return fail(Errc::unsupported, "no plan for the array");
    ONEBIT_ASSIGN(Seconds s, slice(most, k, n));
    const uint32_t slices = tokens / most;
    s = {s.seconds * slices, s.ops * slices};
    if (tokens % most != 0) {
      ONEBIT_ASSIGN(const Seconds rest, slice(tokens % most, k, n));
      s = {s.seconds + rest.seconds, s.ops + rest.ops};
    }
    return s;
  };
  return model_design("onebit ternary", "2-bit weights expanded in the core, int32 out, one command per GEMM, matrices of one input stacked", cost.stacked, m, layer);
}

struct Design {
  const char* preset;
  double b_bits;
  npu::perf::Condition condition;
  const char* how;
};
constexpr Design kDesigns[] = {
    {"v9-layout0", 2, {.mode = npu::perf::Mode::grouped, .count = 64}, "2-bit weights, int32 out, 64 GEMMs per command, expansion in the core free"},
    {"bn-tuned", 8, {}, "int8 weights, int32 out, one command per GEMM through XRT"},
};

Modelled published_design(const Design& d, const TokenCost& cost, uint32_t m) {
  const auto layer = [&d](uint32_t tokens, uint64_t k, uint64_t n) -> Result<Seconds> {
    ONEBIT_ASSIGN(npu::perf::Dataflow flow, npu::perf::preset(d.preset));
    ONEBIT_ASSIGN(const Estimate e, npu::perf::estimate(npu::perf::with_types(std::move(flow), 8, d.b_bits, 32), {tokens, k, n}, d.condition));
    return Seconds{e.total, e.useful_ops};
  };
  return model_design(d.preset, d.how, cost.linears, m, layer);
}

}  // namespace

double decode_bytes(const TokenCost& cost, const Packing& packing, uint32_t context) {
  const double linears = static_cast<double>(cost.linear_weights) * packing.linear_bits / 8;
  if (packing.head_bits == 0) return linears;
  const double head = static_cast<double>(cost.head_weights) * packing.head_bits / 8;
  return linears + head + static_cast<double>(cost.other_bytes) + 2.0 * static_cast<double>(cost.kv_elements_per_position) * context;
}

Roofline roofline(const TokenCost& cost, const Machine& machine, const Options& options) {
  Roofline r;
  for (const Figure& f : machine.bandwidths) {
    Decode d{.figure = f, .tokens_per_s = {}};
    for (const Packing& p : kPackings) {
      const double bytes = decode_bytes(cost, p, options.context);
      d.tokens_per_s.push_back(bytes > 0 ? f.value / bytes : 0);
    }
    r.decode.push_back(std::move(d));
  }
  const double ops = 2 * static_cast<double>(cost.linear_weights);
  for (const Figure& f : machine.rates) {
    double bandwidth = 0;
    for (const Figure& b : machine.bandwidths)
      if (b.unit == f.unit) bandwidth = std::max(bandwidth, b.value);
    Prefill p{.figure = f};
    p.weights_s = bandwidth > 0 ? static_cast<double>(cost.linear_bytes_2bit()) / bandwidth : 0;
    const double compute_s = ops * options.prompt / f.value;
    p.memory_bound = p.weights_s > compute_s;
    const double seconds = std::max(compute_s, p.weights_s);
    p.tokens_per_s = seconds > 0 ? options.prompt / seconds : 0;
    r.prefill.push_back(std::move(p));
  }
  if (machine.has_npu) {
    r.modelled.push_back(own_design(cost, options.prompt));
    for (const Design& d : kDesigns) r.modelled.push_back(published_design(d, cost, options.prompt));
  }
  return r;
}

}  // namespace onebit::roofline
