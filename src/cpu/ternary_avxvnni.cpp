// AVX-VNNI (the 256-bit VEX form of vpdpbusd): the scheme of ternary_avx512.cpp with a tile as two
// halves of eight rows, fields masked in place and summed times 1, 4, 16 and 64.
//
// Bounds: 16 vector instructions per 64 bytes of p2 in decode; in prefill 32 multiply-adds per vpdpbusd.
// p16 is unpacked with scalar table lookups: correct, but no layout to choose here.
#include <immintrin.h>

#include "cpu/ternary_gemm.h"
#include "cpu/ternary_pack.h"

namespace onebit::cpu {
namespace {

inline __m256i broadcast4(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return _mm256_set1_epi32(v);
}

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// c += codes * x in groups of four; assembly for the reason given in ternary_avx512.cpp.
inline void dpbusd(__m256i& c, __m256i codes, __m256i x) {
  asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(c) : "x"(codes), "x"(x));
}

inline __m256i masked(__m256i v, int mask) { return _mm256_and_si256(v, _mm256_set1_epi8(static_cast<char>(mask))); }

// Sums of codes times 1, 4, 16, 64 of both halves.
struct FieldSums {
  __m256i s[4][2];

  void add(const uint8_t* packed, const int8_t* x) {
    const __m256i x0 = broadcast4(x), x1 = broadcast4(x + 4), x2 = broadcast4(x + 8), x3 = broadcast4(x + 12);
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m256i v = load(packed + 32 * h);
      dpbusd(s[0][h], masked(v, 0x03), x0);
      dpbusd(s[1][h], masked(v, 0x0c), x1);
      dpbusd(s[2][h], masked(v, 0x30), x2);
      dpbusd(s[3][h], masked(v, 0xc0), x3);
    }
  }

  __m256i total(int h, int32_t sum) const {
    const __m256i a = _mm256_add_epi32(s[0][h], _mm256_srai_epi32(s[1][h], 2));
    const __m256i b = _mm256_add_epi32(_mm256_srai_epi32(s[2][h], 4), _mm256_srai_epi32(s[3][h], 6));
    return _mm256_sub_epi32(_mm256_add_epi32(a, b), _mm256_set1_epi32(sum));
  }
};

void gemv_p2(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a{};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 16) {
      __builtin_prefetch(tile + 8192, 0, 2);
      a.add(tile, columns);
    }
    for (int h = 0; h < 2; ++h) store(acc + 8 * h, a.total(h, sum));
  }
}

void gemv_p16(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a{};
    __m256i first_sum[2] = {};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 20) {
      alignas(32) uint8_t first[64], rest[64];
      unpack_dense(tile, first, rest);
      for (int h = 0; h < 2; ++h)
        dpbusd(first_sum[h], load(first + 32 * h), broadcast4(columns));
      a.add(rest, columns + 4);
    }
    for (int h = 0; h < 2; ++h) store(acc + 8 * h, _mm256_add_epi32(a.total(h, sum), first_sum[h]));
  }
}

void gemv(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  w.dense ? gemv_p16(w, g0, g1, x, sum, acc) : gemv_p2(w, g0, g1, x, sum, acc);
}

struct AvxVnni {
  static constexpr int kGroups = 1, kTokens = 6;

  static void store_fields(const uint8_t* packed, uint8_t* panel) {
    for (int h = 0; h < 2; ++h) {
      const __m256i v = load(packed + 32 * h);
      store(panel + 32 * h, masked(v, 3));
      store(panel + 64 + 32 * h, masked(_mm256_srli_epi16(v, 2), 3));
      store(panel + 128 + 32 * h, masked(_mm256_srli_epi16(v, 4), 3));
      store(panel + 192 + 32 * h, masked(_mm256_srli_epi16(v, 6), 3));
    }
  }

  static void expand(const PackedView& w, uint32_t g, uint32_t tile0, uint32_t tiles, uint8_t* panel) {
    const uint8_t* tile = w.data + (size_t{g} * w.tiles + tile0) * 64;
    if (!w.dense) {
      for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 256) store_fields(tile, panel);
      return;
    }
    for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 320) {
      alignas(32) uint8_t rest[64];
      unpack_dense(tile, panel, rest);
      store_fields(rest, panel + 64);
    }
  }

  // 16 rows x 6 tokens: 12 accumulators, two registers of codes and a broadcast, of 16.
  template <int G, int T>
  static void micro(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, int32_t* acc, size_t ld) {
    static_assert(G == 1);
    __m256i c[T][2];
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
      for (int h = 0; h < 2; ++h) c[t][h] = load(acc + t * ld + 8 * h);
    for (uint32_t s = 0; s < steps; ++s, panel += 64, x += 4) {
      const __m256i codes[2] = {load(panel), load(panel + 32)};
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m256i xt = broadcast4(x + t * stride);
        dpbusd(c[t][0], codes[0], xt);
        dpbusd(c[t][1], codes[1], xt);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
      for (int h = 0; h < 2; ++h) store(acc + t * ld + 8 * h, c[t][h]);
  }
};

}  // namespace

const RawKernels kTernaryAvxVnni{gemv, gemm<AvxVnni>};

}  // namespace onebit::cpu
