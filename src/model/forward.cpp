// The forward pass. T tokens; shapes in [ ]; every linear reads int8 activations when it is ternary.
//
//   x = embedding[token]                                                   [T][dim]
//   for each layer:
//     n = rms_norm(x)            q, k, v = Wq n, Wk n, Wv n     q, k rotated   [T][q_dim], [T][kv_dim]
//     a = attention(q, cache)    x += Wo sub_norm(a)                       [T][q_dim]
//     n = rms_norm(x)            h = gate(Wg n) * Wu n                     [T][ffn]
//                                x += Wd sub_norm(h)
//   hidden = rms_norm(x)                                                   [wanted][dim]
#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/model.h"

namespace onebit {
namespace {

using cpu::Linear;
using cpu::LinearInput;

// Rows [0, tokens) of the residual stream and what is derived from them.
class Pass {
 public:
  Pass(const ModelConfig& config, Activations& act, cpu::Compute& compute, uint32_t tokens)
      : c_(config), act_(act), compute_(compute), ops_(*compute.ops), tokens_(tokens) {}

  // n = rms_norm(source) (or source itself when `weight` is empty), quantised when a ternary matrix
  // reads it. source: [tokens][cols]
  LinearInput normalised(const float* source, const std::vector<float>& weight, uint32_t cols, bool ternary) {
    float* n = act_.norm.as<float>();
    int8_t* q = act_.quant.as<int8_t>();
    const size_t stride = cpu::quant_stride(cols);
    each_token([&](uint32_t t) {
      const float* x = source + size_t{t} * cols;
      if (!weight.empty()) {
        ops_.rms_norm(n + size_t{t} * cols, x, weight.data(), cols, c_.norm_eps);
        x = n + size_t{t} * cols;
      }
      if (ternary)
        ops_.quantize(q + t * stride, stride, x, cols, act_.quant_inv.as<float>() + t, act_.quant_sum.as<int32_t>() + t);
    });
    LinearInput in{weight.empty() ? source : n, {}, tokens_, cols};
    if (ternary)
      in.quant = {tokens_, cols, stride, q, act_.quant_sum.as<int32_t>(), act_.quant_inv.as<float>()};
    return in;
  }

  template <class F>
  void each_token(F&& f) {
    // One token is cheaper than waking the other threads.
    if (tokens_ == 1) return f(0);
    compute_.pool->parallel_for(tokens_, [&](size_t t, unsigned) { f(static_cast<uint32_t>(t)); });
  }

  // Keeps only the rows whose token is wanted: after the last layer's keys and values are stored
  // nothing else depends on the others.
  void keep_wanted(std::span<const BatchToken> batch) {
    uint32_t kept = 0;
    for (uint32_t t = 0; t < tokens_; ++t) {
      if (!batch[t].wanted) continue;
      if (kept != t) {
        std::memcpy(act_.x.as<float>() + size_t{kept} * c_.dim, act_.x.as<float>() + size_t{t} * c_.dim, c_.dim * 4);
        std::memcpy(act_.q.as<float>() + size_t{kept} * c_.q_dim(), act_.q.as<float>() + size_t{t} * c_.q_dim(),
                    c_.q_dim() * size_t{4});
        act_.positions[kept] = act_.positions[t];
        act_.queries[kept].kv = act_.queries[t].kv;
      }
      ++kept;
    }
    tokens_ = kept;
  }

  uint32_t tokens() const { return tokens_; }

  void rotate_and_store(const RopeTable& rope, std::span<const BatchToken> batch, uint32_t layer) {
    float* q = act_.q.as<float>();
    float* k = act_.k.as<float>();
    const float* v = act_.v.as<float>();
    each_token([&](uint32_t t) {
      const uint32_t p = act_.positions[t];
      for (uint32_t h = 0; h < c_.heads; ++h)
        ops_.rope(q + size_t{t} * c_.q_dim() + h * c_.head_dim, rope.cos(p), rope.sin(p), rope.half(), c_.rope_neox);
      float* kt = k + size_t{t} * c_.kv_dim();
      for (uint32_t h = 0; h < c_.kv_heads; ++h)
        ops_.rope(kt + h * c_.head_dim, rope.cos(p), rope.sin(p), rope.half(), c_.rope_neox);
      const cpu::KvLayer kv = batch[t].kv->layer(layer);
      cpu::kv_store(ops_, kv, p, kt, v + size_t{t} * c_.kv_dim());
      act_.queries[t].kv = kv;
    });
  }

  Status attend() {
    for (uint32_t t = 0; t < tokens_; ++t) {
      auto& query = act_.queries[t];
      query.q = act_.q.as<float>() + size_t{t} * c_.q_dim();
      query.out = act_.attn.as<float>() + size_t{t} * c_.q_dim();
      query.position = act_.positions[t];
    }
    const float scale = 1.0f / std::sqrt(static_cast<float>(c_.head_dim));
    return cpu::attention(ops_, *compute_.pool, std::span(act_.queries).first(tokens_), c_.heads, scale, act_.attention);
  }

 private:
  const ModelConfig& c_;
  Activations& act_;
  cpu::Compute& compute_;
  const cpu::FloatOps& ops_;
  uint32_t tokens_;
};

Status grow(Buffer& b, size_t bytes) {
  if (b.size() >= bytes) return {};
  ONEBIT_ASSIGN(b, Buffer::allocate(bytes, "activations"));
  return {};
}

}  // namespace

Result<Model> Model::load(const Gguf& gguf, I2sLayout i2s, cpu::Compute& compute, const LoadProgress& progress) {
  Model m;
  ONEBIT_ASSIGN(m.config_, ModelConfig::read(gguf));
  ONEBIT_ASSIGN(m.weights_, load_weights(gguf, m.config_, i2s, compute, progress));
  m.rope_ = RopeTable(m.config_, m.weights_.rope_factors);
  return m;
}

Status Model::reserve(Activations& act, uint32_t tokens, cpu::Compute& compute) const {
  const ModelConfig& c = config_;
  const uint32_t widest = std::max({c.dim, c.q_dim(), c.ffn});
  ONEBIT_TRY(compute.reserve(tokens, widest));
  if (tokens <= act.tokens) return {};
  const size_t t = tokens;
  ONEBIT_TRY(grow(act.x, t * c.dim * 4));
  ONEBIT_TRY(grow(act.norm, t * widest * 4));
  ONEBIT_TRY(grow(act.q, t * c.q_dim() * 4));
  ONEBIT_TRY(grow(act.k, t * c.kv_dim() * 4));
  ONEBIT_TRY(grow(act.v, t * c.kv_dim() * 4));
  ONEBIT_TRY(grow(act.attn, t * c.q_dim() * 4));
  ONEBIT_TRY(grow(act.hidden, t * c.ffn * 4));
  ONEBIT_TRY(grow(act.quant, t * cpu::quant_stride(widest)));
  ONEBIT_TRY(grow(act.quant_sum, t * 4));
  ONEBIT_TRY(grow(act.quant_inv, t * 4));
  act.queries.resize(tokens);
  act.positions.resize(tokens);
  act.tokens = tokens;
  return {};
}

// Gives each token its position and, on the CPU, its cache the room for it. Lengths move only when all fit.
Status Model::admit(std::span<const BatchToken> batch, Activations& act) {
  for (const auto& b : batch)
    if (b.token < 0 || static_cast<uint32_t>(b.token) >= config_.vocab)
      return fail(Errc::out_of_range, "token id {} is outside the vocabulary of {}", b.token, config_.vocab);
  Status status;
  size_t admitted = 0;
  for (; admitted < batch.size(); ++admitted) {
    KvCache& kv = *batch[admitted].kv;
    if (device_) {
      status = kv.fits(kv.length + 1);
    } else {
      status = kv.reserve(kv.length + 1);
      rope_.reserve(kv.length + 1);
    }
    if (!status) break;
    act.positions[admitted] = kv.length++;
  }
  if (!status)
    for (size_t i = 0; i < admitted; ++i) --batch[i].kv->length;
  return status;
}

Status Model::forward(std::span<const BatchToken> batch, Activations& act, cpu::Compute& compute, float* hidden) {
  act.best.clear();
  if (batch.empty()) return {};
  for (const auto& b : batch) {
    b.kv->trim();
    if (!device_) ONEBIT_TRY(b.kv->to_host());
  }
  if (device_)
    act.positions.resize(std::max(act.positions.size(), batch.size()));
  else
    ONEBIT_TRY(reserve(act, static_cast<uint32_t>(batch.size()), compute));
  ONEBIT_TRY(admit(batch, act));
  const Status status = device_ ? device_->forward(batch, std::span(act.positions).first(batch.size()), act.top, hidden, act.best)
                                : evaluate(batch, act, compute, hidden);
  for (const auto& b : batch) {
    if (!status)
      --b.kv->length;
    else
      (device_ ? b.kv->on_device : b.kv->on_host) = b.kv->length;
  }
  return status;
}

Status Model::evaluate(std::span<const BatchToken> batch, Activations& act, cpu::Compute& compute, float* hidden) {
  const ModelConfig& c = config_;
  Pass pass(c, act, compute, static_cast<uint32_t>(batch.size()));
  float* x = act.x.as<float>();
  float* q = act.q.as<float>();
  float* h = act.hidden.as<float>();

  pass.each_token([&](uint32_t t) {
    decode(*weights_.embedding, I2sLayout::block128, uint64_t(batch[t].token) * c.dim, c.dim, x + size_t{t} * c.dim);
  });

  for (uint32_t i = 0; i < c.layers; ++i) {
    const LayerWeights& l = weights_.layers[i];

    const bool qkv_ternary = l.q.is_ternary() || l.k.is_ternary() || l.v.is_ternary();
    const LinearInput attn_in = pass.normalised(x, l.attn_norm, c.dim, qkv_ternary);
    const cpu::LinearOutput qkv[] = {{&l.q, q, cpu::Into::store},
                                     {&l.k, act.k.as<float>(), cpu::Into::store},
                                     {&l.v, act.v.as<float>(), cpu::Into::store}};
    linear(compute, attn_in, qkv);
    pass.rotate_and_store(rope_, batch, i);
    if (i + 1 == c.layers) pass.keep_wanted(batch);
    if (pass.tokens() == 0) return {};
    ONEBIT_TRY(pass.attend());

    const LinearInput o_in = pass.normalised(act.attn.as<float>(), l.attn_sub_norm, c.q_dim(), l.o.is_ternary());
    const cpu::LinearOutput o[] = {{&l.o, x, cpu::Into::add}};
    linear(compute, o_in, o);

    const LinearInput ffn_in = pass.normalised(x, l.ffn_norm, c.dim, l.gate.is_ternary() || l.up.is_ternary());
    linear_gated(compute, ffn_in, l.gate, l.up, c.gate, h);
    const LinearInput down_in = pass.normalised(h, l.ffn_sub_norm, c.ffn, l.down.is_ternary());
    const cpu::LinearOutput down[] = {{&l.down, x, cpu::Into::add}};
    linear(compute, down_in, down);
  }

  pass.each_token([&](uint32_t t) {
    compute.ops->rms_norm(hidden + size_t{t} * c.dim, x + size_t{t} * c.dim, weights_.output_norm.data(), c.dim, c.norm_eps);
  });
  return {};
}

size_t Model::weight_bytes_per_token() const {
  size_t bytes = weights_.head.first_pass_bytes() + weights_.output_norm.size() * 4;
  for (const auto& l : weights_.layers) {
    for (const Linear* m : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down})
      bytes += m->is_ternary() ? m->ternary.bytes() : m->tensor->size;
    for (const auto* n : {&l.attn_norm, &l.attn_sub_norm, &l.ffn_norm, &l.ffn_sub_norm}) bytes += n->size() * 4;
  }
  return bytes;
}

uint64_t Model::linear_macs_per_token() const {
  const ModelConfig& c = config_;
  const uint64_t attention = uint64_t{c.dim} * (2 * c.q_dim() + 2 * c.kv_dim());
  return c.layers * (attention + 3 * uint64_t{c.dim} * c.ffn);
}

}  // namespace onebit
