#include "cpu/head_kernels.h"
#include "cpu/vec16_neon.h"

namespace onebit::cpu {
namespace {

inline int8x16_t same_four(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

// Codes fit a signed byte. The four registers hold four rows each.
constexpr int kDotTokens = 1;
template <int>
inline void block_dots(const uint8_t* block, const HeadInput* x, size_t at, Vi* dots) {
  const int8_t *hi = x->hi + at, *lo = x->lo + at;
  Vi h = set1(int32_t{0}), l = set1(int32_t{0});
  const uint8x16_t low = vdupq_n_u8(0x0f), upper = vdupq_n_u8(0x30);
  for (uint32_t t = 0; t < kHeadBlock / 16; ++t, block += kHeadTileBytes, hi += 16, lo += 16) {
    for (int q = 0; q < 4; ++q) {
      const uint8x16_t n0 = vld1q_u8(block + 16 * q), n1 = vld1q_u8(block + 64 + 16 * q);
      const uint8x16_t u = vld1q_u8(block + 128 + 16 * q);
      const uint8x16_t codes[4] = {vbslq_u8(low, n0, vandq_u8(vshlq_n_u8(u, 4), upper)),
                                   vorrq_u8(vshrq_n_u8(n0, 4), vandq_u8(vshlq_n_u8(u, 2), upper)),
                                   vbslq_u8(low, n1, vandq_u8(u, upper)),
                                   vorrq_u8(vshrq_n_u8(n1, 4), vandq_u8(vshrq_n_u8(u, 2), upper))};
      for (int i = 0; i < 4; ++i) {
        h.v[q] = vdotq_s32(h.v[q], vreinterpretq_s8_u8(codes[i]), same_four(hi + 4 * i));
        l.v[q] = vdotq_s32(l.v[q], vreinterpretq_s8_u8(codes[i]), same_four(lo + 4 * i));
      }
    }
  }
  *dots = shift_left<7>(h) + l;
}

}  // namespace
}  // namespace onebit::cpu

#include "cpu/head.inl"

namespace onebit::cpu {

constinit const HeadKernels head_neon = kHead;

}  // namespace onebit::cpu
