#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

uint64_t read(const uint8_t* p, size_t bytes) {
  const size_t quarter = bytes / 4;
  uint64_t sum[4] = {};
  for (size_t i = 0; i < quarter; i += 8)
    for (size_t s = 0; s < 4; ++s) {
      uint64_t v;
      __builtin_memcpy(&v, p + s * quarter + i, 8);
      sum[s] ^= v;
    }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
}

// One weight at a time, as the scalar kernels do; the empty asm keeps the chains apart and unfolded.
uint64_t int8(uint64_t iterations) {
  uint32_t a[8] = {}, x = 3, w = 5;
  for (uint64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 8
    for (int n = 0; n < 8; ++n) {
      asm volatile("" : "+r"(x), "+r"(w));
      a[n] += x * w;
    }
  uint64_t sum = 0;
  for (const uint32_t v : a) sum += v;
  return sum;
}

}  // namespace

const LimitLoops kLimitsScalar{read, int8, 8 * 2};

}  // namespace onebit::cpu
