#include "verb_quantize_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/token_cost.h"

namespace onebit::cli {
namespace {

constexpr uint64_t kChunk = uint64_t{1} << 18;  // elements decoded at a time, a multiple of every block

// Calls fn(values, count) over the whole tensor, decoded.
template <class F>
void for_each_chunk(const GgufTensor& t, I2sLayout layout, F&& fn) {
  std::vector<float> values(std::min(kChunk, t.elements()));
  for (uint64_t first = 0; first < t.elements(); first += kChunk) {
    const uint64_t n = std::min(kChunk, t.elements() - first);
    decode(t, layout, first, n, values.data());
    fn(values.data(), n);
  }
}

struct Magnitudes {
  float largest = 0;
  double sum = 0;
  bool finite = true;
};

Magnitudes magnitudes(const GgufTensor& t, I2sLayout layout) {
  Magnitudes m;
  for_each_chunk(t, layout, [&](const float* w, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i) {
      const float a = std::fabs(w[i]);
      m.finite = m.finite && a <= std::numeric_limits<float>::max();
      m.largest = std::max(m.largest, a);
      m.sum += a;
    }
  });
  return m;
}

// The largest distance of a weight from the nearest of -s, 0, +s, in units of s.
float ternary_deviation(const GgufTensor& t, I2sLayout layout, float s) {
  float worst = 0;
  for_each_chunk(t, layout, [&](const float* w, uint64_t n) {
    for (uint64_t i = 0; i < n; ++i) {
      const float a = std::fabs(w[i]);
      worst = std::max(worst, std::min(a, std::fabs(a - s)));
    }
  });
  return worst / s;
}

bool exact_in(TensorType type, float x) {
  if (type == TensorType::bf16) return bf16_to_f32(f32_to_bf16(x)) == x;
  if (type == TensorType::f32 || type == TensorType::i2_s) return true;
  return f16_to_f32(f32_to_f16(x)) == x;
}

std::string companion_name(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view("weight").size()) + "scale";
}

// The factor that a tensor `NAME.scale` beside `NAME.weight` multiplies in; 1 without one.
Result<float> companion(const Gguf& in, const GgufTensor& weight) {
  const GgufTensor* t = in.find_tensor(companion_name(weight.name));
  if (!t) return 1.0f;
  if (t->elements() != 1)
    return fail(Errc::unsupported, "tensor '{}': {} elements, expected 1", t->name, t->elements());
  float x = 0;
  decode(*t, I2sLayout::block128, 0, 1, &x);
  if (!std::isfinite(x)) return fail(Errc::format, "tensor '{}': {}, expected a finite number", t->name, x);
  return x;
}

struct Ternary {
  I2sLayout layout = I2sLayout::block128;
  bool per_block = false;   // TQ blocks of different scales
  float divisor = 1;
  float scale = 1;          // without the companion
};

// What the weights are as codes times one scale.
Result<Ternary> analyse_ternary(const GgufTensor& t, const QuantizeOptions& options) {
  ONEBIT_ASSIGN(const TernaryInfo info, ternary_info(t, options.layout));
  Ternary r{info.layout, !info.uniform, info.scale, info.scale};
  if (info.uniform || options.type == TensorType::tq1_0 || options.type == TensorType::tq2_0) return r;
  if (!tensor_type_info(options.type).ternary) return r;
  return fail(Errc::unsupported, "tensor '{}': its blocks have different scales, which I2_S cannot hold", t.name);
}

Result<Ternary> analyse_float(const GgufTensor& t, const QuantizeOptions& options, float factor) {
  const Magnitudes m = magnitudes(t, options.layout);
  if (!m.finite) return fail(Errc::out_of_range, "tensor '{}': a weight is not finite", t.name);
  Ternary r;
  if (m.largest == 0) return r;
  r.divisor = r.scale = m.largest;
  const float deviation = ternary_deviation(t, options.layout, m.largest);
  if (deviation == 0) return r;
  if (!options.absmean)
    return fail(Errc::unsupported,
                "tensor '{}' is not ternary: a weight lies {:.3g} times the largest away from the nearest of -s, 0, +s "
                "(--absmean rounds it)",
                t.name, deviation);
  // BitNet b1.58: s = mean |w|. It is rounded to F16, so that all ternary types hold the same weights.
  const float mean = static_cast<float>(m.sum / static_cast<double>(t.elements()));
  r.divisor = mean;
  const float rounded = f16_to_f32(f32_to_f16(mean * std::fabs(factor)));
  r.scale = std::isfinite(rounded) && rounded > 0 ? rounded / std::fabs(factor) : mean;
  return r;
}

Status plan_linear(const Gguf& in, const GgufTensor& t, const QuantizeOptions& options, std::vector<PlannedTensor>& plan) {
  using Kind = PlannedTensor::Kind;
  const TensorTypeInfo& from = tensor_type_info(t.type);
  const TensorTypeInfo& to = tensor_type_info(options.type);
  const auto bytes = tensor_bytes(options.type, t.cols(), t.rows());
  if (!bytes) return with_context(bytes.error(), fmt::format("tensor '{}'", t.name));
  const GgufTensor* scale_tensor = in.find_tensor(companion_name(t.name));
  if (!from.ternary && !to.ternary) {
    plan.push_back({t.name, Kind::convert, options.type, &t, I2sLayout::block128, 1, 1});
    if (scale_tensor) plan.push_back({scale_tensor->name, Kind::copy, scale_tensor->type, scale_tensor, I2sLayout::block128, 1, 1});
    return {};
  }
  ONEBIT_ASSIGN(const float factor, companion(in, t));
  ONEBIT_ASSIGN(const Ternary r, from.ternary ? analyse_ternary(t, options) : analyse_float(t, options, factor));
  if (r.per_block) {
    plan.push_back({t.name, to.ternary ? Kind::blocks : Kind::convert, options.type, &t, r.layout, 1, 1});
    if (scale_tensor) plan.push_back({scale_tensor->name, Kind::copy, scale_tensor->type, scale_tensor, r.layout, 1, 1});
    return {};
  }
  // A scale that the type cannot hold goes beside the codes, where llama.cpp's bitnet graph looks for it.
  const float scale = r.scale * factor;
  if (!std::isfinite(scale)) return fail(Errc::out_of_range, "tensor '{}': scale {}, expected a finite number", t.name, scale);
  const bool fits = exact_in(options.type, scale);
  plan.push_back({t.name, Kind::ternary, options.type, &t, r.layout, r.divisor, fits ? scale : 1.0f});
  if (!fits) plan.push_back({companion_name(t.name), Kind::scale, TensorType::f32, nullptr, r.layout, 1, scale});
  return {};
}

}  // namespace

Result<std::vector<PlannedTensor>> plan_quantize(const Gguf& in, const QuantizeOptions& options) {
  using Kind = PlannedTensor::Kind;
  std::vector<PlannedTensor> plan;
  for (const GgufTensor& t : in.tensors()) {
    if (t.dims > 2) return fail(Errc::unsupported, "tensor '{}': {} dimensions, expected 1 or 2", t.name, t.dims);
    if (is_linear_weight(t.name)) {
      ONEBIT_TRY(plan_linear(in, t, options, plan));
      in.release(t);
      continue;
    }
    // Companions were planned with their weights.
    if (t.name.ends_with(".scale") && is_linear_weight(t.name.substr(0, t.name.size() - 5) + "weight") &&
        in.find_tensor(t.name.substr(0, t.name.size() - 5) + "weight"))
      continue;
    const bool embedding = t.name == "token_embd.weight" || t.name == "output.weight";
    const TensorType type = embedding ? options.embeddings.value_or(t.type) : t.type;
    const auto bytes = tensor_bytes(type, t.cols(), t.rows());
    if (!bytes) return with_context(bytes.error(), fmt::format("tensor '{}'", t.name));
    plan.push_back({t.name, type == t.type ? Kind::copy : Kind::convert, type, &t, I2sLayout::block128, 1, 1});
  }
  return plan;
}

}  // namespace onebit::cli
