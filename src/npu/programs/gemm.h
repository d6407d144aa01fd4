// Matrix products on a grid of cores with a tile of 64 x 64 each and chunks of 64 along K: int8 with int32 results,
// bfloat16 with fp32 results. gemm_grid.h says how matrices are packed.
#pragma once

#include <cstdint>

#include "npu/programs/gemm_grid.h"
#include "npu/programs/programs.h"

namespace onebit::npu {

inline constexpr uint32_t kGemmTile = 64;  // rows and columns of a core's tile of C, and depth of a chunk of K

GemmForm gemm_i8_form(std::string name);
GemmForm gemm_bf16_form(std::string name);

ExampleProgram gemm_1_program();         // one core
ExampleProgram gemm_8x4_program();       // 32 cores
ExampleProgram gemm_bf16_1_program();    // one core
ExampleProgram gemm_bf16_8x4_program();  // 32 cores

}  // namespace onebit::npu
