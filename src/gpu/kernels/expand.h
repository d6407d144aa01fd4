// p16 units to p2 units, for the GEMM: 2.25 bytes moved for every 5 weights, once per prompt and matrix.
#pragma once

#include "gpu/kernels/gemv.h"

namespace onebit::gpu {
namespace {

// The codes of columns [column, column + 4) of a slot, one a byte; 1 past the last tile. column: a multiple of 4.
ONEBIT_DEVICE uint32_t p16_codes(const uint8_t* unit, uint32_t tile_count, uint32_t slot, uint32_t column) {
  constexpr uint32_t kColumns = tile_columns(Packing::p16);
  const uint32_t tile = column / kColumns, c = column % kColumns;
  if (tile >= tile_count) return 0x01010101u;
  const uint32_t quarter = c / 16 % 4, field = c / 64 * 4 + c % 16 / 4;
  const uint32_t word = *reinterpret_cast<const uint32_t*>(unit + uint64_t{tile} * kTileBytes + slot / 8 * (kTileBytes / 2) +
                                                           (slot % 8 * 4 + quarter) * 16 + field / 5 * 4);
  uint32_t even = word & 0x00ff00ffu, odd = word >> 8 & 0x00ff00ffu;
  for (uint32_t s = 0; s < field % 5; ++s) {
    even = even * 3 & 0x00ff00ffu;
    odd = odd * 3 & 0x00ff00ffu;
  }
  return odd_bytes(even * 3, odd * 3);
}

ONEBIT_DEVICE void expand_unit(const ExpandArgs& a, uint32_t unit) {
  const uint32_t from_tiles = tiles(Packing::p16, a.cols), to_tiles = tiles(Packing::p2, a.cols);
  const uint8_t* const in = a.in + uint64_t{unit} * from_tiles * kTileBytes;
  uint32_t* const out = reinterpret_cast<uint32_t*>(a.out + uint64_t{unit} * to_tiles * kTileBytes);
  for (uint32_t i = thread_x(); i < to_tiles * (kTileBytes / 4); i += kBlock) {
    const uint32_t tile = i / (kTileBytes / 4), w = i % 4, l = i / 4 % kWarp, slot = i / (kTileBytes / 8) % 2 * 8 + l / 4;
    const uint32_t column = tile * tile_columns(Packing::p2) + 64 * w + 16 * (l % 4);
    uint32_t word = 0;
    ONEBIT_UNROLL
    for (uint32_t f = 0; f < 4; ++f) word |= p16_codes(in, from_tiles, slot, column + 4 * f) << (2 * f);
    out[i] = word;
  }
}

}  // namespace
}  // namespace onebit::gpu
