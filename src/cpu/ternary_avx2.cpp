// AVX2. vpmaddubsw multiplies unsigned codes with signed activations and adds pairs into int16 lanes: at
// most 2 * 2 * 128 = 512 in magnitude, so 60 of them are added in int16 before vpmaddwd widens to int32.
//
// Bounds: 32 vector instructions per 64 bytes of p2 in decode (6 bytes a cycle on three ports, memory is
// slower); in prefill two instructions per 32 multiply-adds. p16 is unpacked with scalar table lookups:
// correct, but no layout to choose here.
#include <immintrin.h>

#include "cpu/ternary_gemm.h"
#include "cpu/ternary_pack.h"

namespace onebit::cpu {
namespace {

constexpr uint32_t kMaxInt16Adds = 60;

inline __m256i broadcast4(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return _mm256_set1_epi32(v);
}

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// The low two bits of each byte after a shift by 2 * field.
template <int kField>
inline __m256i field(__m256i v) {
  return _mm256_and_si256(_mm256_srli_epi16(v, 2 * kField), _mm256_set1_epi8(3));
}

inline __m256i add_pairs(__m256i sum16, __m256i codes, __m256i x) {
  return _mm256_add_epi16(sum16, _mm256_maddubs_epi16(codes, x));
}

// Both halves (rows 0..7 and 8..15) of four packed fields against 16 columns.
inline void add_fields(__m256i sum16[2], const uint8_t* packed, const int8_t* x) {
  for (int h = 0; h < 2; ++h) {
    const __m256i v = load(packed + 32 * h);
    sum16[h] = add_pairs(sum16[h], field<0>(v), broadcast4(x));
    sum16[h] = add_pairs(sum16[h], field<1>(v), broadcast4(x + 4));
    sum16[h] = add_pairs(sum16[h], field<2>(v), broadcast4(x + 8));
    sum16[h] = add_pairs(sum16[h], field<3>(v), broadcast4(x + 12));
  }
}

inline __m256i widen(__m256i sum32, __m256i sum16) {
  return _mm256_add_epi32(sum32, _mm256_madd_epi16(sum16, _mm256_set1_epi16(1)));
}

void gemv(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint32_t steps_per_tile = w.dense ? 5 : 4;
  const uint32_t run = kMaxInt16Adds / steps_per_tile;
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    __m256i sum32[2] = {_mm256_set1_epi32(-sum), _mm256_set1_epi32(-sum)};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles;) {
      const uint32_t end = w.tiles - t < run ? w.tiles : t + run;
      __m256i sum16[2] = {};
      for (; t < end; ++t, tile += 64, columns += 4 * steps_per_tile) {
        __builtin_prefetch(tile + 8192, 0, 2);
        if (w.dense) {
          alignas(32) uint8_t first[64], rest[64];
          unpack_dense(tile, first, rest);
          for (int h = 0; h < 2; ++h) sum16[h] = add_pairs(sum16[h], load(first + 32 * h), broadcast4(columns));
          add_fields(sum16, rest, columns + 4);
        } else {
          add_fields(sum16, tile, columns);
        }
      }
      for (int h = 0; h < 2; ++h) sum32[h] = widen(sum32[h], sum16[h]);
    }
    for (int h = 0; h < 2; ++h) store(acc + 8 * h, sum32[h]);
  }
}

struct Avx2 {
  static constexpr int kGroups = 1, kTokens = 5;

  static void store_fields(const uint8_t* packed, uint8_t* panel) {
    for (int h = 0; h < 2; ++h) {
      const __m256i v = load(packed + 32 * h);
      store(panel + 32 * h, field<0>(v));
      store(panel + 64 + 32 * h, field<1>(v));
      store(panel + 128 + 32 * h, field<2>(v));
      store(panel + 192 + 32 * h, field<3>(v));
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

  // 16 rows x 5 tokens: ten int16 accumulators of 16 registers.
  template <int G, int T>
  static void micro(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, int32_t* acc, size_t ld) {
    static_assert(G == 1);
    for (uint32_t s = 0; s < steps;) {
      const uint32_t end = steps - s < kMaxInt16Adds ? steps : s + kMaxInt16Adds;
      __m256i c[T][2] = {};
      for (; s < end; ++s, panel += 64, x += 4) {
        const __m256i codes[2] = {load(panel), load(panel + 32)};
#pragma GCC unroll 5
        for (int t = 0; t < T; ++t) {
          const __m256i xt = broadcast4(x + t * stride);
          c[t][0] = add_pairs(c[t][0], codes[0], xt);
          c[t][1] = add_pairs(c[t][1], codes[1], xt);
        }
      }
#pragma GCC unroll 5
      for (int t = 0; t < T; ++t)
        for (int h = 0; h < 2; ++h) {
          int32_t* out = acc + t * ld + 8 * h;
          store(out, widen(load(out), c[t][h]));
        }
    }
  }
};

}  // namespace

const RawKernels kTernaryAvx2{gemv, gemm<Avx2>};

}  // namespace onebit::cpu
