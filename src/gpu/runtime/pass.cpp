#include "gpu/runtime/pass.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"

namespace onebit::gpu {
namespace {

template <class T>
T* as(const Memory& m) {
  return static_cast<T*>(m.address());
}

// The GEMV kernel for that many tokens.
Kernel gemv_kernel(Packing packing, uint32_t tokens) {
  constexpr Kernel kP2[] = {Kernel::ternary_gemv_p2_t1, Kernel::ternary_gemv_p2_t2, Kernel::ternary_gemv_p2_t4, Kernel::ternary_gemv_p2_t8,
                            Kernel::ternary_gemv_p2_t16};
  constexpr Kernel kP16[] = {Kernel::ternary_gemv_p16_t1, Kernel::ternary_gemv_p16_t2, Kernel::ternary_gemv_p16_t4, Kernel::ternary_gemv_p16_t8,
                             Kernel::ternary_gemv_p16_t16};
  size_t i = 0;
  while (uint32_t{1} << i < tokens) ++i;
  return packing == Packing::p2 ? kP2[i] : kP16[i];
}

// Runs shorter than this cost less as single queries than as a block of the prefill kernel.
constexpr uint32_t kPrefillRun = 17;

}  // namespace

NormQuantArgs Pass::norm_args(const Norm& n) const {
  NormQuantArgs a{};
  a.x = n.x;
  a.weight = static_cast<const float*>(n.weight->address());
  a.y = n.y ? n.y : n.floats && a.weight ? as<float>(s_.y) : nullptr;
  if (n.ternary) {
    a.q = as<int8_t>(s_.quant);
    a.inv_scale = as<float>(s_.inv);
    a.sum = as<int32_t>(s_.sum);
  }
  a.cols = n.cols;
  a.eps = c_.norm_eps;
  return a;
}

Pass::Input Pass::input_of(const Norm& n) const {
  const NormQuantArgs a = norm_args(n);
  return {a.y ? a.y : n.x, n.cols};
}

Status Pass::norm(const Norm& n) {
  const NormQuantArgs a = norm_args(n);
  if (!a.q && !a.y) return {};
  return kernels_.launch(Kernel::norm_quant, {tokens_.count()}, a);
}

LinearArgs Pass::linear_args(const Input& in, Epilogue epilogue, float up_scale) const {
  LinearArgs a{};
  a.q = as<int8_t>(s_.quant);
  a.inv_scale = as<float>(s_.inv);
  a.sum = as<int32_t>(s_.sum);
  a.tokens = tokens_.count();
  a.cols = in.cols;
  a.split = 1;
  a.epilogue = epilogue;
  a.up_scale = up_scale;
  return a;
}

Status Pass::gemv(const Input& in, std::span<const Output> outs, Epilogue epilogue, float up_scale, const Norm* next) {
  LinearArgs a = linear_args(in, epilogue, up_scale);
  uint32_t units = 0, n = 0;
  for (const Output& o : outs) {
    if (!o.w->ternary) continue;
    a.segments[n++] = {static_cast<const uint8_t*>(o.w->memory.address()), o.to, o.w->units, o.w->rows, o.w->rows, o.w->scale};
    units += o.w->units;
  }
  if (n == 0) return {};
  const DeviceInfo& device = kernels_.device().info();
  a.split = gemv_split(units, tiles(w_.packing, in.cols), static_cast<uint32_t>(std::max(device.units, 1)));
  if (next) {
    a.next = norm_args(*next);
    a.counter = as<uint32_t>(s_.counter);
  }
  return kernels_.launch(gemv_kernel(w_.packing, a.tokens), {gemv_blocks(units, a.split)}, a);
}

Status Pass::gemm(const Input& in, const Output& out, Epilogue epilogue, float up_scale) {
  LinearArgs a = linear_args(in, epilogue, up_scale);
  const GpuMatrix& w = *out.w;
  const uint8_t* weights = static_cast<const uint8_t*>(w.memory.address());
  if (w_.packing == Packing::p16) {
    ONEBIT_TRY(kernels_.launch(Kernel::expand_p16, {w.units}, ExpandArgs{weights, as<uint8_t>(s_.expanded), in.cols}));
    weights = as<uint8_t>(s_.expanded);
  }
  a.segments[0] = {weights, out.to, w.units, w.rows, w.rows, w.scale};
  // The larger block reads activations half as often; the smaller one keeps all processors busy where rows are few.
  const uint32_t columns = ceil_div(a.tokens, kGemmTokens);
  const bool large = ceil_div(w.units, 128 / kUnitRows) * columns >= static_cast<uint32_t>(kernels_.device().info().units);
  const uint32_t rows = large ? 128 : 64;
  return kernels_.launch(large ? Kernel::ternary_gemm_p2_r128 : Kernel::ternary_gemm_p2_r64, {ceil_div(w.units, rows / kUnitRows), columns}, a,
                         kGemmBlock);
}

Status Pass::float_product(const Input& in, const Output& out, bool add) {
  const GpuMatrix& w = *out.w;
  const FloatLinearArgs a{w.memory.address(), in.x, out.to, w.type, w.rows, w.cols, w.rows, w.scale, add};
  return kernels_.launch(Kernel::linear_float, {ceil_div(w.rows, kBlock / 32), tokens_.count()}, a);
}

// All products of one input; what comes `next` depends on all of them.
Status Pass::products(const Input& in, std::initializer_list<Output> outs, Epilogue epilogue, const Norm* next) {
  bool all_ternary = true;
  for (const Output& o : outs) {
    all_ternary = all_ternary && o.w->ternary;
    if (!o.w->ternary) ONEBIT_TRY(float_product(in, o, epilogue == Epilogue::add));
  }
  if (tokens_.count() <= kStepTokens) {
    ONEBIT_TRY(gemv(in, std::span(outs.begin(), outs.size()), epilogue, 0, all_ternary ? next : nullptr));
    if (all_ternary) return {};
  } else {
    for (const Output& o : outs)
      if (o.w->ternary) ONEBIT_TRY(gemm(in, o, epilogue, 0));
  }
  return next ? norm(*next) : Status{};
}

Status Pass::feed_forward(const GpuLayer& l, const Norm& gate_norm, const Norm& down_norm) {
  const Input in = input_of(gate_norm);
  float* const h = as<float>(s_.h);
  if (l.gated) {
    const Epilogue epilogue = c_.gate == cpu::Gate::silu ? Epilogue::gate_silu : Epilogue::gate_relu2;
    const Output out{&l.gate, h};
    if (tokens_.count() <= kStepTokens) return gemv(in, {&out, 1}, epilogue, l.up.scale, &down_norm);
    ONEBIT_TRY(gemm(in, out, epilogue, l.up.scale));
    return norm(down_norm);
  }
  ONEBIT_TRY(products(in, {{&l.gate, h}, {&l.up, as<float>(s_.up)}}, Epilogue::store, nullptr));
  const uint32_t n = tokens_.count() * c_.ffn;
  ONEBIT_TRY(kernels_.launch(Kernel::gate_float, {ceil_div(n, kBlock)}, GateArgs{h, as<float>(s_.up), h, n, c_.gate == cpu::Gate::silu}));
  return norm(down_norm);
}

KvShape Pass::kv_shape(uint32_t layer) const {
  return {static_cast<KvType>(kv_), layer, c_.heads, c_.kv_heads, c_.head_dim};
}

Status Pass::rotate_and_store(uint32_t layer) {
  RopeArgs a{};
  a.tokens = tokens_.device;
  a.sequences = reinterpret_cast<const KvSequence*>(static_cast<const char*>(s_.input.address()) + s_.layout.sequences_at());
  a.q = as<float>(s_.q);
  a.k = as<float>(s_.k);
  a.v = as<float>(s_.v);
  a.cos = as<float>(s_.cos);
  a.sin = as<float>(s_.sin);
  a.kv = kv_shape(layer);
  a.ld_q = c_.q_dim();
  a.ld_kv = c_.kv_dim();
  a.half = c_.rope_dim / 2;
  a.neox = c_.rope_neox;
  return kernels_.launch(Kernel::rope_kv, {tokens_.count()}, a);
}

// Rows of the residual stream and of q of the wanted tokens move to the front: after the last layer's keys and values are
// stored nothing depends on the others.
Status Pass::keep_wanted(const PassPlan& plan) {
  Device& device = kernels_.device();
  const size_t dim = c_.dim * sizeof(float), q_dim = c_.q_dim() * sizeof(float);
  for (size_t to = 0; to < plan.wanted_rows.size(); ++to) {
    const size_t from = plan.wanted_rows[to];
    if (from == to) continue;
    ONEBIT_TRY(device.copy_on_device(s_.x.at(to * dim), s_.x.at(from * dim), dim));
    ONEBIT_TRY(device.copy_on_device(s_.q.at(to * q_dim), s_.q.at(from * q_dim), q_dim));
  }
  tokens_ = plan.wanted;
  return {};
}

// Tokens [first, first + count), which belong to one sequence at consecutive positions where `prefill` is true.
Status Pass::attend_some(uint32_t layer, uint32_t first, uint32_t count, bool prefill) {
  AttentionArgs a{};
  a.tokens = tokens_.device + first;
  a.sequences = reinterpret_cast<const KvSequence*>(static_cast<const char*>(s_.input.address()) + s_.layout.sequences_at());
  a.q = as<float>(s_.q) + size_t{first} * c_.q_dim();
  a.out = as<float>(s_.attn) + size_t{first} * c_.q_dim();
  a.scores = as<float>(s_.scores);
  a.partial = as<float>(s_.partial);
  a.kv = kv_shape(layer);
  a.ld_q = c_.q_dim();
  a.positions = s_.positions;
  a.count = count;
  a.scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
  if (prefill) {
    const uint32_t d = c_.head_dim <= 64 ? 64 : c_.head_dim <= 128 ? 128 : 256;
    const Kernel kernel = d == 64 ? Kernel::attention_prefill_d64 : d == 128 ? Kernel::attention_prefill_d128 : Kernel::attention_prefill_d256;
    return kernels_.launch(kernel, {ceil_div(count * (c_.heads / c_.kv_heads), prefill_rows(d)), c_.kv_heads}, a);
  }
  ONEBIT_TRY(kernels_.launch(Kernel::attention_scores, {score_blocks(a.positions), c_.kv_heads, count}, a));
  ONEBIT_TRY(kernels_.launch(Kernel::attention_values, {chunks(a.positions) * value_slices(c_.head_dim), c_.kv_heads, count}, a, kValueBlock));
  return kernels_.launch(Kernel::attention_combine, {c_.heads, count}, a);
}

Status Pass::attend(uint32_t layer) {
  const uint32_t n = tokens_.count();
  if (n <= kStepTokens) return attend_some(layer, 0, n, false);
  for (uint32_t first = 0; first < n;) {
    uint32_t run = 1;
    while (first + run < n && tokens_.host[first + run].sequence == tokens_.host[first].sequence &&
           tokens_.host[first + run].position == tokens_.host[first].position + run)
      ++run;
    if (run >= kPrefillRun) {
      ONEBIT_TRY(attend_some(layer, first, run, true));
    } else {
      run = std::min(run, kStepTokens);
      ONEBIT_TRY(attend_some(layer, first, run, false));
    }
    first += run;
  }
  return {};
}

Status Pass::head() {
  const GpuHead& h = w_.head;
  HeadArgs a{};
  a.table = h.table;
  a.type = h.type;
  a.vocab = h.vocab;
  a.dim = h.dim;
  a.h = static_cast<const float*>(s_.results.at(Scratch::hidden_at()));
  a.tokens = tokens_.count();
  a.codes = as<int8_t>(h.codes);
  a.scale = as<float>(h.scale);
  a.error = as<float>(h.error);
  a.norm = as<float>(h.norm);
  a.hi = as<int8_t>(s_.hi);
  a.lo = as<int8_t>(s_.lo);
  a.input = as<float>(s_.head_input);
  a.upper = as<float>(s_.upper);
  a.lower = as<float>(s_.lower);
  a.threshold = as<float>(s_.threshold);
  a.counts = as<uint32_t>(s_.counts);
  a.list = as<uint32_t>(s_.list);
  a.logits = as<float>(s_.logits);
  a.parameters = reinterpret_cast<SampleParameters*>(static_cast<char*>(s_.input.address()) + s_.layout.parameters_at());
  a.best = as<Choice>(s_.best);
  a.chosen = static_cast<Choice*>(s_.results.address());
  const uint32_t groups = head_groups(h.vocab);
  ONEBIT_TRY(kernels_.launch(Kernel::head_prepare, {a.tokens}, a));
  ONEBIT_TRY(kernels_.launch(Kernel::head_scan, {groups, ceil_div(a.tokens, 4u)}, a));
  ONEBIT_TRY(kernels_.launch(Kernel::head_threshold, {a.tokens}, a));
  ONEBIT_TRY(kernels_.launch(Kernel::head_collect, {ceil_div(h.vocab, kBlock), a.tokens}, a));
  ONEBIT_TRY(kernels_.launch(Kernel::head_rescore, {kRescoreBlocks, a.tokens}, a));
  return kernels_.launch(Kernel::head_select, {a.tokens}, a);
}

Status Pass::launch_linears(uint32_t tokens) {
  const std::vector<Token> any(tokens);
  tokens_ = {any, nullptr};
  const Epilogue gate = c_.gate == cpu::Gate::silu ? Epilogue::gate_silu : Epilogue::gate_relu2;
  const auto x = as<float>(s_.x), h = as<float>(s_.h);
  for (const GpuLayer& l : w_.layers) {
    const Input in{x, c_.dim};
    ONEBIT_TRY(products(in, {{&l.q, as<float>(s_.q)}, {&l.k, as<float>(s_.k)}, {&l.v, as<float>(s_.v)}}, Epilogue::store, nullptr));
    ONEBIT_TRY(products({as<float>(s_.attn), c_.q_dim()}, {{&l.o, x}}, Epilogue::add, nullptr));
    if (l.gated) {
      ONEBIT_TRY(products(in, {{&l.gate, h}}, gate, nullptr));
    } else {
      ONEBIT_TRY(products(in, {{&l.gate, h}, {&l.up, as<float>(s_.up)}}, Epilogue::store, nullptr));
    }
    ONEBIT_TRY(products({h, c_.ffn}, {{&l.down, x}}, Epilogue::add, nullptr));
  }
  return {};
}

Status Pass::launch(const PassPlan& plan) {
  tokens_ = plan.all;
  kv_ = plan.kv;
  float* const x = as<float>(s_.x);
  float* const hidden = static_cast<float*>(s_.results.at(Scratch::hidden_at()));
  const auto attention_norm = [&](const GpuLayer& l) {
    return Norm{x, &l.attn_norm, c_.dim, l.q.ternary || l.k.ternary || l.v.ternary, !(l.q.ternary && l.k.ternary && l.v.ternary)};
  };
  ONEBIT_TRY(kernels_.launch(Kernel::embed, {tokens_.count()}, EmbedArgs{tokens_.device, w_.embedding.address(), x, w_.embedding_type, c_.dim}));
  ONEBIT_TRY(norm(attention_norm(w_.layers[0])));
  for (uint32_t i = 0; i < c_.layers; ++i) {
    const GpuLayer& l = w_.layers[i];
    const bool last = i + 1 == c_.layers;
    const Norm o_norm{as<float>(s_.attn), &l.attn_sub_norm, c_.q_dim(), l.o.ternary, !l.o.ternary};
    const Norm gate_norm{x, &l.ffn_norm, c_.dim, l.gate.ternary || l.up.ternary, !(l.gate.ternary && l.up.ternary)};
    const Norm down_norm{as<float>(s_.h), &l.ffn_sub_norm, c_.ffn, l.down.ternary, !l.down.ternary};
    const Norm next = last ? Norm{x, &w_.output_norm, c_.dim, false, true, hidden} : attention_norm(w_.layers[i + 1]);

    ONEBIT_TRY(products(input_of(attention_norm(l)), {{&l.q, as<float>(s_.q)}, {&l.k, as<float>(s_.k)}, {&l.v, as<float>(s_.v)}}, Epilogue::store, nullptr));
    ONEBIT_TRY(rotate_and_store(i));
    if (last && plan.wanted.count() < plan.all.count()) ONEBIT_TRY(keep_wanted(plan));
    if (tokens_.count() == 0) return {};
    ONEBIT_TRY(attend(i));
    ONEBIT_TRY(norm(o_norm));
    ONEBIT_TRY(products(input_of(o_norm), {{&l.o, x}}, Epilogue::add, &gate_norm));
    ONEBIT_TRY(feed_forward(l, gate_norm, down_norm));
    ONEBIT_TRY(products(input_of(down_norm), {{&l.down, x}}, Epilogue::add, &next));
  }
  return plan.choose ? head() : Status{};
}

}  // namespace onebit::gpu
