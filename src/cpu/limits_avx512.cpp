#include <immintrin.h>

#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

// Into the second-level cache, ahead of each stream: the fastest of the distances and levels tried.
constexpr size_t kPrefetch = 2048;

uint64_t read(const uint8_t* p, size_t bytes) {
  const size_t quarter = bytes / 4;
  __m512i sum[4] = {};
  for (size_t i = 0; i < quarter; i += 64)
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) {
      const uint8_t* line = p + s * quarter + i;
      __builtin_prefetch(line + kPrefetch, 0, 2);
      sum[s] = _mm512_xor_si512(sum[s], _mm512_load_si512(line));
    }
  return static_cast<uint64_t>(
      _mm512_reduce_add_epi64(_mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]))));
}

uint64_t int8(uint64_t iterations) {
  __m512i sum[16] = {}, x = _mm512_set1_epi8(1), w = _mm512_set1_epi8(2);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 16
    for (int n = 0; n < 16; ++n) asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum[n]) : "v"(w), "v"(x));
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(sum[0]));
}

}  // namespace

const LimitLoops kLimitsAvx512{read, int8, 16 * 128};

}  // namespace onebit::cpu
