#include "roofline/roofline.h"

#include <algorithm>

#include "npu/perf/estimate.h"
#include "npu/perf/presets.h"

namespace onebit::roofline {
namespace {

constexpr size_t kMaxShapes = 64;

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

Modelled model_design(const Design& d, const TokenCost& cost, uint32_t m) {
  Modelled result{.design = d.preset, .how = d.how, .m = m, .tokens_per_s = 0, .tops = 0, .not_covered = {}};
  auto flow = npu::perf::preset(d.preset);
  if (!flow) {
    result.not_covered = flow.error().message;
    return result;
  }
  const npu::perf::Dataflow typed = npu::perf::with_types(*flow, 8, d.b_bits, 32);
  double seconds = 0, ops = 0;
  if (cost.linears.size() > kMaxShapes) result.not_covered = fmt::format("{} shapes, expected at most {}", cost.linears.size(), kMaxShapes);
  for (const LinearShape& l : cost.linears) {
    if (!result.not_covered.empty()) return result;
    const auto e = npu::perf::estimate(typed, {m, l.k, l.n}, d.condition);
    if (!e) {
      result.not_covered = fmt::format("{} x {} x {}: {}", m, l.k, l.n, e.error().message);
      return result;
    }
    seconds += e->total * static_cast<double>(l.count);
    ops += e->useful_ops * static_cast<double>(l.count);
  }
  if (seconds <= 0) {
    result.not_covered = "no linear layers";
    return result;
  }
  result.tokens_per_s = m / seconds;
  result.tops = ops / seconds * 1e-12;
  return result;
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
  if (machine.has_npu)
    for (const Design& d : kDesigns) r.modelled.push_back(model_design(d, cost, options.prompt));
  return r;
}

}  // namespace onebit::roofline
