#include "cpu/head_kernels.h"
#include "cpu/vec16_avx2.h"

namespace onebit::cpu {
namespace {

struct Pair { __m256i h, l; };

// Four columns of eight rows: x is the same four bytes for each row.
inline Pair four(Pair acc, __m256i codes, const int8_t* hi, const int8_t* lo) {
  int32_t h, l;
  __builtin_memcpy(&h, hi, 4);
  __builtin_memcpy(&l, lo, 4);
  return {_mm256_dpbusd_avx_epi32(acc.h, codes, _mm256_set1_epi32(h)),
          _mm256_dpbusd_avx_epi32(acc.l, codes, _mm256_set1_epi32(l))};
}

// Eight rows of a tile: 32 bytes of each run.
inline Pair tile_dot(Pair acc, const uint8_t* tile, const int8_t* hi, const int8_t* lo) {
  const __m256i low = _mm256_set1_epi8(0x0f), upper = _mm256_set1_epi8(0x30);
  const auto run = [&](int at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + at)); };
  const auto join = [&](__m256i n, __m256i u) {
    return _mm256_or_si256(_mm256_and_si256(n, low), _mm256_and_si256(u, upper));
  };
  const __m256i n0 = run(0), n1 = run(64), u = run(128);
  acc = four(acc, join(n0, _mm256_slli_epi16(u, 4)), hi, lo);
  acc = four(acc, join(_mm256_srli_epi16(n0, 4), _mm256_slli_epi16(u, 2)), hi + 4, lo + 4);
  acc = four(acc, join(n1, u), hi + 8, lo + 8);
  return four(acc, join(_mm256_srli_epi16(n1, 4), _mm256_srli_epi16(u, 2)), hi + 12, lo + 12);
}

constexpr int kDotTokens = 1;
template <int>
inline void block_dots(const uint8_t* block, const HeadInput* x, size_t at, Vi* dots) {
  const int8_t *hi = x->hi + at, *lo = x->lo + at;
  const __m256i zero = _mm256_setzero_si256();
  Pair a = {zero, zero}, b = {zero, zero};
  for (uint32_t t = 0; t < kHeadBlock / 16; ++t, block += kHeadTileBytes, hi += 16, lo += 16) {
    a = tile_dot(a, block, hi, lo);
    b = tile_dot(b, block + 32, hi, lo);
  }
  *dots = {_mm256_add_epi32(_mm256_slli_epi32(a.h, 7), a.l), _mm256_add_epi32(_mm256_slli_epi32(b.h, 7), b.l)};
}

}  // namespace
}  // namespace onebit::cpu

#include "cpu/head.inl"

namespace onebit::cpu {

constinit const HeadKernels head_avxvnni = kHead;

}  // namespace onebit::cpu
