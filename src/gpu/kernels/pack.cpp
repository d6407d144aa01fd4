#include "gpu/kernels/pack.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace onebit::gpu {
namespace {

// Where the four codes of a field lie: byte of the unit, and shift (p2) or trit number (p16).
struct FieldPlace {
  size_t word;       // byte offset of four bytes, one a code
  uint32_t step;
  uint32_t column;   // of the first code
};

FieldPlace place(Packing packing, uint32_t slot, uint32_t tile, uint32_t quarter, uint32_t field) {
  const uint32_t lane = slot % 8 * 4 + quarter, per_word = packing == Packing::p2 ? 4 : 5;
  return {size_t{tile} * kTileBytes + slot / 8 * (kTileBytes / 2) + lane * 16 + field / per_word * 4, field % per_word,
          tile * tile_columns(packing) + 64 * (field / 4) + 16 * quarter + 4 * (field % 4)};
}

template <class F>
void each_field(Packing packing, uint32_t slot, uint32_t cols, F&& f) {
  for (uint32_t tile = 0; tile < tiles(packing, cols); ++tile)
    for (uint32_t quarter = 0; quarter < 4; ++quarter)
      for (uint32_t field = 0; field < tile_fields(packing); ++field) f(place(packing, slot, tile, quarter, field));
}

constexpr uint32_t kPower[5] = {81, 27, 9, 3, 1};

// Bytes hold n = 81 t0 + ... + t4 until then.
uint8_t encode(uint8_t n) { return static_cast<uint8_t>((256u * n + 242u) / 243u); }

}  // namespace

void pack_units(Packing packing, uint32_t first, uint32_t count, uint32_t cols, const UnitCodes& codes, uint8_t* out) {
  const size_t unit_bytes = size_t{tiles(packing, cols)} * kTileBytes;
  std::vector<uint8_t> row(size_t{tiles(packing, cols)} * tile_columns(packing));
  for (uint32_t u = 0; u < count; ++u, out += unit_bytes) {
    std::memset(out, 0, unit_bytes);
    for (uint32_t slot = 0; slot < kUnitRows; ++slot) {
      std::fill(row.begin(), row.end(), uint8_t{1});
      if (!codes(first + u, slot, row.data())) std::fill(row.begin(), row.end(), uint8_t{1});
      each_field(packing, slot, cols, [&](const FieldPlace& p) {
        for (uint32_t j = 0; j < 4; ++j) {
          const uint8_t code = row[p.column + j];
          uint8_t& byte = out[p.word + j];
          byte = static_cast<uint8_t>(packing == Packing::p2 ? byte | code << 2 * p.step : byte + code * kPower[p.step]);
        }
      });
    }
    if (packing == Packing::p16) std::transform(out, out + unit_bytes, out, encode);
  }
}

void unpack_slot(Packing packing, const uint8_t* unit, uint32_t slot, uint32_t cols, uint8_t* codes) {
  each_field(packing, slot, cols, [&](const FieldPlace& p) {
    for (uint32_t j = 0; j < 4; ++j) {
      if (p.column + j >= cols) continue;
      uint32_t byte = unit[p.word + j];
      if (packing == Packing::p2) {
        codes[p.column + j] = byte >> 2 * p.step & 3;
        continue;
      }
      for (uint32_t s = 0; s < p.step; ++s) byte = byte * 3 & 0xff;
      codes[p.column + j] = static_cast<uint8_t>(byte * 3 >> 8);
    }
  });
}

}  // namespace onebit::gpu
