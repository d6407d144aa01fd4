#include "npu/device/device.h"

#include <fmt/format.h>

namespace onebit::npu {
namespace {

// Register offsets: AMD's AIE2P and AIE-ML register maps; DMA, locks and switches agree in both.
constexpr TileModel shim_tile(uint32_t tile_control) {
  return {.kind = TileKind::shim,
          .tile_control = tile_control,
          .dma = {.channels = 2, .bds = 16, .bd_words = 8, .bd_base = 0x1D000, .channel_base = {0x1D200, 0x1D210}},
          .locks = {.count = 16, .base = 0x14000, .request_base = 0x40000},
          .stream_switch = {.master_base = 0x3F000, .slave_base = 0x3F100, .slot_base = 0x3F200}};
}

constexpr TileModel mem_tile(uint32_t tile_control) {
  return {.kind = TileKind::mem,
          .data_bytes = 512 * 1024,
          .tile_control = tile_control,
          .dma = {.channels = 6, .bds = 48, .bd_words = 8, .bd_base = 0xA0000, .channel_base = {0xA0600, 0xA0630}},
          .locks = {.count = 64, .base = 0xC0000, .request_base = 0xD0000},
          .stream_switch = {.master_base = 0xB0000, .slave_base = 0xB0100, .slot_base = 0xB0200}};
}

constexpr TileModel core_tile(uint32_t tile_control) {
  return {.kind = TileKind::core,
          .data_bytes = 64 * 1024,
          .program_base = 0x20000,
          .program_bytes = 16 * 1024,
          .tile_control = tile_control,
          .dma = {.channels = 2, .bds = 16, .bd_words = 6, .bd_base = 0x1D000, .channel_base = {0x1DE00, 0x1DE10}},
          .locks = {.count = 16, .base = 0x1F000, .request_base = 0x40000},
          .stream_switch = {.master_base = 0x3F000, .slave_base = 0x3F100, .slot_base = 0x3F200}};
}

constexpr Device kAie2{Generation::aie2, "npu1", 5, 6, 1, 1, 3,
                       {shim_tile(0x36030), mem_tile(0x96030), core_tile(0x36030)}};
constexpr Device kAie2p{Generation::aie2p, "npu2", 8, 6, 0, 1, 4,
                        {shim_tile(0xFFF40), mem_tile(0xFFF20), core_tile(0x60020)}};

}  // namespace

const char* name(TileKind kind) {
  constexpr const char* kNames[] = {"shim", "mem", "core"};
  return kNames[static_cast<size_t>(kind)];
}

const char* name(Direction direction) { return direction == Direction::s2mm ? "S2MM" : "MM2S"; }

std::string name(TileId tile) { return fmt::format("({},{})", tile.column, tile.row); }

std::optional<TileAddress> Device::locate(uint64_t address) const {
  const uint64_t column = address >> kColumnShift;
  const uint64_t row = address >> kRowShift & ((1u << (kColumnShift - kRowShift)) - 1);
  if (column >= columns || row >= rows) return std::nullopt;
  return TileAddress{{static_cast<uint8_t>(column), static_cast<uint8_t>(row)},
                     static_cast<uint32_t>(address & (kTileBytes - 1))};
}

const Device& device(Generation generation) { return generation == Generation::aie2 ? kAie2 : kAie2p; }

const Device* device_for_stream(uint8_t stream_generation) {
  for (const Device* d : {&kAie2, &kAie2p})
    if (d->stream_generation == stream_generation) return d;
  return nullptr;
}

std::optional<ChannelRegister> find_channel_register(const TileModel& tile, uint32_t offset) {
  for (const Direction d : {Direction::s2mm, Direction::mm2s}) {
    const uint32_t base = tile.dma.control_offset(d, 0);
    if (offset < base || offset >= base + kChannelStride * tile.dma.channels || offset % 4) continue;
    return ChannelRegister{d, static_cast<uint8_t>((offset - base) / kChannelStride), (offset - base) % kChannelStride != 0};
  }
  return std::nullopt;
}

std::optional<BdRegister> find_bd_register(const TileModel& tile, uint32_t offset) {
  const uint32_t base = tile.dma.bd_base;
  if (offset < base || offset >= base + kBdStride * tile.dma.bds || offset % 4) return std::nullopt;
  const uint32_t word = (offset - base) % kBdStride / 4;
  if (word >= tile.dma.bd_words) return std::nullopt;
  return BdRegister{static_cast<uint8_t>((offset - base) / kBdStride), static_cast<uint8_t>(word)};
}

std::optional<uint8_t> find_lock_register(const TileModel& tile, uint32_t offset) {
  const uint32_t base = tile.locks.base;
  if (offset < base || offset >= base + kLockStride * tile.locks.count || (offset - base) % kLockStride) return std::nullopt;
  return static_cast<uint8_t>((offset - base) / kLockStride);
}

}  // namespace onebit::npu
