#include "npu/compiled/core_code.h"

#include <algorithm>
#include <vector>

#include "npu/image/core_elf.h"
#include "npu/kernels/start/core_main.h"

namespace onebit::npu {

Result<design::Lowered> lower_with_code(const design::Program& program, std::span<const CoreCode> code) {
  ONEBIT_ASSIGN(design::Lowered lowered, design::lower(program));
  design::Program compiled = program;
  for (const design::PlacedCore& core : lowered.cores) {
    ONEBIT_ASSIGN(const std::string id, core_program_id(core.program));
    const auto found = std::find_if(code.begin(), code.end(), [&](const CoreCode& c) { return c.id == id; });
    if (found == code.end()) return lowered;
    auto elf = read_core_elf(found->elf, program.device().tile(TileKind::core).program_bytes - core.record_bytes);
    if (!elf) return with_context(elf.error(), "core " + name(core.tile));
    std::vector<design::Segment> segments;
    for (ElfSegment& s : elf->segments) segments.push_back({s.address, std::move(s.bytes)});
    compiled.code(core.tile, std::move(segments));
  }
  if (lowered.cores.empty()) return lowered;
  return design::lower(compiled);
}

}  // namespace onebit::npu
