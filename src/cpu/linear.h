// Linear layers y = W x: ternary ones from packed weights and quantised activations, others (F32, F16,
// BF16, Q8_0, Q6_K, Q4_0, Q4_K) decoded row by row and multiplied in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "cpu/float_ops.h"
#include "cpu/ternary.h"
#include "cpu/ternary_device.h"
#include "format/codec.h"
#include "format/gguf.h"

namespace onebit::cpu {

// Ternary when `ternary.groups` is not 0, else the tensor of the file, used in place.
struct Linear {
  uint32_t rows = 0;
  uint32_t cols = 0;
  TernaryMatrix ternary;
  float scale = 1;  // of the whole matrix
  const GgufTensor* tensor = nullptr;
  I2sLayout i2s = I2sLayout::block128;

  // Row groups [0, device_groups) are also matrix `device_matrix` of Compute::device.
  uint32_t device_groups = 0;
  uint32_t device_matrix = 0;
  uint32_t index = 0;  // into Compute::runs

  bool is_ternary() const { return ternary.groups != 0; }
};

// How often a matrix was multiplied: calls in which the CPU, or the device, had rows of it, and calls whose rows the
// device should have had and the CPU did in its place.
struct LinearRuns {
  uint64_t cpu = 0, device = 0, failed = 0;
};

// Rows [16*g0, 16*g1) of matrix `out` of a call: what one thread does at a time.
struct LinearUnit {
  uint32_t out;
  uint32_t g0, g1;
};

// Per-thread scratch and the kernels in use.
class Compute {
 public:
  // Errors: no memory.
  static Result<Compute> create(Isa isa, ThreadPool& pool);
  // Makes scratch large enough for calls with up to `tokens` tokens and matrices up to `cols` columns;
  // never shrinks.
  Status reserve(uint32_t tokens, uint32_t cols);

  const TernaryKernels* ternary = nullptr;
  const FloatOps* ops = nullptr;
  ThreadPool* pool = nullptr;

  // Multiplies the rows it holds for batches of at least `device_tokens`. What it fails to do the CPU does in its
  // place; `device_error` keeps the first reason and `device_failures` counts.
  TernaryDevice* device = nullptr;
  uint32_t device_tokens = 16;
  uint64_t device_failures = 0;
  std::optional<Error> device_error;
  std::vector<LinearRuns>* runs = nullptr;  // by Linear::index; null: nobody counts
  Buffer device_sums;  // int32, of the call in progress; kept for its memory

  std::vector<LinearUnit> units;  // of the call in progress; kept for its memory

  uint8_t* scratch(unsigned worker) { return scratch_.data() + worker * stride_; }
  size_t scratch_bytes() const { return stride_; }

 private:
  Buffer scratch_;
  size_t stride_ = 0;
  uint32_t tokens_ = 0, cols_ = 0;
};

// The input of a layer: x always, and its quantised form for ternary matrices.
struct LinearInput {
  const float* x;      // [tokens][cols]
  QuantActs quant;     // tokens == 0 when no ternary matrix reads this input
  uint32_t tokens;
  uint32_t cols;
};

enum class Into { store, add };
struct LinearOutput {
  const Linear* w;
  float* y;       // [tokens][w->rows]
  Into into;
};

// All products of one input in one parallel region (q, k and v together, for instance).
void linear(Compute& compute, const LinearInput& in, std::span<const LinearOutput> outs);

enum class Gate { relu2, silu };
// h[token][row] = gate(Wg x) * (Wu x); gate and up have the same shape.
void linear_gated(Compute& compute, const LinearInput& in, const Linear& gate, const Linear& up, Gate kind, float* h);

}  // namespace onebit::cpu
