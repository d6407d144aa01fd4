#include "model.h"

#include <algorithm>
#include <cmath>

#include "random.h"

namespace onebit::train {
namespace {

std::vector<Tensor> layout(const Config& c) {
  std::vector<Tensor> list;
  size_t offset = 0;
  const auto add = [&](Tensor::Kind kind, std::string name, int rows, int cols) {
    list.push_back({kind, std::move(name) + ".weight", rows, cols, offset});
    offset += list.back().size();
  };
  add(Tensor::embedding, "token_embd", c.vocab, c.dim);
  for (int l = 0; l < c.layers; ++l) {
    const std::string blk = "blk." + std::to_string(l) + ".";
    add(Tensor::norm, blk + "attn_norm", 1, c.dim);
    add(Tensor::linear, blk + "attn_q", c.dim, c.dim);
    add(Tensor::linear, blk + "attn_k", c.kv_dim(), c.dim);
    add(Tensor::linear, blk + "attn_v", c.kv_dim(), c.dim);
    add(Tensor::norm, blk + "attn_sub_norm", 1, c.dim);
    add(Tensor::linear, blk + "attn_output", c.dim, c.dim);
    add(Tensor::norm, blk + "ffn_norm", 1, c.dim);
    add(Tensor::linear, blk + "ffn_gate", c.ffn, c.dim);
    add(Tensor::linear, blk + "ffn_up", c.ffn, c.dim);
    add(Tensor::norm, blk + "ffn_sub_norm", 1, c.ffn);
    add(Tensor::linear, blk + "ffn_down", c.dim, c.ffn);
  }
  add(Tensor::norm, "output_norm", 1, c.dim);
  return list;
}

}  // namespace

Model::Model(const Config& config, Quantise quantise)
    : config_(config), quantise_(quantise), tensors_(layout(config)) {
  const size_t count = tensors_.back().offset + tensors_.back().size();
  parameters.resize(count);
  codes.resize(count);
  scales.resize(tensors_.size(), 1.0f);
}

void Model::init(uint64_t seed) {
  Random random(seed);
  for (const auto& t : tensors_) {
    const float deviation = t.kind == Tensor::embedding ? 0.02f : 1.0f / std::sqrt(static_cast<float>(config_.dim));
    for (size_t i = 0; i < t.size(); ++i)
      parameters[t.offset + i] = t.kind == Tensor::norm ? 1.0f : deviation * random.normal();
  }
  update_codes();
}

void Model::update_codes() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto& t = tensors_[i];
    if (t.kind == Tensor::linear)
      scales[i] = ternarise(&parameters[t.offset], t.size(), quantise_, &codes[t.offset]);
  }
}

Pass::Pass(const Config& c, int batch, int seq)
    : n_(batch * seq), shape_{batch, seq, c.heads, c.kv_heads, c.head_dim()}, layers_(c.layers) {
  const size_t n = static_cast<size_t>(n_);
  const auto norm_out = [&](NormOut& out, int width) {
    out.q.resize(n * width);
    out.s.resize(n);
    out.rstd.resize(n);
  };
  for (auto& layer : layers_) {
    for (Array* a : {&layer.x_attn, &layer.x_ffn, &layer.q, &layer.attended}) a->resize(n * c.dim);
    for (Array* a : {&layer.k, &layer.v}) a->resize(n * c.kv_dim());
    for (Array* a : {&layer.gate, &layer.up, &layer.h}) a->resize(n * c.ffn);
    layer.p.resize(n * seq * c.heads);
    for (NormOut* out : {&layer.in_attn, &layer.in_output, &layer.in_ffn}) norm_out(*out, c.dim);
    norm_out(layer.in_down, c.ffn);
  }
  norm_out(final_, c.dim);
  x_.resize(n * c.dim);
  dx_.resize(n * c.dim);
  logits_.resize(n * c.vocab);
  for (Array* a : {&wide_a_, &wide_b_, &wide_c_, &wide_d_, &scratch_}) a->resize(n * std::max(c.dim, c.ffn));
  attention_scratch_.resize(static_cast<size_t>(64) * seq);
  rope_.resize(static_cast<size_t>(seq) * c.head_dim());
  rope_table(seq, c.head_dim(), c.rope_base, rope_.data());
}

void Pass::normalise(const Model& model, size_t tensor, const float* x, NormOut& out) {
  const auto& t = model.tensors()[tensor];
  norm_forward(x, &model.parameters[t.offset], n_, t.cols, model.config().eps, model.quantise(), out.q.data(),
               out.s.data(), out.rstd.data());
}

void Pass::linear(const Model& model, size_t tensor, const NormOut& in, float* y) {
  const auto& t = model.tensors()[tensor];
  linear_forward(in.q.data(), in.s.data(), &model.codes[t.offset], model.scales[tensor], n_, t.cols, t.rows, y);
}

void Pass::linear_back(const Model& model, size_t tensor, const NormOut& in, const float* dy, bool accumulate,
                       float* dx, float* gradients) {
  const auto& t = model.tensors()[tensor];
  linear_backward(dy, in.q.data(), in.s.data(), &model.codes[t.offset], model.scales[tensor], n_, t.cols, t.rows,
                  accumulate, dx, gradients + t.offset, scratch_.data());
}

void Pass::norm_back(const Model& model, size_t tensor, const NormOut& kept, const float* x, const float* dq,
                     float* dx, float* gradients) {
  const auto& t = model.tensors()[tensor];
  norm_backward(x, &model.parameters[t.offset], kept.rstd.data(), dq, n_, t.cols, dx, gradients + t.offset);
}

void Pass::forward(const Model& model, const int32_t* tokens) {
  const auto& c = model.config();
  const float* embedding = model.parameters.data();
  for (int t = 0; t < n_; ++t)
    std::copy_n(embedding + static_cast<size_t>(tokens[t]) * c.dim, c.dim, &x_[static_cast<size_t>(t) * c.dim]);

  for (int l = 0; l < c.layers; ++l) {
    auto& layer = layers_[l];
    const auto id = [&](LayerTensor which) { return model.index(l, which); };
    // x += o(sub_norm(attention(rope(q), rope(k), v)))
    layer.x_attn = x_;
    normalise(model, id(attn_norm), x_.data(), layer.in_attn);
    linear(model, id(attn_q), layer.in_attn, layer.q.data());
    linear(model, id(attn_k), layer.in_attn, layer.k.data());
    linear(model, id(attn_v), layer.in_attn, layer.v.data());
    rope(layer.q.data(), n_, shape_.seq, c.heads, c.head_dim(), rope_.data(), 1);
    rope(layer.k.data(), n_, shape_.seq, c.kv_heads, c.head_dim(), rope_.data(), 1);
    attention_forward(shape_, layer.q.data(), layer.k.data(), layer.v.data(), layer.p.data(), layer.attended.data());
    normalise(model, id(attn_sub_norm), layer.attended.data(), layer.in_output);
    linear(model, id(attn_output), layer.in_output, wide_a_.data());
    for (size_t i = 0; i < x_.size(); ++i) x_[i] += wide_a_[i];

    // x += down(sub_norm(relu(gate)^2 * up))
    layer.x_ffn = x_;
    normalise(model, id(ffn_norm), x_.data(), layer.in_ffn);
    linear(model, id(ffn_gate), layer.in_ffn, layer.gate.data());
    linear(model, id(ffn_up), layer.in_ffn, layer.up.data());
    gate_forward(layer.gate.data(), layer.up.data(), layer.h.size(), layer.h.data());
    normalise(model, id(ffn_sub_norm), layer.h.data(), layer.in_down);
    linear(model, id(ffn_down), layer.in_down, wide_a_.data());
    for (size_t i = 0; i < x_.size(); ++i) x_[i] += wide_a_[i];
  }

  // The head is not a BitLinear: its input stays unquantised.
  const auto& last = model.tensors().back();
  norm_forward(x_.data(), &model.parameters[last.offset], n_, c.dim, c.eps, Quantise::off, final_.q.data(),
               final_.s.data(), final_.rstd.data());
  gemm('n', 't', n_, c.vocab, c.dim, 1, final_.q.data(), c.dim, embedding, c.dim, 0, logits_.data(), c.vocab);
}

double Pass::loss(const int32_t* targets) {
  const int vocab = static_cast<int>(logits_.size() / n_);
  return cross_entropy(logits_.data(), targets, n_, vocab, 0);
}

double Pass::backward(const Model& model, const int32_t* tokens, const int32_t* targets, float weight,
                      float* gradients) {
  const auto& c = model.config();
  const double loss = cross_entropy(logits_.data(), targets, n_, c.vocab, weight);

  // logits = y E^T: dE += dlogits^T y, dy = dlogits E.
  gemm('t', 'n', c.vocab, c.dim, n_, 1, logits_.data(), c.vocab, final_.q.data(), c.dim, 1, gradients, c.dim);
  gemm('n', 'n', n_, c.dim, c.vocab, 1, logits_.data(), c.vocab, model.parameters.data(), c.dim, 0, wide_a_.data(),
       c.dim);
  std::fill(dx_.begin(), dx_.end(), 0.0f);
  norm_back(model, model.tensors().size() - 1, final_, x_.data(), wide_a_.data(), dx_.data(), gradients);

  // In each half, dx_ is the gradient after it and becomes the gradient before it: the residual branch
  // is the identity, the other branch adds to it.
  for (int l = c.layers - 1; l >= 0; --l) {
    ffn_backward(model, l, gradients);
    attention_half_backward(model, l, gradients);
  }

  for (int t = 0; t < n_; ++t)
    for (int i = 0; i < c.dim; ++i)
      gradients[static_cast<size_t>(tokens[t]) * c.dim + i] += dx_[static_cast<size_t>(t) * c.dim + i];
  return loss;
}

void Pass::ffn_backward(const Model& model, int l, float* gradients) {
  auto& layer = layers_[l];
  const auto id = [&](LayerTensor which) { return model.index(l, which); };
  float *dq = wide_a_.data(), *dh = wide_b_.data();
  linear_back(model, id(ffn_down), layer.in_down, dx_.data(), false, dq, gradients);
  std::fill_n(dh, layer.h.size(), 0.0f);
  norm_back(model, id(ffn_sub_norm), layer.in_down, layer.h.data(), dq, dh, gradients);

  float *dgate = wide_a_.data(), *dup = wide_c_.data(), *din = wide_b_.data();
  gate_backward(layer.gate.data(), layer.up.data(), dh, layer.h.size(), dgate, dup);
  linear_back(model, id(ffn_gate), layer.in_ffn, dgate, false, din, gradients);
  linear_back(model, id(ffn_up), layer.in_ffn, dup, true, din, gradients);
  norm_back(model, id(ffn_norm), layer.in_ffn, layer.x_ffn.data(), din, dx_.data(), gradients);
}

void Pass::attention_half_backward(const Model& model, int l, float* gradients) {
  const auto& c = model.config();
  auto& layer = layers_[l];
  const auto id = [&](LayerTensor which) { return model.index(l, which); };
  float *din = wide_a_.data(), *dattended = wide_b_.data();
  linear_back(model, id(attn_output), layer.in_output, dx_.data(), false, din, gradients);
  std::fill_n(dattended, layer.attended.size(), 0.0f);
  norm_back(model, id(attn_sub_norm), layer.in_output, layer.attended.data(), din, dattended, gradients);


  float *dq = wide_a_.data(), *dk = wide_c_.data(), *dv = wide_d_.data();
  attention_backward(shape_, layer.q.data(), layer.k.data(), layer.v.data(), layer.p.data(), dattended, dq, dk, dv,
                     attention_scratch_.data());
  rope(dq, n_, shape_.seq, c.heads, c.head_dim(), rope_.data(), -1);
  rope(dk, n_, shape_.seq, c.kv_heads, c.head_dim(), rope_.data(), -1);
  float* dnorm = wide_b_.data();
  linear_back(model, id(attn_q), layer.in_attn, dq, false, dnorm, gradients);
  linear_back(model, id(attn_k), layer.in_attn, dk, true, dnorm, gradients);
  linear_back(model, id(attn_v), layer.in_attn, dv, true, dnorm, gradients);
  norm_back(model, id(attn_norm), layer.in_attn, layer.x_attn.data(), dnorm, dx_.data(), gradients);
}

}  // namespace onebit::train
