// What the configuration bus does to a tile: memory, locks, descriptors, queues, switches and core control.
#include <algorithm>
#include <cstring>

#include "npu/device/registers.h"
#include "npu/device/stream_switch.h"
#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kMemoryZeroise = 1;
constexpr uint32_t kStatusRunning = 1u << 19, kStatusBusy = 2;      // of a DMA channel
constexpr uint32_t kStatusLockAcquire = 1u << 2, kStatusStream = 1u << 4;
constexpr uint32_t kCoreStatusEnable = 1, kCoreStatusReset = 2, kCoreStatusDone = 1u << 20;

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Registers that change nothing the simulator models.
bool without_effect(const std::string& reg) {
  for (const char* part : {"EVENT", "TRACE", "TIMER", "PERFORMANCE", "ACCUMULATOR_CONTROL", "PROCESSOR_BUS", "DEBUG_CONTROL1", "DEBUG_CONTROL2",
                           "CLOCK_CONTROL", "PACKET_HANDLER"})
    if (contains(reg, part)) return true;
  return false;
}

}  // namespace

Result<TileAddress> Array::locate(uint64_t address) const {
  const auto at = device.locate(address);
  if (!at) return fail(Errc::out_of_range, "address {:#x} lies outside the {} x {} array", address, device.columns, device.rows);
  if (at->offset % 4) return fail(Errc::out_of_range, "address {:#x} is not a multiple of 4", address);
  return *at;
}

Status Array::write(uint64_t address, uint32_t value) {
  ONEBIT_ASSIGN(const TileAddress at, locate(address));
  return write(tile(at.tile), at.offset, value);
}

Status Array::mask_write(uint64_t address, uint32_t mask, uint32_t value) {
  ONEBIT_ASSIGN(const TileAddress at, locate(address));
  Tile& t = tile(at.tile);
  return write(t, at.offset, (peek(t, at.offset) & ~mask) | (value & mask));
}

Status Array::write_block(uint64_t address, std::span<const uint32_t> words) {
  ONEBIT_ASSIGN(const TileAddress at, locate(address));
  Tile& t = tile(at.tile);
  const Region region = region_of(*t.model, at.offset);
  for (size_t i = 0; i < words.size(); ++i) {
    const uint64_t offset = at.offset + 4 * uint64_t{i};
    if (offset >= kTileBytes || region_of(*t.model, static_cast<uint32_t>(offset)) != region)
      return fail(Errc::out_of_range, "{} words from {:#x} leave the memory they start in", words.size(), address);
    ONEBIT_TRY(write(t, static_cast<uint32_t>(offset), words[i]));
  }
  return {};
}

Status Array::write(Tile& tile, uint32_t offset, uint32_t value) {
  switch (region_of(*tile.model, offset)) {
    case Region::data_memory: std::memcpy(tile.data.data() + offset, &value, 4); return {};
    case Region::program_memory:
      std::memcpy(tile.program.data() + (offset - tile.model->program_base), &value, 4);
      tile.program_written = true;
      return {};
    case Region::registers: return write_register(tile, offset, value);
  }
  return {};
}

Status Array::write_register(Tile& tile, uint32_t offset, uint32_t value) {
  const TileKind kind = tile.model->kind;
  const auto reg = find_register(device, kind, offset);
  if (!reg) {
    // Images of other tool chains write registers outside our table; nothing we model lies there.
    if (!options.stub_cores) return fail(Errc::unsupported, "{}: the {} tile has no register at {:#07x}", name(tile.id), name(kind), offset);
    notices_.insert(fmt::format("the {} tile has no register at {:#07x}; the write has no effect", name(kind), offset));
    return {};
  }
  const auto refuse = [&](Error error) { return with_context(std::move(error), fmt::format("{} {} = {:#x}", name(tile.id), reg->name, value)); };
  if (reg->read_only) {
    if (!options.stub_cores) return refuse(Error{Errc::unsupported, "the register is read-only"});
    notices_.insert(fmt::format("{} is read-only; the write has no effect", reg->name));
    return {};
  }
  if (const uint32_t extra = value & ~reg->mask()) {
    const std::string text = fmt::format("sets bits {:#x} that belong to no field", extra);
    if (!options.stub_cores) return refuse(Error{Errc::unsupported, text});
    notices_.insert(fmt::format("{} {}", reg->name, text));
  }
  if (const auto lock = find_lock_register(*tile.model, offset)) {
    Lock& l = tile.locks[*lock];
    l.value = static_cast<int>(value & 0x3F);
    l.credits.assign(options.timed ? static_cast<size_t>(l.value) : 0, now_);
    lock_changed(l);
    return {};
  }
  if (const auto bd = find_bd_register(*tile.model, offset)) {
    BdSlot& slot = tile.bds[bd->bd];
    slot.words[bd->word] = value;
    slot.written |= static_cast<uint8_t>(1u << bd->word);
    ++slot.version;
    return {};
  }
  Status done;
  if (const auto channel = find_channel_register(*tile.model, offset)) {
    done = write_channel(tile, *channel, value);
  } else if (kind == TileKind::core && offset == kCoreControl) {
    done = write_core_control(tile, value);
  } else {
    done = check_unmodelled(tile, offset, reg->name, value);
  }
  if (!done) return refuse(std::move(done).error());
  tile.registers[offset] = value;
  const bool shim_mux = kind == TileKind::shim && (offset == kMuxConfig || offset == kDemuxConfig);
  if (shim_mux || find_switch_register(*tile.model, offset)) fabric.invalidate();
  return {};
}

Status Array::write_channel(Tile& tile, const ChannelRegister& r, uint32_t value) {
  DmaChannel& channel = *tile.channels[static_cast<size_t>(r.direction)][r.channel];
  const TileKind kind = tile.model->kind;
  const uint32_t control = tile.reg(tile.model->dma.control_offset(r.direction, r.channel));
  if (r.queue) {
    if (kind != TileKind::shim && (control & 2)) return fail(Errc::unsupported, "the channel is held in reset");
    // How full the queue is depends on timing; only what can never drain is an overflow.
    if (channel.queue_full()) {
      wake_stubs();
      ONEBIT_TRY(run_until([&] { return !channel.queue_full(); }));
    }
    return channel.push(value, now_);
  }
  const bool s2mm = r.direction == Direction::s2mm;
  if (s2mm && (value >> 16 & 3)) return fail(Errc::unsupported, "fot_mode is {}, expected 0 (finish on TLAST is not modelled)", value >> 16 & 3);
  if (s2mm && (value & 8)) return fail(Errc::unsupported, "enable_out_of_order is 1, expected 0 (out-of-order descriptors are not modelled)");
  if (value & 0x10)
    return fail(Errc::unsupported, "{} is 1, expected 0 (compression is not modelled)", s2mm ? "decompression_enable" : "compression_enable");
  if (kind == TileKind::shim && (value & 6)) return fail(Errc::unsupported, "pause bits are {:#x}, expected 0 (pausing is not modelled)", value & 6);
  if (kind != TileKind::shim && (value & 2)) channel.reset();
  return {};
}

Status Array::write_core_control(Tile& tile, uint32_t value) {
  if (value & kCoreReset) tile.core->reset();
  const bool runs = (value & kCoreEnable) && !(value & kCoreReset);
  if (runs && !tile.core->loaded()) {
    tile.core->clock = now_;
    ONEBIT_TRY(tile.core->load());
  }
  tile.core->set_enabled(runs);
  if (runs) scheduler.wake(tile.core.get());
  return {};
}

Status Array::check_unmodelled(Tile& tile, uint32_t offset, const std::string& reg, uint32_t value) {
  if (const auto port = find_switch_register(*tile.model, offset)) {
    const TileKind kind = tile.model->kind;
    const MasterConfig master = decode_master(value);
    if (port->kind == SwitchRegister::Kind::slot) {
      const PacketSlot slot = decode_slot(value);
      if (slot.enable && slot.arbiter >= kArbiters) return fail(Errc::out_of_range, "arbiter is {}, expected below {}", slot.arbiter, kArbiters);
    }
    if (port->kind != SwitchRegister::Kind::master || !master.enable) return {};
    if (master.packet) {
      if (master.arbiter() >= kArbiters) return fail(Errc::out_of_range, "arbiter is {}, expected below {}", master.arbiter(), kArbiters);
      return {};
    }
    const auto slaves = slave_ports(kind);
    if (master.configuration >= slaves.size())
      return fail(Errc::out_of_range, "selects slave {}, expected below {}", master.configuration, slaves.size());
    if (!connection_legal(kind, slaves[master.configuration], port->port))
      return fail(Errc::unsupported, "selects {}, and the switch has no wires from there", name(slaves[master.configuration]));
    return {};
  }
  if (contains(reg, "DETERMINISTIC_MERGE")) {
    if (value && contains(reg, "CTRL")) return fail(Errc::unsupported, "deterministic merge is not modelled, expected 0");
    return {};
  }
  if (contains(reg, "RESET_CONTROL") || contains(reg, "TILE_CONTROL") || contains(reg, "DEBUG_CONTROL0")) {
    if (value && !options.stub_cores) return fail(Errc::unsupported, "is not modelled, expected 0");
    if (value) notices_.insert(fmt::format("{} is not modelled", reg));
    return {};
  }
  if (contains(reg, "MEMORY_CONTROL")) {
    if (value & kMemoryZeroise) {
      TileMemory& memory = contains(reg, "CORE.") ? tile.program : tile.data;
      std::fill_n(memory.data(), memory.size(), uint8_t{0});
    }
    return {};
  }
  if (value && without_effect(reg)) notices_.insert(fmt::format("{} has no effect in the simulator", reg));
  return {};
}

uint32_t Array::peek(const Tile& tile, uint32_t offset) const {
  uint32_t value = 0;
  switch (region_of(*tile.model, offset)) {
    case Region::data_memory: std::memcpy(&value, tile.data.data() + offset, 4); return value;
    case Region::program_memory: std::memcpy(&value, tile.program.data() + (offset - tile.model->program_base), 4); return value;
    case Region::registers: break;
  }
  if (const auto lock = find_lock_register(*tile.model, offset)) return static_cast<uint32_t>(tile.locks[*lock].value);
  if (const auto bd = find_bd_register(*tile.model, offset)) return tile.bds[bd->bd].words[bd->word];
  return tile.reg(offset);
}

Result<uint32_t> Array::read(TileId id, uint32_t offset) const {
  if (!device.contains(id) || offset >= kTileBytes || offset % 4)
    return fail(Errc::out_of_range, "{} {:#x} is no register of the array", name(id), offset);
  const Tile& t = tile(id);
  if (region_of(*t.model, offset) != Region::registers) return peek(t, offset);
  const auto reg = find_register(device, t.model->kind, offset);
  if (!reg) return fail(Errc::unsupported, "{}: the {} tile has no register at {:#07x}", name(id), name(t.model->kind), offset);
  if (!reg->read_only) return peek(t, offset);
  if (contains(reg->name, "CORE_STATUS")) {
    const uint32_t control = t.reg(kCoreControl);
    return (control & kCoreEnable ? kCoreStatusEnable : 0) | (control & kCoreReset ? kCoreStatusReset : 0) |
           (t.core && (t.core->done || (options.stub_cores && t.core->loaded())) ? kCoreStatusDone : 0);
  }
  const auto kind_of = [&](std::string_view part, Direction d) -> const DmaChannel* {
    const size_t at = reg->name.find(part);
    if (at == std::string::npos) return nullptr;
    return t.channels[static_cast<size_t>(d)][static_cast<size_t>(reg->name.back() - '0')].get();
  };
  const DmaChannel* channel = kind_of("S2MM_STATUS_", Direction::s2mm);
  if (!channel) channel = kind_of("MM2S_STATUS_", Direction::mm2s);
  if (!channel) return fail(Errc::unsupported, "{} {} is not modelled", name(id), reg->name);
  uint32_t status = static_cast<uint32_t>(channel->queued()) << 20;
  if (channel->active()) status |= kStatusRunning | kStatusBusy;
  if (channel->wait().what == Wait::For::lock) status |= kStatusLockAcquire;
  if (channel->wait().what == Wait::For::words || channel->wait().what == Wait::For::space) status |= kStatusStream;
  return status;
}

}  // namespace onebit::npu
