// A core's program as the device linker leaves it: ELF32, little endian, machine 264 (AI Engine).
//
// Only what loading needs is read: the PT_LOAD segments, at their physical addresses. Program memory is at 0; data is in
// the core's view: 64 KiB windows of the south, west and north neighbours from 0x40000, the core's own at 0x70000.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "npu/image/bytes.h"

namespace onebit::npu {

struct ElfSegment {
  uint32_t address = 0;        // a multiple of 4
  std::vector<uint8_t> bytes;  // from the file, then zeros up to the size in memory and to a multiple of 4
  bool program() const { return address < 0x40000; }
  bool operator==(const ElfSegment&) const = default;
};

struct CoreElf {
  uint32_t entry = 0;                // in program memory
  std::vector<ElfSegment> segments;  // in the order of the file; none is empty, none overlaps another
};

inline constexpr uint16_t kElfMachineAie = 264;

// `program_bytes`: what code may fill of program memory.
Result<CoreElf> read_core_elf(Bytes file, uint32_t program_bytes = 16 * 1024);

}  // namespace onebit::npu
