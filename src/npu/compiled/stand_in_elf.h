// For tests: executables in place of what the device compiler would give. Their code means nothing; the simulator runs
// the record beside it.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "npu/compiled/core_code.h"
#include "npu/kernels/start/core_main.h"

namespace onebit::npu {

// `code` bytes of program at 0 and four bytes of data at the bottom of the core's own memory.
inline std::vector<uint8_t> stand_in_elf(uint32_t code) {
  ByteWriter out;
  out.bytes(std::vector<uint8_t>{0x7F, 'E', 'L', 'F', 1, 1, 1});
  out.zeros(9);
  out.u16(2);
  out.u16(264);
  for (const uint32_t word : {1u, 0u, 52u, 0u, 0u}) out.u32(word);
  for (const uint16_t half : {52, 32, 2, 40, 0, 0}) out.u16(half);
  for (const uint32_t word : {1u, 116u, 0u, 0u, code, code, 5u, 16u}) out.u32(word);
  for (const uint32_t word : {1u, 116u + code, 0x70000u, 0x70000u, 4u, 4u, 6u, 4u}) out.u32(word);
  for (uint32_t i = 0; i < code; ++i) out.u8(static_cast<uint8_t>(i + 1));
  out.u32(0x11223344);
  return out.take();
}

// A table with code for every core of a program.
class StandInTable {
 public:
  explicit StandInTable(const design::Program& program) {
    std::set<std::string> ids;
    const design::Lowered lowered = design::lower(program).value();
    for (const design::PlacedCore& core : lowered.cores) ids.insert(core_program_id(core.program).value());
    for (const std::string& id : ids) entries_.push_back({ids_.emplace_back(id), elf_});
  }
  StandInTable(const StandInTable&) = delete;
  StandInTable& operator=(const StandInTable&) = delete;
  std::span<const CoreCode> entries() const { return entries_; }

 private:
  std::vector<uint8_t> elf_ = stand_in_elf(256);
  std::deque<std::string> ids_;
  std::vector<CoreCode> entries_;
};

}  // namespace onebit::npu
