// Rules about the data and the locks that go between the tasks of a configuration.
#include <algorithm>
#include <map>

#include "npu/image/lint_internal.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kLowMemTileBytes = 0x14000;  // the firmware was seen to overwrite words below

bool takes_locks(const Task& t) {
  return std::any_of(t.chain.bds.begin(), t.chain.bds.end(), [&t](unsigned b) {
    const auto bd = t.regs.bd(t.push.tile, b);
    return bd && bd->acquire;
  });
}

using ChannelKey = std::pair<TileId, uint8_t>;

// S2MM channels with a task that ends.
std::set<ChannelKey> finite_receivers(const std::vector<Task>& tasks) {
  std::set<ChannelKey> finite;
  for (const Task& t : tasks)
    if (t.push.direction == Direction::s2mm && !t.chain.cyclic) finite.insert({t.push.tile, t.push.channel});
  return finite;
}

// Rule "finite-infinite": words left in the switches by an endless sender corrupt the next run.
void check_endless(const Task& t, const std::set<ChannelKey>& finite, Report& report) {
  if (t.push.direction != Direction::mm2s || t.kind == TileKind::shim || !t.chain.cyclic || takes_locks(t)) return;
  const std::string where = channel_name(t.push.tile, t.push.direction, t.push.channel);
  for (const PortAt& sink : circuit_sinks(t.regs, t.push.tile, {Bundle::dma, t.push.channel})) {
    if (sink.tile.row == 0) report.add("finite-infinite", where, fmt::format("is endless and lock-free, but feeds the shim in column {}", sink.tile.column));
    if (sink.port.bundle == Bundle::dma && finite.contains({sink.tile, sink.port.channel}))
      report.add("finite-infinite", where, fmt::format("is endless and lock-free, but feeds the finite {}", channel_name(sink.tile, Direction::s2mm, sink.port.channel)));
  }
}

// Rule "stream-length": between two endless rings the objects of one end are whole multiples of those of
// the other, or the ends drift apart.
void check_lengths(const Task& t, const std::map<ChannelKey, const Task*>& receivers, Report& report) {
  if (t.push.direction != Direction::mm2s || t.kind == TileKind::shim || !t.chain.cyclic) return;
  for (const PortAt& sink : circuit_sinks(t.regs, t.push.tile, {Bundle::dma, t.push.channel})) {
    const auto to = sink.port.bundle == Bundle::dma ? receivers.find({sink.tile, sink.port.channel}) : receivers.end();
    if (to == receivers.end() || !to->second->chain.cyclic) continue;
    for (const unsigned a : t.chain.bds)
      for (const unsigned b : to->second->chain.bds) {
        const auto from = t.regs.bd(t.push.tile, a), into = t.regs.bd(sink.tile, b);
        if (!from || !into || from->length == 0 || into->length == 0 || from->pad_before != into->pad_before || from->pad_after != into->pad_after) continue;
        const auto [small, large] = std::minmax(from->length, into->length);
        if (large % small)
          report.add("stream-length", bd_name(t.push.tile, a), fmt::format("sends {} words to {}, which takes {}", from->length, bd_name(sink.tile, b), into->length));
      }
  }
}

using LockKey = std::pair<TileId, uint32_t>;

// One descriptor's use of a memory-tile lock.
struct LockUse {
  std::string where;  // "(0,1) BD 3"
  LockKey lock;
  int value;
};

// Every acquire (or release) of memory-tile tasks, once per descriptor.
std::vector<LockUse> lock_uses(const std::vector<Task>& tasks, bool acquire) {
  std::vector<LockUse> uses;
  std::set<std::pair<TileId, uint8_t>> seen;
  for (const Task& t : tasks)
    for (const uint8_t b : t.chain.bds) {
      const auto bd = t.kind == TileKind::mem ? t.regs.bd(t.push.tile, b) : std::nullopt;
      if (!bd || !seen.insert({t.push.tile, b}).second || (acquire ? !bd->acquire : bd->release_value == 0)) continue;
      const uint32_t lock = acquire ? bd->acquire_lock : bd->release_lock;
      if (const auto owner = mem_window(t.regs, t.push.tile, lock / kMemLocks))
        uses.push_back({bd_name(t.push.tile, b), {*owner, lock % kMemLocks}, acquire ? bd->acquire_value : bd->release_value});
    }
  return uses;
}

// Rules "lock-stuck" and "lock-unused", memory tiles only: there every use is in a descriptor. Cores may
// use locks of their own and of neighbouring core tiles.
void check_mem_locks(const RegisterFile& regs, const std::vector<Task>& tasks, Report& report) {
  const std::vector<LockUse> acquires = lock_uses(tasks, true), releases = lock_uses(tasks, false);
  std::set<LockKey> acquired, released;
  for (const LockUse& u : acquires) acquired.insert(u.lock);
  for (const LockUse& u : releases)
    if (u.value > 0) released.insert(u.lock);
  const LockModel& locks = regs.device().tile(TileKind::mem).locks;
  for (const LockUse& u : acquires) {
    const auto& [tile, id] = u.lock;
    const int start = static_cast<int>(regs.value(tile, locks.offset(id)));
    const bool enough = u.value < 0 ? start >= -u.value : start == u.value;
    if (u.value != 0 && !enough && !released.contains(u.lock))
      report.add("lock-stuck", u.where, fmt::format("waits for lock {} of {}, which starts at {} and is never released", id, name(tile), start));
  }
  for (const LockUse& u : releases)
    if (!acquired.contains(u.lock))
      report.add("lock-unused", u.where, fmt::format("releases lock {} of {}, which no task waits for", u.lock.second, name(u.lock.first)));
}

struct ByteRange {
  uint64_t first, last;
  bool overlaps(const ByteRange& o) const { return first <= o.last && o.first <= last; }
};

// The bytes of a memory tile that one descriptor of a task touches.
struct Access {
  std::string where;  // "(0,1) BD 3"
  TileId owner;
  ByteRange range;
};

// Each memory-tile descriptor in use in that direction, once.
std::vector<Access> memory_accesses(const std::vector<Task>& tasks, Direction direction) {
  std::vector<Access> list;
  std::set<std::pair<TileId, uint8_t>> seen;
  for (const Task& t : tasks) {
    if (t.kind != TileKind::mem || t.push.direction != direction) continue;
    for (const uint8_t b : t.chain.bds) {
      const auto bd = t.regs.bd(t.push.tile, b);
      if (!bd || bd->length == 0 || !seen.insert({t.push.tile, b}).second) continue;
      const BdExtent e = bd_extent(t.kind, *bd);
      const uint64_t window = e.first * 4 / kMemWindowBytes, base = window * kMemWindowBytes;
      if (const auto owner = mem_window(t.regs, t.push.tile, window))
        list.push_back({bd_name(t.push.tile, b), *owner, {e.first * 4 - base, e.last * 4 + 3 - base}});
    }
  }
  return list;
}

// Whether the ranges together hold every byte of `range`.
bool covered(ByteRange range, std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.first < b.first; });
  uint64_t next = range.first;
  for (const ByteRange& r : ranges)
    if (r.first <= next && r.last >= next) next = r.last + 1;
  return next > range.last;
}

// Rules "low-memory" and "unwritten-memory".
void check_sources(const RegisterFile& regs, const std::vector<Task>& tasks, Report& report) {
  std::map<TileId, std::vector<ByteRange>> received, constants;
  for (const Access& w : memory_accesses(tasks, Direction::s2mm)) received[w.owner].push_back(w.range);
  for (const MemoryWrite& w : regs.memory_writes()) constants[w.tile].push_back({w.first, w.last});
  for (const Access& read : memory_accesses(tasks, Direction::mm2s)) {
    const auto hit = [&read](const ByteRange& r) { return r.overlaps(read.range); };
    std::vector<ByteRange> sources = received[read.owner];
    const bool any_received = std::any_of(sources.begin(), sources.end(), hit);
    for (const ByteRange& c : constants[read.owner])
      if (hit(c)) sources.push_back(c);
    if (!covered(read.range, sources))
      report.add("unwritten-memory", read.where, fmt::format("sends bytes {:#x} to {:#x} of {}, not all of which something writes", read.range.first, read.range.last, name(read.owner)));
    else if (!any_received && read.range.first < kLowMemTileBytes)
      report.add("low-memory", read.where, fmt::format("sends constants from byte {:#x} of {}, expected {:#x} or above", read.range.first, name(read.owner), kLowMemTileBytes));
  }
}

// Rule "unused-bd": in a tile whose tasks the configuration starts, every descriptor belongs to one.
void check_unused(const RegisterFile& regs, const std::vector<Task>& tasks, Report& report) {
  std::map<TileId, std::set<unsigned>> used;
  for (const Task& t : tasks)
    for (const unsigned b : t.chain.bds) used[t.push.tile].insert(b);
  for (const auto& [tile, bds] : used)
    for (unsigned b = 0; b < regs.device().tile(tile).dma.bds; ++b) {
      const auto bd = bds.contains(b) ? std::nullopt : regs.bd(tile, b);
      if (bd && bd->valid) report.add("unused-bd", bd_name(tile, b), "is configured, but no task reaches it");
    }
}

}  // namespace

void lint_flow(const RegisterFile& regs, const std::vector<Task>& tasks, Report& report) {
  const std::set<ChannelKey> finite = finite_receivers(tasks);
  std::map<ChannelKey, const Task*> receivers;
  for (const Task& t : tasks)
    if (t.push.direction == Direction::s2mm) receivers.insert({{t.push.tile, t.push.channel}, &t});
  for (const Task& t : tasks) {
    check_endless(t, finite, report);
    check_lengths(t, receivers, report);
  }
  check_mem_locks(regs, tasks, report);
  check_sources(regs, tasks, report);
  check_unused(regs, tasks, report);
}

}  // namespace onebit::npu
