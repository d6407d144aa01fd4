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

// Two neighbouring elements of a row of the cache, as they lie there: loaded now, made floats where they are needed, so
// that many are on their way at once. Rows have an even number of elements.
struct RawPair {
  uint32_t low, high;
  float scale;
};
ONEBIT_DEVICE RawPair load_pair(const KvShape& kv, const KvSequence& s, uint64_t row, uint32_t d) {
  const uint64_t i = (row * kv.head_dim + d) / 2;
  switch (kv.type) {
    case KvType::f16: return {reinterpret_cast<const uint32_t*>(s.data)[i], 0, 1.0f};
    case KvType::q8: return {reinterpret_cast<const uint16_t*>(s.data)[i], 0, s.scales[row]};
    default: {
      const U2 x = reinterpret_cast<const U2*>(s.data)[i];
      return {x.v[0], x.v[1], 1.0f};
    }
  }
}
ONEBIT_DEVICE void store_pair(KvType type, const RawPair& x, float* out) {
  switch (type) {
    case KvType::f16:
      out[0] = half_to_float(static_cast<uint16_t>(x.low));
      out[1] = half_to_float(static_cast<uint16_t>(x.low >> 16));
      break;
    case KvType::q8:
      out[0] = static_cast<float>(static_cast<int8_t>(x.low)) * x.scale;
      out[1] = static_cast<float>(static_cast<int8_t>(x.low >> 8)) * x.scale;
      break;
    default:
      out[0] = as_float(x.low);
      out[1] = as_float(x.high);
  }
}

// ---- Scores: a block has 64 keys; thread = key (64) and every fourth of up to 16 query rows -----------------------
constexpr uint32_t kScoreColumns = 64;  // of head_dim in shared memory at a time
constexpr uint32_t kMaxGroup = 16;
constexpr uint32_t kScorePairs = kScoreKeys * kScoreColumns / 2 / kBlock;  // a thread

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
    RawPair pairs[kScorePairs];
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kScorePairs; ++i) {
      const uint32_t id = i * kBlock + thread_x(), r = id / (kScoreColumns / 2), c = id % (kScoreColumns / 2) * 2;
      pairs[i] = load_pair(kv, sequence, row + least(r, keys - 1), d0 + least(c, columns - 2));
    }
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kScorePairs; ++i) {
      const uint32_t id = i * kBlock + thread_x();
      store_pair(kv.type, pairs[i], &s.k[id / (kScoreColumns / 2)][id % (kScoreColumns / 2) * 2]);
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
constexpr uint32_t kValuesAhead = 8;
constexpr uint32_t kValueKeys = 128;  // whose values are in shared memory; the next are on their way meanwhile
constexpr uint32_t kValuePairs = kValueKeys * kValueColumns / 2 / kValueBlock;  // a thread

struct ValueShared {
  float p[kValueWarps][kKeyChunk];
  float correction[kValueWarps][kChunkBlocks];
  float v[kValueKeys][kValueColumns];
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

class ValueBlock {
 public:
  ONEBIT_DEVICE ValueBlock(const AttentionArgs& args, ValueShared& shared)
      : a(args), s(shared), t(block_z()), chunk(block_x() / value_slices(args.kv.head_dim)),
        column(block_x() % value_slices(args.kv.head_dim) * kValueColumns), token(args.tokens[t]) {}

  ONEBIT_DEVICE void run() {
    if (chunk * kKeyChunk > token.position) return;
    sequence = a.sequences[token.sequence];
    keys = least(kKeyChunk, token.position + 1 - chunk * kKeyChunk);
    const uint32_t group = a.kv.heads / a.kv.kv_heads;
    for (uint32_t r = 0; r < group; r += kValueWarps) {
      const bool used = r + warp() < group;
      const uint32_t head = block_y() * group + (used ? r + warp() : 0);
      RawPair ahead[kValuePairs];
      load(0, ahead);
      float m = kNoMaximum, l = 0.0f;
      softmax(head, m, l);
      const float o = values(ahead);
      if (!used) continue;
      float* const out = a.partial + partial_at(a, t, chunk, head);
      if (column + lane() < a.kv.head_dim) out[column + lane()] = o;
      if (column == 0 && lane() == 0) {
        out[a.kv.head_dim] = m;
        out[a.kv.head_dim + 1] = l;
      }
    }
  }

 private:
  // p, corrections, maximum and sum of the warp's row.
  ONEBIT_DEVICE void softmax(uint32_t head, float& m, float& l) {
    const float* const scores = a.scores + (uint64_t{t} * a.kv.heads + head) * a.positions + chunk * kKeyChunk;
    float* const p = s.p[warp()];
    float* const correction = s.correction[warp()];
    for (uint32_t b = 0; b * kKeyBlock < keys; ++b) {
      const float before = m;
      const float* const block_scores = scores + b * kKeyBlock;
      m = softmax_block([&](uint32_t i) { return block_scores[i]; }, least(kKeyBlock, keys - b * kKeyBlock), before,
                        p + b * kKeyBlock);
      if (lane() == 0) correction[b] = exp_nonpositive(before - m);
    }
    warp_barrier();
    for (uint32_t b = 0; b * kKeyBlock < keys; ++b)
      l = fma(l, correction[b], sum_by_four(p + b * kKeyBlock, least(kKeyBlock, keys - b * kKeyBlock)));
  }

  // This thread's pairs of the values of keys [first, first + kValueKeys).
  ONEBIT_DEVICE void load(uint32_t first, RawPair (&to)[kValuePairs]) const {
    const uint64_t row = kv_row(a.kv, sequence, 1, block_y(), chunk * kKeyChunk);
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kValuePairs; ++i) {
      const uint32_t id = i * kValueBlock + thread_x(), key = first + id / (kValueColumns / 2), d = id % (kValueColumns / 2) * 2;
      // Past the end: what is there last, for nobody.
      to[i] = load_pair(a.kv, sequence, row + least(key, keys - 1), least(column + d, a.kv.head_dim - 2));
    }
  }

  // This lane's column of o.
  ONEBIT_DEVICE float values(RawPair (&ahead)[kValuePairs]) {
    const float* const p = s.p[warp()];
    float o = 0.0f;
    for (uint32_t first = 0; first < keys; first += kValueKeys) {
      barrier();
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kValuePairs; ++i) {
        const uint32_t id = i * kValueBlock + thread_x();
        store_pair(a.kv.type, ahead[i], &s.v[id / (kValueColumns / 2)][id % (kValueColumns / 2) * 2]);
      }
      load(first + kValueKeys, ahead);
      barrier();
      for (uint32_t b = first; b < least(first + kValueKeys, keys); b += kKeyBlock) {
        o = o * s.correction[warp()][b / kKeyBlock];
        const uint32_t end = least(keys, b + kKeyBlock);
        uint32_t i = b;
        for (; i + kValuesAhead <= end; i += kValuesAhead) {
          ONEBIT_UNROLL
          for (uint32_t j = 0; j < kValuesAhead; ++j) o = fma(p[i + j], s.v[i + j - first][lane()], o);
        }
        for (; i < end; ++i) o = fma(p[i], s.v[i - first][lane()], o);
      }
    }
    barrier();  // p, corrections and values are free for the next row
    return o;
  }

  const AttentionArgs& a;
  ValueShared& s;
  const uint32_t t, chunk, column;
  const Token token;
  KvSequence sequence = {};
  uint32_t keys = 0;
};

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
