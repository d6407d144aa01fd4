// Keys and values of one sequence, for all layers; grows by doubling up to the context it was made for.
#pragma once

#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"
#include "cpu/attention.h"
#include "model/config.h"

namespace onebit {

class KvCache {
 public:
  // `context`: positions it may grow to.
  KvCache(const ModelConfig& config, cpu::KvType type, uint32_t context);

  // Makes room for positions [0, positions). Errors: Errc::out_of_range past the context (names both),
  // Errc::out_of_memory; the cache is then as it was.
  Status reserve(uint32_t positions);

  cpu::KvLayer layer(uint32_t index);
  uint32_t context() const { return context_; }
  cpu::KvType type() const { return type_; }
  // Bytes in use by `positions` positions: keys and values of every layer.
  size_t bytes(uint32_t positions) const;

  // Positions that hold a token. Lowering it forgets the later ones.
  uint32_t length = 0;

 private:
  cpu::KvType type_;
  uint32_t layers_, kv_heads_, head_dim_, context_;
  uint32_t capacity_ = 0;
  Buffer data_;    // [layer][k, v][kv_head][capacity][head_dim]
  Buffer scales_;  // q8: [layer][k, v][kv_head][capacity]
};

}  // namespace onebit
