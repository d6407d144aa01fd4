// Rules about DMA tasks, locks and cores that a configuration sets up.
#include <algorithm>

#include "npu/image/lint_internal.h"

namespace onebit::npu {
namespace {

// Rules "bd-range", "bd-parity", "bd-invalid", "bd-dimension", "padding".
void check_shape(const Task& t, unsigned index, Report& report) {
  const std::string where = bd_name(t.push.tile, index);
  const DmaModel& dma = t.regs.device().tile(t.kind).dma;
  if (index >= dma.bds) return report.add("bd-range", where, fmt::format("does not exist, expected below {}", dma.bds));
  if (t.kind == TileKind::mem && !mem_bd_reachable(t.push.channel, index))
    report.add("bd-parity", where, fmt::format("is used by {}, expected {}", channel_name(t.push.tile, t.push.direction, t.push.channel),
                                              t.push.channel % 2 ? "BDs 24 to 47" : "BDs 0 to 23"));
  const auto bd = t.regs.bd(t.push.tile, index);
  if (!bd) return report.add("bd-invalid", where, "is used, but not all its words are written");
  if (!bd->valid) report.add("bd-invalid", where, "is used, but its valid bit is 0");
  if (bd->length == 0) report.add("bd-invalid", where, "is used, but its length is 0");
  for (size_t d = 1; d < 4; ++d) {
    const bool used = bd->dims[d].wrap != 0 || bd->dims[d].step != 1;
    if (used && bd->dims[d - 1].wrap == 0)
      report.add("bd-dimension", where, fmt::format("dimension {} is never reached: dimension {} has no wrap", d, d - 1));
  }
  const auto any = [](const std::array<uint32_t, 3>& pad) { return std::any_of(pad.begin(), pad.end(), [](uint32_t p) { return p != 0; }); };
  if (t.push.direction == Direction::s2mm && (any(bd->pad_before) || any(bd->pad_after)))
    report.add("padding", where, fmt::format("pads, but {} receives", channel_name(t.push.tile, t.push.direction, t.push.channel)));
}

// Rule "bd-memory".
void check_memory(const Task& t, unsigned index, const BufferDescriptor& bd, Report& report) {
  if (t.kind == TileKind::shim) return;
  const BdExtent e = bd_extent(t.kind, bd);
  const std::string where = bd_name(t.push.tile, index);
  const uint64_t first = e.first * 4, last = e.last * 4 + 3;
  if (t.kind == TileKind::core) {
    const uint32_t bytes = t.regs.device().tile(t.kind).data_bytes;
    if (last >= bytes) report.add("bd-memory", where, fmt::format("reaches byte {:#x}, expected below {:#x}", last, bytes));
    return;
  }
  const uint64_t window = first / kMemWindowBytes;
  if (!mem_window(t.regs, t.push.tile, window))
    return report.add("bd-memory", where, fmt::format("starts at byte {:#x}, in no memory tile of the array", first));
  if (last / kMemWindowBytes != window)
    report.add("bd-memory", where, fmt::format("bytes {:#x} to {:#x} leave the 512 KiB window they start in", first, last));
  if (window != 1 && t.push.channel >= kMemNeighbourChannels)
    report.add("bd-memory", where, fmt::format("is in a neighbour's memory, which channel {} does not reach", t.push.channel));
}

// Rule "lock-range".
void check_lock(const Task& t, unsigned index, uint32_t lock, Report& report) {
  if (t.kind != TileKind::mem) return;  // four bits name the 16 own locks
  const uint32_t window = lock / kMemLocks;
  const std::string where = bd_name(t.push.tile, index);
  if (!mem_window(t.regs, t.push.tile, window))
    report.add("lock-range", where, fmt::format("uses lock {}, in no memory tile of the array", lock));
  else if (window != 1 && t.push.channel >= kMemNeighbourChannels)
    report.add("lock-range", where, fmt::format("uses lock {} of a neighbour, which channel {} does not reach", lock, t.push.channel));
}

// Rule "unconnected-channel".
void check_port(const Task& t, Report& report) {
  if (t.kind == TileKind::shim) return;
  const Port port{Bundle::dma, t.push.channel};
  const bool connected = t.push.direction == Direction::mm2s ? slave_config(t.regs, t.push.tile, port).enable
                                                            : master_config(t.regs, t.push.tile, port).enable;
  if (!connected)
    report.add("unconnected-channel", channel_name(t.push.tile, t.push.direction, t.push.channel),
               fmt::format("is started, but switch port {} is not enabled", name(port)));
}

// Rule "no-effect": values whose enable is off. Shim descriptors are left out: their writers fill in
// iteration steps that do nothing.
void check_idle_fields(const Task& t, unsigned index, const BufferDescriptor& bd, Report& report) {
  if (t.kind == TileKind::shim) return;
  const auto idle = [&](bool set, const char* what) {
    if (set) report.add("no-effect", bd_name(t.push.tile, index), what);
  };
  idle(!bd.packet && (bd.packet_id || bd.packet_type), "has a packet id or type, but packets are off");
  idle(!bd.acquire && (bd.acquire_lock || bd.acquire_value), "names a lock to acquire, but acquiring is off");
  idle(bd.acquire && bd.acquire_value == 0, "acquires a lock by 0");
  idle(!bd.use_next && bd.next, "names a next descriptor, but does not use it");
  idle(bd.iteration_wrap == 1 && bd.iteration_step != 1, "has an iteration step, but a single iteration");
  idle(bd.iteration_current >= bd.iteration_wrap, "starts at an iteration that does not exist");
  idle(!bd.packet && bd.out_of_order_id, "has an out-of-order id, but packets are off");
  idle(bd.tlast_suppress && (!bd.packet || t.push.direction == Direction::s2mm), "suppresses TLAST, but sends no packets");
  idle(bd.dims[0].wrap > bd.length, "has a wrap beyond its length");
}

// Rules "packet-mode" and "compression": descriptor, channel and switch port agree.
void check_mode(const Task& t, unsigned index, const BufferDescriptor& bd, Report& report) {
  if (t.kind == TileKind::shim) return;
  const std::string where = bd_name(t.push.tile, index);
  const DmaModel& dma = t.regs.device().tile(t.kind).dma;
  constexpr uint32_t kCompression = 1u << 4;
  const bool channel_compresses = t.regs.value(t.push.tile, dma.control_offset(t.push.direction, t.push.channel)) & kCompression;
  if (bd.compression && !channel_compresses) report.add("compression", where, "compresses, but its channel does not");
  if (t.push.direction != Direction::mm2s) {
    if (bd.packet) report.add("packet-mode", where, "sends packets, but its channel receives");
    return;
  }
  const SlaveConfig port = slave_config(t.regs, t.push.tile, {Bundle::dma, t.push.channel});
  if (port.enable && port.packet != bd.packet)
    report.add("packet-mode", where, fmt::format("has packets {}, but switch port DMA{} has them {}", bd.packet ? "on" : "off", t.push.channel, port.packet ? "on" : "off"));
}

// Rule "no-effect": an endless task is not repeated.
void check_repeat(const Task& t, Report& report) {
  if (t.chain.cyclic && queue_repeat(t.push.word) > 1)
    report.add("no-effect", channel_name(t.push.tile, t.push.direction, t.push.channel), "repeats a task that never ends");
}

void check_descriptors(const Task& t, Report& report) {
  for (const unsigned b : t.chain.bds) {
    check_shape(t, b, report);
    const auto bd = t.regs.bd(t.push.tile, b);
    if (!bd) continue;
    check_memory(t, b, *bd, report);
    check_idle_fields(t, b, *bd, report);
    check_mode(t, b, *bd, report);
    if (bd->acquire) check_lock(t, b, bd->acquire_lock, report);
    if (bd->release_value) check_lock(t, b, bd->release_lock, report);
  }
}

// Rule "queue-depth": what is queued behind an endless task never runs.
void check_queue(const std::vector<Task>& tasks, Report& report) {
  for (size_t i = 0; i < tasks.size(); ++i)
    for (size_t j = i + 1; j < tasks.size(); ++j) {
      const QueuePush &a = tasks[i].push, &b = tasks[j].push;
      if (a.tile != b.tile || a.direction != b.direction || a.channel != b.channel || !tasks[i].chain.cyclic) continue;
      report.add("queue-depth", channel_name(b.tile, b.direction, b.channel), "has a task queued behind one that never ends");
      break;
    }
}

}  // namespace

Task task_of(const RegisterFile& regs, const QueuePush& push) {
  const TileKind kind = regs.device().kind(push.tile.row);
  return {regs, push, kind, regs.chain(push.tile, queue_bd(push.word, kind))};
}

std::optional<TileId> mem_window(const RegisterFile& regs, TileId tile, uint64_t window) {
  if (window > 2 || (window == 0 && tile.column == 0)) return std::nullopt;
  const TileId other{static_cast<uint8_t>(tile.column + window - 1), tile.row};
  return regs.device().contains(other) ? std::optional(other) : std::nullopt;
}

std::string channel_name(TileId tile, Direction direction, unsigned channel) {
  return fmt::format("{} {} {}", name(tile), name(direction), channel);
}

std::string bd_name(TileId tile, unsigned bd) { return fmt::format("{} BD {}", name(tile), bd); }

void check_task(const RegisterFile& regs, const QueuePush& push, Report& report) {
  const Task t = task_of(regs, push);
  check_descriptors(t, report);
}

void check_token_controller(const RegisterFile& regs, const QueuePush& push, Report& report) {
  const DmaModel& dma = regs.device().tile(push.tile).dma;
  const uint32_t id = control_controller_id(regs.value(push.tile, dma.control_offset(push.direction, push.channel)));
  if (id != kTokenControllerId)
    report.add("token-controller", channel_name(push.tile, push.direction, push.channel),
               fmt::format("issues tokens with controller id {}, expected {}", id, kTokenControllerId));
}

void lint_tasks(const RegisterFile& regs, Report& report) {
  std::vector<Task> tasks;
  constexpr size_t kMostTasks = 1024;
  for (const QueuePush& p : regs.pushes()) {
    if (tasks.size() == kMostTasks) {
      report.add("queue-depth", "configuration", fmt::format("queues more than {} tasks", kMostTasks));
      break;
    }
    tasks.push_back(task_of(regs, p));
  }
  for (const Task& t : tasks) {
    check_descriptors(t, report);
    check_port(t, report);
    check_repeat(t, report);
    if (t.push.word & kQueueToken) check_token_controller(regs, t.push, report);
  }
  check_queue(tasks, report);
  lint_flow(regs, tasks, report);
}

// Rule "channel-reset".
static void check_resets(const RegisterFile& regs, TileId tile, Report& report) {
  constexpr uint32_t kChannelReset = 1u << 1;
  const TileModel& model = regs.device().tile(tile);
  if (model.kind == TileKind::shim) return;  // the bit means something else there
  for (const Direction d : {Direction::s2mm, Direction::mm2s})
    for (unsigned c = 0; c < model.dma.channels; ++c)
      if (regs.value(tile, model.dma.control_offset(d, c)) & kChannelReset) report.add("channel-reset", channel_name(tile, d, c), "is left in reset");
}

// Rule "core-control".
void lint_cores(const RegisterFile& regs, Report& report) {
  for (const TileId tile : regs.tiles()) {
    check_resets(regs, tile, report);
    const TileModel& model = regs.device().tile(tile);
    if (model.kind != TileKind::core) continue;
    const uint32_t control = regs.value(tile, kCoreControl);
    if (!(control & kCoreEnable)) continue;
    const auto& writes = regs.memory_writes();
    const bool program = std::any_of(writes.begin(), writes.end(), [&](const MemoryWrite& w) { return w.tile == tile && w.last >= model.program_base; });
    if (!program) report.add("core-control", name(tile), "core is enabled without a program");
    if (control & kCoreReset) report.add("core-control", name(tile), "core is enabled and in reset");
  }
}

}  // namespace onebit::npu
