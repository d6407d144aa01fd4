// Float operations with the bits of src/cpu/float_ops.inl and vec16_math.inl. The order of a sum there: element
// 64 b + 16 j + l goes to lane l of accumulator j; accumulators are added as (0 + 1) + (2 + 3), then lanes by halves.
#pragma once

#include "gpu/kernels/device.h"

namespace onebit::gpu {
namespace {

constexpr float kInfinity = __builtin_inff();

// 1.5 * 2^23: adding it to |x| < 2^22 rounds x to an integer, half to even, which then stands in the low bits.
constexpr float kRound = 0x1.8p23f;
constexpr int32_t kRoundBits = 0x4b400000;
ONEBIT_DEVICE int32_t round_to_int(float x) { return static_cast<int32_t>(as_bits(x + kRound)) - kRoundBits; }

// e^r for r = x - n ln 2; vec16_math.inl states the method.
ONEBIT_DEVICE float exp_reduced(float x, int32_t* n) {
  const float t = fma(x, 0x1.715476p+0f, kRound);
  *n = static_cast<int32_t>(as_bits(t)) - kRoundBits;
  const float k = t - kRound;
  float r = fma(-k, 0x1.62e430p-1f, x);
  r = fma(k, 0x1.05c610p-29f, r);
  float p = 1.9875691500e-4f;
  p = fma(p, r, 1.3981999507e-3f);
  p = fma(p, r, 8.3334519073e-3f);
  p = fma(p, r, 4.1665795894e-2f);
  p = fma(p, r, 1.6666665459e-1f);
  p = fma(p, r, 5.0000001201e-1f);
  return fma(p, r * r, r) + 1.0f;
}
ONEBIT_DEVICE float power_of_two(int32_t n) { return as_float(static_cast<uint32_t>(n + 127) << 23); }

ONEBIT_DEVICE float exp_any(float x) {
  x = min_or(89.0f, max_or(-104.0f, x));
  int32_t n;
  const float y = exp_reduced(x, &n);
  const int32_t half = n >> 1;
  return y * power_of_two(half) * power_of_two(n - half);
}
// For x <= 0; 0 below -86.
ONEBIT_DEVICE float exp_nonpositive(float x) {
  int32_t n;
  const float y = exp_reduced(max_or(-90.0f, x), &n);
  return x < -86.0f ? 0.0f : y * power_of_two(n);
}

ONEBIT_DEVICE float relu2(float g) {
  const float r = max_or(0.0f, g);
  return r * r;
}
ONEBIT_DEVICE float silu(float g) { return g / (1.0f + exp_any(0.0f - g)); }

// The lanes' accumulators to their sum: `even` is accumulator 0 (lanes 0..15) and 1 (16..31), `odd` 2 and 3.
ONEBIT_DEVICE float sum_accumulators(float even, float odd) {
  even = even + shuffle_xor(even, 16);
  odd = odd + shuffle_xor(odd, 16);
  float total = even + odd;
  for (uint32_t m = 8; m > 0; m /= 2) total = total + shuffle_xor(total, m);
  return total;
}

ONEBIT_DEVICE float load_float(const void* p, FloatType type, uint64_t i) {
  switch (type) {
    case FloatType::f16: return half_to_float(static_cast<const uint16_t*>(p)[i]);
    case FloatType::bf16: return as_float(static_cast<uint32_t>(static_cast<const uint16_t*>(p)[i]) << 16);
    default: return static_cast<const float*>(p)[i];
  }
}

// row . x of n elements by one warp, as FloatOps::dot(row, x, n).
ONEBIT_DEVICE float warp_dot(const void* table, FloatType type, uint64_t first, const float* x, uint32_t n) {
  float even = 0.0f, odd = 0.0f;
  for (uint32_t i = lane(); i < n; i += 64) {
    even = fma(load_float(table, type, first + i), x[i], even);
    if (i + 32 < n) odd = fma(load_float(table, type, first + i + 32), x[i + 32], odd);
  }
  return sum_accumulators(even, odd);
}

}  // namespace
}  // namespace onebit::gpu
