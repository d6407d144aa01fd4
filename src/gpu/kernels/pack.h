// Packs ternary codes for the GPU kernels; layouts are stated in kernels.h.
#pragma once

#include <cstdint>
#include <functional>

#include "gpu/kernels/kernels.h"

namespace onebit::gpu {

// Fills `codes` (one byte each, values 0..2) with the codes of slot `slot` (0..15) of unit `unit`; false: there is no
// such row.
using UnitCodes = std::function<bool(uint32_t unit, uint32_t slot, uint8_t* codes)>;

// Units [first, first + count) to out (packed_bytes(packing, count, cols) of them). Threads may pack different units.
void pack_units(Packing packing, uint32_t first, uint32_t count, uint32_t cols, const UnitCodes& codes, uint8_t* out);

// The codes of one slot of a unit, cols of them, from its packed bytes.
void unpack_slot(Packing packing, const uint8_t* unit, uint32_t slot, uint32_t cols, uint8_t* codes);

}  // namespace onebit::gpu
