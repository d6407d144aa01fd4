// NEON with the dot-product extension (ARMv8.2 sdot). Codes 0..2 are small enough to be signed bytes, so
// sdot serves where x86 has vpdpbusd; a register holds four rows. Fields are masked in place where the
// byte stays positive (codes times 1, 4, 16), the top one is shifted down.
//
// Bounds: per 64 bytes of p2 in decode 16 sdot, 12 and, 4 shifts for 256 weights; p16 adds four table
// lookups of 64 entries for each register. In prefill 16 multiply-adds per sdot.
#include <arm_neon.h>

#include "cpu/ternary_gemm.h"
#include "cpu/ternary_pack.h"

namespace onebit::cpu {
namespace {

inline int8x16_t broadcast4(const int8_t* x) {
  int32_t v;
  __builtin_memcpy(&v, x, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

inline int8x16_t masked(uint8x16_t v, uint8_t mask) { return vreinterpretq_s8_u8(vandq_u8(v, vdupq_n_u8(mask))); }
inline int8x16_t top(uint8x16_t v) { return vreinterpretq_s8_u8(vshrq_n_u8(v, 6)); }

struct DenseDecoder {
  uint8x16x4_t direct = vld1q_u8_x4(kDense.direct);
  uint8x16x4_t escape = vld1q_u8_x4(kDense.escape);
  uint8x16x4_t escape_first = vld1q_u8_x4(kDense.escape_first);

  // first: trit 0; the result packs trits 1..4.
  uint8x16_t operator()(uint8x16_t bytes, uint8x16_t* first) const {
    const uint8x16_t index = vshrq_n_u8(bytes, 2), low = vandq_u8(bytes, vdupq_n_u8(3));
    const uint8x16_t escaped = vceqq_u8(low, vdupq_n_u8(3));
    *first = vbslq_u8(escaped, vqtbl4q_u8(escape_first, index), low);
    return vbslq_u8(escaped, vqtbl4q_u8(escape, index), vqtbl4q_u8(direct, index));
  }
};

// Sums of codes times 1, 4 and 16 for four rows.
struct FieldSums {
  int32x4_t s0, s1, s2;

  void add(uint8x16_t v, int8x16_t x0, int8x16_t x1, int8x16_t x2, int8x16_t x3) {
    s0 = vdotq_s32(s0, masked(v, 0x03), x0);
    s1 = vdotq_s32(s1, masked(v, 0x0c), x1);
    s2 = vdotq_s32(s2, masked(v, 0x30), x2);
    s0 = vdotq_s32(s0, top(v), x3);
  }
  int32x4_t total(int32_t sum) const {
    return vsubq_s32(vaddq_s32(s0, vaddq_s32(vshrq_n_s32(s1, 2), vshrq_n_s32(s2, 4))), vdupq_n_s32(sum));
  }
};

void gemv_p2(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a[4] = {};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 16) {
      const int8x16_t x0 = broadcast4(columns), x1 = broadcast4(columns + 4), x2 = broadcast4(columns + 8),
                      x3 = broadcast4(columns + 12);
      for (int r = 0; r < 4; ++r) a[r].add(vld1q_u8(tile + 16 * r), x0, x1, x2, x3);
    }
    for (int r = 0; r < 4; ++r) vst1q_s32(acc + 4 * r, a[r].total(sum));
  }
}

void gemv_p16(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const DenseDecoder decode;
  const uint8_t* tile = w.data + size_t{g0} * w.tiles * 64;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    FieldSums a[4] = {};
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 20) {
      const int8x16_t x0 = broadcast4(columns), x1 = broadcast4(columns + 4), x2 = broadcast4(columns + 8),
                      x3 = broadcast4(columns + 12), x4 = broadcast4(columns + 16);
      for (int r = 0; r < 4; ++r) {
        uint8x16_t first;
        const uint8x16_t rest = decode(vld1q_u8(tile + 16 * r), &first);
        a[r].s0 = vdotq_s32(a[r].s0, vreinterpretq_s8_u8(first), x0);
        a[r].add(rest, x1, x2, x3, x4);
      }
    }
    for (int r = 0; r < 4; ++r) vst1q_s32(acc + 4 * r, a[r].total(sum));
  }
}

void gemv(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  w.dense ? gemv_p16(w, g0, g1, x, sum, acc) : gemv_p2(w, g0, g1, x, sum, acc);
}

struct Neon {
  static constexpr int kGroups = 1, kTokens = 6;

  static void store_fields(uint8x16_t v, uint8_t* panel) {
    const uint8x16_t three = vdupq_n_u8(3);
    vst1q_u8(panel, vandq_u8(v, three));
    vst1q_u8(panel + 64, vandq_u8(vshrq_n_u8(v, 2), three));
    vst1q_u8(panel + 128, vandq_u8(vshrq_n_u8(v, 4), three));
    vst1q_u8(panel + 192, vshrq_n_u8(v, 6));
  }

  static void expand(const PackedView& w, uint32_t g, uint32_t tile0, uint32_t tiles, uint8_t* panel) {
    const uint8_t* tile = w.data + (size_t{g} * w.tiles + tile0) * 64;
    if (!w.dense) {
      for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 256)
        for (int r = 0; r < 4; ++r) store_fields(vld1q_u8(tile + 16 * r), panel + 16 * r);
      return;
    }
    const DenseDecoder decode;
    for (uint32_t t = 0; t < tiles; ++t, tile += 64, panel += 320)
      for (int r = 0; r < 4; ++r) {
        uint8x16_t first;
        const uint8x16_t rest = decode(vld1q_u8(tile + 16 * r), &first);
        vst1q_u8(panel + 16 * r, first);
        store_fields(rest, panel + 64 + 16 * r);
      }
  }

  // 16 rows x 6 tokens: 24 accumulators, four registers of codes and a broadcast, of 32.
  template <int G, int T>
  static void micro(const uint8_t* panel, uint32_t steps, const int8_t* x, size_t stride, int32_t* acc, size_t ld) {
    static_assert(G == 1);
    int32x4_t c[T][4];
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) c[t][r] = vld1q_s32(acc + t * ld + 4 * r);
    for (uint32_t s = 0; s < steps; ++s, panel += 64, x += 4) {
      int8x16_t codes[4];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) codes[r] = vreinterpretq_s8_u8(vld1q_u8(panel + 16 * r));
#pragma GCC unroll 6
      for (int t = 0; t < T; ++t) {
        const int8x16_t xt = broadcast4(x + t * stride);
#pragma GCC unroll 4
        for (int r = 0; r < 4; ++r) c[t][r] = vdotq_s32(c[t][r], codes[r], xt);
      }
    }
#pragma GCC unroll 6
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) vst1q_s32(acc + t * ld + 4 * r, c[t][r]);
  }
};

}  // namespace

const RawKernels kTernaryNeon{gemv, gemm<Neon>};

}  // namespace onebit::cpu
