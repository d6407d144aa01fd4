// Vectors of 16 lanes in AVX-512 registers. See vec16_scalar.h for what each operation means.
#pragma once

// GCC 12 takes the undefined operands inside its own AVX-512 intrinsics for mistakes of ours (PR 105593).
#pragma GCC diagnostic push
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#include <stddef.h>
#include <stdint.h>

namespace onebit::cpu {
namespace {

struct Vf { __m512 v; };
struct Vi { __m512i v; };
constexpr bool kWideVectors = true;  // a Vf is one register, of 32

inline Vf load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline void store(float* p, Vf a) { _mm512_storeu_ps(p, a.v); }
inline Vf set1(float x) { return {_mm512_set1_ps(x)}; }
inline Vf operator+(Vf a, Vf b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vf operator-(Vf a, Vf b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vf operator*(Vf a, Vf b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vf operator/(Vf a, Vf b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vf fma(Vf a, Vf b, Vf c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vf fnma(Vf a, Vf b, Vf c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline Vf max(Vf a, Vf b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vf min(Vf a, Vf b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vf abs(Vf a) { return {_mm512_abs_ps(a.v)}; }
inline Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}

inline Vi load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline Vi set1(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline Vi operator+(Vi a, Vi b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline Vi operator-(Vi a, Vi b) { return {_mm512_sub_epi32(a.v, b.v)}; }
template <int kBits>
inline Vi shift_left(Vi a) { return {_mm512_slli_epi32(a.v, kBits)}; }
template <int kBits>
inline Vi shift_right(Vi a) { return {_mm512_srai_epi32(a.v, kBits)}; }
inline Vi bits(Vf a) { return {_mm512_castps_si512(a.v)}; }
inline Vf from_bits(Vi a) { return {_mm512_castsi512_ps(a.v)}; }
inline Vf to_float(Vi a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline Vf load_i8(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline void store_i8(int8_t* p, Vi a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline Vf load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline void store_f16(uint16_t* p, Vf a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// out[ld * i + j] = lane i of rows[j].
inline void store_transposed(float* out, size_t ld, const Vf (&rows)[16]) {
  __m512 t[16];  // t[4k + c]: lane L holds columns 4L + c of rows 4k .. 4k + 3
  for (int k = 0; k < 16; k += 4) {
    const __m512 a = _mm512_unpacklo_ps(rows[k].v, rows[k + 1].v), b = _mm512_unpackhi_ps(rows[k].v, rows[k + 1].v);
    const __m512 c = _mm512_unpacklo_ps(rows[k + 2].v, rows[k + 3].v);
    const __m512 d = _mm512_unpackhi_ps(rows[k + 2].v, rows[k + 3].v);
    const auto low = [](__m512 x, __m512 y) {
      return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
    const auto high = [](__m512 x, __m512 y) {
      return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
    };
    t[k] = low(a, c), t[k + 1] = high(a, c), t[k + 2] = low(b, d), t[k + 3] = high(b, d);
  }
  for (int c = 0; c < 4; ++c) {
    // Lanes 0 and 2 (0x88), then 1 and 3 (0xdd), of each pair; then the same of the results.
    const __m512 even0 = _mm512_shuffle_f32x4(t[c], t[4 + c], 0x88), odd0 = _mm512_shuffle_f32x4(t[c], t[4 + c], 0xdd);
    const __m512 even1 = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0x88);
    const __m512 odd1 = _mm512_shuffle_f32x4(t[8 + c], t[12 + c], 0xdd);
    _mm512_storeu_ps(out + ld * c, _mm512_shuffle_f32x4(even0, even1, 0x88));
    _mm512_storeu_ps(out + ld * (4 + c), _mm512_shuffle_f32x4(odd0, odd1, 0x88));
    _mm512_storeu_ps(out + ld * (8 + c), _mm512_shuffle_f32x4(even0, even1, 0xdd));
    _mm512_storeu_ps(out + ld * (12 + c), _mm512_shuffle_f32x4(odd0, odd1, 0xdd));
  }
}

inline float sum(Vf a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
inline int32_t sum(Vi a) { return _mm512_reduce_add_epi32(a.v); }
inline float sqrt_exact(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }
inline float fma_exact(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

}  // namespace
}  // namespace onebit::cpu
