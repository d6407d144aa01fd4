// Attention of a prompt: a block has up to 32 query rows (token and head of a group, as in src/cpu/attention.cpp) of one
// KV head and walks over the keys, 64 at a time, that its last row sees. Arithmetic in attention.h.
//
// Per block of 64 keys and 32 rows: 2 * 64 * 32 * D fused multiply-adds. Scores: a thread has 2 rows x 4 keys, 6 loads of
// 16 bytes from shared memory for 32 fma; values: a lane has up to 4 rows x 4 columns, 8 loads for 64 fma: both are near
// what shared memory gives at full fp32 rate. 512 tokens of BitNet-2B-4T are 20 GFMA over all layers, 1 % of the prompt's
// ternary work.
#pragma once

#include "gpu/kernels/attention.h"

namespace onebit::gpu {
namespace {

constexpr uint32_t kPrefillColumns = 32;  // of D in shared memory at a time, keys
constexpr uint32_t kPad = 4;

template <uint32_t D>
struct PrefillShape {
  static constexpr uint32_t kRows = prefill_rows(D), kWarpRows = kRows / 8, kLaneColumns = D / kWarp;
  static constexpr uint32_t kValueKeys = 4096 / D;  // keys whose values are in shared memory at a time
};

template <uint32_t D>
struct PrefillShared {
  float q[PrefillShape<D>::kRows][D + kPad];
  float p[PrefillShape<D>::kRows][kKeyBlock + kPad];
  union {
    float k[kKeyBlock][kPrefillColumns + kPad];
    float v[4096];
  };
  uint32_t position[PrefillShape<D>::kRows];
};

template <uint32_t D>
class PrefillBlock {
 public:
  using Shape = PrefillShape<D>;
  static constexpr uint32_t kRows = Shape::kRows, kWarpRows = Shape::kWarpRows, kLaneColumns = Shape::kLaneColumns;

  ONEBIT_DEVICE PrefillBlock(const AttentionArgs& args, PrefillShared<D>& shared)
      : a(args), s(shared), group(args.kv.heads / args.kv.kv_heads), first_row(block_x() * kRows),
        rows(least(kRows, args.count * group - first_row)), sequence(args.sequences[args.tokens[0].sequence]) {}

  ONEBIT_DEVICE void run() {
    load_queries();
    barrier();
    uint32_t last = 0;
    for (uint32_t r = 0; r < rows; ++r) last = s.position[r] > last ? s.position[r] : last;
    float m[kWarpRows], l[kWarpRows], o[kWarpRows][kLaneColumns];
    attend(0, last, m, l, o);
    for (uint32_t c = 1; c <= last / kKeyChunk; ++c) {
      float next_m[kWarpRows], next_l[kWarpRows], next_o[kWarpRows][kLaneColumns];
      attend(c, last, next_m, next_l, next_o);
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kWarpRows; ++i) {
        const float top = max_or(next_m[i], m[i]);
        const float wa = exp_nonpositive(m[i] - top), wb = exp_nonpositive(next_m[i] - top);
        m[i] = top;
        l[i] = fma(next_l[i], wb, l[i] * wa);
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kLaneColumns; ++j) o[i][j] = fma(next_o[i][j], wb, o[i][j] * wa);
      }
    }
    store(l, o);
  }

 private:
  ONEBIT_DEVICE uint64_t row_index(uint32_t r) const {  // of a head's row in q (rows of out: the same, ld = heads * head_dim)
    return block_y() * group + (first_row + r) % group;
  }

  ONEBIT_DEVICE void load_queries() {
    for (uint32_t i = thread_x(); i < kRows * D; i += kBlock) {
      const uint32_t r = i / D, d = i % D;
      float x = 0.0f;
      if (r < rows && d < a.kv.head_dim)
        x = a.q[uint64_t{(first_row + r) / group} * a.ld_q + row_index(r) * a.kv.head_dim + d] * a.scale;
      s.q[r][d] = x;
    }
    for (uint32_t r = thread_x(); r < kRows; r += kBlock)
      s.position[r] = r < rows ? a.tokens[(first_row + r) / group].position : 0;
  }

  // One chunk; this warp's rows are kWarpRows * warp() + i, this lane's columns kLaneColumns * lane() + j.
  ONEBIT_DEVICE void attend(uint32_t chunk, uint32_t last, float (&cm)[kWarpRows], float (&cl)[kWarpRows],
                            float (&co)[kWarpRows][kLaneColumns]) {
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kWarpRows; ++i) {
      cm[i] = kNoMaximum;
      cl[i] = 0.0f;
      ONEBIT_UNROLL
      for (uint32_t j = 0; j < kLaneColumns; ++j) co[i][j] = 0.0f;
    }
    const uint32_t end = least((chunk + 1) * kKeyChunk, last + 1);
    for (uint32_t first = chunk * kKeyChunk; first < end; first += kKeyBlock) {
      const uint32_t keys = least(kKeyBlock, end - first);
      scores(first, keys);
      barrier();
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kWarpRows; ++i) {
        const uint32_t r = kWarpRows * warp() + i;
        float* const p = s.p[r];
        const float before = cm[i];
        const uint32_t limit = s.position[r];
        cm[i] = softmax_block([&](uint32_t k) { return first + k <= limit ? p[k] : -kInfinity; }, keys, before, p);
        warp_barrier();
        const float correction = exp_nonpositive(before - cm[i]);
        cl[i] = fma(cl[i], correction, sum_by_four(p, keys));
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kLaneColumns; ++j) co[i][j] = co[i][j] * correction;
      }
      values(first, keys, co);
      barrier();
    }
  }

  // s.p[row][key] = score, for all rows; keys past `keys` and rows past `rows` hold anything finite.
  ONEBIT_DEVICE void scores(uint32_t first, uint32_t keys) {
    constexpr uint32_t kThreadRows = kRows / 16;
    const uint32_t key = thread_x() % 16, row = thread_x() / 16 * kThreadRows;
    float acc[kThreadRows][4] = {};
    const uint64_t base = kv_row(a.kv, sequence, 0, block_y(), first);
    for (uint32_t d0 = 0; d0 < a.kv.head_dim; d0 += kPrefillColumns) {
      if (d0 > 0) barrier();
      for (uint32_t i = thread_x(); i < kKeyBlock * kPrefillColumns; i += kBlock) {
        const uint32_t r = i / kPrefillColumns, c = i % kPrefillColumns;
        s.k[r][c] = r < keys && d0 + c < a.kv.head_dim ? element(base + r, d0 + c) : 0.0f;
      }
      barrier();
      for (uint32_t c = 0; c < kPrefillColumns; c += 4) {
        F4 x[4], y[kThreadRows];
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < 4; ++j) x[j] = *reinterpret_cast<const F4*>(&s.k[key + 16 * j][c]);
        ONEBIT_UNROLL
        for (uint32_t i = 0; i < kThreadRows; ++i) y[i] = *reinterpret_cast<const F4*>(&s.q[row + i][d0 + c]);
        ONEBIT_UNROLL
        for (uint32_t e = 0; e < 4; ++e) {
          ONEBIT_UNROLL
          for (uint32_t i = 0; i < kThreadRows; ++i) {
            ONEBIT_UNROLL
            for (uint32_t j = 0; j < 4; ++j) acc[i][j] = fma(x[j].v[e], y[i].v[e], acc[i][j]);
          }
        }
      }
    }
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kThreadRows; ++i) {
      ONEBIT_UNROLL
      for (uint32_t j = 0; j < 4; ++j) s.p[row + i][key + 16 * j] = acc[i][j];
    }
  }

  ONEBIT_DEVICE void values(uint32_t first, uint32_t keys, float (&co)[kWarpRows][kLaneColumns]) {
    constexpr uint32_t kValueKeys = Shape::kValueKeys;
    const uint64_t base = kv_row(a.kv, sequence, 1, block_y(), first);
    for (uint32_t k0 = 0; k0 < keys; k0 += kValueKeys) {
      const uint32_t count = least(kValueKeys, keys - k0);
      barrier();
      for (uint32_t i = thread_x(); i < count * D; i += kBlock) {
        const uint32_t k = i / D, d = i % D;
        s.v[i] = d < a.kv.head_dim ? element(base + k0 + k, d) : 0.0f;
      }
      barrier();
      for (uint32_t k = 0; k < count; ++k) {
        float v[kLaneColumns];
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kLaneColumns; ++j) v[j] = s.v[k * D + kLaneColumns * lane() + j];
        ONEBIT_UNROLL
        for (uint32_t i = 0; i < kWarpRows; ++i) {
          const float p = s.p[kWarpRows * warp() + i][k0 + k];
          ONEBIT_UNROLL
          for (uint32_t j = 0; j < kLaneColumns; ++j) co[i][j] = fma(p, v[j], co[i][j]);
        }
      }
    }
  }

  ONEBIT_DEVICE float element(uint64_t row, uint32_t d) const {
    const float scale = a.kv.type == KvType::q8 ? sequence.scales[row] : 1.0f;
    return load_kv(a.kv.type, sequence.data, row * a.kv.head_dim + d, scale);
  }

  ONEBIT_DEVICE void store(const float (&l)[kWarpRows], const float (&o)[kWarpRows][kLaneColumns]) {
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kWarpRows; ++i) {
      const uint32_t r = kWarpRows * warp() + i;
      if (r >= rows) continue;
      const float factor = 1.0f / l[i];
      float* const out = a.out + (uint64_t{(first_row + r) / group} * a.kv.heads + row_index(r)) * a.kv.head_dim;
      ONEBIT_UNROLL
      for (uint32_t j = 0; j < kLaneColumns; ++j)
        if (kLaneColumns * lane() + j < a.kv.head_dim) out[kLaneColumns * lane() + j] = o[i][j] * factor + 0.0f;
    }
  }

  const AttentionArgs& a;
  PrefillShared<D>& s;
  const uint32_t group, first_row, rows;
  const KvSequence sequence;
};

}  // namespace
}  // namespace onebit::gpu
