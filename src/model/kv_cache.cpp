#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

namespace onebit {

KvCache::KvCache(const ModelConfig& config, cpu::KvType type, uint32_t context)
    : type_(type), layers_(config.layers), kv_heads_(config.kv_heads), head_dim_(config.head_dim), context_(context) {}

size_t KvCache::bytes(uint32_t positions) const {
  const size_t rows = size_t{layers_} * 2 * kv_heads_ * positions;
  return rows * head_dim_ * cpu::kv_element_bytes(type_) + (type_ == cpu::KvType::q8 ? rows * sizeof(float) : 0);
}

Status KvCache::fits(uint32_t positions) const {
  if (positions > context_)
    return fail(Errc::out_of_range, "the context is full: {} positions asked for, the context has {}", positions, context_);
  return {};
}

Status KvCache::to_host() {
  trim();
  if (!device) on_host = length;  // restored by hand
  if (on_host == length) return {};
  ONEBIT_TRY(reserve(length));
  ONEBIT_TRY(device->download(*this, on_host, length));
  on_host = length;
  return {};
}

Status KvCache::reserve(uint32_t positions) {
  constexpr uint32_t kFirst = 256;
  ONEBIT_TRY(fits(positions));
  if (positions <= capacity_) return {};
  uint32_t capacity = std::max(capacity_, std::min(kFirst, context_));
  while (capacity < positions) capacity = std::min(context_, capacity > context_ / 2 ? context_ : capacity * 2);

  const size_t row = head_dim_ * cpu::kv_element_bytes(type_);
  const size_t heads = size_t{layers_} * 2 * kv_heads_;
  ONEBIT_ASSIGN(Buffer data, Buffer::allocate(heads * capacity * row, "the KV cache"));
  ONEBIT_ASSIGN(Buffer scales, Buffer::allocate(type_ == cpu::KvType::q8 ? heads * capacity * sizeof(float) : 0,
                                                "the KV cache's scales"));
  const size_t kept = std::min(length, capacity_);  // a device may hold more positions
  for (size_t h = 0; h < heads && kept > 0; ++h) {
    std::memcpy(data.data() + h * capacity * row, data_.data() + h * capacity_ * row, kept * row);
    if (scales.size())
      std::memcpy(scales.as<float>() + h * capacity, scales_.as<float>() + h * capacity_, kept * sizeof(float));
  }
  data_ = std::move(data);
  scales_ = std::move(scales);
  capacity_ = capacity;
  return {};
}

cpu::KvLayer KvCache::layer(uint32_t index) {
  const size_t half = size_t{kv_heads_} * capacity_;  // rows of k, then rows of v
  const size_t row = head_dim_ * cpu::kv_element_bytes(type_);
  uint8_t* k = data_.data() + index * 2 * half * row;
  float* scale = scales_.size() ? scales_.as<float>() + index * 2 * half : nullptr;
  return {type_, capacity_, kv_heads_, head_dim_, k, k + half * row, scale, scale ? scale + half : nullptr};
}

}  // namespace onebit
