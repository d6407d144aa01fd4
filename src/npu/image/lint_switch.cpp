// Rules about stream switches: circuits, packets, wires between tiles, the token route.
#include "npu/image/lint_internal.h"

namespace onebit::npu {
namespace {

const SwitchModel& switch_of(const RegisterFile& regs, TileId tile) { return regs.device().tile(tile).stream_switch; }

std::string port_name(TileId tile, const char* side, Port port) { return fmt::format("{} {} {}", name(tile), side, name(port)); }

PacketSlot slot(const RegisterFile& regs, TileId tile, unsigned slave, unsigned index) {
  return decode_slot(regs.value(tile, switch_of(regs, tile).slot_offset(slave, index)));
}

bool is_neighbour_port(Bundle b) { return b == Bundle::south || b == Bundle::west || b == Bundle::north || b == Bundle::east; }

// A circuit master: rules "connection", "lane" and "no-effect".
void check_circuit_master(const RegisterFile& regs, TileId tile, Port master, const MasterConfig& config, Report& report) {
  const TileKind kind = regs.device().kind(tile.row);
  const auto slaves = slave_ports(kind);
  const std::string where = port_name(tile, "master", master);
  if (config.configuration >= slaves.size())
    return report.add("connection", where, fmt::format("selects slave {}, expected below {}", config.configuration, slaves.size()));
  if (config.drop_header) report.add("no-effect", where, "drops headers, but is in circuit mode");
  const Port slave = slaves[config.configuration];
  const SlaveConfig feeding = slave_config(regs, tile, slave);
  if (!feeding.enable) report.add("connection", where, fmt::format("selects slave {}, which is not enabled", name(slave)));
  if (feeding.enable && feeding.packet) report.add("connection", where, fmt::format("selects slave {}, which is in packet mode", name(slave)));
  if (connection_legal(kind, slave, master)) return;
  const bool lane = kind == TileKind::mem && is_neighbour_port(slave.bundle) && is_neighbour_port(master.bundle);
  report.add(lane ? "lane" : "connection", where, fmt::format("is fed by slave {}, expected {}", name(slave),
                                                             lane ? fmt::format("lane {}", master.channel) : "a slave it is wired to"));
}

void check_packet_master(const RegisterFile& regs, TileId tile, Port master, const MasterConfig& config, Report& report) {
  if (config.arbiter() >= kArbiters)
    report.add("packet-route", port_name(tile, "master", master), fmt::format("arbiter is {}, expected below {}", config.arbiter(), kArbiters));
  // Each msel it takes is one that an enabled slot of that arbiter names.
  const auto slaves = slave_ports(regs.device().kind(tile.row));
  for (unsigned msel = 0; msel < kMsels; ++msel) {
    if (!(config.msel_enables() >> msel & 1)) continue;
    bool named = false;
    for (unsigned i = 0; i < slaves.size(); ++i)
      for (unsigned s = 0; s < kSlotsPerSlave; ++s) {
        const PacketSlot c = slot(regs, tile, i, s);
        named |= c.enable && c.arbiter == config.arbiter() && c.msel == msel;
      }
    if (!named)
      report.add("packet-route", port_name(tile, "master", master), fmt::format("takes msel {} of arbiter {}, which no slot names", msel, config.arbiter()));
  }
}

// A packet slave: rule "packet-route".
void check_packet_slave(const RegisterFile& regs, TileId tile, unsigned index, Port slave, Report& report) {
  const TileKind kind = regs.device().kind(tile.row);
  const std::string where = port_name(tile, "slave", slave);
  bool any = false;
  for (unsigned s = 0; s < kSlotsPerSlave; ++s) {
    const PacketSlot slot_config = slot(regs, tile, index, s);
    if (!slot_config.enable) continue;
    any = true;
    if (slot_config.arbiter >= kArbiters) {
      report.add("packet-route", where, fmt::format("slot {} has arbiter {}, expected below {}", s, slot_config.arbiter, kArbiters));
      continue;
    }
    bool served = false;
    for (const Port m : master_ports(kind)) {
      const MasterConfig c = master_config(regs, tile, m);
      served |= c.enable && c.packet && c.arbiter() == slot_config.arbiter && (c.msel_enables() >> slot_config.msel & 1) &&
                connection_legal(kind, slave, m);
    }
    if (!served) report.add("packet-route", where, fmt::format("slot {} goes to arbiter {} msel {}, which no master takes", s, slot_config.arbiter, slot_config.msel));
  }
  if (!any) report.add("packet-route", where, "is in packet mode without an enabled slot");
}

bool feeds_a_master(const RegisterFile& regs, TileId tile, unsigned index) {
  for (const Port m : master_ports(regs.device().kind(tile.row))) {
    const MasterConfig c = master_config(regs, tile, m);
    if (c.enable && !c.packet && c.configuration == index) return true;
  }
  return false;
}

// Rule "open-wire". The shim's southern ports end in the array interface, not in a tile.
void check_wires(const RegisterFile& regs, TileId tile, Report& report) {
  const TileKind kind = regs.device().kind(tile.row);
  const auto leaves_array = [kind](Port p) { return kind == TileKind::shim && p.bundle == Bundle::south; };
  for (const Port m : master_ports(kind)) {
    if (!master_config(regs, tile, m).enable || !is_neighbour_port(m.bundle) || leaves_array(m)) continue;
    const auto far = slave_driven_by(regs.device(), tile, m);
    if (!far)
      report.add("open-wire", port_name(tile, "master", m), "points outside the array");
    else if (!slave_config(regs, far->tile, far->port).enable)
      report.add("open-wire", port_name(tile, "master", m), fmt::format("drives {}, which is not enabled", port_name(far->tile, "slave", far->port)));
  }
  for (const Port s : slave_ports(kind)) {
    if (!slave_config(regs, tile, s).enable || !is_neighbour_port(s.bundle) || leaves_array(s)) continue;
    const auto far = master_driving(regs.device(), tile, s);
    if (!far)
      report.add("open-wire", port_name(tile, "slave", s), "listens outside the array");
    else if (!master_config(regs, far->tile, far->port).enable)
      report.add("open-wire", port_name(tile, "slave", s), fmt::format("listens to {}, which is not enabled", port_name(far->tile, "master", far->port)));
  }
}

// Rule "shim-mux": a DMA port is given to the DMA exactly when the switch uses it.
void check_shim_mux(const RegisterFile& regs, TileId shim, Report& report) {
  for (const ShimDmaPort& p : shim_dma_ports()) {
    const bool dma = shim_port_is_dma(regs, shim, p);
    const bool used = p.direction == Direction::mm2s ? slave_config(regs, shim, p.port).enable : master_config(regs, shim, p.port).enable;
    const char* side = p.direction == Direction::mm2s ? "slave" : "master";
    if (used && !dma) report.add("shim-mux", port_name(shim, side, p.port), fmt::format("is enabled, but {} is not selected in the {}",
                                                                                       channel_name(shim, p.direction, p.channel), p.direction == Direction::mm2s ? "mux" : "demux"));
    if (dma && !used) report.add("shim-mux", channel_name(shim, p.direction, p.channel), fmt::format("is selected, but {} is not enabled", port_name(shim, side, p.port)));
  }
}

}  // namespace

MasterConfig master_config(const RegisterFile& regs, TileId tile, Port port) {
  const auto index = master_index(regs.device().kind(tile.row), port);
  return index ? decode_master(regs.value(tile, switch_of(regs, tile).master_offset(*index))) : MasterConfig{};
}

SlaveConfig slave_config(const RegisterFile& regs, TileId tile, Port port) {
  const auto index = slave_index(regs.device().kind(tile.row), port);
  return index ? decode_slave(regs.value(tile, switch_of(regs, tile).slave_offset(*index))) : SlaveConfig{};
}

bool shim_port_is_dma(const RegisterFile& regs, TileId shim, const ShimDmaPort& port) {
  return (regs.value(shim, port.mux_offset) >> port.mux_shift & 3) == kMuxDma;
}

std::vector<PortAt> circuit_sinks(const RegisterFile& regs, TileId tile, Port slave) {
  std::vector<PortAt> sinks, open{{tile, slave}};
  std::set<std::pair<TileId, Port>> seen;
  while (!open.empty()) {
    const PortAt at = open.back();
    open.pop_back();
    if (!seen.insert({at.tile, at.port}).second) continue;
    const TileKind kind = regs.device().kind(at.tile.row);
    const auto index = slave_index(kind, at.port);
    for (const Port m : master_ports(kind)) {
      const MasterConfig c = master_config(regs, at.tile, m);
      if (!index || !c.enable || c.packet || c.configuration != *index) continue;
      if (const auto next = slave_driven_by(regs.device(), at.tile, m))
        open.push_back(*next);
      else
        sinks.push_back({at.tile, m});
    }
  }
  return sinks;
}

// Rule "token-route": without it the data is right and every wait times out.
void check_token_route(const RegisterFile& regs, uint8_t column, Report& report) {
  const TileId shim{column, 0};
  const std::string where = fmt::format("{} token route", name(shim));
  const SlaveConfig slave = slave_config(regs, shim, kTokenSlave);
  if (!slave.enable || !slave.packet) return report.add("token-route", where, "slave TILE_CTRL is not enabled in packet mode");
  const MasterConfig master = master_config(regs, shim, kTokenMaster);
  if (!master.enable || !master.packet) return report.add("token-route", where, "master SOUTH0 is not enabled in packet mode");
  if (master.drop_header) report.add("token-route", where, "master SOUTH0 drops the header");
  const unsigned index = *slave_index(TileKind::shim, kTokenSlave);
  for (unsigned s = 0; s < kSlotsPerSlave; ++s) {
    const PacketSlot c = slot(regs, shim, index, s);
    const bool matches = c.enable && ((c.id ^ kTokenControllerId) & c.mask) == 0;
    if (matches && c.arbiter == master.arbiter() && (master.msel_enables() >> c.msel & 1)) return;
  }
  report.add("token-route", where, fmt::format("no slot of TILE_CTRL sends id {} to SOUTH0", kTokenControllerId));
}

void lint_switches(const RegisterFile& regs, Report& report) {
  for (const TileId tile : regs.tiles()) {
    const TileKind kind = regs.device().kind(tile.row);
    for (const Port m : master_ports(kind)) {
      const MasterConfig c = master_config(regs, tile, m);
      if (c.enable && c.packet) check_packet_master(regs, tile, m, c, report);
      if (c.enable && !c.packet) check_circuit_master(regs, tile, m, c, report);
    }
    const auto slaves = slave_ports(kind);
    for (unsigned i = 0; i < slaves.size(); ++i) {
      const SlaveConfig c = slave_config(regs, tile, slaves[i]);
      if (c.enable && c.packet) check_packet_slave(regs, tile, i, slaves[i], report);
      if (c.enable && !c.packet && !feeds_a_master(regs, tile, i))
        report.add("unused-slave", port_name(tile, "slave", slaves[i]), "is enabled, but no master selects it");
    }
    check_wires(regs, tile, report);
    if (kind != TileKind::shim) continue;
    check_shim_mux(regs, tile, report);
    bool in_use = false;
    for (const ShimDmaPort& p : shim_dma_ports()) in_use |= shim_port_is_dma(regs, tile, p);
    if (in_use) check_token_route(regs, tile.column, report);
  }
}

}  // namespace onebit::npu
