// A matrix product C = A B on a grid of cores, whatever the elements are and whatever a core does with its chunks.
//
// Every core holds one tile of C and goes through K in chunks. A core row shares its rows of A, which one memory tile
// sends along the row; a column shares its columns of B; the tiles of a column are joined in its memory tile. The host
// packs A and B in the order of use and pads them to whole waves, a wave being a tile for every core, so that every
// transfer is contiguous.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "npu/design/lower.h"
#include "npu/design/program.h"
#include "npu/design/sequence.h"

namespace onebit::npu {

struct GemmGrid {
  unsigned columns = 1, rows = 1;  // of cores, from column 0 and the lowest core row
};

struct GemmShape {
  uint32_t m = 0, n = 0, k = 0;
};
inline constexpr uint32_t kMaxGemmSize = 4096;  // of each of M, N, K
Status check_gemm_shape(GemmShape s);

// What a core sees: its fifos, and a word that says how many chunks follow the first `GemmForm::first`.
struct GemmCore {
  TileId tile;
  design::Fifo a, b, c;
  design::Parameter chunks;
};

struct GemmForm {
  std::string name;
  uint32_t tile_m = 0, tile_n = 0, tile_k = 0;  // rows and columns of a tile of C, depth of a chunk; multiples of 8
  design::Type a{}, b{}, c{};                   // of a chunk of A, a chunk of B, a tile of C
  unsigned c_depth = 2;                         // tiles of C in a core
  uint32_t after = 0;                           // elements of A behind the chunks of each tile
  uint32_t first = 0;                           // chunks that `tile` takes before its loop over the others
  // The steps of a core for one tile, all its fifos as it found them at the end. Called once per core.
  std::function<std::function<void(design::Body&)>(design::Program&, const GemmCore&)> tile{};
};

// Waves along M and N, chunks of K.
struct GemmWaves {
  uint64_t m, n, chunks;
};
GemmWaves gemm_waves(GemmGrid grid, const GemmForm& form, GemmShape s);

design::Program gemm_grid_program(GemmGrid grid, const GemmForm& form);
// Buffer arguments A, B, C as packed.
Result<Transaction> gemm_grid_sequence(GemmGrid grid, const GemmForm& form, const design::Lowered& lowered, GemmShape shape);

// Elements of the packed arguments, and where an element lies in them. Chunks are rows (of A, C) or columns (of B) of
// blocks of 8 x 8, each block row-major.
uint64_t gemm_a_size(GemmGrid grid, const GemmForm& form, GemmShape s);
uint64_t gemm_b_size(GemmGrid grid, const GemmForm& form, GemmShape s);
uint64_t gemm_c_size(GemmGrid grid, const GemmForm& form, GemmShape s);
uint64_t gemm_a_index(GemmGrid grid, const GemmForm& form, const GemmWaves& w, uint64_t row, uint64_t k);
uint64_t gemm_b_index(GemmGrid grid, const GemmForm& form, const GemmWaves& w, uint64_t k, uint64_t column);
uint64_t gemm_c_index(GemmGrid grid, const GemmForm& form, const GemmWaves& w, uint64_t row, uint64_t column);
// The first element of what lies behind the chunks of A for the tiles of a row; form.after elements of A.
uint64_t gemm_after_index(GemmGrid grid, const GemmForm& form, const GemmWaves& w, uint64_t row);

}  // namespace onebit::npu
