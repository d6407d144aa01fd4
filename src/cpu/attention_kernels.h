// What an instruction set provides to attention(). The unit of work is a tile: up to 64 query rows
// (token, head) that read one KV head of one sequence. Query rows are the lanes of the vectors while
// scores are computed, so a row's arithmetic never depends on which rows share its tile:
//
//   score[key] = sum over d of k[key][d] * (q[d] * scale), in order of d, fused
//   per block of 64 keys (at multiples of 64): new maximum, p = exp(score - maximum), sums of p by
//     key mod 4, and o = o * exp(old maximum - new) + sum over keys of p * v, in order, fused
//   per chunk of 1024 keys (at multiples of 1024): its own maximum, sum and o, merged in order
//
// Keys after a row's position get p = 0, which leaves sums and o as they are. So a token gets the same
// bits alone (decode) and in a batch (prefill), with its chunks computed in turn or side by side.
// (A value that is not finite is the exception: 0 times it is NaN, so it also reaches earlier tokens that
// share its tile. Such a sequence is lost anyway, and says so.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/attention.h"

namespace onebit::cpu {

constexpr uint32_t kTileRows = 64;
constexpr uint32_t kKeyBlock = 64;
constexpr uint32_t kKeyChunk = 1024;
// Keys and columns of V that are unpacked at a time, so that they stay in the L1 cache.
constexpr uint32_t kKeyTile = 16;
constexpr uint32_t kLaneKeys = 32;
constexpr uint32_t kValueColumns = 64;
constexpr uint32_t kMaxHeadDim = 256;
constexpr uint32_t kMaxPositions = 1u << 24;  // positions are compared in fp32

struct AttentionTile {
  KvType type;
  const void* k;         // of one KV head: [position][head_dim]
  const void* v;
  const float* k_scale;  // q8: [position]
  const float* v_scale;
  uint32_t head_dim;
  uint32_t rows;                 // 1..64
  uint32_t min_position;         // over rows
  uint32_t max_position;
  float scale;
  const float* q[kTileRows];     // per row: [head_dim]
  float* out[kTileRows];
  float position[kTileRows];     // exact in fp32
};

// A partial result: o not yet divided by the sum l, m the maximum it is relative to.
struct alignas(64) SoftmaxState {
  float m[kTileRows];
  float l[kTileRows];
  float o[kTileRows * kMaxHeadDim];  // [row][head_dim rounded up to 16]
};

struct alignas(64) AttentionWork {
  float q[kMaxHeadDim * kTileRows];  // [d][row], scaled
  float k[kLaneKeys * kMaxHeadDim];  // the keys being scored: [key][head_dim rounded up to 16], or [d][key]
  float v[kKeyBlock * kValueColumns];  // [key][column]: the values being added
  float s[kKeyBlock * kTileRows];    // [key][row]: scores, then p
  float correction[kTileRows];
};

struct AttentionKernels {
  // Fills work.q.
  void (*pack_queries)(const AttentionTile& tile, AttentionWork& work);
  // The partial result over keys of chunk `chunk` up to the tile's last position.
  void (*attend)(const AttentionTile& tile, uint32_t chunk, AttentionWork& work, SoftmaxState& state);
  // state = state and `next` together.
  void (*merge)(const AttentionTile& tile, SoftmaxState& state, const SoftmaxState& next);
  // out = o / l.
  void (*finish)(const AttentionTile& tile, const SoftmaxState& state);
};

extern const AttentionKernels attention_scalar, attention_avx2, attention_avx512, attention_neon;
const AttentionKernels& attention_kernels(Isa isa);

}  // namespace onebit::cpu
