// AVX-512 with VNNI and VBMI (Ice Lake, Zen 4 and later).
//
// vpdpbusd multiplies four unsigned bytes (codes) with four signed bytes (activations) and adds them to
// an int32 lane; a 64-byte tile holds 16 rows, so one lane is one row. The fields of a packed byte are
// masked in place: the codes then come out times 1, 4, 16 and 64, each into its own accumulator, and the
// four are combined exactly at the end of a row.
//
// Bounds of decode (GEMV): bytes of weights over read bandwidth. Vector instructions per 64 bytes: p2 has
// 4 and + 4 vpdpbusd for 256 weights, p16 has 15 for 320; at two a cycle that is 16 and 8.5 bytes a cycle,
// against 4 that one core of a server or a laptop reads from memory.
// Bound of prefill (GEMM): 64 multiply-adds per vpdpbusd, two a cycle where there are two 512-bit ports.
#include <immintrin.h>

#include "cpu/ternary_gemm.h"
#include "cpu/ternary_pack.h"

namespace onebit::cpu {
namespace {

inline __m512i broadcast4(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return _mm512_set1_epi32(v);
}

inline __m512i load(const void* p) { return _mm512_loadu_si512(p); }

// c += codes * x in groups of four. Assembly instead of the intrinsic because GCC 12 copies the
// accumulator of the latter through the stack once a loop has more than a few of them.
inline void dpbusd(__m512i& c, __m512i codes, __m512i x) { asm("vpdpbusd %2, %1, %0" : "+v"(c) : "v"(codes), "v"(x)); }

// The tables of p16 in registers. first: trit 0 (columns 0..3 of the tile); the result packs trits 1..4.
struct DenseDecoder {
  __m512i direct = load(kDense.direct);
  __m512i escape = load(kDense.escape);
  __m512i escape_first = load(kDense.escape_first);
  __m512i three = _mm512_set1_epi8(3);

  __m512i operator()(__m512i bytes, __m512i* first) const {
    const __m512i index = _mm512_srli_epi16(bytes, 2);  // vpermb looks at the low six bits only
    const __m512i low = _mm512_and_si512(bytes, three);
    const __mmask64 escaped = _mm512_cmpeq_epi8_mask(low, three);
    *first = _mm512_mask_permutexvar_epi8(low, escaped, index, escape_first);
    return _mm512_mask_permutexvar_epi8(_mm512_permutexvar_epi8(index, direct), escaped, index, escape);
  }
};

// Bytes ahead of the current tile that are asked for: groups follow each other in memory, so this runs
// over the end of a row group into the next one. Prefetching past the end of the matrix is harmless.
constexpr size_t kPrefetch = 8192;

// Sums of codes times 1, 4, 16, 64.
struct FieldSums {
  __m512i s[4];
  __m512i total(int32_t sum) const {
    const __m512i a = _mm512_add_epi32(s[0], _mm512_srai_epi32(s[1], 2));
    const __m512i b = _mm512_add_epi32(_mm512_srai_epi32(s[2], 4), _mm512_srai_epi32(s[3], 6));
    return _mm512_sub_epi32(_mm512_add_epi32(a, b), _mm512_set1_epi32(sum));
  }
};

inline void add_fields(FieldSums& a, __m512i v, const int8_t* x) {
  const __m512i m0 = _mm512_set1_epi8(3), m1 = _mm512_set1_epi8(0x0c), m2 = _mm512_set1_epi8(0x30),
                m3 = _mm512_set1_epi8(static_cast<char>(0xc0));
  dpbusd(a.s[0], _mm512_and_si512(v, m0), broadcast4(x));
  dpbusd(a.s[1], _mm512_and_si512(v, m1), broadcast4(x + 4));
  dpbusd(a.s[2], _mm512_and_si512(v, m2), broadcast4(x + 8));
  dpbusd(a.s[3], _mm512_and_si512(v, m3), broadcast4(x + 12));
}

void gemv_p2(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a{};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 16) {
      __builtin_prefetch(tile + kPrefetch, 0, 2);
      add_fields(a, load(tile), columns);
    }
    _mm512_storeu_si512(acc, a.total(sum));
  }
}

void gemv_p16(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const DenseDecoder decode;
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a{};
    __m512i first_sum{};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 20) {
      __builtin_prefetch(tile + kPrefetch, 0, 2);
      __m512i first;
      const __m512i rest = decode(load(tile), &first);
      dpbusd(first_sum, first, broadcast4(columns));
      add_fields(a, rest, columns + 4);
    }
    _mm512_storeu_si512(acc, _mm512_add_epi32(a.total(sum), first_sum));
  }
}

void gemv(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  w.dense ? gemv_p16(w, g0, g1, x, sum, acc) : gemv_p2(w, g0, g1, x, sum, acc);
}

// G groups of rows times T tokens with one pass over the packed bytes, for batches too small to pay for expanded
// panels. 2 groups x 8 tokens: 16 accumulators, 2 registers of fields, 2 of codes, 4 of tables and one broadcast. Per
// pair of p16 tiles 80 vpdpbusd and 40 broadcasts against 32 operations of decoding: the vpdpbusd bind from 4 tokens up.
template <bool kDense, int G, int T>
void few(const PackedView& w, uint32_t g, const int8_t* x, size_t stride, const int32_t* sum, int32_t* acc, size_t ld) {
  const DenseDecoder decode;
  const __m512i three = _mm512_set1_epi8(3);
  const size_t group_bytes = size_t{w.tiles} * 64;
  const uint8_t* tile = w.data + g * group_bytes;
  __m512i c[T][G];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < G; ++i) c[t][i] = _mm512_set1_epi32(-sum[t]);
  const auto four_columns = [&](const __m512i* codes, const int8_t* columns) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const __m512i xt = broadcast4(columns + t * stride);
#pragma GCC unroll 2
      for (int i = 0; i < G; ++i) dpbusd(c[t][i], codes[i], xt);
    }
  };
  for (uint32_t n = 0; n < w.tiles; ++n, tile += 64) {
    __m512i fields[G], codes[G];
#pragma GCC unroll 2
    for (int i = 0; i < G; ++i) {
      fields[i] = load(tile + i * group_bytes);
      if constexpr (kDense) fields[i] = decode(fields[i], &codes[i]);
    }
    if constexpr (kDense) four_columns(codes, x);
    const int8_t* columns = kDense ? x + 4 : x;
#pragma GCC unroll 4
    for (int f = 0; f < 4; ++f) {
#pragma GCC unroll 2
      for (int i = 0; i < G; ++i) codes[i] = _mm512_and_si512(f == 0 ? fields[i] : _mm512_srli_epi16(fields[i], 2 * f), three);
      four_columns(codes, columns + 4 * f);
    }
    x = columns + 16;
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 2
    for (int i = 0; i < G; ++i) _mm512_storeu_si512(acc + t * ld + 16 * i, c[t][i]);
}

template <bool kDense, int G>
auto few_of(uint32_t tokens) {
  constexpr decltype(&few<kDense, G, 1>) kOf[] = {few<kDense, G, 1>, few<kDense, G, 2>, few<kDense, G, 3>, few<kDense, G, 4>,
                                                  few<kDense, G, 5>, few<kDense, G, 6>, few<kDense, G, 7>, few<kDense, G, 8>};
  return kOf[tokens - 1];
}

// Blocks of at most 8 tokens, of nearly the same size, over two groups whose bytes stay in cache.
template <bool kDense>
void gemm_few(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, size_t stride, const int32_t* sum, uint32_t tokens,
              int32_t* acc, size_t ld) {
  const uint32_t blocks = (tokens + 7) / 8;
  for (uint32_t g = g0; g < g1; g += 2)
    for (uint32_t b = 0; b < blocks; ++b) {
      const uint32_t t = tokens * b / blocks, n = tokens * (b + 1) / blocks - t;
      const auto kernel = g + 1 < g1 ? few_of<kDense, 2>(n) : few_of<kDense, 1>(n);
      kernel(w, g, x + t * stride, stride, sum + t, acc + t * ld + size_t{16} * (g - g0), ld);
    }
}

struct Avx512 {
  static constexpr int kGroups = 4, kTokens = 6;

  // Fields of `v` to the low two bits of each byte, one 64-byte step each.
  static void store_fields(__m512i v, uint8_t* panel) {
    const __m512i three = _mm512_set1_epi8(3);
    _mm512_store_si512(panel, _mm512_and_si512(v, three));
    _mm512_store_si512(panel + 64, _mm512_and_si512(_mm512_srli_epi16(v, 2), three));
    _mm512_store_si512(panel + 128, _mm512_and_si512(_mm512_srli_epi16(v, 4), three));
    _mm512_store_si512(panel + 192, _mm512_and_si512(_mm512_srli_epi16(v, 6), three));
  }

  static void expand(const PackedView& w, uint32_t g, uint32_t tile0, uint32_t tiles, uint8_t* panel) {
    const uint8_t* tile = w.data + (size_t{g} * w.tiles + tile0) * 64;
    if (!w.dense) {
      for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 256) store_fields(load(tile), panel);
      return;
    }
    const DenseDecoder decode;
    for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 320) {
      __m512i first;
      const __m512i rest = decode(load(tile), &first);
      _mm512_store_si512(panel, first);
      store_fields(rest, panel + 64);
    }
  }

  // 4 groups x 6 tokens: 24 accumulators, 4 registers of codes and one broadcast, of 32.
  template <int G, int T>
  static void micro(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, int32_t* acc, size_t ld) {
    __m512i c[T][G];
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) c[t][g] = load(acc + t * ld + 16 * g);
    for (uint32_t s = 0; s < steps; ++s, panel += 64, x += 4) {
      __m512i codes[G];
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) codes[g] = _mm512_load_si512(panel + g * kPanelBytes);
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const __m512i xt = broadcast4(x + t * stride);
#pragma GCC unroll 4
        for (int g = 0; g < G; ++g) dpbusd(c[t][g], codes[g], xt);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int g = 0; g < G; ++g) _mm512_storeu_si512(acc + t * ld + 16 * g, c[t][g]);
  }
};

// Tokens up to which `few` is the faster.
constexpr uint32_t kFewTokens = 24;

void gemm_any(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, size_t stride, const int32_t* sum, uint32_t tokens,
              int32_t* acc, size_t ld, uint8_t* scratch) {
  if (tokens <= kFewTokens) return (w.dense ? gemm_few<true> : gemm_few<false>)(w, g0, g1, x, stride, sum, tokens, acc, ld);
  gemm<Avx512>(w, g0, g1, x, stride, sum, tokens, acc, ld, scratch);
}

}  // namespace

const RawKernels kTernaryAvx512{gemv, gemm_any};

}  // namespace onebit::cpu
