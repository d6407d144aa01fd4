// Vectors of 16 lanes in four NEON registers (AArch64). See vec16_scalar.h for what each operation means.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace onebit::cpu {
namespace {

struct Vf { float32x4_t v[4]; };
struct Vi { int32x4_t v[4]; };
constexpr bool kWideVectors = false;

// A vector whose register i is f(i).
template <class V, class F>
inline V each(F f) { return {{f(0), f(1), f(2), f(3)}}; }

inline Vf load(const float* p) { return each<Vf>([&](int i) { return vld1q_f32(p + 4 * i); }); }
inline void store(float* p, Vf a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline Vf set1(float x) { return each<Vf>([&](int) { return vdupq_n_f32(x); }); }
inline Vf operator+(Vf a, Vf b) { return each<Vf>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); }); }
inline Vf operator-(Vf a, Vf b) { return each<Vf>([&](int i) { return vsubq_f32(a.v[i], b.v[i]); }); }
inline Vf operator*(Vf a, Vf b) { return each<Vf>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); }); }
inline Vf operator/(Vf a, Vf b) { return each<Vf>([&](int i) { return vdivq_f32(a.v[i], b.v[i]); }); }
inline Vf fma(Vf a, Vf b, Vf c) { return each<Vf>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); }); }
inline Vf fnma(Vf a, Vf b, Vf c) { return each<Vf>([&](int i) { return vfmsq_f32(c.v[i], a.v[i], b.v[i]); }); }
inline Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return each<Vf>([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), yes.v[i], no.v[i]); });
}
// vmaxq and vminq would return NaN where the other ISAs return b.
inline Vf max(Vf a, Vf b) { return select_less(b, a, a, b); }
inline Vf min(Vf a, Vf b) { return select_less(a, b, a, b); }
inline Vf abs(Vf a) { return each<Vf>([&](int i) { return vabsq_f32(a.v[i]); }); }

inline Vi load(const int32_t* p) { return each<Vi>([&](int i) { return vld1q_s32(p + 4 * i); }); }
inline Vi set1(int32_t x) { return each<Vi>([&](int) { return vdupq_n_s32(x); }); }
inline Vi operator+(Vi a, Vi b) { return each<Vi>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); }); }
inline Vi operator-(Vi a, Vi b) { return each<Vi>([&](int i) { return vsubq_s32(a.v[i], b.v[i]); }); }
template <int kBits>
inline Vi shift_left(Vi a) { return each<Vi>([&](int i) { return vshlq_n_s32(a.v[i], kBits); }); }
template <int kBits>
inline Vi shift_right(Vi a) { return each<Vi>([&](int i) { return vshrq_n_s32(a.v[i], kBits); }); }
inline Vi bits(Vf a) { return each<Vi>([&](int i) { return vreinterpretq_s32_f32(a.v[i]); }); }
inline Vf from_bits(Vi a) { return each<Vf>([&](int i) { return vreinterpretq_f32_s32(a.v[i]); }); }
inline Vf to_float(Vi a) { return each<Vf>([&](int i) { return vcvtq_f32_s32(a.v[i]); }); }
inline Vf load_i8(const int8_t* p) {
  const int8x16_t b = vld1q_s8(p);
  const int16x8_t lo = vmovl_s8(vget_low_s8(b)), hi = vmovl_s8(vget_high_s8(b));
  return to_float(Vi{{vmovl_s16(vget_low_s16(lo)), vmovl_s16(vget_high_s16(lo)), vmovl_s16(vget_low_s16(hi)),
                      vmovl_s16(vget_high_s16(hi))}});
}
inline void store_i8(int8_t* p, Vi a) {
  const int16x8_t lo = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
  const int16x8_t hi = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
}
inline Vf load_f16(const uint16_t* p) {
  return each<Vf>([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline void store_f16(uint16_t* p, Vf a) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
}

// out[ld * i + j] = lane i of rows[j].
inline void store_transposed(float* out, size_t ld, const Vf (&rows)[16]) {
  float t[16][16];
  for (int j = 0; j < 16; ++j) store(t[j], rows[j]);
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 16; ++j) out[ld * i + j] = t[j][i];
  }
}

inline float sum(Vf a) {
  const float32x4_t s4 = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
  const float32x2_t s2 = vadd_f32(vget_low_f32(s4), vget_high_f32(s4));
  return vget_lane_f32(s2, 0) + vget_lane_f32(s2, 1);
}
inline int32_t sum(Vi a) { return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3]))); }
inline float sqrt_exact(float x) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0); }
inline float fma_exact(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

}  // namespace
}  // namespace onebit::cpu
