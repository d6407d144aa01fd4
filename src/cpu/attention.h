// Grouped-query causal attention over the KV cache with an online softmax: the score matrix is never
// formed. Results do not depend on the number of threads, on how tokens are batched, or on the ISA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "cpu/float_ops.h"

namespace onebit::cpu {

enum class KvType : uint8_t { f32, f16, q8 };
static constexpr size_t kv_element_bytes(KvType type) { return type == KvType::f32 ? 4 : type == KvType::f16 ? 2 : 1; }

// Keys and values of one layer of one sequence, per KV head contiguous in position:
// element (head h, position p, lane d) is at index (h * capacity + p) * head_dim + d.
struct KvLayer {
  KvType type;
  uint32_t capacity;     // positions there is room for
  uint32_t kv_heads;
  uint32_t head_dim;
  void* k;               // [kv_heads][capacity][head_dim]
  void* v;
  float* k_scale;        // q8 only: [kv_heads][capacity]
  float* v_scale;
};

// Stores k and v (each [kv_heads][head_dim], fp32) of one token at `position`.
void kv_store(const FloatOps& ops, const KvLayer& kv, uint32_t position, const float* k, const float* v);

// One query token: its row of q and out ([heads][head_dim]), the cache it sees and its position; it
// attends to positions 0..position, which are already stored.
struct AttentionQuery {
  const float* q;
  float* out;
  KvLayer kv;
  uint32_t position;
};

// Scratch kept between calls.
struct AttentionScratch {
  Buffer memory;
};

// out = softmax(q k^T * scale) v for each query and head. Queries may belong to different sequences;
// consecutive queries of one sequence at consecutive positions are processed in blocks that share the
// reads of K and V. heads is a multiple of kv_heads; head_dim a multiple of 2, at most 256.
// Errors: no memory for scratch.
Status attention(const FloatOps& ops, ThreadPool& pool, std::span<const AttentionQuery> queries, uint32_t heads,
                 float scale, AttentionScratch& scratch);

}  // namespace onebit::cpu
