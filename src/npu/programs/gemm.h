// Matrix products of int8 with int32 results on a grid of cores.
//
// Every core holds one 64 x 64 tile of C and accumulates over K in chunks of 64. A core row shares its rows of A, which
// one memory tile sends along the row; a column shares its columns of B; the tiles of a column are joined in its memory
// tile. The host packs A and B in the order of use and pads them with zeros to whole waves, a wave being a tile for
// every core, so that every transfer is contiguous.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "npu/programs/programs.h"

namespace onebit::npu {

struct GemmGrid {
  unsigned columns = 1, rows = 1;  // of cores, from column 0 and the lowest core row
};

struct GemmShape {
  uint32_t m = 0, n = 0, k = 0;
};

inline constexpr uint32_t kGemmTile = 64;      // rows and columns of a core's tile of C, and depth of a chunk of K
inline constexpr uint32_t kMaxGemmSize = 4096;  // of each of M, N, K

Result<design::Program> gemm_description(GemmGrid grid);

// The instruction stream of a shape: buffer arguments A, B, C, packed.
Result<Transaction> gemm_sequence(GemmGrid grid, const design::Lowered& lowered, GemmShape shape);

// Row-major matrices to buffer arguments and back. A is m x k, B is k x n, C is m x n.
std::vector<uint8_t> gemm_pack_a(GemmGrid grid, GemmShape shape, std::span<const int8_t> a);
std::vector<uint8_t> gemm_pack_b(GemmGrid grid, GemmShape shape, std::span<const int8_t> b);
std::vector<uint8_t> gemm_pack_c(GemmGrid grid, GemmShape shape, std::span<const int32_t> c);
std::vector<int32_t> gemm_unpack_c(GemmGrid grid, GemmShape shape, std::span<const uint8_t> packed);

ExampleProgram gemm_1_program();    // one core
ExampleProgram gemm_8x4_program();  // 32 cores

}  // namespace onebit::npu
