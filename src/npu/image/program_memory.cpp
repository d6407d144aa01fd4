#include "npu/image/program_memory.h"

#include <algorithm>
#include <span>

namespace onebit::npu {
namespace {

void write_words(std::map<TileId, ProgramMemory>& memories, const Device& device, uint64_t address, std::span<const uint32_t> words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const auto place = device.locate(address + 4 * i);
    if (!place || device.kind(place->tile.row) != TileKind::core) continue;
    const TileModel& model = device.tile(TileKind::core);
    if (place->offset < model.program_base || place->offset - model.program_base + 4 > model.program_bytes) continue;
    ProgramMemory& memory = memories[place->tile];
    memory.bytes.resize(model.program_bytes);
    memory.write(place->offset - model.program_base, words[i]);
  }
}

}  // namespace

void ProgramMemory::write(uint32_t offset, uint32_t word) {
  for (unsigned b = 0; b < 4; ++b) bytes[offset + b] = static_cast<uint8_t>(word >> 8 * b);
  // The ranges that the word touches become one.
  Range range{offset, offset + 4};
  const auto first = std::partition_point(written.begin(), written.end(), [&](const Range& r) { return r.end < range.first; });
  const auto last = std::partition_point(first, written.end(), [&](const Range& r) { return r.first <= range.end; });
  if (last - first == 1 && first->first <= range.first && first->end >= range.end) return;
  for (auto r = first; r != last; ++r) range = {std::min(range.first, r->first), std::max(range.end, r->end)};
  written.insert(written.erase(first, last), range);
}

std::map<TileId, ProgramMemory> program_memories(const Cdo& cdo, const Device& device) {
  std::map<TileId, ProgramMemory> memories;
  for (const CdoCommand& c : cdo.commands) {
    if (const auto* w = std::get_if<CdoWrite>(&c.body)) write_words(memories, device, w->address, {&w->value, 1});
    if (const auto* d = std::get_if<CdoDmaWrite>(&c.body)) write_words(memories, device, d->address, d->data);
  }
  return memories;
}

}  // namespace onebit::npu
