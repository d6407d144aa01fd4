#include "npu/image/register_file.h"

#include <algorithm>
#include <set>

#include "npu/device/registers.h"

namespace onebit::npu {

void RegisterFile::apply(const Cdo& cdo) {
  for (const CdoCommand& c : cdo.commands) apply(c);
}

void RegisterFile::apply(const CdoCommand& command) {
  struct Visitor {
    RegisterFile& r;
    void operator()(const CdoWrite& w) const { r.write(w.address, w.value); }
    void operator()(const CdoMaskWrite& w) const { r.mask_write(w.address, w.mask, w.value); }
    void operator()(const CdoDmaWrite& d) const { r.block_write(d.address, d.data); }
    void operator()(const CdoNop&) const {}
    void operator()(const CdoMaskPoll&) const {}
    void operator()(const CdoOther&) const {}
  };
  std::visit(Visitor{*this}, command.body);
}

void RegisterFile::apply(const TxnOp& op) {
  if (const auto* w = std::get_if<TxnWrite>(&op.body)) write(w->address, w->value);
  if (const auto* m = std::get_if<TxnMaskWrite>(&op.body)) mask_write(m->address, m->mask, m->value);
  if (const auto* b = std::get_if<TxnBlockWrite>(&op.body)) block_write(b->address, b->data);
}

void RegisterFile::write(uint64_t address, uint32_t value) {
  const auto at = device_->locate(address);
  if (!at) return;
  const TileModel& tile = device_->tile(at->tile);
  if (region_of(tile, at->offset) != Region::registers) {
    const bool extends = !memory_writes_.empty() && memory_writes_.back().tile == at->tile && memory_writes_.back().last + 1 == at->offset;
    if (extends)
      memory_writes_.back().last = at->offset + 3;
    else
      memory_writes_.push_back({at->tile, at->offset, at->offset + 3});
    return;
  }
  registers_[at->tile][at->offset] = value;
  const auto channel = find_channel_register(tile, at->offset);
  if (channel && channel->queue) pushes_.push_back({at->tile, channel->direction, channel->channel, value});
}

void RegisterFile::mask_write(uint64_t address, uint32_t mask, uint32_t value) {
  const auto at = device_->locate(address);
  if (at) write(address, (this->value(at->tile, at->offset) & ~mask) | (value & mask));
}

void RegisterFile::block_write(uint64_t address, const std::vector<uint32_t>& data) {
  for (size_t i = 0; i < data.size(); ++i) write(address + 4 * i, data[i]);
}

std::optional<uint32_t> RegisterFile::find(TileId tile, uint32_t offset) const {
  const auto t = registers_.find(tile);
  if (t == registers_.end()) return std::nullopt;
  const auto r = t->second.find(offset);
  return r == t->second.end() ? std::nullopt : std::optional(r->second);
}

std::optional<BufferDescriptor> RegisterFile::bd(TileId tile, unsigned index) const {
  const TileModel& model = device_->tile(tile);
  if (index >= model.dma.bds) return std::nullopt;
  std::vector<uint32_t> words(model.dma.bd_words);
  for (uint32_t i = 0; i < words.size(); ++i) {
    const auto word = find(tile, model.dma.bd_offset(index) + 4 * i);
    if (!word) return std::nullopt;
    words[i] = *word;
  }
  return decode_bd(model.kind, words);
}

RegisterFile::Chain RegisterFile::chain(TileId tile, unsigned first) const {
  Chain chain;
  std::set<unsigned> seen;
  for (unsigned at = first;;) {
    if (!seen.insert(at).second) {
      chain.cyclic = true;
      return chain;
    }
    chain.bds.push_back(static_cast<uint8_t>(at));
    const auto d = bd(tile, at);
    if (!d || !d->use_next) return chain;
    at = d->next;
  }
}

std::vector<TileId> RegisterFile::tiles() const {
  std::set<TileId> all;
  for (const auto& [tile, values] : registers_) all.insert(tile);
  for (const MemoryWrite& w : memory_writes_) all.insert(w.tile);
  return {all.begin(), all.end()};
}

}  // namespace onebit::npu
