// Stream switches: the ports of each tile kind, which slave may feed which master, the register words,
// and what lies at the other end of a port.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "npu/device/device.h"

namespace onebit::npu {

enum class Bundle : uint8_t { core, dma, control, fifo, south, west, north, east, trace };

struct Port {
  Bundle bundle = Bundle::core;
  uint8_t channel = 0;
  auto operator<=>(const Port&) const = default;
};
std::string name(Port port);  // "SOUTH3", "TILE_CTRL"

// Ports in register order: the position is the index of the register, and for slaves the value of a
// circuit master's configuration field.
std::span<const Port> master_ports(TileKind kind);
std::span<const Port> slave_ports(TileKind kind);
std::optional<uint8_t> master_index(TileKind kind, Port port);
std::optional<uint8_t> slave_index(TileKind kind, Port port);

// Whether the switch has wires from the slave to the master. Both ports exist in the kind.
bool connection_legal(TileKind kind, Port slave, Port master);

inline constexpr unsigned kArbiters = 6;
inline constexpr unsigned kMsels = 4;
inline constexpr unsigned kSlotsPerSlave = 4;

struct MasterConfig {
  bool enable = false;
  bool packet = false;
  bool drop_header = false;
  uint8_t configuration = 0;  // circuit: slave index; packet: arbiter, and msel enables above it

  unsigned arbiter() const { return configuration & 7u; }
  unsigned msel_enables() const { return configuration >> 3 & 0xFu; }
  bool operator==(const MasterConfig&) const = default;
};
struct SlaveConfig {
  bool enable = false;
  bool packet = false;
  bool operator==(const SlaveConfig&) const = default;
};
struct PacketSlot {
  uint8_t id = 0, mask = 0;  // a packet matches when (its id xor id) and mask is 0
  bool enable = false;
  uint8_t msel = 0, arbiter = 0;
  bool operator==(const PacketSlot&) const = default;
};

constexpr uint32_t encode(MasterConfig c) {
  return uint32_t{c.enable} << 31 | uint32_t{c.packet} << 30 | uint32_t{c.drop_header} << 7 | (c.configuration & 0x7Fu);
}
constexpr uint32_t encode(SlaveConfig c) { return uint32_t{c.enable} << 31 | uint32_t{c.packet} << 30; }
constexpr uint32_t encode(PacketSlot s) {
  return uint32_t{s.id & 0x1Fu} << 24 | uint32_t{s.mask & 0x1Fu} << 16 | uint32_t{s.enable} << 8 | uint32_t{s.msel & 3u} << 4 |
         (s.arbiter & 7u);
}
constexpr MasterConfig decode_master(uint32_t w) {
  return {(w >> 31) != 0, (w >> 30 & 1) != 0, (w >> 7 & 1) != 0, static_cast<uint8_t>(w & 0x7F)};
}
constexpr SlaveConfig decode_slave(uint32_t w) { return {(w >> 31) != 0, (w >> 30 & 1) != 0}; }
constexpr PacketSlot decode_slot(uint32_t w) {
  return {static_cast<uint8_t>(w >> 24 & 0x1F), static_cast<uint8_t>(w >> 16 & 0x1F), (w >> 8 & 1) != 0,
          static_cast<uint8_t>(w >> 4 & 3), static_cast<uint8_t>(w & 7)};
}

// The slave at the other end of a direction master, or the master that drives a direction slave.
// Nothing at the edge of the array and for ports that stay in the tile.
struct PortAt {
  TileId tile;
  Port port;
  bool operator==(const PortAt&) const = default;
};
std::optional<PortAt> slave_driven_by(const Device& device, TileId tile, Port master);
std::optional<PortAt> master_driving(const Device& device, TileId tile, Port slave);

// A stream-switch register, decoded from a tile offset.
struct SwitchRegister {
  enum class Kind : uint8_t { master, slave, slot } kind;
  Port port;
  uint8_t index;     // of the port
  uint8_t slot = 0;
};
std::optional<SwitchRegister> find_switch_register(const TileModel& tile, uint32_t offset);

// The shim's DMA channels enter and leave through SOUTH ports, chosen by two registers of 2-bit fields.
inline constexpr uint32_t kMuxConfig = 0x1F000, kDemuxConfig = 0x1F004;
inline constexpr uint32_t kMuxPl = 0, kMuxDma = 1, kMuxNoc = 2;
struct ShimDmaPort {
  Direction direction;
  uint8_t channel;
  Port port;           // slave for MM2S, master for S2MM
  uint32_t mux_offset;
  uint8_t mux_shift;   // of the 2-bit field
};
std::span<const ShimDmaPort> shim_dma_ports();

// Route of task-completion tokens in a shim: TILE_CTRL to SOUTH0 in packet mode.
inline constexpr Port kTokenSlave{Bundle::control, 0};
inline constexpr Port kTokenMaster{Bundle::south, 0};

}  // namespace onebit::npu
