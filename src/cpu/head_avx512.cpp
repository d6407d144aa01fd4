// Bounds of the first pass, per tile of 192 bytes (256 codes): 21 vector operations, 8 of them vpdpbusd, and 11 loads
// of 64 bytes. A core with one 512-bit load and two operations a cycle takes 11 cycles, 17 bytes a cycle, against 4 to
// 9 that it reads from memory.
#include "cpu/head_kernels.h"
#include "cpu/vec16_avx512.h"

namespace onebit::cpu {
namespace {

// Four columns of all rows: x is the same four bytes for each row. Assembly for the reason in ternary_avx512.cpp.
inline void four(__m512i& acc, __m512i codes, const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(codes), "v"(_mm512_set1_epi32(v)));
}

// Kept in a register: see ternary_avx512.cpp.
inline __m512i load_once(const uint8_t* p) {
  __m512i v = _mm512_loadu_si512(p);
  asm("" : "+v"(v));
  return v;
}

// Bytes ahead of the current tile that are asked for; past the end of the copy this is harmless.
constexpr size_t kPrefetch = 2048;

// T tokens with one reading of the codes. Up to two tokens the sums of each have two chains, for latency.
template <int T>
__attribute__((always_inline)) inline void block_dots(const uint8_t* block, const HeadInput* x, size_t at, Vi* dots) {
  constexpr int kChains = T <= 2 ? 2 : 1;
  const __m512i low = _mm512_set1_epi8(0x0f), upper = _mm512_set1_epi8(0x30);
  __m512i h[T][kChains], l[T][kChains];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    for (int c = 0; c < kChains; ++c) h[t][c] = l[t][c] = _mm512_setzero_si512();
  }
  // (n & low) | (u & upper); 0xea is the truth table of (a & b) | c.
  const auto join = [&](__m512i n, __m512i u) {
    return _mm512_ternarylogic_epi32(u, upper, _mm512_and_si512(n, low), 0xea);
  };
  for (uint32_t column = 0; column < kHeadBlock; column += 16, block += kHeadTileBytes) {
    for (size_t run = 0; run < kHeadTileBytes; run += 64) __builtin_prefetch(block + kPrefetch + run);
    const __m512i n0 = load_once(block), n1 = load_once(block + 64), u = load_once(block + 128);
    const __m512i codes[4] = {join(n0, _mm512_slli_epi16(u, 4)),
                              join(_mm512_srli_epi16(n0, 4), _mm512_slli_epi16(u, 2)),
                              join(n1, u), join(_mm512_srli_epi16(n1, 4), _mm512_srli_epi16(u, 2))};
#pragma GCC unroll 4
    for (uint32_t i = 0; i < 4; ++i)
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        four(h[t][i % kChains], codes[i], x[t].hi + at + column + 4 * i);
        four(l[t][i % kChains], codes[i], x[t].lo + at + column + 4 * i);
      }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const __m512i high = kChains == 2 ? _mm512_add_epi32(h[t][0], h[t][kChains - 1]) : h[t][0];
    const __m512i rest = kChains == 2 ? _mm512_add_epi32(l[t][0], l[t][kChains - 1]) : l[t][0];
    dots[t] = {_mm512_add_epi32(_mm512_slli_epi32(high, 7), rest)};
  }
}
constexpr int kDotTokens = 8;

}  // namespace
}  // namespace onebit::cpu

#include "cpu/head.inl"

namespace onebit::cpu {

constinit const HeadKernels head_avx512 = kHead;

}  // namespace onebit::cpu
