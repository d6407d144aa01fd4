#include "npu/sim/fabric.h"

#include <algorithm>

#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

// A route of more switches than this goes round in circles: the longest straight one crosses the array twice.
constexpr unsigned kMaxSwitches = 64;
// Keys of wires that end at a slave port, beside those of masters.
constexpr uint8_t kSlaveEnd = 0x80;

std::string slave_name(const Device& device, TileId tile, unsigned slave) {
  return fmt::format("{} slave {}", name(tile), name(slave_ports(device.kind(tile.row))[slave]));
}
std::string master_name(const Device& device, TileId tile, unsigned master) {
  return fmt::format("{} master {}", name(tile), name(master_ports(device.kind(tile.row))[master]));
}

}  // namespace

unsigned Link::space() const {
  unsigned n = Fifo::kWords;
  for (const Fifo* f : sinks) n = std::min(n, f->space());
  return n;
}

void Link::push(Scheduler& scheduler, const uint32_t* words, unsigned n, bool last, const double* times, double latency) const {
  for (Fifo* f : sinks) {
    if (times)
      for (unsigned i = 0; i < n; ++i) f->set_ready(i, times[i] + latency * switches);
    f->push(words, n, last);
    scheduler.wake(f->reader);
  }
}

uint32_t Fabric::master_word(TileId tile, unsigned master) const {
  const Tile& t = array_.tile(tile);
  return t.reg(t.model->stream_switch.master_offset(master));
}
uint32_t Fabric::slave_word(TileId tile, unsigned slave) const {
  const Tile& t = array_.tile(tile);
  return t.reg(t.model->stream_switch.slave_offset(slave));
}

void Fabric::invalidate() {
  for (auto* links : {&slave_links_, &master_links_})
    for (auto& [key, link] : *links) link->stale = true;
  for (auto& tile : array_.tiles())
    for (auto& channels : tile->channels)
      for (auto& c : channels) {
        c->rewire();
        if (c->active()) array_.scheduler.wake(c.get());
      }
}

Result<Link*> Fabric::from_slave(TileId tile, uint8_t slave) {
  auto& link = slave_links_[{tile, slave}];
  if (!link) link = std::make_unique<Link>();
  if (link->stale) {
    link->sinks.clear();
    link->switches = 0;
    const SlaveConfig config = decode_slave(slave_word(tile, slave));
    bool used = config.enable && config.packet;
    for (unsigned m = 0; config.enable && m < master_ports(array_.device.kind(tile.row)).size(); ++m) {
      const MasterConfig master = decode_master(master_word(tile, m));
      used |= master.enable && !master.packet && master.configuration == slave;
    }
    if (used) ONEBIT_TRY(collect_slave(tile, slave, 0, *link));
    link->stale = false;
  }
  return link->sinks.empty() ? nullptr : link.get();
}

Result<Link*> Fabric::from_master(TileId tile, uint8_t master) {
  auto& link = master_links_[{tile, master}];
  if (!link) link = std::make_unique<Link>();
  if (link->stale) {
    link->sinks.clear();
    link->switches = 0;
    ONEBIT_TRY(collect_master(tile, master, 0, *link));
    link->stale = false;
  }
  return link.get();
}

Fifo& Fabric::sink(TileId tile, uint8_t index) {
  auto& fifo = sinks_[{tile, index}];
  if (fifo) return *fifo;
  const TileKind kind = array_.device.kind(tile.row);
  std::string text;
  if (index & kSlaveEnd) {
    text = slave_name(array_.device, tile, index & ~kSlaveEnd);
  } else {
    const Port port = master_ports(kind)[index];
    text = port.bundle == Bundle::dma ? fmt::format("{} S2MM {}", name(tile), port.channel) : master_name(array_.device, tile, index);
    for (const ShimDmaPort& p : shim_dma_ports())
      if (kind == TileKind::shim && p.direction == Direction::s2mm && p.port == port) text = fmt::format("{} S2MM {}", name(tile), p.channel);
  }
  const bool to_core = !(index & kSlaveEnd) && master_ports(kind)[index].bundle == Bundle::core;
  fifo = std::make_unique<Fifo>(std::move(text), to_core);
  return *fifo;
}

PacketPort& Fabric::port(TileId tile, uint8_t slave) {
  auto& p = ports_[{tile, slave}];
  if (!p) p = std::make_unique<PacketPort>(array_, tile, slave);
  return *p;
}

std::vector<const PacketPort*> Fabric::ports() const {
  std::vector<const PacketPort*> all;
  for (const auto& [key, p] : ports_) all.push_back(p.get());
  return all;
}

Status Fabric::collect_slave(TileId tile, uint8_t slave, unsigned depth, Link& link) {
  if (depth > kMaxSwitches) return fail(Errc::unsupported, "the circuit through {} goes round in circles", slave_name(array_.device, tile, slave));
  const SlaveConfig config = decode_slave(slave_word(tile, slave));
  link.switches = std::max(link.switches, depth + 1);
  if (config.enable && config.packet) {
    link.sinks.push_back(&port(tile, slave).fifo);
    return {};
  }
  bool used = false;
  for (unsigned m = 0; config.enable && m < master_ports(array_.device.kind(tile.row)).size(); ++m) {
    const MasterConfig master = decode_master(master_word(tile, m));
    if (!master.enable || master.packet || master.configuration != slave) continue;
    used = true;
    ONEBIT_TRY(collect_master(tile, static_cast<uint8_t>(m), depth, link));
  }
  if (!used) link.sinks.push_back(&sink(tile, slave | kSlaveEnd));
  return {};
}

Status Fabric::collect_master(TileId tile, uint8_t master, unsigned depth, Link& link) {
  const TileKind kind = array_.device.kind(tile.row);
  const Port port = master_ports(kind)[master];
  switch (port.bundle) {
    case Bundle::control:
      return fail(Errc::unsupported, "{}: a stream reaches it, and control packets are not modelled", master_name(array_.device, tile, master));
    case Bundle::fifo: return collect_slave(tile, *slave_index(kind, port), depth + 1, link);
    case Bundle::south:
    case Bundle::west:
    case Bundle::north:
    case Bundle::east:
      if (const auto next = slave_driven_by(array_.device, tile, port))
        return collect_slave(next->tile, *slave_index(array_.device.kind(next->tile.row), next->port), depth + 1, link);
      break;
    default: break;
  }
  link.sinks.push_back(&sink(tile, master));
  return {};
}

Result<Fabric::PacketRoute> Fabric::packet_route(TileId tile, uint8_t slave, unsigned id) {
  const Tile& t = array_.tile(tile);
  const TileKind kind = array_.device.kind(tile.row);
  for (unsigned s = 0; s < kSlotsPerSlave; ++s) {
    const PacketSlot slot = decode_slot(t.reg(t.model->stream_switch.slot_offset(slave, s)));
    if (!slot.enable || ((id ^ slot.id) & slot.mask)) continue;
    PacketRoute route{slot.arbiter, {}};
    for (unsigned m = 0; m < master_ports(kind).size(); ++m) {
      const MasterConfig master = decode_master(master_word(tile, m));
      if (!master.enable || !master.packet || master.arbiter() != slot.arbiter || !(master.msel_enables() >> slot.msel & 1)) continue;
      if (!connection_legal(kind, slave_ports(kind)[slave], master_ports(kind)[m]))
        return fail(Errc::unsupported, "{} has no wires to {}", slave_name(array_.device, tile, slave), master_name(array_.device, tile, m));
      route.masters.push_back(static_cast<uint8_t>(m));
    }
    if (route.masters.empty())
      return fail(Errc::unsupported, "{} slot {} sends packet id {} to arbiter {} msel {}, which no master serves",
                  slave_name(array_.device, tile, slave), s, id, slot.arbiter, slot.msel);
    return route;
  }
  return fail(Errc::unsupported, "{}: no slot takes packet id {}", slave_name(array_.device, tile, slave), id);
}

bool Fabric::take_arbiter(TileId tile, unsigned arbiter, PacketPort& who) {
  PacketPort*& owner = arbiters_[{tile, static_cast<uint8_t>(arbiter)}];
  if (!owner) owner = &who;
  return owner == &who;
}

void Fabric::free_arbiter(TileId tile, unsigned arbiter) {
  arbiters_[{tile, static_cast<uint8_t>(arbiter)}] = nullptr;
  for (auto p = ports_.lower_bound({tile, 0}); p != ports_.end() && p->first.first == tile; ++p)
    if (p->second->wait().what == Wait::For::arbiter) array_.scheduler.wake(p->second.get());
}

const PacketPort* Fabric::arbiter_owner(TileId tile, unsigned arbiter) const {
  const auto owner = arbiters_.find({tile, static_cast<uint8_t>(arbiter)});
  return owner == arbiters_.end() ? nullptr : owner->second;
}

std::optional<std::string> Fabric::token_lost(TileId tile, unsigned id) {
  std::string reason;
  const TileKind kind = array_.device.kind(tile.row);
  if (token_arrives(tile, *slave_index(kind, Port{Bundle::control, 0}), id, 0, &reason)) return std::nullopt;
  return reason;
}

bool Fabric::token_arrives(TileId tile, uint8_t slave, unsigned id, unsigned depth, std::string* reason) {
  const auto lost = [&](std::string text) {
    if (reason->empty()) *reason = std::move(text);
    return false;
  };
  if (depth > kMaxSwitches) return lost(fmt::format("its route goes round in circles at {}", name(tile)));
  const SlaveConfig config = decode_slave(slave_word(tile, slave));
  if (!config.enable) return lost(fmt::format("{} is not enabled", slave_name(array_.device, tile, slave)));
  if (config.packet) {
    const auto route = packet_route(tile, slave, id);
    if (!route) return lost(route.error().message);
    return std::any_of(route->masters.begin(), route->masters.end(),
                       [&](uint8_t m) { return token_arrives_master(tile, m, id, depth, reason); });
  }
  for (unsigned m = 0; m < master_ports(array_.device.kind(tile.row)).size(); ++m) {
    const MasterConfig master = decode_master(master_word(tile, m));
    if (master.enable && !master.packet && master.configuration == slave && token_arrives_master(tile, static_cast<uint8_t>(m), id, depth, reason))
      return true;
  }
  return lost(fmt::format("{} feeds no master that leads to SOUTH0 of a shim", slave_name(array_.device, tile, slave)));
}

bool Fabric::token_arrives_master(TileId tile, uint8_t master, unsigned id, unsigned depth, std::string* reason) {
  const TileKind kind = array_.device.kind(tile.row);
  const Port port = master_ports(kind)[master];
  const MasterConfig config = decode_master(master_word(tile, master));
  if (kind == TileKind::shim && port == kTokenMaster && config.packet && !config.drop_header) return true;
  if (const auto next = slave_driven_by(array_.device, tile, port))
    return token_arrives(next->tile, *slave_index(array_.device.kind(next->tile.row), next->port), id, depth + 1, reason);
  if (reason->empty())
    *reason = fmt::format("it ends at {}{}, expected SOUTH0 of a shim in packet mode with its header", master_name(array_.device, tile, master),
                          config.drop_header ? " without its header" : "");
  return false;
}

}  // namespace onebit::npu
