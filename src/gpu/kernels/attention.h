// Grouped-query attention with the arithmetic of src/cpu/attention_kernels.h: scores fused in order of d; per block of
// 64 keys a new maximum, sums of p by key mod 4, o scaled and then fused in order of keys; chunks of 1024 keys merged in
// order. The order fixes what can be parallel: scores of all keys, all rows and columns of o, and chunks.
//
// Decode of a token at P positions reads the cache once: 2 P kv_heads head_dim elements. Scores spread over
// P / 64 * kv_heads blocks, values over P / 1024 * kv_heads * head_dim / 32; the latter's chain of 1024 fused
// multiply-adds (about 4 cycles each) bounds a layer at 4096 cycles however small the model: 2.4 us at 1.7 GHz.
#pragma once

#include "gpu/kernels/elementwise.h"

namespace onebit::gpu {
namespace {

constexpr float kNoMaximum = -3.402823466e+38f;  // where no key has been seen
constexpr uint32_t kKeyBlock = 64;

ONEBIT_DEVICE float load_kv(KvType type, const uint8_t* data, uint64_t i, float scale) {
  switch (type) {
    case KvType::f16: return half_to_float(reinterpret_cast<const uint16_t*>(data)[i]);
    case KvType::q8: return static_cast<float>(reinterpret_cast<const int8_t*>(data)[i]) * scale;
    default: return reinterpret_cast<const float*>(data)[i];
  }
}

// ---- Scores: a block has 64 keys; thread = key (64) and every fourth of up to 16 query rows -----------------------
constexpr uint32_t kScoreColumns = 64;  // of head_dim in shared memory at a time
constexpr uint32_t kMaxGroup = 16;

struct ScoreShared {
  float k[kScoreKeys][kScoreColumns + 1];
  float q[kMaxGroup][kScoreColumns];
};

ONEBIT_DEVICE void score_block(const AttentionArgs& a, ScoreShared& s) {
  const uint32_t t = block_z(), kv_head = block_y(), first = block_x() * kScoreKeys;
  const Token token = a.tokens[t];
  if (first > token.position) return;
  const KvSequence sequence = a.sequences[token.sequence];
  const KvShape& kv = a.kv;
  const uint32_t group = kv.heads / kv.kv_heads, keys = least(kScoreKeys, token.position + 1 - first);
  const uint64_t row = kv_row(kv, sequence, 0, kv_head, first);
  const float* const q = a.q + uint64_t{t} * a.ld_q + uint64_t{kv_head} * group * kv.head_dim;

  const uint32_t key = thread_x() % kScoreKeys, part = thread_x() / kScoreKeys;
  float acc[kMaxGroup / 4] = {};
  for (uint32_t d0 = 0; d0 < kv.head_dim; d0 += kScoreColumns) {
    const uint32_t columns = least(kScoreColumns, kv.head_dim - d0);
    if (d0 > 0) barrier();
    for (uint32_t i = thread_x(); i < keys * kScoreColumns; i += kBlock) {
      const uint32_t r = i / kScoreColumns, c = i % kScoreColumns;
      if (c >= columns) continue;
      const float scale = kv.type == KvType::q8 ? sequence.scales[row + r] : 1.0f;
      s.k[r][c] = load_kv(kv.type, sequence.data, (row + r) * kv.head_dim + d0 + c, scale);
    }
    for (uint32_t i = thread_x(); i < group * kScoreColumns; i += kBlock) {
      const uint32_t r = i / kScoreColumns, c = i % kScoreColumns;
      if (c < columns) s.q[r][c] = q[r * kv.head_dim + d0 + c] * a.scale;
    }
    barrier();
    if (key < keys) {
      for (uint32_t c = 0; c < columns; ++c) {
        const float x = s.k[key][c];
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kMaxGroup / 4; ++j)
          if (4 * j + part < group) acc[j] = fma(x, s.q[4 * j + part][c], acc[j]);
      }
    }
  }
  if (key >= keys) return;
  ONEBIT_UNROLL
  for (uint32_t j = 0; j < kMaxGroup / 4; ++j) {
    const uint32_t r = 4 * j + part;
    if (r < group) a.scores[(uint64_t{t} * kv.heads + kv_head * group + r) * a.positions + first + key] = acc[j];
  }
}

// ---- Values: a block has one chunk and 32 columns of o; a warp has every fourth query row -------------------------
constexpr uint32_t kChunkBlocks = kKeyChunk / kKeyBlock;
constexpr uint32_t kValueWarps = kValueBlock / kWarp;
constexpr uint32_t kValuesAhead = 8;  // loads in flight, a thread

struct ValueShared {
  float p[kValueWarps][kKeyChunk];
  float correction[kValueWarps][kChunkBlocks];
};

// p of one row's keys of a block, from scores, into p[0, keys); returns the new maximum. One warp.
template <class Score>
ONEBIT_DEVICE float softmax_block(Score score, uint32_t keys, float before, float* p) {
  const uint32_t i = lane(), j = lane() + kWarp;
  const float x = i < keys ? score(i) : -kInfinity, y = j < keys ? score(j) : -kInfinity;
  const float m = warp_max(max_or(y, max_or(x, before)));
  if (i < keys) p[i] = exp_nonpositive(x - m);
  if (j < keys) p[j] = exp_nonpositive(y - m);
  return m;
}

// The sum of p[0, keys), in every lane: lane j mod 4 adds every fourth. One warp, after a warp barrier.
ONEBIT_DEVICE float sum_by_four(const float* p, uint32_t keys) {
  float sum = 0.0f;
  for (uint32_t i = lane() % 4; i < keys; i += 4) sum = sum + p[i];
  sum = sum + shuffle_xor(sum, 1);
  return sum + shuffle_xor(sum, 2);
}

ONEBIT_DEVICE uint64_t partial_at(const AttentionArgs& a, uint32_t t, uint32_t chunk, uint32_t head) {
  return ((uint64_t{t} * chunks(a.positions) + chunk) * a.kv.heads + head) * (a.kv.head_dim + 2);
}

ONEBIT_DEVICE void value_row(const AttentionArgs& a, uint32_t t, uint32_t kv_head, uint32_t head, uint32_t chunk,
                             uint32_t column, const Token& token, ValueShared& s) {
  const KvSequence sequence = a.sequences[token.sequence];
  const KvShape& kv = a.kv;
  const uint32_t first = chunk * kKeyChunk, keys = least(kKeyChunk, token.position + 1 - first);
  const float* const scores = a.scores + (uint64_t{t} * kv.heads + head) * a.positions + first;
  float* const p = s.p[warp()];
  float* const correction = s.correction[warp()];

  float m = kNoMaximum;
  for (uint32_t b = 0; b * kKeyBlock < keys; ++b) {
    const float before = m;
    const float* const block_scores = scores + b * kKeyBlock;
    m = softmax_block([&](uint32_t i) { return block_scores[i]; }, least(kKeyBlock, keys - b * kKeyBlock), before,
                      p + b * kKeyBlock);
    if (lane() == 0) correction[b] = exp_nonpositive(before - m);
  }
  warp_barrier();
  float l = 0.0f;
  for (uint32_t b = 0; b * kKeyBlock < keys; ++b)
    l = fma(l, correction[b], sum_by_four(p + b * kKeyBlock, least(kKeyBlock, keys - b * kKeyBlock)));

  const uint32_t d = column + lane();
  float o = 0.0f;
  if (d < kv.head_dim) {
    const uint64_t row = kv_row(kv, sequence, 1, kv_head, first);
    const uint64_t at = row * kv.head_dim + d;
    for (uint32_t b = 0; b * kKeyBlock < keys; ++b) {
      o = o * correction[b];
      const uint32_t end = least(keys, (b + 1) * kKeyBlock);
      const auto value = [&](uint32_t i) {
        const float scale = kv.type == KvType::q8 ? sequence.scales[row + i] : 1.0f;
        return load_kv(kv.type, sequence.data, at + uint64_t{i} * kv.head_dim, scale);
      };
      uint32_t i = b * kKeyBlock;
      for (; i + kValuesAhead <= end; i += kValuesAhead) {
        float v[kValuesAhead];
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kValuesAhead; ++j) v[j] = value(i + j);
        ONEBIT_UNROLL
        for (uint32_t j = 0; j < kValuesAhead; ++j) o = fma(p[i + j], v[j], o);
      }
      for (; i < end; ++i) o = fma(p[i], value(i), o);
    }
  }
  float* const out = a.partial + partial_at(a, t, chunk, head);
  if (d < kv.head_dim) out[d] = o;
  if (column == 0 && lane() == 0) {
    out[kv.head_dim] = m;
    out[kv.head_dim + 1] = l;
  }
  warp_barrier();  // p and correction are free for the next row
}

ONEBIT_DEVICE void value_block(const AttentionArgs& a, ValueShared& s) {
  const uint32_t slices = value_slices(a.kv.head_dim), chunk = block_x() / slices, t = block_z();
  const Token token = a.tokens[t];
  if (chunk * kKeyChunk > token.position) return;
  const uint32_t group = a.kv.heads / a.kv.kv_heads;
  for (uint32_t r = warp(); r < group; r += kValueWarps)
    value_row(a, t, block_y(), block_y() * group + r, chunk, block_x() % slices * kValueColumns, token, s);
}

// ---- Combine: chunks in order, then o / l. A block a head --------------------------------------------------------
ONEBIT_DEVICE void combine_head(const AttentionArgs& a, uint32_t head, uint32_t t) {
  const uint32_t d = thread_x(), dim = a.kv.head_dim;
  if (d >= dim) return;
  const float* part = a.partial + partial_at(a, t, 0, head);
  float m = part[dim], l = part[dim + 1], o = part[d];
  for (uint32_t c = 1; c <= a.tokens[t].position / kKeyChunk; ++c) {
    part = a.partial + partial_at(a, t, c, head);
    const float next = part[dim], top = max_or(next, m);
    const float wa = exp_nonpositive(m - top), wb = exp_nonpositive(next - top);
    m = top;
    l = fma(part[dim + 1], wb, l * wa);
    o = fma(part[d], wb, o * wa);
  }
  a.out[(uint64_t{t} * a.kv.heads + head) * dim + d] = o * (1.0f / l) + 0.0f;
}

}  // namespace
}  // namespace onebit::gpu
