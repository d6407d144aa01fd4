// Vectors of 16 lanes without intrinsics: the definition of every operation that vec16_avx2.h,
// vec16_avx512.h and vec16_neon.h provide. An ISA file includes one of the four and then the shared
// source (float_ops.inl, attention.inl); everything has internal linkage, because the linker would
// otherwise be free to run one ISA's copy on a CPU that lacks it.
//
// A NaN result is a NaN everywhere, but its sign and payload are the CPU's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace onebit::cpu {
namespace {

struct Vf { float v[16]; };
struct Vi { int32_t v[16]; };
constexpr bool kWideVectors = false;

template <class V, class F>
inline V each(F f) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}

inline float sqrt_exact(float x) { return __builtin_sqrtf(x); }
inline float fma_exact(float a, float b, float c) { return __builtin_fmaf(a, b, c); }  // rounded once

inline Vf load(const float* p) { return each<Vf>([&](int i) { return p[i]; }); }
inline void store(float* p, Vf a) { memcpy(p, a.v, sizeof a.v); }
inline Vf set1(float x) { return each<Vf>([&](int) { return x; }); }
inline Vf operator+(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] + b.v[i]; }); }
inline Vf operator-(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] - b.v[i]; }); }
inline Vf operator*(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] * b.v[i]; }); }
inline Vf operator/(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] / b.v[i]; }); }
// a * b + c and c - a * b, rounded once.
inline Vf fma(Vf a, Vf b, Vf c) { return each<Vf>([&](int i) { return fma_exact(a.v[i], b.v[i], c.v[i]); }); }
inline Vf fnma(Vf a, Vf b, Vf c) { return each<Vf>([&](int i) { return fma_exact(-a.v[i], b.v[i], c.v[i]); }); }
// b unless the comparison holds: with a NaN on either side, and for zeros of different signs, b.
inline Vf max(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
inline Vf min(Vf a, Vf b) { return each<Vf>([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
inline Vf abs(Vf a) { return each<Vf>([&](int i) { return __builtin_fabsf(a.v[i]); }); }
inline Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return each<Vf>([&](int i) { return a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; });
}

inline Vi load(const int32_t* p) { return each<Vi>([&](int i) { return p[i]; }); }
inline Vi set1(int32_t x) { return each<Vi>([&](int) { return x; }); }
// Integers wrap.
inline int32_t wrap(uint32_t x) { return static_cast<int32_t>(x); }
inline Vi operator+(Vi a, Vi b) { return each<Vi>([&](int i) { return wrap(uint32_t(a.v[i]) + uint32_t(b.v[i])); }); }
inline Vi operator-(Vi a, Vi b) { return each<Vi>([&](int i) { return wrap(uint32_t(a.v[i]) - uint32_t(b.v[i])); }); }
template <int kBits>
inline Vi shift_left(Vi a) { return each<Vi>([&](int i) { return wrap(uint32_t(a.v[i]) << kBits); }); }
template <int kBits>
inline Vi shift_right(Vi a) { return each<Vi>([&](int i) { return a.v[i] >> kBits; }); }
inline Vi bits(Vf a) {
  Vi r;
  memcpy(r.v, a.v, sizeof r.v);
  return r;
}
inline Vf from_bits(Vi a) {
  Vf r;
  memcpy(r.v, a.v, sizeof r.v);
  return r;
}
inline Vf to_float(Vi a) { return each<Vf>([&](int i) { return static_cast<float>(a.v[i]); }); }
inline Vf load_i8(const int8_t* p) { return each<Vf>([&](int i) { return static_cast<float>(p[i]); }); }
// Values are in [-128, 127].
inline void store_i8(int8_t* p, Vi a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
}

// IEEE binary16, to nearest even; a NaN keeps its sign and upper payload bits and becomes quiet.
inline float half_to_float(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000u) << 16, rest = h & 0x7fffu;
  uint32_t r;
  if (rest >= 0x7c00u) {
    r = sign | 0x7f800000u | (rest & 0x3ffu) << 13 | (rest > 0x7c00u ? 0x400000u : 0u);
  } else if (rest >= 0x400u) {
    r = sign | ((rest << 13) + (112u << 23));
  } else {
    const float f = static_cast<float>(rest) * 0x1p-24f;  // exact: a subnormal counts units of 2^-24
    memcpy(&r, &f, 4);
    r |= sign;
  }
  float f;
  memcpy(&f, &r, 4);
  return f;
}
inline uint16_t float_to_half(float f) {
  uint32_t b;
  memcpy(&b, &f, 4);
  const uint32_t sign = (b >> 16) & 0x8000u, a = b & 0x7fffffffu;
  if (a > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
  if (a >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and up
  if (a >= 0x38800000u) {                                               // normal: 2^-14 and up
    return static_cast<uint16_t>(sign | ((a - (112u << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13));
  }
  // Subnormal: adding 0.5 leaves the value in units of 2^-24, rounded, in the low bits.
  float m;
  memcpy(&m, &a, 4);
  m += 0.5f;
  uint32_t r;
  memcpy(&r, &m, 4);
  return static_cast<uint16_t>(sign | (r - 0x3f000000u));
}
inline Vf load_f16(const uint16_t* p) { return each<Vf>([&](int i) { return half_to_float(p[i]); }); }
inline void store_f16(uint16_t* p, Vf a) {
  for (int i = 0; i < 16; ++i) p[i] = float_to_half(a.v[i]);
}

// out[ld * i + j] = lane i of rows[j].
inline void store_transposed(float* out, size_t ld, const Vf (&rows)[16]) {
  float t[16][16];
  for (int j = 0; j < 16; ++j) store(t[j], rows[j]);
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) out[ld * i + j] = t[j][i];
  }
}

// The order of a sum over lanes: halves onto each other, 8, 4, 2, 1.
template <class T, class V>
inline T sum_lanes(V a) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
  }
  return a.v[0];
}
inline float sum(Vf a) { return sum_lanes<float>(a); }
inline int32_t sum(Vi a) { return sum_lanes<int32_t>(a); }  // callers' totals fit

}  // namespace
}  // namespace onebit::cpu
