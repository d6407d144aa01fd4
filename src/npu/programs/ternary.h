// Programs on packed ternary weights, 2 bits each, expanded in the cores: one token (GEMV), and a linear layer whose
// results leave the array scaled, as bfloat16. The GEMM of the engine is src/npu/gemm.
#pragma once

#include <cstdint>

#include "npu/programs/gemm_grid.h"
#include "npu/programs/programs.h"

namespace onebit::npu {

// y[N] = W[N x K] x[K] on 32 cores: int8 activations, int32 results.
//
// A core takes 32 rows of W in chunks of 256 along K; the four cores of a column take a unit of 128 rows. Units go to
// columns in turn, so that no column works on padding of more than one unit.
//   bo0  x: pieces of 8 elements and 8 zeros, K padded with zeros to whole chunks
//   bo1  W by column of cores, unit, chunk, core row: the kernel's layout (gemv_t2_i32.cpp), padded with code 1
//   bo2  y by column of cores and unit, as the kernel leaves it: rows in blocks of 8, those of odd blocks 4 times too large,
//        all without the correction for codes
inline constexpr uint32_t kGemvRows = 32, kGemvChunk = 256, kGemvUnit = 4 * kGemvRows;
inline constexpr uint32_t kMaxGemvSize = 1u << 15;  // of each of N, K
ExampleProgram gemv_ternary_program();

// C = (A W') scaled, on 32 cores: int8 activations A (M x K), ternary W (N x K), one scale per row of A; results are
// rounded to bfloat16 in the core, half the bytes of int32 sums.
//
// Results have 8 bits: a layer that uses them does not give the bits that int32 sums give, which is why the engine does
// not. The product and the correction are exact; what is rounded is one fp32 product, then its upper half.
GemmForm linear_bf16_form(std::string name);
ExampleProgram linear_bf16_program();

}  // namespace onebit::npu
