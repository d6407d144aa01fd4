#include <immintrin.h>

#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

uint64_t fold(__m256i v) {
  return static_cast<uint64_t>(_mm256_extract_epi64(v, 0) ^ _mm256_extract_epi64(v, 1) ^ _mm256_extract_epi64(v, 2) ^
                               _mm256_extract_epi64(v, 3));
}

// Into the second-level cache, ahead of each stream.
constexpr size_t kPrefetch = 2048;

uint64_t read(const uint8_t* p, size_t bytes) {
  const size_t quarter = bytes / 4;
  __m256i sum[4] = {};
  for (size_t i = 0; i < quarter; i += 32)
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) {
      const uint8_t* line = p + s * quarter + i;
      __builtin_prefetch(line + kPrefetch, 0, 2);
      sum[s] = _mm256_xor_si256(sum[s], _mm256_load_si256(reinterpret_cast<const __m256i*>(line)));
    }
  return fold(_mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3])));
}

// vpmaddubsw and the addition of its pairs: what 32 multiply-adds cost at least.
uint64_t int8(uint64_t iterations) {
  __m256i sum[10] = {}, pairs, x = _mm256_set1_epi8(1), w = _mm256_set1_epi8(2);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 10
    for (int n = 0; n < 10; ++n)
      asm volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sum[n]), "=&x"(pairs) : "x"(w), "x"(x));
  return fold(sum[0]);
}

}  // namespace

const LimitLoops kLimitsAvx2{read, int8, 10 * 64};

}  // namespace onebit::cpu
