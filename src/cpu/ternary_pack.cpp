#include "cpu/ternary_pack.h"

#include <cstring>
#include <memory>
#include <new>

#include "base/checked.h"
#include "cpu/ternary.h"

namespace onebit::cpu {
namespace {

// One byte per code in, four codes of consecutive columns at once: fields never carry into the
// neighbouring byte because 3 << 6 and 2 * (1 + 3 + 9 + 27 + 81) both fit in eight bits.
uint32_t load4(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return v;
}

void pack_row_p2(const uint8_t* codes, uint32_t tiles, uint8_t* out) {
  for (uint32_t t = 0; t < tiles; ++t, codes += 16, out += kTileBytes) {
    const uint32_t word = load4(codes) | load4(codes + 4) << 2 | load4(codes + 8) << 4 | load4(codes + 12) << 6;
    std::memcpy(out, &word, 4);
  }
}

void pack_row_p16(const uint8_t* codes, uint32_t tiles, uint8_t* out) {
  for (uint32_t t = 0; t < tiles; ++t, codes += 20, out += kTileBytes) {
    const uint32_t n = load4(codes) + 3 * load4(codes + 4) + 9 * load4(codes + 8) + 27 * load4(codes + 12) +
                       81 * load4(codes + 16);
    out[0] = kDense.encode[n & 255];
    out[1] = kDense.encode[n >> 8 & 255];
    out[2] = kDense.encode[n >> 16 & 255];
    out[3] = kDense.encode[n >> 24];
  }
}

}  // namespace

size_t packed_ternary_bytes(uint32_t rows, uint32_t cols, TernaryLayout layout) {
  return (size_t{rows} + kGroupRows - 1) / kGroupRows * ceil_div(cols, tile_columns(layout)) * kTileBytes;
}

Result<TernaryMatrix> pack_ternary(uint32_t rows, uint32_t cols, TernaryLayout layout, ThreadPool& pool,
                                   const RowCodes& codes, uint8_t* memory) {
  if (rows == 0 || cols == 0 || cols > kMaxColumns)
    return fail(Errc::out_of_range, "ternary matrix of {} rows and {} columns: expected at least 1 row and 1 to {} columns",
                rows, cols, kMaxColumns);
  TernaryMatrix m;
  m.rows = rows;
  m.cols = cols;
  m.layout = layout;
  m.groups = static_cast<uint32_t>((uint64_t{rows} + kGroupRows - 1) / kGroupRows);
  m.tiles = ceil_div(cols, tile_columns(layout));
  if (!memory) {
    ONEBIT_ASSIGN(m.own, Buffer::allocate(packed_ternary_bytes(rows, cols, layout), "packed ternary weights"));
    memory = m.own.data();
  }
  m.data = memory;

  // One row of codes per thread, padded with code 1 to whole tiles.
  const uint32_t padded = m.tiles * tile_columns(layout);
  const size_t row_stride = round_up<size_t>(padded, 64);
  ONEBIT_ASSIGN(Buffer row_codes, Buffer::allocate(row_stride * pool.size(), "codes of a row"));
  pool.parallel_for(m.groups, [&](size_t g, unsigned worker) {
    uint8_t* row = row_codes.data() + worker * row_stride;
    std::memset(row + cols, 1, padded - cols);
    uint8_t* out = memory + g * m.tiles * kTileBytes;
    for (uint32_t r = 0; r < kGroupRows; ++r, out += 4) {
      const uint64_t index = g * kGroupRows + r;
      if (index < rows)
        codes(static_cast<uint32_t>(index), row);
      else
        std::memset(row, 1, cols);
      if (layout == TernaryLayout::p2)
        pack_row_p2(row, m.tiles, out);
      else
        pack_row_p16(row, m.tiles, out);
    }
  });
  return m;
}

void unpack_ternary_row(const TernaryMatrix& m, uint32_t row, uint8_t* codes) {
  const uint32_t width = tile_columns(m.layout);
  const uint8_t* tile = m.group(row / kGroupRows);
  uint8_t first[kTileBytes], rest[kTileBytes];
  for (uint32_t t = 0; t < m.tiles; ++t, tile += kTileBytes) {
    if (m.layout == TernaryLayout::p16) unpack_dense(tile, first, rest);
    for (uint32_t c = 0; c < width && t * width + c < m.cols; ++c) {
      const uint32_t byte = 4 * (row % kGroupRows) + c % 4, field = c / 4;
      if (m.layout == TernaryLayout::p2)
        codes[t * width + c] = tile[byte] >> (2 * field) & 3;
      else
        codes[t * width + c] = field == 0 ? first[byte] : rest[byte] >> (2 * (field - 1)) & 3;
    }
  }
}

}  // namespace onebit::cpu
