#include <arm_neon.h>

#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

uint64_t read(const uint8_t* p, size_t bytes) {
  const size_t quarter = bytes / 4;
  uint8x16_t sum[4] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
  for (size_t i = 0; i < quarter; i += 16)
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) sum[s] = veorq_u8(sum[s], vld1q_u8(p + s * quarter + i));
  const uint64x2_t all = vreinterpretq_u64_u8(veorq_u8(veorq_u8(sum[0], sum[1]), veorq_u8(sum[2], sum[3])));
  return vgetq_lane_u64(all, 0) ^ vgetq_lane_u64(all, 1);
}

uint64_t int8(uint64_t iterations) {
  int32x4_t a[16];
  for (int32x4_t& v : a) v = vdupq_n_s32(0);
  const int8x16_t x = vdupq_n_s8(1), w = vdupq_n_s8(2);
  for (uint64_t i = 0; i < iterations; ++i)
#pragma GCC unroll 16
    for (int n = 0; n < 16; ++n) {
      asm volatile("" : "+w"(a[n]));  // or the sixteen equal chains would become one
      a[n] = vdotq_s32(a[n], w, x);
    }
  int32x4_t sum = a[0];
  for (int n = 1; n < 16; ++n) sum = vaddq_s32(sum, a[n]);
  return static_cast<uint64_t>(vaddvq_s32(sum));
}

}  // namespace

const LimitLoops kLimitsNeon{read, int8, 16 * 32};

}  // namespace onebit::cpu
