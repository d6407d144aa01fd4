#include "gpu/runtime/gpu_kv.h"

#include <algorithm>

namespace onebit::gpu {
namespace {

constexpr uint32_t kFirstCapacity = 256;

}  // namespace

Status GpuKv::reserve(uint32_t positions, uint32_t kept, uint32_t context) {
  if (positions <= capacity_) return {};
  uint32_t capacity = std::max(capacity_, std::min(kFirstCapacity, context));
  while (capacity < positions) capacity = std::min(context, capacity > context / 2 ? context : capacity * 2);
  const bool scaled = type_ == cpu::KvType::q8;
  ONEBIT_ASSIGN(Memory data, device_.allocate(heads() * capacity * row_bytes(), "the KV cache"));
  ONEBIT_ASSIGN(Memory scales, device_.allocate(scaled ? heads() * capacity * sizeof(float) : 0, "the KV cache's scales"));
  for (size_t h = 0; h < heads() && kept > 0; ++h) {
    ONEBIT_TRY(device_.copy_on_device(data.at(h * capacity * row_bytes()), data_.at(h * capacity_ * row_bytes()), kept * row_bytes()));
    if (scaled)
      ONEBIT_TRY(device_.copy_on_device(scales.at(h * capacity * sizeof(float)), scales_.at(h * capacity_ * sizeof(float)), kept * sizeof(float)));
  }
  // The old memory is given back below: the copies out of it have to be over.
  ONEBIT_TRY(device_.wait());
  data_ = std::move(data);
  scales_ = std::move(scales);
  capacity_ = capacity;
  return {};
}

// copy(device address, host address, bytes per position) for the rows from position `first` on, of every layer, keys and
// values, and head.
template <class Copy>
Status GpuKv::each_row(KvCache& cache, uint32_t first, Copy&& copy) {
  size_t h = 0;
  for (uint32_t l = 0; l < config_.layers; ++l) {
    const cpu::KvLayer layer = cache.layer(l);
    for (const bool values : {false, true}) {
      auto* data = static_cast<uint8_t*>(values ? layer.v : layer.k);
      float* scales = values ? layer.v_scale : layer.k_scale;
      for (uint32_t head = 0; head < config_.kv_heads; ++head, ++h) {
        const size_t at = h * capacity_ + first, host_at = size_t{head} * layer.capacity + first;
        ONEBIT_TRY(copy(data_.at(at * row_bytes()), data + host_at * row_bytes(), row_bytes()));
        if (scales) ONEBIT_TRY(copy(scales_.at(at * sizeof(float)), reinterpret_cast<uint8_t*>(scales + host_at), sizeof(float)));
      }
    }
  }
  return device_.wait();
}

Status GpuKv::upload(KvCache& cache, uint32_t first, uint32_t end) {
  return each_row(cache, first, [&](Address device, const uint8_t* host, size_t bytes) {
    return device_.copy_to_device(device, host, (end - first) * bytes);
  });
}

Status GpuKv::download(KvCache& cache, uint32_t first, uint32_t end) {
  return each_row(cache, first, [&](Address device, uint8_t* host, size_t bytes) {
    return device_.copy_to_host(host, device, (end - first) * bytes);
  });
}

KvSequence GpuKv::sequence() const {
  return {static_cast<uint8_t*>(data_.address()), static_cast<float*>(scales_.address()), capacity_, 0};
}

}  // namespace onebit::gpu
