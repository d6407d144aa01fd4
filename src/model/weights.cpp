#include "model/weights.h"

#include <atomic>
#include <set>

namespace onebit {
namespace {

using cpu::Linear;

// Collects what each tensor must be, so that the slow work runs afterwards on all threads.
class Loader {
 public:
  Loader(const Gguf& gguf, I2sLayout i2s, cpu::TernaryLayout layout) : gguf_(gguf), i2s_(i2s), layout_(layout) {}

  Result<const GgufTensor*> find(const std::string& name, uint64_t cols, uint64_t rows) {
    const GgufTensor* t = gguf_.find_tensor(name);
    if (!t) return fail(Errc::format, "tensor {} is missing", name);
    if (t->cols() != cols || t->rows() != rows)
      return fail(Errc::format, "tensor {} is {} x {}, expected {} x {}", name, t->cols(), t->rows(), cols, rows);
    known_.insert(name);
    return t;
  }

  Status vector(const std::string& name, uint64_t n, std::vector<float>& out) {
    ONEBIT_ASSIGN(const GgufTensor* t, find(name, n, 1));
    if (tensor_type_info(t->type).ternary)
      return fail(Errc::format, "tensor {} is {}, expected a float type", name, tensor_type_info(t->type).name);
    out.resize(n);
    decode(*t, I2sLayout::block128, 0, n, out.data());
    return {};
  }

  // Registers a matrix; `pack` does the work. A one-element companion `NAME.scale` multiplies it.
  Status matrix(const std::string& name, uint32_t cols, uint32_t rows, Linear& out) {
    ONEBIT_ASSIGN(out.tensor, find(name + ".weight", cols, rows));
    out.rows = rows;
    out.cols = cols;
    if (cols > cpu::kMaxColumns)
      return fail(Errc::unsupported, "tensor {} has {} columns, expected at most {}", name, cols, cpu::kMaxColumns);
    if (gguf_.find_tensor(name + ".scale")) {
      std::vector<float> scale;
      ONEBIT_TRY(vector(name + ".scale", 1, scale));
      out.scale = scale[0];
    }
    jobs_.push_back(&out);
    return {};
  }

  Status pack(Weights& weights, cpu::Compute& compute, const LoadProgress& progress);

  Status refuse_unknown() const {
    for (const auto& t : gguf_.tensors())
      if (!known_.contains(t.name))
        return fail(Errc::unsupported, "tensor {} is not part of this architecture", t.name);
    return {};
  }

 private:
  // One matrix, on one thread.
  Status pack_one(Linear& m, TernaryInfo& info, uint8_t* memory) const;

  const Gguf& gguf_;
  I2sLayout i2s_;
  cpu::TernaryLayout layout_;
  std::set<std::string> known_;
  std::vector<Linear*> jobs_;
};

Status Loader::pack_one(Linear& m, TernaryInfo& info, uint8_t* memory) const {
  const GgufTensor& t = *m.tensor;
  if (!tensor_type_info(t.type).ternary) return {};
  ONEBIT_ASSIGN(info, ternary_info(t, i2s_));
  m.i2s = info.layout;
  if (!info.uniform) return {};  // scales differ between blocks: multiplied in fp32 like other float types
  ThreadPool alone(1);
  auto packed = cpu::pack_ternary(m.rows, m.cols, layout_, alone, [&](uint32_t row, uint8_t* codes) {
    ternary_codes(t, info.layout, uint64_t{row} * m.cols, m.cols, codes);
  }, memory);
  if (!packed) return with_context(packed.error(), t.name);
  m.ternary = std::move(*packed);
  m.scale *= info.scale;
  gguf_.release(t);
  return {};
}

Status Loader::pack(Weights& weights, cpu::Compute& compute, const LoadProgress& progress) {
  std::vector<Status> results(jobs_.size());
  std::vector<TernaryInfo> infos(jobs_.size());
  std::vector<size_t> offsets;
  size_t bytes = 0;
  for (const Linear* m : jobs_) {
    offsets.push_back(bytes);
    if (tensor_type_info(m->tensor->type).ternary) bytes += cpu::packed_ternary_bytes(m->rows, m->cols, layout_);
  }
  ONEBIT_ASSIGN(weights.packed, Buffer::allocate(bytes, "packed ternary weights"));
  std::atomic<size_t> done{0};
  compute.pool->parallel_for(jobs_.size(), [&](size_t i, unsigned worker) {
    results[i] = pack_one(*jobs_[i], infos[i], weights.packed.data() + offsets[i]);
    const size_t n = done.fetch_add(1) + 1;
    if (worker == 0 && progress) progress(static_cast<double>(n) / static_cast<double>(jobs_.size()));
  });
  for (const auto& r : results) ONEBIT_TRY(r);
  for (size_t i = 0; i < jobs_.size(); ++i) {
    const Linear& m = *jobs_[i];
    ++(m.is_ternary() ? weights.ternary_tensors : weights.float_tensors);
    if (m.tensor->type != TensorType::i2_s) continue;
    if (weights.i2s != I2sLayout::automatic && weights.i2s != m.i2s)
      return fail(Errc::format, "{}: I2_S layout {} differs from the {} of the tensors before it", m.tensor->name,
                  i2s_layout_name(m.i2s), i2s_layout_name(weights.i2s));
    weights.i2s = m.i2s;
    weights.i2s_certain = weights.i2s_certain && infos[i].layout_certain;
  }
  return {};
}

Status find_layer(Loader& loader, const ModelConfig& c, uint32_t index, LayerWeights& l) {
  const std::string p = fmt::format("blk.{}.", index);
  ONEBIT_TRY(loader.vector(p + "attn_norm.weight", c.dim, l.attn_norm));
  ONEBIT_TRY(loader.matrix(p + "attn_q", c.dim, c.q_dim(), l.q));
  ONEBIT_TRY(loader.matrix(p + "attn_k", c.dim, c.kv_dim(), l.k));
  ONEBIT_TRY(loader.matrix(p + "attn_v", c.dim, c.kv_dim(), l.v));
  ONEBIT_TRY(loader.matrix(p + "attn_output", c.q_dim(), c.dim, l.o));
  ONEBIT_TRY(loader.vector(p + "ffn_norm.weight", c.dim, l.ffn_norm));
  ONEBIT_TRY(loader.matrix(p + "ffn_gate", c.dim, c.ffn, l.gate));
  ONEBIT_TRY(loader.matrix(p + "ffn_up", c.dim, c.ffn, l.up));
  ONEBIT_TRY(loader.matrix(p + "ffn_down", c.ffn, c.dim, l.down));
  if (c.sub_norms) {
    ONEBIT_TRY(loader.vector(p + "attn_sub_norm.weight", c.q_dim(), l.attn_sub_norm));
    ONEBIT_TRY(loader.vector(p + "ffn_sub_norm.weight", c.ffn, l.ffn_sub_norm));
  }
  return {};
}

Result<Weights> load(const Gguf& gguf, const ModelConfig& c, I2sLayout i2s, cpu::Compute& compute,
                     const LoadProgress& progress) {
  Weights w;
  Loader loader(gguf, i2s, compute.ternary->layout);
  ONEBIT_ASSIGN(w.embedding, loader.find("token_embd.weight", c.dim, c.vocab));
  ONEBIT_TRY(loader.vector("output_norm.weight", c.dim, w.output_norm));
  if (gguf.find_tensor("rope_freqs.weight")) ONEBIT_TRY(loader.vector("rope_freqs.weight", c.rope_dim / 2, w.rope_factors));
  const GgufTensor* output = w.embedding;
  if (gguf.find_tensor("output.weight")) {
    ONEBIT_ASSIGN(output, loader.find("output.weight", c.dim, c.vocab));
  }
  for (const GgufTensor* t : {w.embedding, output})
    if (tensor_type_info(t->type).ternary)
      return fail(Errc::unsupported, "tensor {} is {}, expected a float type", t->name, tensor_type_info(t->type).name);
  w.layers.resize(c.layers);
  for (uint32_t i = 0; i < c.layers; ++i) ONEBIT_TRY(find_layer(loader, c, i, w.layers[i]));
  ONEBIT_TRY(loader.refuse_unknown());

  // The linears hold about two thirds of the bytes; the head takes the rest.
  constexpr double kLinearShare = 0.65;
  ONEBIT_TRY(loader.pack(w, compute, [&](double share) {
    if (progress) progress(share * kLinearShare);
  }));
  ONEBIT_ASSIGN(w.head, cpu::OutputHead::create(gguf, *output, compute));
  if (progress) progress(1);
  return w;
}

}  // namespace

Result<Weights> load_weights(const Gguf& gguf, const ModelConfig& config, I2sLayout i2s, cpu::Compute& compute,
                             const LoadProgress& progress) {
  auto w = load(gguf, config, i2s, compute, progress);
  if (!w) return with_context(w.error(), gguf.path());
  return w;
}

}  // namespace onebit
