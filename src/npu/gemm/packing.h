// Matrices to buffer arguments and back. Padding to whole tiles happens here: with code 1 in weights, which stands for
// 0, and with zeros in activations.
//
//   X  core row, wave along M, chunk of K, then blocks of 8 x 8 as the kernel reads them
//   W  column of cores, wave along N, chunk of K, then the kernel's groups of 16 columns, 2 bits a weight
//   C  column of cores, half, wave in order of execution, strip, core row, then blocks of 8 x 8
//
// Where X and W lie does not depend on the plan; W not even on M, so that it is packed once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "npu/gemm/plan.h"

namespace onebit::npu::gemm {

// Fills `codes` with the codes (0, 1, 2 for -1, 0, 1) of row `row` of W, k of them.
using RowCodes = std::function<void(uint32_t row, uint8_t* codes)>;

// Bytes of packed weights of N x K.
uint64_t packed_weight_bytes(uint32_t n, uint32_t k);

// Rows [16 g, 16 g + 16) of W' for g in [begin, end) of weight_groups(n); groups are independent of each other.
uint32_t weight_groups(uint32_t n);
void pack_weights(uint32_t n, uint32_t k, const RowCodes& codes, uint32_t begin, uint32_t end, std::span<uint8_t> packed);

// Rows [begin, end) of packed_rows(plan), independent of each other. x: [m][stride]; of each row k elements are read, of rows
// from M on none. sums: [m], the sum of each row.
inline uint32_t packed_rows(const Plan& plan) { return plan.waves.m * kWaveM; }
void pack_activations(const Plan& plan, const int8_t* x, size_t stride, std::span<uint8_t> packed, std::span<int32_t> sums, uint32_t begin, uint32_t end);

// Columns [first, first + count) of C, as [m][stride] from column `first` on.
struct Output {
  uint32_t first = 0, count = 0;
  int32_t* out = nullptr;
  size_t stride = 0;
};

// Rows [begin, end) of C.
void unpack_results(const Plan& plan, std::span<const uint8_t> packed, std::span<const int32_t> sums, std::span<const Output> outputs, uint32_t begin,
                    uint32_t end);

}  // namespace onebit::npu::gemm
