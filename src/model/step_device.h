// What the model needs to know of a device that evaluates whole forward passes, such as a GPU: it holds weights and KV
// caches of its own and takes the place of the layers in forward.cpp. Results are those of the CPU.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "cpu/head.h"

namespace onebit {

class KvCache;
struct BatchToken;

// Keys and values of one sequence in the memory of a device. Destroyed before the device.
class DeviceKv {
 public:
  virtual ~DeviceKv() = default;
  // Copies positions [first, end) of every layer into `cache`, which has room for them.
  virtual Status download(KvCache& cache, uint32_t first, uint32_t end) = 0;
};

class StepDevice {
 public:
  virtual ~StepDevice() = default;

  // Evaluates `batch` as Model::forward does. positions[i] is that of batch[i]; ids are in the vocabulary. Keys and
  // values of positions before a sequence's first token of the batch are in batch[i].kv or already on the device
  // (KvCache::device); what is only in the cache is copied, once.
  //   hidden: [wanted][dim], in batch order
  //   best:   [wanted][top], the largest full-precision logits of each wanted token, best first, ties by lower id; made
  //           empty where the device leaves them to the host's output head
  // Errors: Errc::device, Errc::out_of_memory. What the device then holds of the batch's sequences is what it held before.
  virtual Status forward(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top, float* hidden,
                         std::vector<cpu::TokenLogit>& best) = 0;
};

}  // namespace onebit
