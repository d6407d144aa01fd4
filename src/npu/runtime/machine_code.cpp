#include <algorithm>
#include <map>

#include "npu/image/core_program.h"
#include "npu/image/pdi.h"
#include "npu/image/xclbin.h"
#include "npu/runtime/device.h"

namespace onebit::npu {
namespace {

using ProgramMemories = std::map<TileId, std::vector<uint8_t>>;

// Writes to data memory and registers change nothing here.
void write(ProgramMemories& memories, const Device& device, uint64_t address, std::span<const uint32_t> words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const auto place = device.locate(address + 4 * i);
    if (!place || device.kind(place->tile.row) != TileKind::core) continue;
    const TileModel& model = device.tile(TileKind::core);
    if (place->offset < model.program_base || place->offset - model.program_base + 4 > model.program_bytes) continue;
    std::vector<uint8_t>& memory = memories[place->tile];
    memory.resize(model.program_bytes);
    for (unsigned b = 0; b < 4; ++b) memory[place->offset - model.program_base + b] = static_cast<uint8_t>(words[i] >> 8 * b);
  }
}

}  // namespace

Result<std::optional<TileId>> core_without_machine_code(Bytes bytes, const Device& device) {
  ONEBIT_ASSIGN(const Xclbin xclbin, read_xclbin(bytes));
  const AiePartition* partition = xclbin.partition();
  if (!partition || partition->pdis.empty()) return fail(Errc::format, "xclbin: no AIE_PARTITION with a PDI, expected one");
  for (const PartitionPdi& entry : partition->pdis) {
    ONEBIT_ASSIGN(const Pdi pdi, read_pdi(entry.image));
    ProgramMemories memories;
    for (const CdoCommand& c : pdi.cdo.commands) {
      if (const auto* w = std::get_if<CdoWrite>(&c.body)) write(memories, device, w->address, {&w->value, 1});
      if (const auto* w = std::get_if<CdoDmaWrite>(&c.body)) write(memories, device, w->address, w->data);
    }
    for (const auto& [tile, memory] : memories) {
      const auto program = read_core_record(memory);
      if (!program) return with_context(program.error(), "core " + npu::name(tile));
      if (*program && !(*program)->machine_code) return tile;
    }
  }
  return std::nullopt;
}

}  // namespace onebit::npu
