// Ternary weights times int8 activations, exact in int32: the one operation every linear layer of a
// BitNet model is made of.
//
//   acc[m][r] = sum over k of (code[r][k] - 1) * x[m][k],   code in {0, 1, 2}, x in [-128, 127]
//
// Packed layouts (made once at load). Rows are taken in groups of 16 (padded with code 1). Within a
// group, tiles follow each other along k; a tile is 64 bytes; byte 4*row + j of a tile belongs to row
// `row` (0..15) of the group:
//
//   p2   16 columns a tile. Bits 2i+1:2i of byte 4*row + j hold the code of column 4*i + j (i, j in 0..3).
//        2.0 bits per weight. Tile t covers columns 16t .. 16t+15.
//   p16  20 columns a tile, five trits a byte: 1.6 bits per weight. The byte encoding is stated in
//        ternary_pack.h; columns 4*i + j, i in 0..4.
//
// Columns are padded to whole tiles; padded columns may hold any code because activations are zero there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/buffer.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "cpu/isa.h"

namespace onebit::cpu {

enum class TernaryLayout : uint8_t { p2, p16 };

constexpr uint32_t kGroupRows = 16;
constexpr uint32_t kTileBytes = 64;
constexpr uint32_t tile_columns(TernaryLayout layout) { return layout == TernaryLayout::p2 ? 16 : 20; }

// Activations of up to `tokens` tokens, quantised per token. Rows are `stride` bytes apart; stride is
// cols rounded up to a multiple of 64, plus 64, and bytes from cols on are 0.
struct QuantActs {
  uint32_t tokens = 0;
  uint32_t cols = 0;
  size_t stride = 0;
  const int8_t* q = nullptr;       // [tokens][stride]
  const int32_t* sum = nullptr;    // [tokens]: sum of q over cols
  const float* inv_scale = nullptr;  // [tokens]: absmax / 127, what one unit of q stands for
};
constexpr size_t quant_stride(size_t cols) { return (cols + 63) / 64 * 64 + 64; }

// Largest number of columns for which no int32 can overflow in any kernel.
constexpr uint32_t kMaxColumns = 1u << 18;

class TernaryMatrix {
 public:
  uint32_t rows = 0;
  uint32_t cols = 0;
  TernaryLayout layout = TernaryLayout::p2;
  uint32_t groups = 0;  // ceil(rows / 16)
  uint32_t tiles = 0;   // ceil(cols / tile_columns(layout)), per group
  const uint8_t* data = nullptr;  // groups * tiles * 64 bytes
  Buffer own;                     // holds them, unless the caller of pack_ternary did

  const uint8_t* group(uint32_t g) const { return data + size_t{g} * tiles * kTileBytes; }
  size_t bytes() const { return size_t{groups} * tiles * kTileBytes; }
};

// Fills `codes` (one byte each, values 0..2) with the codes of row `row`, cols of them.
using RowCodes = std::function<void(uint32_t row, uint8_t* codes)>;
// Bytes of a packed matrix of valid shape, a multiple of 64.
size_t packed_ternary_bytes(uint32_t rows, uint32_t cols, TernaryLayout layout);
// Packs rows x cols codes, into `memory` (64-byte aligned, packed_ternary_bytes() long, outlives the
// matrix) or, when that is null, into memory of the matrix's own. Many matrices in one large allocation
// lie on huge pages, which is worth a third of the speed of decoding.
// Errors: no memory, a shape out of range (0, or cols > kMaxColumns).
Result<TernaryMatrix> pack_ternary(uint32_t rows, uint32_t cols, TernaryLayout layout, ThreadPool& pool,
                                   const RowCodes& codes, uint8_t* memory = nullptr);

// The codes of a row, m.cols of them.
void unpack_ternary_row(const TernaryMatrix& m, uint32_t row, uint8_t* codes);

// One ISA's kernels. All give the same integers. g0, g1: row groups [g0, g1).
struct TernaryKernels {
  Isa isa;
  TernaryLayout layout;  // the layout that is fastest to decode with here; every kernel takes both
  // Up to this many tokens a product per token, the weights from cache after the first, is faster than gemm().
  uint32_t gemv_tokens;
  // acc[r - 16*g0] for one token. acc has 16*(g1-g0) entries.
  void (*gemv)(const TernaryMatrix& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc);
  // acc[m*ld + r - 16*g0] for `tokens` tokens. `scratch`: gemm_scratch_bytes(w), 64-byte aligned.
  void (*gemm)(const TernaryMatrix& w, uint32_t g0, uint32_t g1, const QuantActs& x, int32_t* acc, size_t ld,
               uint8_t* scratch);
};
const TernaryKernels& ternary_kernels(Isa isa);
size_t gemm_scratch_bytes(const TernaryMatrix& w);

}  // namespace onebit::cpu
