// Registers by name. Names and fields follow AMD's AIE2P register map (module, then register).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "npu/device/device.h"

namespace onebit::npu {

struct Field {
  const char* name;
  uint8_t high, low;

  uint32_t width() const { return high - low + 1u; }
  uint32_t mask() const { return static_cast<uint32_t>(((uint64_t{1} << width()) - 1) << low); }
  uint32_t get(uint32_t word) const { return (word & mask()) >> low; }
};

struct Register {
  std::string name;                // "MEM_TILE.DMA_BD3_1"
  std::span<const Field> fields;   // highest bit first
  bool read_only = false;          // status, counters

  // The bits that belong to a field.
  uint32_t mask() const;
};

enum class Region : uint8_t { registers, data_memory, program_memory };
Region region_of(const TileModel& tile, uint32_t offset);

// Nothing for memory and for offsets without a named register.
std::optional<Register> find_register(const Device& device, TileKind kind, uint32_t offset);

// "a=1, b=0x20": every field that is not 0; "0" when none is.
std::string describe_fields(const Register& reg, uint32_t value);

}  // namespace onebit::npu
