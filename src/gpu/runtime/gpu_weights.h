// A model's weights in the memory of a GPU, in the layouts of gpu/kernels/kernels.h. Made once, from the matrices that
// the CPU has packed and from the tensors of the file.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "gpu/driver/device.h"
#include "gpu/runtime/kernel_set.h"
#include "model/model.h"

namespace onebit::gpu {

struct GpuMatrix {
  uint32_t rows = 0, cols = 0;
  float scale = 1;
  bool ternary = false;
  uint32_t units = 0;               // ternary
  FloatType type = FloatType::f32;  // not ternary
  Memory memory;                    // empty for the second of a gated pair
};

struct GpuLayer {
  Memory attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm;  // f32; empty: no such norm
  GpuMatrix q, k, v, o, gate, up, down;
  bool gated = false;  // gate and up are one ternary matrix, in gate.memory
};

struct GpuHead {
  FloatType type = FloatType::f32;
  uint32_t vocab = 0, dim = 0;
  Memory own;                          // the table, unless it is the embedding's
  Address table = nullptr;
  Memory codes, scale, error, norm;    // of head_compress
};

struct GpuWeights {
  Packing packing = Packing::p2;
  FloatType embedding_type = FloatType::f32;
  Memory embedding;  // [vocab][dim]
  std::vector<GpuLayer> layers;
  Memory output_norm;
  GpuHead head;
  size_t bytes = 0;  // all of it
  uint64_t step_bytes = 0;  // read by one decoded token: matrices, norms, the head's copy
};

// 1.6 bits where the memory is the CPU's, 2 where memory is fast enough for the arithmetic of unpacking to show.
Packing preferred_packing(const DeviceInfo& info);

// Errors: Errc::out_of_memory and Errc::device; a matrix that the kernels cannot hold.
Result<GpuWeights> upload_weights(KernelSet& kernels, const Model& model, Packing packing, ThreadPool& pool, const LoadProgress& progress);

}  // namespace onebit::gpu
