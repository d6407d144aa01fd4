// Keys and values of a sequence in the memory of a GPU: the layout of KvCache, with a capacity of its own.
#pragma once

#include "gpu/driver/device.h"
#include "gpu/kernels/kernels.h"
#include "model/kv_cache.h"

namespace onebit::gpu {

class GpuKv : public DeviceKv {
 public:
  GpuKv(Device& device, const ModelConfig& config, cpu::KvType type) : device_(device), config_(config), type_(type) {}

  // Makes room for `positions`, of at most `context`; keeps the first `kept`. Errors leave what there was.
  Status reserve(uint32_t positions, uint32_t kept, uint32_t context);
  // Copies positions [first, end) from the host's cache.
  Status upload(KvCache& cache, uint32_t first, uint32_t end);
  Status download(KvCache& cache, uint32_t first, uint32_t end) override;
  KvSequence sequence() const;

 private:
  size_t row_bytes() const { return config_.head_dim * cpu::kv_element_bytes(type_); }
  size_t heads() const { return size_t{config_.layers} * 2 * config_.kv_heads; }
  template <class Copy>
  Status each_row(KvCache& cache, uint32_t first, Copy&& copy);

  Device& device_;
  const ModelConfig& config_;
  cpu::KvType type_;
  uint32_t capacity_ = 0;
  Memory data_, scales_;
};

}  // namespace onebit::gpu
