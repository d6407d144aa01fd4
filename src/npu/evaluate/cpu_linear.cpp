#include "npu/evaluate/cpu_linear.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "cpu/ternary.h"
#include "npu/programs/programs.h"

namespace onebit::npu::evaluate {
namespace {

constexpr uint32_t kBatch = 512, kUnitGroups = 4;
constexpr size_t kAlign = 64;

// A layer's weights, activations of a batch, and memory for every thread.
class CpuLayer {
 public:
  static Result<CpuLayer> create(const Layer& l, uint32_t tokens, cpu::Isa isa, ThreadPool& pool) {
    CpuLayer layer;
    layer.kernels_ = &cpu::ternary_kernels(isa);
    layer.pool_ = &pool;
    const auto codes = [&](uint32_t row, uint8_t* out) {
      const std::vector<uint8_t> bytes = example_bytes(l.k, row);
      for (uint32_t k = 0; k < l.k; ++k) out[k] = bytes[k] % 3;
    };
    ONEBIT_ASSIGN(layer.w_, cpu::pack_ternary(l.n, l.k, layer.kernels_->layout, pool, codes));
    const size_t stride = cpu::quant_stride(l.k);
    ONEBIT_ASSIGN(layer.q_, Buffer::allocate(stride * tokens, "activations"));
    layer.sums_.resize(tokens);
    layer.scales_.assign(tokens, 1.0f);
    const std::vector<uint8_t> x = example_bytes(size_t{tokens} * l.k, 7);
    for (uint32_t t = 0; t < tokens; ++t) {
      int8_t* row = layer.q_.as<int8_t>() + t * stride;
      std::memset(row, 0, stride);
      std::memcpy(row, &x[size_t{t} * l.k], l.k);
      for (uint32_t k = 0; k < l.k; ++k) layer.sums_[t] += row[k];
    }
    layer.x_ = {.tokens = tokens, .cols = l.k, .stride = stride, .q = layer.q_.as<int8_t>(), .sum = layer.sums_.data(), .inv_scale = layer.scales_.data()};
    layer.scratch_bytes_ = (cpu::gemm_scratch_bytes(layer.w_) + kAlign - 1) / kAlign * kAlign;
    layer.tile_bytes_ = size_t{tokens} * kUnitGroups * cpu::kGroupRows * sizeof(int32_t);
    ONEBIT_ASSIGN(layer.scratch_, Buffer::allocate((layer.scratch_bytes_ + layer.tile_bytes_) * pool.size(), "scratch"));
    return layer;
  }

  double seconds(uint32_t tokens) {
    cpu::QuantActs x = x_;
    x.tokens = tokens;
    const uint32_t units = (w_.groups + kUnitGroups - 1) / kUnitGroups;
    const auto begin = std::chrono::steady_clock::now();
    pool_->parallel_for(units, [&](size_t unit, unsigned worker) {
      uint8_t* memory = scratch_.data() + worker * (scratch_bytes_ + tile_bytes_);
      const uint32_t first = static_cast<uint32_t>(unit) * kUnitGroups, end = std::min(first + kUnitGroups, w_.groups);
      kernels_->gemm(w_, first, end, x, reinterpret_cast<int32_t*>(memory + scratch_bytes_), kUnitGroups * cpu::kGroupRows, memory);
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

 private:
  const cpu::TernaryKernels* kernels_ = nullptr;
  ThreadPool* pool_ = nullptr;
  cpu::TernaryMatrix w_;
  Buffer q_, scratch_;
  std::vector<int32_t> sums_;
  std::vector<float> scales_;
  cpu::QuantActs x_;
  size_t scratch_bytes_ = 0, tile_bytes_ = 0;
};

}  // namespace

Result<std::vector<double>> cpu_linear_seconds(const ModelShape& model, std::span<const uint32_t> tokens, unsigned repetitions, cpu::Isa isa, ThreadPool& pool) {
  std::vector<double> sums(tokens.size(), 0.0);
  if (tokens.empty()) return sums;
  const uint32_t batch = std::min(kBatch, *std::max_element(tokens.begin(), tokens.end()));
  for (const Layer& l : model.linears) {
    ONEBIT_ASSIGN(CpuLayer layer, CpuLayer::create(l, batch, isa, pool));
    (void)layer.seconds(std::min(batch, 32u));  // pages and clocks
    for (size_t i = 0; i < tokens.size(); ++i) {
      double best = 0;
      for (unsigned r = 0; r < repetitions; ++r) {
        double seconds = 0;
        for (uint32_t first = 0; first < tokens[i]; first += batch) seconds += layer.seconds(std::min(batch, tokens[i] - first));
        best = r == 0 ? seconds : std::min(best, seconds);
      }
      sums[i] += best;
    }
  }
  return sums;
}

}  // namespace onebit::npu::evaluate
