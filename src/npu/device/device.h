// The array as typed constants: grid, tile kinds, memories, DMA engines, locks and where their
// registers lie. One table per generation; docs/npu-formats.md names the sources.
//
// Addresses are byte addresses relative to the partition: (column << 25) | (row << 20) | offset.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace onebit::npu {

enum class Generation : uint8_t {
  aie2,   // XDNA 1: Phoenix, Hawk Point (npu1)
  aie2p,  // XDNA 2: Strix, Strix Halo, Krackan (npu4 to npu6)
};

enum class TileKind : uint8_t { shim, mem, core };
inline constexpr size_t kTileKinds = 3;
const char* name(TileKind kind);

struct TileId {
  uint8_t column = 0;
  uint8_t row = 0;
  auto operator<=>(const TileId&) const = default;
};
std::string name(TileId tile);  // "(column,row)"

enum class Direction : uint8_t { s2mm, mm2s };  // stream to memory, memory to stream
const char* name(Direction direction);          // "S2MM", "MM2S"

inline constexpr unsigned kColumnShift = 25;
inline constexpr unsigned kRowShift = 20;
inline constexpr uint32_t kTileBytes = 1u << kRowShift;

inline constexpr uint32_t kBdStride = 0x20;       // between buffer descriptors
inline constexpr uint32_t kChannelStride = 8;     // between channels: CTRL, then the task queue
inline constexpr uint32_t kTaskQueueOffset = 4;   // from CTRL
inline constexpr uint32_t kLockStride = 0x10;
inline constexpr unsigned kTaskQueueDepth = 4;    // of every channel, the running task not counted
inline constexpr unsigned kMaxIterationWrap = 64;
inline constexpr unsigned kMaxRepeat = 256;       // runs of one queue entry
inline constexpr int kMaxLockValue = 63;
inline constexpr unsigned kBankBytes = 16 * 1024; // core data memory: windows without bank conflicts
inline constexpr unsigned kTokenControllerId = 15;
inline constexpr unsigned kMaxBufferArguments = 5;  // the firmware patches bo0..bo4 only

struct DmaModel {
  uint8_t channels = 0;  // per direction
  uint8_t bds = 0;
  uint8_t bd_words = 0;
  uint32_t bd_base = 0;
  std::array<uint32_t, 2> channel_base{};  // by Direction: CTRL of channel 0

  uint32_t bd_offset(unsigned bd) const { return bd_base + kBdStride * bd; }
  uint32_t control_offset(Direction d, unsigned channel) const {
    return channel_base[static_cast<size_t>(d)] + kChannelStride * channel;
  }
  uint32_t queue_offset(Direction d, unsigned channel) const { return control_offset(d, channel) + kTaskQueueOffset; }
};

struct LockModel {
  uint8_t count = 0;
  uint32_t base = 0;          // value register of lock 0
  uint32_t request_base = 0;  // reads here acquire and release

  uint32_t offset(unsigned id) const { return base + kLockStride * id; }
};

struct SwitchModel {
  uint32_t master_base = 0, slave_base = 0, slot_base = 0;

  uint32_t master_offset(unsigned index) const { return master_base + 4 * index; }
  uint32_t slave_offset(unsigned index) const { return slave_base + 4 * index; }
  uint32_t slot_offset(unsigned slave_index, unsigned slot) const { return slot_base + 0x10 * slave_index + 4 * slot; }
};

struct TileModel {
  TileKind kind = TileKind::shim;
  uint32_t data_bytes = 0;     // at offset 0
  uint32_t program_base = 0;
  uint32_t program_bytes = 0;
  uint32_t tile_control = 0;   // offset of TILE_CONTROL
  DmaModel dma;
  LockModel locks;
  SwitchModel stream_switch;
};

// Where a channel, a buffer descriptor or a lock register lies, decoded from a tile offset.
struct ChannelRegister {
  Direction direction;
  uint8_t channel;
  bool queue;  // false: CTRL
};
struct BdRegister {
  uint8_t bd;
  uint8_t word;
};
std::optional<ChannelRegister> find_channel_register(const TileModel& tile, uint32_t offset);
std::optional<BdRegister> find_bd_register(const TileModel& tile, uint32_t offset);
std::optional<uint8_t> find_lock_register(const TileModel& tile, uint32_t offset);

struct TileAddress {
  TileId tile;
  uint32_t offset = 0;  // below kTileBytes
};

constexpr uint32_t address_of(TileId tile, uint32_t offset) {
  return (static_cast<uint32_t>(tile.column) << kColumnShift) | (static_cast<uint32_t>(tile.row) << kRowShift) | offset;
}

struct Device {
  Generation generation;
  const char* name;            // "npu2"
  uint8_t columns, rows;       // row 0 shim, row 1 memory tiles, the rest cores
  uint8_t first_column;        // of the partition, in physical columns
  uint8_t mem_rows;
  uint8_t stream_generation;   // device code in the header of an instruction stream
  std::array<TileModel, kTileKinds> tiles;

  bool contains(TileId tile) const { return tile.column < columns && tile.row < rows; }
  TileKind kind(uint8_t row) const {
    return row == 0 ? TileKind::shim : row <= mem_rows ? TileKind::mem : TileKind::core;
  }
  const TileModel& tile(TileKind kind) const { return tiles[static_cast<size_t>(kind)]; }
  const TileModel& tile(TileId id) const { return tile(kind(id.row)); }
  // Nothing when the address lies outside the grid.
  std::optional<TileAddress> locate(uint64_t address) const;
};

const Device& device(Generation generation);
// The table whose instruction streams carry this device code, if there is one.
const Device* device_for_stream(uint8_t stream_generation);

// CORE_CONTROL of a core tile.
inline constexpr uint32_t kCoreControl = 0x32000;
inline constexpr uint32_t kCoreEnable = 1, kCoreReset = 2;

// Fields shared by the channels of every tile kind.
inline constexpr uint32_t kQueueToken = 1u << 31;  // issue a token when the task ends
constexpr uint32_t queue_repeat(uint32_t word) { return (word >> 16 & 0xFF) + 1; }
constexpr uint32_t queue_bd(uint32_t word, TileKind kind) { return word & (kind == TileKind::mem ? 0x3Fu : 0xFu); }
constexpr uint32_t control_controller_id(uint32_t word) { return word >> 8 & 0xFF; }

// Memory-tile DMA: even channels reach descriptors 0-23 only, odd ones 24-47.
constexpr bool mem_bd_reachable(unsigned channel, unsigned bd) { return (bd >= 24) == (channel % 2 == 1); }

// Memory-tile DMA address space in bytes: west neighbour, own, east neighbour, 512 KiB each; locks
// likewise, 64 each. Channels 4 and 5 reach the own tile only.
inline constexpr uint32_t kMemWindowBytes = 0x80000;
inline constexpr uint32_t kMemLocks = 64;
inline constexpr unsigned kMemNeighbourChannels = 4;

// A core's view of data memory, 64 KiB windows: south, west, north, own; locks 16 each in that order.
inline constexpr uint32_t kCoreSouthWindow = 0x40000, kCoreWestWindow = 0x50000, kCoreNorthWindow = 0x60000,
                          kCoreOwnWindow = 0x70000;
inline constexpr unsigned kCoreSouthLocks = 0, kCoreWestLocks = 16, kCoreNorthLocks = 32, kCoreOwnLocks = 48;

}  // namespace onebit::npu
