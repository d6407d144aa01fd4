#include <immintrin.h>

#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

uint64_t int8(uint64_t iterations) {
  __m256i sum[12] = {}, x = _mm256_set1_epi8(1), w = _mm256_set1_epi8(2);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 12
    for (int n = 0; n < 12; ++n) asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum[n]) : "x"(w), "x"(x));
  return static_cast<uint64_t>(_mm256_extract_epi64(sum[0], 0));
}

uint64_t read(const uint8_t* p, size_t bytes) { return kLimitsAvx2.read(p, bytes); }

}  // namespace

const LimitLoops kLimitsAvxVnni{read, int8, 12 * 64};

}  // namespace onebit::cpu
