// Embedding, rotary embedding with the store into the KV cache, and what layers need that are not ternary.
#pragma once

#include "gpu/kernels/float_math.h"

namespace onebit::gpu {
namespace {

ONEBIT_DEVICE void embed_token(const EmbedArgs& a, uint32_t t) {
  const uint64_t first = static_cast<uint64_t>(a.tokens[t].id) * a.dim;
  for (uint32_t i = thread_x(); i < a.dim; i += kBlock)
    a.x[uint64_t{t} * a.dim + i] = load_float(a.table, a.type, first + i);
}

// Row of the KV cache: index of its first element, and of its scale.
ONEBIT_DEVICE uint64_t kv_row(const KvShape& kv, const KvSequence& s, uint32_t is_value, uint32_t head, uint32_t position) {
  return ((uint64_t{kv.layer} * 2 + is_value) * kv.kv_heads + head) * s.capacity + position;
}
constexpr uint32_t element_bytes(KvType type) { return type == KvType::f32 ? 4 : type == KvType::f16 ? 2 : 1; }

// Element i of a head after rotation.
ONEBIT_DEVICE float rotated(const RopeArgs& a, const float* head, const float* cos, const float* sin, uint32_t i) {
  if (i >= 2 * a.half) return head[i];
  const uint32_t pair = a.neox ? i % a.half : i / 2;
  const uint32_t low = a.neox ? pair : 2 * pair, high = a.neox ? pair + a.half : low + 1;
  const float x = head[low], y = head[high], c = cos[pair], s = sin[pair];
  return i == low ? fma(-y, s, x * c) : fma(x, s, y * c);
}

// One row of up to 256 elements by one warp: lane l gives elements l, l + 32, ...
constexpr uint32_t kRowParts = 8;
ONEBIT_DEVICE void store_kv_row(const KvShape& kv, const KvSequence& s, uint64_t row, const float (&v)[kRowParts]) {
  const uint64_t first = row * kv.head_dim;
  float scale = 0.0f;
  bool lost = false;
  if (kv.type == KvType::q8) {
    float top = 0.0f, bad = 0.0f;
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kRowParts; ++i) {
      top = max_or(__builtin_fabsf(v[i]), top);
      bad = fma(v[i], 0.0f, bad);
    }
    top = warp_max(top);
    for (uint32_t m = kWarp / 2; m > 0; m /= 2) bad = bad + shuffle_xor(bad, m);
    lost = bad != bad;
    scale = lost ? bad : top / 127.0f;
    if (lane() == 0) s.scales[row] = lost ? bad : scale == 0.0f ? 0.0f : scale;
  }
  ONEBIT_UNROLL
  for (uint32_t i = 0; i < kRowParts; ++i) {
    const uint32_t d = lane() + kWarp * i;
    if (d >= kv.head_dim) continue;
    if (kv.type == KvType::f32) {
      reinterpret_cast<float*>(s.data)[first + d] = v[i];
    } else if (kv.type == KvType::f16) {
      reinterpret_cast<uint16_t*>(s.data)[first + d] = float_to_half(v[i]);
    } else {
      const float x = lost || scale == 0.0f ? 0.0f : min_or(127.0f, max_or(-127.0f, v[i] / scale));
      s.data[first + d] = static_cast<uint8_t>(round_to_int(x));
    }
  }
}

// A warp for each head of q, k and v in turn.
ONEBIT_DEVICE void rope_kv_token(const RopeArgs& a, uint32_t t) {
  const Token token = a.tokens[t];
  const KvSequence& sequence = a.sequences[token.sequence];
  const float* const cos = a.cos + uint64_t{token.position} * a.half;
  const float* const sin = a.sin + uint64_t{token.position} * a.half;
  const KvShape& kv = a.kv;
  for (uint32_t h = warp(); h < kv.heads + 2 * kv.kv_heads; h += kBlock / kWarp) {
    const bool is_q = h < kv.heads, is_k = !is_q && h < kv.heads + kv.kv_heads;
    const uint32_t head = is_q ? h : is_k ? h - kv.heads : h - kv.heads - kv.kv_heads;
    const float* const from = is_q   ? a.q + uint64_t{t} * a.ld_q + uint64_t{head} * kv.head_dim
                              : is_k ? a.k + uint64_t{t} * a.ld_kv + uint64_t{head} * kv.head_dim
                                     : a.v + uint64_t{t} * a.ld_kv + uint64_t{head} * kv.head_dim;
    float v[kRowParts];
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kRowParts; ++i) {
      const uint32_t d = lane() + kWarp * i;
      v[i] = d >= kv.head_dim ? 0.0f : is_q || is_k ? rotated(a, from, cos, sin, d) : from[d];
    }
    if (is_q) {
      warp_barrier();  // q is rotated in place: all of it has been read
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kRowParts; ++i)
        if (lane() + kWarp * i < kv.head_dim) a.q[uint64_t{t} * a.ld_q + uint64_t{head} * kv.head_dim + lane() + kWarp * i] = v[i];
    } else {
      store_kv_row(kv, sequence, kv_row(kv, sequence, !is_k, head, token.position), v);
    }
  }
}

ONEBIT_DEVICE void linear_float_rows(const FloatLinearArgs& a, uint32_t block, uint32_t t) {
  const uint32_t row = block * (kBlock / kWarp) + warp();
  if (row >= a.rows) return;
  const float dot = warp_dot(a.weights, a.type, uint64_t{row} * a.cols, a.x + uint64_t{t} * a.cols, a.cols);
  if (lane() != 0) return;
  float* const y = a.out + uint64_t{t} * a.ld + row;
  *y = a.add ? *y + dot * a.scale : dot * a.scale;
}

ONEBIT_DEVICE void gate_element(const GateArgs& a, uint32_t i) {
  if (i < a.n) a.h[i] = (a.silu ? silu(a.gate[i]) : relu2(a.gate[i])) * a.up[i];
}

}  // namespace
}  // namespace onebit::gpu
