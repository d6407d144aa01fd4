// The configuration as commands, in the order of real images: cores halted and filled, locks, descriptors
// and task queues, switches, cores enabled.
#include <algorithm>
#include <set>

#include "npu/design/plan.h"
#include "npu/design/router.h"

namespace onebit::npu::design {
namespace {

constexpr uint32_t kChannelReset = 2;

std::vector<uint32_t> words_of(const std::vector<uint8_t>& bytes) {
  std::vector<uint32_t> words((bytes.size() + 3) / 4, 0);
  for (size_t i = 0; i < bytes.size(); ++i) words[i / 4] |= uint32_t{bytes[i]} << (8 * (i % 4));
  return words;
}

class Emitter {
 public:
  Emitter(const Plan& plan, const std::vector<PlacedChannel>& channels) : plan_(plan), channels_(channels) {}

  Result<Cdo> run() {
    ONEBIT_TRY(fill_tiles());
    reset_cores();
    for (const PlacedLock& l : plan_.locks) write(l.tile, model(l.tile).locks.offset(l.id), l.initial);
    for (const PlacedChannel& c : channels_) start(c);
    connect();
    b_.nop();
    for (const PlacedCore& c : plan_.cores) mask(c.tile, kCoreControl, kCoreEnable, kCoreEnable);
    return b_.take();
  }

 private:
  const TileModel& model(TileId tile) const { return plan_.device().tile(tile); }
  void write(TileId tile, uint32_t offset, uint32_t value) { b_.write(address_of(tile, offset), value); }
  void mask(TileId tile, uint32_t offset, uint32_t m, uint32_t value) { b_.mask_write(address_of(tile, offset), m, value); }
  void block(TileId tile, uint32_t offset, std::vector<uint32_t> words) { b_.block_write(address_of(tile, offset), std::move(words)); }

  void reset_channels(TileId tile, uint32_t value) {
    const DmaModel& dma = model(tile).dma;
    for (const Direction d : {Direction::mm2s, Direction::s2mm})
      for (unsigned c = 0; c < dma.channels; ++c) mask(tile, dma.control_offset(d, c), kChannelReset, value);
  }

  Status fill_tiles() {
    b_.nop();
    for (const PlacedCore& core : plan_.cores) {
      mask(core.tile, kCoreControl, kCoreEnable, 0);
      reset_channels(core.tile, kChannelReset);
      fill_data(core.tile);
      ONEBIT_TRY(fill_program(core));
      reset_channels(core.tile, 0);
    }
    std::set<TileId> others;  // with contents, but no core of ours
    for (const BufferSpec& s : plan_.program.buffers())
      if (!s.initial.empty() && std::none_of(plan_.cores.begin(), plan_.cores.end(), [&s](const PlacedCore& c) { return c.tile == s.tile; })) others.insert(s.tile);
    for (const TileId tile : others) fill_data(tile);
    return {};
  }
  void fill_data(TileId tile) {
    for (size_t i = 0; i < plan_.program.parameters().size(); ++i)
      if (plan_.parameters[i].tile == tile) write(tile, plan_.parameters[i].address, static_cast<uint32_t>(plan_.program.parameters()[i].initial));
    for (size_t i = 0; i < plan_.program.buffers().size(); ++i) {
      const BufferSpec& s = plan_.program.buffers()[i];
      if (s.tile == tile && !s.initial.empty()) block(tile, plan_.buffer_addresses[i], words_of(s.initial));
    }
  }
  Status fill_program(const PlacedCore& core) {
    const TileModel& m = model(core.tile);
    const auto spec = std::find_if(plan_.program.cores().begin(), plan_.program.cores().end(), [&core](const CoreSpec& c) { return c.tile == core.tile; });
    for (const Segment& s : spec->code) {
      if (s.bytes.empty()) continue;
      const bool data = s.address >= kCoreOwnWindow;
      block(core.tile, data ? s.address - kCoreOwnWindow : m.program_base + s.address, words_of(s.bytes));
    }
    ONEBIT_ASSIGN(const std::vector<uint8_t> record, write_core_record(core.program));
    block(core.tile, m.program_base + m.program_bytes - static_cast<uint32_t>(record.size()), words_of(record));
    return {};
  }

  void reset_cores() {
    b_.nop();
    for (const PlacedCore& c : plan_.cores) {
      mask(c.tile, kCoreControl, kCoreReset, kCoreReset);
      mask(c.tile, kCoreControl, kCoreReset, 0);
    }
  }

  void start(const PlacedChannel& c) {
    const DmaModel& dma = model(c.tile).dma;
    for (const PlacedBd& bd : c.bds) block(c.tile, dma.bd_offset(bd.id), bd.words);
    write(c.tile, dma.queue_offset(c.direction, c.channel), c.bds[0].id);
  }

  void connect() {
    b_.nop();
    std::set<std::pair<TileId, Port>> slaves;
    for (const Route& r : plan_.routes)
      for (const Hop& h : r.hops) {
        const TileKind kind = plan_.kind(h.tile);
        const SwitchModel& s = model(h.tile).stream_switch;
        const uint8_t slave = *slave_index(kind, h.slave);
        write(h.tile, s.master_offset(*master_index(kind, h.master)), encode(MasterConfig{true, false, false, slave}));
        if (slaves.insert({h.tile, h.slave}).second) write(h.tile, s.slave_offset(slave), encode(SlaveConfig{true, false}));
      }
    std::set<TileId> shims;
    for (const ShimEnd& e : plan_.shim_ends) shims.insert(e.tile);
    for (const TileId shim : shims) token_route(shim);
    for (const ShimEnd& e : plan_.shim_ends)
      for (const ShimDmaPort& p : shim_dma_ports())
        if (p.direction == e.direction && p.channel == e.channel) mask(e.tile, p.mux_offset, 3u << p.mux_shift, kMuxDma << p.mux_shift);
  }

  // Task-completion tokens leave a shim at TILE_CTRL; without this route no wait ends.
  void token_route(TileId shim) {
    constexpr uint8_t kArbiter = 5, kMsel = 3;
    const SwitchModel& s = model(shim).stream_switch;
    const uint8_t slave = *slave_index(TileKind::shim, kTokenSlave);
    write(shim, s.master_offset(*master_index(TileKind::shim, kTokenMaster)), encode(MasterConfig{true, true, false, (1u << kMsel) << 3 | kArbiter}));
    write(shim, s.slave_offset(slave), encode(SlaveConfig{true, true}));
    write(shim, s.slot_offset(slave, 0), encode(PacketSlot{kTokenControllerId, 0x1F, true, kMsel, kArbiter}));
  }

  const Plan& plan_;
  const std::vector<PlacedChannel>& channels_;
  CdoBuilder b_;
};

std::optional<Port> shim_port(Direction direction, uint8_t channel) {
  for (const ShimDmaPort& p : shim_dma_ports())
    if (p.direction == direction && p.channel == channel) return p.port;
  return std::nullopt;
}

}  // namespace

Status route_streams(Plan& plan) {
  const auto& fifos = plan.program.fifos();
  std::vector<Net> nets(fifos.size());
  for (size_t i = 0; i < fifos.size(); ++i) nets[i].name = fifos[i].name;
  for (const Stream& s : plan.streams) {
    const PortAt at{s.tile, {Bundle::dma, s.channel}};
    if (s.direction == Direction::mm2s) nets[s.fifo].source = at;
    else nets[s.fifo].sinks.push_back(at);
  }
  for (const ShimEnd& e : plan.shim_ends) {
    const PortAt at{e.tile, *shim_port(e.direction, e.channel)};
    if (e.direction == Direction::mm2s) nets[e.fifo].source = at;
    else nets[e.fifo].sinks.push_back(at);
  }
  std::vector<uint32_t> carried;
  std::vector<Net> streams;
  for (uint32_t i = 0; i < nets.size(); ++i) {
    if (nets[i].sinks.empty()) continue;  // in shared memory
    carried.push_back(i);
    streams.push_back(std::move(nets[i]));
  }
  ONEBIT_ASSIGN(std::vector<std::vector<Hop>> trees, route(plan.device(), streams));
  for (size_t i = 0; i < trees.size(); ++i) plan.routes.push_back({carried[i], std::move(trees[i])});
  return {};
}

Result<Cdo> emit_cdo(const Plan& plan, const std::vector<PlacedChannel>& channels) { return Emitter(plan, channels).run(); }

}  // namespace onebit::npu::design
