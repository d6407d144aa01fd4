// Rules on machine code in program memory.
#include <algorithm>

#include "npu/image/bundle.h"
#include "npu/image/core_program.h"
#include "npu/image/lint_internal.h"
#include "npu/image/program_memory.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kTargetAlignment = 16;

// What is written of the memory, without the record of a core program at its end: machine code.
std::vector<ProgramMemory::Range> code_of(const ProgramMemory& memory) {
  uint32_t end = static_cast<uint32_t>(memory.bytes.size());
  const auto program = read_core_record(memory.bytes);
  if (program && *program) {
    const auto record = write_core_record(**program);
    if (record) end -= static_cast<uint32_t>(record->size());
  }
  std::vector<ProgramMemory::Range> code;
  for (const ProgramMemory::Range& r : memory.written)
    if (r.first < end) code.push_back({r.first, std::min(r.end, end)});
  return code;
}

void check_jumps(TileId tile, const ProgramMemory& memory, Report& report) {
  for (const auto& [at, jump] : decode(memory.bytes, code_of(memory)).jumps) {
    const auto finding = [&](const std::string& expected) {
      report.add("jump-target", fmt::format("{} program {:#x}", name(tile), at), fmt::format("{} goes to {:#x}, expected {}", jump.name, jump.target, expected));
    };
    if (jump.target % kTargetAlignment) finding(fmt::format("a multiple of {}", kTargetAlignment));
    if (jump.target >= memory.bytes.size()) finding(fmt::format("below {:#x}", memory.bytes.size()));
  }
}

}  // namespace

void lint_code(const Cdo& cdo, const Device& device, Report& report) {
  for (const auto& [tile, memory] : program_memories(cdo, device)) check_jumps(tile, memory, report);
}

}  // namespace onebit::npu
