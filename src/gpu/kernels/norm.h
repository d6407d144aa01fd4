// RMSNorm and quantisation of one token by a block: kernels norm_quant, and the tail of the GEMV.
#pragma once

#include "gpu/kernels/float_math.h"

namespace onebit::gpu {
namespace {

// Floats of x that stay in shared memory between the passes: alone, and beside a GEMV.
constexpr uint32_t kNormFloats = 8192, kTailFloats = 3840;
template <uint32_t kFloats>
struct NormShared {
  static constexpr uint32_t kCapacity = kFloats;
  float x[kFloats];
  float accumulators[64];
  float tops[8], poisons[8];
  int32_t sums[8];
};

// Sum of the squares of x, in every thread. 64 accumulators are 64 threads: warps 0 and 1 add what all warps loaded.
template <class Shared>
ONEBIT_DEVICE float sum_of_squares(const float* x, uint32_t n, Shared& s) {
  float acc = 0.0f;
  for (uint32_t first = 0; first < n; first += Shared::kCapacity) {
    const uint32_t count = least(n - first, Shared::kCapacity);
    if (first > 0) barrier();
    for (uint32_t i = thread_x(); i < count; i += kBlock) s.x[i] = x[first + i];
    barrier();
    if (thread_x() < 64)
      for (uint32_t i = thread_x(); i < count; i += 64) acc = fma(s.x[i], s.x[i], acc);
  }
  if (thread_x() < 64) s.accumulators[thread_x()] = acc;
  barrier();
  return sum_accumulators(s.accumulators[lane()], s.accumulators[lane() + 32]);
}

// Largest magnitude (NaN ignored) and poison (NaN when an element is not finite), over all threads' values.
template <class Shared>
ONEBIT_DEVICE void block_absmax(float& top, float& poison, Shared& s) {
  top = warp_max(top);
  for (uint32_t m = kWarp / 2; m > 0; m /= 2) poison = poison + shuffle_xor(poison, m);
  if (lane() == 0) {
    s.tops[warp()] = top;
    s.poisons[warp()] = poison;
  }
  barrier();
  for (uint32_t i = 0; i < kBlock / kWarp; ++i) {
    top = max_or(s.tops[i], top);
    poison = poison + s.poisons[i];
  }
}

template <class Shared>
ONEBIT_DEVICE int32_t block_sum(int32_t x, Shared& s) {
  x = warp_sum(x);
  if (lane() == 0) s.sums[warp()] = x;
  barrier();
  x = 0;
  for (uint32_t i = 0; i < kBlock / kWarp; ++i) x += s.sums[i];
  return x;
}

// All threads of the block, for token t. `s` may be written before; a barrier separates calls.
template <class Shared>
ONEBIT_DEVICE void norm_quant_token(const NormQuantArgs& a, uint32_t t, Shared& s) {
  const float* const x = a.x + uint64_t{t} * a.cols;
  float factor = 0.0f;
  const bool shared_x = a.weight && a.cols <= Shared::kCapacity;
  if (a.weight) {
    const float squares = sum_of_squares(x, a.cols, s);
    factor = squares < kInfinity ? 1.0f / sqrt_exact(squares / static_cast<float>(a.cols) + a.eps) : __builtin_nanf("");
  }
  const auto value = [&](uint32_t i) {
    const float v = shared_x ? s.x[i] : x[i];
    return a.weight ? v * factor * a.weight[i] : v;
  };

  float top = 0.0f, bad = 0.0f;
  for (uint32_t i = thread_x(); i < a.cols; i += kBlock) {
    const float v = value(i);
    if (a.y) a.y[uint64_t{t} * a.cols + i] = v;
    top = max_or(__builtin_fabsf(v), top);
    bad = fma(v, 0.0f, bad);
  }
  if (!a.q) return;
  block_absmax(top, bad, s);
  const bool poisoned = bad != bad;
  const float scale = poisoned ? 0.0f : 127.0f / (top < 1e-5f ? 1e-5f : top);

  const uint32_t stride = quant_stride(a.cols);
  uint32_t* const q = reinterpret_cast<uint32_t*>(a.q + uint64_t{t} * stride);
  int32_t total = 0;
  for (uint32_t i = thread_x(); i < stride / 4; i += kBlock) {
    uint32_t packed = 0;
    ONEBIT_UNROLL
    for (uint32_t j = 0; j < 4; ++j) {
      if (poisoned || 4 * i + j >= a.cols) continue;
      const int32_t v = round_to_int(value(4 * i + j) * scale);
      total += v;
      packed |= (static_cast<uint32_t>(v) & 0xffu) << (8 * j);
    }
    q[i] = packed;
  }
  total = block_sum(total, s);
  if (thread_x() == 0) {
    a.inv_scale[t] = poisoned ? bad : 1.0f / scale;
    a.sum[t] = total;
  }
}

}  // namespace
}  // namespace onebit::gpu
