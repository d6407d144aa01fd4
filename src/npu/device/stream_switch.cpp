#include "npu/device/stream_switch.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

namespace onebit::npu {
namespace {

struct PortGroup {
  Bundle bundle;
  uint8_t count;
};

// Groups in register order (AMD's AIE2P register map, STREAM_SWITCH_MASTER/SLAVE_CONFIG_*).
constexpr std::array kCoreMasters{PortGroup{Bundle::core, 1},  PortGroup{Bundle::dma, 2},   PortGroup{Bundle::control, 1},
                                  PortGroup{Bundle::fifo, 1},  PortGroup{Bundle::south, 4}, PortGroup{Bundle::west, 4},
                                  PortGroup{Bundle::north, 6}, PortGroup{Bundle::east, 4}};
constexpr std::array kCoreSlaves{PortGroup{Bundle::core, 1},  PortGroup{Bundle::dma, 2},   PortGroup{Bundle::control, 1},
                                 PortGroup{Bundle::fifo, 1},  PortGroup{Bundle::south, 6}, PortGroup{Bundle::west, 4},
                                 PortGroup{Bundle::north, 4}, PortGroup{Bundle::east, 4},  PortGroup{Bundle::trace, 2}};
constexpr std::array kMemMasters{PortGroup{Bundle::dma, 6}, PortGroup{Bundle::control, 1}, PortGroup{Bundle::south, 4},
                                 PortGroup{Bundle::north, 6}};
constexpr std::array kMemSlaves{PortGroup{Bundle::dma, 6}, PortGroup{Bundle::control, 1}, PortGroup{Bundle::south, 6},
                                PortGroup{Bundle::north, 4}, PortGroup{Bundle::trace, 1}};
constexpr std::array kShimMasters{PortGroup{Bundle::control, 1}, PortGroup{Bundle::fifo, 1},  PortGroup{Bundle::south, 6},
                                  PortGroup{Bundle::west, 4},    PortGroup{Bundle::north, 6}, PortGroup{Bundle::east, 4}};
constexpr std::array kShimSlaves{PortGroup{Bundle::control, 1}, PortGroup{Bundle::fifo, 1},  PortGroup{Bundle::south, 8},
                                 PortGroup{Bundle::west, 4},    PortGroup{Bundle::north, 4}, PortGroup{Bundle::east, 4},
                                 PortGroup{Bundle::trace, 1}};

template <auto& Groups>
constexpr auto expand() {
  constexpr size_t total = std::accumulate(Groups.begin(), Groups.end(), size_t{0},
                                           [](size_t sum, PortGroup g) { return sum + g.count; });
  std::array<Port, total> ports{};
  size_t at = 0;
  for (const PortGroup& g : Groups)
    for (uint8_t c = 0; c < g.count; ++c) ports[at++] = Port{g.bundle, c};
  return ports;
}

constexpr auto kCoreMasterPorts = expand<kCoreMasters>();
constexpr auto kCoreSlavePorts = expand<kCoreSlaves>();
constexpr auto kMemMasterPorts = expand<kMemMasters>();
constexpr auto kMemSlavePorts = expand<kMemSlaves>();
constexpr auto kShimMasterPorts = expand<kShimMasters>();
constexpr auto kShimSlavePorts = expand<kShimSlaves>();
static_assert(kCoreMasterPorts.size() == 23 && kCoreSlavePorts.size() == 25);
static_assert(kMemMasterPorts.size() == 17 && kMemSlavePorts.size() == 18);
static_assert(kShimMasterPorts.size() == 22 && kShimSlavePorts.size() == 23);

std::optional<uint8_t> index_of(std::span<const Port> ports, Port port) {
  const auto it = std::find(ports.begin(), ports.end(), port);
  if (it == ports.end()) return std::nullopt;
  return static_cast<uint8_t>(it - ports.begin());
}

bool is_direction(Bundle b) { return b >= Bundle::south && b <= Bundle::east; }

bool core_connection(Port s, Port m) {
  switch (s.bundle) {
    case Bundle::trace: return m.bundle == Bundle::fifo || m.bundle == Bundle::south || m == Port{Bundle::dma, 0};
    case Bundle::core: return m.bundle != Bundle::core;
    case Bundle::dma: return m.bundle != Bundle::dma || m.channel == s.channel;
    case Bundle::control: return m.bundle != Bundle::dma && m.bundle != Bundle::control;
    case Bundle::fifo: return true;
    default: return m.bundle != s.bundle || m.channel == s.channel;  // back to the same side: straight only
  }
}

bool mem_connection(Port s, Port m) {
  switch (s.bundle) {
    case Bundle::trace: return m.bundle == Bundle::south || m == Port{Bundle::dma, 5};
    case Bundle::dma: return m.bundle != Bundle::dma || m.channel == s.channel;
    case Bundle::control: return m.bundle != Bundle::control && (m.bundle != Bundle::dma || m.channel == 5);
    default: return !is_direction(m.bundle) || m.channel == s.channel;  // lanes keep their number
  }
}

bool shim_connection(Port s, Port m) {
  switch (s.bundle) {
    case Bundle::trace:
      return m.bundle == Bundle::fifo || m.bundle == Bundle::south || m == Port{Bundle::west, 0} || m == Port{Bundle::east, 0};
    case Bundle::control: return m.bundle != Bundle::control;
    case Bundle::fifo:
    case Bundle::south: return true;
    default: return m.bundle != s.bundle || m.channel == s.channel;
  }
}

struct Step {
  int columns, rows;
  Bundle arrives;  // the bundle of the same wires in the neighbour
};
std::optional<Step> step(Bundle bundle) {
  switch (bundle) {
    case Bundle::south: return Step{0, -1, Bundle::north};
    case Bundle::north: return Step{0, 1, Bundle::south};
    case Bundle::west: return Step{-1, 0, Bundle::east};
    case Bundle::east: return Step{1, 0, Bundle::west};
    default: return std::nullopt;
  }
}

std::optional<PortAt> across(const Device& device, TileId tile, Port port) {
  const auto s = step(port.bundle);
  if (!s) return std::nullopt;
  const int column = tile.column + s->columns, row = tile.row + s->rows;
  if (column < 0 || row < 0) return std::nullopt;
  const TileId other{static_cast<uint8_t>(column), static_cast<uint8_t>(row)};
  if (!device.contains(other)) return std::nullopt;
  return PortAt{other, {s->arrives, port.channel}};
}

}  // namespace

std::string name(Port port) {
  constexpr const char* kNames[] = {"AIE_CORE", "DMA", "TILE_CTRL", "FIFO", "SOUTH", "WEST", "NORTH", "EAST", "TRACE"};
  const char* bundle = kNames[static_cast<size_t>(port.bundle)];
  return port.bundle == Bundle::control ? bundle : fmt::format("{}{}", bundle, port.channel);
}

std::span<const Port> master_ports(TileKind kind) {
  switch (kind) {
    case TileKind::shim: return kShimMasterPorts;
    case TileKind::mem: return kMemMasterPorts;
    case TileKind::core: return kCoreMasterPorts;
  }
  return {};
}

std::span<const Port> slave_ports(TileKind kind) {
  switch (kind) {
    case TileKind::shim: return kShimSlavePorts;
    case TileKind::mem: return kMemSlavePorts;
    case TileKind::core: return kCoreSlavePorts;
  }
  return {};
}

std::optional<uint8_t> master_index(TileKind kind, Port port) { return index_of(master_ports(kind), port); }
std::optional<uint8_t> slave_index(TileKind kind, Port port) { return index_of(slave_ports(kind), port); }

bool connection_legal(TileKind kind, Port slave, Port master) {
  switch (kind) {
    case TileKind::shim: return shim_connection(slave, master);
    case TileKind::mem: return mem_connection(slave, master);
    case TileKind::core: return core_connection(slave, master);
  }
  return false;
}

std::optional<PortAt> slave_driven_by(const Device& device, TileId tile, Port master) { return across(device, tile, master); }
std::optional<PortAt> master_driving(const Device& device, TileId tile, Port slave) { return across(device, tile, slave); }

std::optional<SwitchRegister> find_switch_register(const TileModel& tile, uint32_t offset) {
  using Kind = SwitchRegister::Kind;
  if (offset % 4) return std::nullopt;
  const SwitchModel& s = tile.stream_switch;
  const auto masters = master_ports(tile.kind), slaves = slave_ports(tile.kind);
  if (offset >= s.master_base && offset < s.master_offset(static_cast<unsigned>(masters.size()))) {
    const uint32_t i = (offset - s.master_base) / 4;
    return SwitchRegister{Kind::master, masters[i], static_cast<uint8_t>(i)};
  }
  if (offset >= s.slave_base && offset < s.slave_offset(static_cast<unsigned>(slaves.size()))) {
    const uint32_t i = (offset - s.slave_base) / 4;
    return SwitchRegister{Kind::slave, slaves[i], static_cast<uint8_t>(i)};
  }
  if (offset >= s.slot_base && offset < s.slot_offset(static_cast<unsigned>(slaves.size()), 0)) {
    const uint32_t i = (offset - s.slot_base) / 0x10;
    return SwitchRegister{Kind::slot, slaves[i], static_cast<uint8_t>(i), static_cast<uint8_t>((offset - s.slot_base) % 0x10 / 4)};
  }
  return std::nullopt;
}

std::span<const ShimDmaPort> shim_dma_ports() {
  static constexpr ShimDmaPort kPorts[] = {
      {Direction::s2mm, 0, {Bundle::south, 2}, kDemuxConfig, 4},
      {Direction::s2mm, 1, {Bundle::south, 3}, kDemuxConfig, 6},
      {Direction::mm2s, 0, {Bundle::south, 3}, kMuxConfig, 10},
      {Direction::mm2s, 1, {Bundle::south, 7}, kMuxConfig, 14},
  };
  return kPorts;
}

}  // namespace onebit::npu
