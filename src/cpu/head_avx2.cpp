#include "cpu/head_kernels.h"
#include "cpu/vec16_avx2.h"

namespace onebit::cpu {
namespace {

inline __m256i same_four(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return _mm256_set1_epi32(v);
}

// Four columns of eight rows. Pairs of products stay below 2 * 63 * 128 and so within int16.
inline __m256i four(__m256i acc, __m256i codes, const int8_t* hi, const int8_t* lo) {
  const __m256i h = _mm256_maddubs_epi16(codes, same_four(hi)), l = _mm256_maddubs_epi16(codes, same_four(lo));
  acc = _mm256_add_epi32(acc, _mm256_madd_epi16(h, _mm256_set1_epi16(128)));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(l, _mm256_set1_epi16(1)));
}

// Eight rows of a tile: 32 bytes of each run.
inline __m256i tile_dot(__m256i acc, const uint8_t* tile, const int8_t* hi, const int8_t* lo) {
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
  __m256i a = _mm256_setzero_si256(), b = _mm256_setzero_si256();
  for (uint32_t t = 0; t < kHeadBlock / 16; ++t, block += kHeadTileBytes, hi += 16, lo += 16) {
    a = tile_dot(a, block, hi, lo);
    b = tile_dot(b, block + 32, hi, lo);
  }
  *dots = {a, b};
}

}  // namespace
}  // namespace onebit::cpu

#include "cpu/head.inl"

namespace onebit::cpu {

constinit const HeadKernels head_avx2 = kHead;

}  // namespace onebit::cpu
