// What a configuration leaves in the program memories of the cores.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "npu/device/device.h"
#include "npu/image/cdo.h"

namespace onebit::npu {

struct ProgramMemory {
  struct Range {
    uint32_t first = 0, end = 0;  // bytes
  };
  std::vector<uint8_t> bytes;  // all of it, zeros where nothing was written
  std::vector<Range> written;  // in order, apart from each other

  void write(uint32_t offset, uint32_t word);
};

// By core, of those with at least one word. Writes elsewhere change nothing.
std::map<TileId, ProgramMemory> program_memories(const Cdo& cdo, const Device& device);

}  // namespace onebit::npu
