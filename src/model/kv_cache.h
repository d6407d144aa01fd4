// Keys and values of one sequence, for all layers; grows by doubling up to the context it was made for.
#pragma once

#include <cstdint>
#include <memory>

#include "base/buffer.h"
#include "base/result.h"
#include "cpu/attention.h"
#include "model/config.h"
#include "model/step_device.h"

namespace onebit {

class KvCache {
 public:
  // `context`: positions it may grow to.
  KvCache(const ModelConfig& config, cpu::KvType type, uint32_t context);

  // Makes room for positions [0, positions). Errors: Errc::out_of_range past the context (names both),
  // Errc::out_of_memory; the cache is then as it was.
  Status reserve(uint32_t positions);
  // The error of reserve() past the context, without the memory.
  Status fits(uint32_t positions) const;

  cpu::KvLayer layer(uint32_t index);
  uint32_t context() const { return context_; }
  cpu::KvType type() const { return type_; }
  // Bytes in use by `positions` positions: keys and values of every layer.
  size_t bytes(uint32_t positions) const;

  // Positions that hold a token. Lowering it forgets the later ones.
  uint32_t length = 0;

  // Where they are: the first `on_host` positions in this memory, the first `on_device` in `device`'s. One of the two is
  // `length` after a forward pass; the other side follows when a pass runs there. trim() comes before either is read.
  std::unique_ptr<DeviceKv> device;
  uint32_t on_host = 0, on_device = 0;
  void trim() {
    on_host = on_host < length ? on_host : length;
    on_device = on_device < length ? on_device : length;
  }
  // Brings here what only the device has.
  Status to_host();

 private:
  cpu::KvType type_;
  uint32_t layers_, kv_heads_, head_dim_, context_;
  uint32_t capacity_ = 0;
  Buffer data_;    // [layer][k, v][kv_head][capacity][head_dim]
  Buffer scales_;  // q8: [layer][k, v][kv_head][capacity]
};

}  // namespace onebit
