#include "gpu/runtime/gpu_weights.h"

#include <algorithm>

#include "base/checked.h"
#include "gpu/kernels/pack.h"

namespace onebit::gpu {
namespace {

constexpr size_t kStagingBytes = size_t{32} << 20;

// Uploads and what has to be remembered while doing so.
class Uploader {
 public:
  Uploader(KernelSet& kernels, Packing packing, ThreadPool& pool, GpuWeights& w)
      : device_(kernels.device()), packing_(packing), pool_(pool), w_(w) {}

  Status vector(const std::vector<float>& from, const char* what, Memory& to) {
    if (from.empty()) return {};
    ONEBIT_ASSIGN(to, allocate(from.size() * sizeof(float), what));
    w_.step_bytes += to.size();
    return copy(to, 0, from.data(), to.size());
  }

  // A matrix alone, or `gate` and `up` interleaved where both are ternary.
  Status matrix(const cpu::Linear& from, GpuMatrix& to) {
    describe(from, to);
    if (!to.ternary) return table(*from.tensor, from.i2s, to.type, to.memory, true);
    to.units = ceil_div(to.rows, kUnitRows);
    return ternary(to, [&](uint32_t unit, uint32_t slot, uint8_t* codes) {
      const uint32_t row = unit * kUnitRows + slot;
      if (row >= from.rows) return false;
      cpu::unpack_ternary_row(from.ternary, row, codes);
      return true;
    });
  }
  Status gated(const cpu::Linear& gate, const cpu::Linear& up, GpuLayer& layer) {
    layer.gated = gate.is_ternary() && up.is_ternary();
    if (!layer.gated) {
      ONEBIT_TRY(matrix(gate, layer.gate));
      return matrix(up, layer.up);
    }
    describe(gate, layer.gate);
    describe(up, layer.up);
    constexpr uint32_t kHalf = kUnitRows / 2;
    layer.gate.units = ceil_div(gate.rows, kHalf);
    return ternary(layer.gate, [&](uint32_t unit, uint32_t slot, uint8_t* codes) {
      const uint32_t row = unit * kHalf + slot % kHalf;
      const cpu::Linear& from = slot < kHalf ? gate : up;
      if (row >= from.rows) return false;
      cpu::unpack_ternary_row(from.ternary, row, codes);
      return true;
    });
  }

  // A float tensor in the type that the kernels read it in: its own where they do, else f32, which loses nothing.
  Status table(const GgufTensor& from, I2sLayout i2s, FloatType& type, Memory& to, bool each_step) {
    type = from.type == TensorType::f16 ? FloatType::f16 : from.type == TensorType::bf16 ? FloatType::bf16 : FloatType::f32;
    const bool as_it_is = type != FloatType::f32 || from.type == TensorType::f32;
    const size_t element = type == FloatType::f32 ? 4 : 2;
    const size_t rows = from.rows(), row = from.cols() * element;
    ONEBIT_ASSIGN(to, allocate(rows * row, from.name.c_str()));
    if (each_step) w_.step_bytes += to.size();
    const size_t step = std::max<size_t>(1, kStagingBytes / row);
    for (size_t first = 0; first < rows; first += step) {
      const size_t n = std::min(step, rows - first);
      const uint8_t* bytes = from.data + first * row;
      if (!as_it_is) {
        ONEBIT_TRY(stage(n * row));
        pool_.parallel_for(n, [&](size_t i, unsigned) {
          decode(from, i2s, (first + i) * from.cols(), from.cols(), staging_.as<float>() + i * from.cols());
        });
        bytes = staging_.data();
      }
      ONEBIT_TRY(copy(to, first * row, bytes, n * row));
    }
    return {};
  }

  Result<Memory> allocate(size_t bytes, const char* what) {
    w_.bytes += bytes;
    return device_.allocate(bytes, what);
  }

 private:
  static void describe(const cpu::Linear& from, GpuMatrix& to) {
    to.rows = from.rows;
    to.cols = from.cols;
    to.scale = from.scale;
    to.ternary = from.is_ternary();
  }
  Status ternary(GpuMatrix& to, const UnitCodes& codes) {
    const size_t bytes = packed_bytes(packing_, to.units, to.cols);
    ONEBIT_ASSIGN(to.memory, allocate(bytes, "ternary weights"));
    w_.step_bytes += bytes;
    ONEBIT_TRY(stage(bytes));
    const size_t unit = packed_bytes(packing_, 1, to.cols);
    pool_.parallel_for(to.units, [&](size_t i, unsigned) {
      pack_units(packing_, static_cast<uint32_t>(i), 1, to.cols, codes, staging_.data() + i * unit);
    });
    return copy(to.memory, 0, staging_.data(), bytes);
  }
  Status stage(size_t bytes) {
    if (staging_.size() >= bytes) return {};
    ONEBIT_ASSIGN(staging_, Buffer::allocate(bytes, "weights on their way to the GPU"));
    return {};
  }
  Status copy(const Memory& to, size_t offset, const void* from, size_t bytes) {
    ONEBIT_TRY(device_.copy_to_device(to.at(offset), from, bytes));
    return device_.wait();
  }

  Device& device_;
  Packing packing_;
  ThreadPool& pool_;
  GpuWeights& w_;
  Buffer staging_;
};

Status make_head(KernelSet& kernels, Uploader& uploader, GpuWeights& w, const ModelConfig& c, const Weights& from) {
  GpuHead& h = w.head;
  h.vocab = c.vocab;
  h.dim = c.dim;
  h.type = w.embedding_type;
  h.table = w.embedding.address();
  const GgufTensor& output = from.head.tensor();
  if (&output != from.embedding) {
    ONEBIT_TRY(uploader.table(output, I2sLayout::block128, h.type, h.own, false));
    h.table = h.own.address();
  }
  const size_t stride = head_stride(c.dim);
  ONEBIT_ASSIGN(h.codes, uploader.allocate(c.vocab * stride, "the output head's copy"));
  for (Memory* m : {&h.scale, &h.error, &h.norm}) {
    ONEBIT_ASSIGN(*m, uploader.allocate(c.vocab * sizeof(float), "the output head's bounds"));
  }
  w.step_bytes += c.vocab * (stride + 3 * sizeof(float));
  HeadArgs a{};
  a.table = h.table;
  a.type = h.type;
  a.vocab = c.vocab;
  a.dim = c.dim;
  a.codes = static_cast<int8_t*>(h.codes.address());
  a.scale = static_cast<float*>(h.scale.address());
  a.error = static_cast<float*>(h.error.address());
  a.norm = static_cast<float*>(h.norm.address());
  ONEBIT_TRY(kernels.launch(Kernel::head_compress, {ceil_div(c.vocab, kBlock / 32)}, a));
  return kernels.device().wait();
}

}  // namespace

Packing preferred_packing(const DeviceInfo& info) { return info.integrated ? Packing::p16 : Packing::p2; }

Result<GpuWeights> upload_weights(KernelSet& kernels, const Model& model, Packing packing, ThreadPool& pool, const LoadProgress& progress) {
  const ModelConfig& c = model.config();
  const Weights& from = model.weights();
  GpuWeights w;
  w.packing = packing;
  Uploader u(kernels, packing, pool, w);
  ONEBIT_TRY(u.table(*from.embedding, I2sLayout::block128, w.embedding_type, w.embedding, false));
  ONEBIT_TRY(u.vector(from.output_norm, "norms", w.output_norm));
  for (const LayerWeights& l : from.layers) {
    GpuLayer& g = w.layers.emplace_back();
    ONEBIT_TRY(u.vector(l.attn_norm, "norms", g.attn_norm));
    ONEBIT_TRY(u.vector(l.attn_sub_norm, "norms", g.attn_sub_norm));
    ONEBIT_TRY(u.vector(l.ffn_norm, "norms", g.ffn_norm));
    ONEBIT_TRY(u.vector(l.ffn_sub_norm, "norms", g.ffn_sub_norm));
    ONEBIT_TRY(u.matrix(l.q, g.q));
    ONEBIT_TRY(u.matrix(l.k, g.k));
    ONEBIT_TRY(u.matrix(l.v, g.v));
    ONEBIT_TRY(u.matrix(l.o, g.o));
    ONEBIT_TRY(u.gated(l.gate, l.up, g));
    ONEBIT_TRY(u.matrix(l.down, g.down));
    if (progress) progress(static_cast<double>(w.layers.size()) / static_cast<double>(c.layers));
  }
  ONEBIT_TRY(make_head(kernels, u, w, c, from));
  return w;
}

}  // namespace onebit::gpu
