// Ternary linear layers on an NPU device: weights packed and uploaded once, then int8 activations to int32 sums, exact.
//
//   NpuLinear linear(*NpuLinear::open(device));                     // loads the one image
//   set = linear.add({{rows_q, q}, {rows_k, k}, {rows_v, v}}, cols)  // matrices that read one input, stacked
//   linear.start(set, x, tokens, stride); ... linear.finish({q_out, k_out, v_out});
//
// Matrices of a set are one product on the array: its activations travel once and it is dispatched once. Results have
// the correction for codes applied: they are the sums over (code - 1) * x.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "npu/gemm/array_program.h"
#include "npu/gemm/packing.h"
#include "npu/runtime/device.h"

namespace onebit::npu::gemm {

class NpuLinear {
 public:
  struct Matrix {
    uint32_t rows = 0;
    RowCodes codes;  // called once per row, by any thread of the pool
  };
  struct Sums {
    int32_t* out = nullptr;  // [tokens][stride]; nothing is written where null
    size_t stride = 0;
  };
  struct Counts {
    uint64_t dispatches = 0;  // commands completed
    uint64_t products = 0;    // of a matrix with a batch of tokens
    uint64_t macs = 0;        // useful ones
  };

  // The device has no image yet and outlives the result; `pool`, which shares packing and unpacking, may be null.
  static Result<NpuLinear> open(NpuDevice& device, ThreadPool* pool = nullptr);

  // Packs and uploads; the number of the set.
  Result<uint32_t> add(std::span<const Matrix> matrices, uint32_t cols);
  // Frees a set's memory on the device; its number may be given again. Not between start and finish.
  void remove(uint32_t set);

  // Begins the products of x [tokens][stride] with all matrices of a set. Until finish() no other start; x is free at
  // return.
  Status start(uint32_t set, const int8_t* x, uint32_t tokens, size_t stride);
  // Waits and writes the sums, one entry per matrix of the set. Call it once for each start that succeeded.
  Status finish(std::span<const Sums> sums);

  const Counts& counts() const { return counts_; }
  const ArrayProgram& program() const { return program_; }

 private:
  struct Set {
    std::vector<uint32_t> rows;  // of each matrix
    uint32_t n = 0, k = 0, slice = 0;  // tokens of one product
    NpuBufferRef weights;
  };
  struct Compiled {
    Plan plan;
    NpuBufferRef instructions;
  };
  // Buffers of a slice of the tokens of a start.
  struct Slice {
    uint32_t first = 0;
    const Compiled* compiled = nullptr;
    NpuBufferRef x, c;
    std::vector<int32_t> row_sums{};
  };

  NpuLinear(NpuDevice& device, ThreadPool* pool, ArrayProgram program) : device_(&device), pool_(pool), program_(std::move(program)) {}
  Result<const Compiled*> compiled(Shape shape);
  Status grow(NpuBufferRef& buffer, uint64_t bytes, unsigned argument);
  Status prepare(Slice& slice, const Set& set, const int8_t* x, uint32_t tokens, size_t stride);
  template <class F>
  void share(uint32_t count, F&& f);

  NpuDevice* device_;
  ThreadPool* pool_;
  ArrayProgram program_;
  std::vector<Set> sets_;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, Compiled> compiled_;  // by m in halves of waves, n, k
  std::vector<Slice> slices_;
  size_t active_ = 0;  // slices of the start that is under way
  uint32_t set_ = 0;
  NpuRun run_{};
  Counts counts_;
};

}  // namespace onebit::npu::gemm
