// A core that computes nothing but keeps data flowing, for images whose cores hold only machine code.
//
// Its lock protocol follows from the tile's buffer descriptors. A lock that DMA releases and no DMA acquires is one
// that the core takes; a lock that DMA acquires and no DMA releases is one that the core gives. The two locks of one
// descriptor belong together: an S2MM channel's buffer is taken when full and given back empty, an MM2S channel's is
// taken when empty and given full. What is then left is a buffer that goes in and out in place: paired in order.
#include <algorithm>
#include <map>

#include "npu/sim/array.h"

namespace onebit::npu {
namespace {

struct Exchange {
  int take_lock = -1, take = 0;
  int give_lock = -1, give = 0;
};

struct Use {
  int lock = -1, amount = 0;
};

std::vector<Exchange> exchanges_of(const Tile& tile) {
  std::map<int, int> released, acquired;  // by lock: the amount
  std::vector<std::pair<Use, Use>> buffers;  // what a descriptor releases and acquires
  for (const auto& channels : tile.channels)
    for (const auto& channel : channels)
      channel->for_each_bd([&](const BufferDescriptor& bd) {
        Use r, a;
        if (bd.release_value > 0) r = {static_cast<int>(bd.release_lock), bd.release_value};
        if (bd.acquire && bd.acquire_value != 0) a = {static_cast<int>(bd.acquire_lock), std::abs(bd.acquire_value)};
        if (r.lock >= 0) released.try_emplace(r.lock, r.amount);
        if (a.lock >= 0) acquired.try_emplace(a.lock, a.amount);
        buffers.emplace_back(r, a);
      }, false);
  std::map<int, int> takes, gives;
  for (const auto& [lock, amount] : released)
    if (!acquired.contains(lock)) takes[lock] = amount;
  for (const auto& [lock, amount] : acquired)
    if (!released.contains(lock)) gives[lock] = amount;
  std::vector<Exchange> list;
  for (const auto& [r, a] : buffers) {
    if (!takes.contains(r.lock) || !gives.contains(a.lock)) continue;
    list.push_back({r.lock, r.amount, a.lock, a.amount});
    takes.erase(r.lock);
    gives.erase(a.lock);
  }
  auto give = gives.begin();
  for (const auto& [lock, amount] : takes) {
    list.push_back({lock, amount, -1, 0});
    if (give == gives.end()) continue;
    list.back().give_lock = give->first;
    list.back().give = give->second;
    ++give;
  }
  for (; give != gives.end(); ++give) list.push_back({-1, 0, give->first, give->second});
  return list;
}

class StubCore : public CoreBehaviour {
 public:
  Status step(Core& core) override {
    // Descriptors change only by register writes, after which every core is woken.
    const uint64_t version = version_of(core.tile);
    if (version != version_) exchanges_ = exchanges_of(core.tile);
    version_ = version;
    ONEBIT_TRY(stream(core));
    for (bool moved = true; moved;) {
      moved = false;
      for (const Exchange& e : exchanges_) {
        ONEBIT_TRY(core.array.scheduler.spend(1, core));
        ONEBIT_ASSIGN(const bool went, exchange(core, e));
        moved |= went;
      }
    }
    return {};
  }

  bool releases(const Core& core, const Tile& tile, unsigned lock) const override {
    return &core.tile == &tile &&
           std::any_of(exchanges_.begin(), exchanges_.end(), [lock](const Exchange& e) { return e.give_lock == static_cast<int>(lock); });
  }

 private:
  static uint64_t version_of(const Tile& tile) {
    uint64_t version = 1;
    for (const BdSlot& s : tile.bds) version += s.version;
    for (const auto& channels : tile.channels)
      for (const auto& c : channels) version += c->tasks_pushed();
    return version;
  }

  // Takes every word that comes to the core by stream, and sends zeros where a stream leaves it.
  static Status stream(Core& core) {
    Fabric& fabric = core.array.fabric;
    const SwitchModel& model = core.tile.model->stream_switch;
    constexpr Port kPort{Bundle::core, 0};
    Fifo& in = fabric.sink(core.tile.id, *master_index(TileKind::core, kPort));
    in.reader = &core;
    in.pop(in.size());
    core.array.scheduler.wake(std::exchange(in.blocked_writer, nullptr));
    const uint8_t out = *slave_index(TileKind::core, kPort);
    if (decode_slave(core.tile.reg(model.slave_offset(out))).packet) return {};
    ONEBIT_ASSIGN(const Link* link, fabric.from_slave(core.tile.id, out));
    if (!link || std::any_of(link->sinks.begin(), link->sinks.end(), [](const Fifo* f) { return f->to_core; })) return {};
    constexpr std::array<uint32_t, Fifo::kWords> kZeros{};
    std::array<double, Fifo::kWords> times;
    times.fill(core.clock);
    if (const unsigned n = link->space())
      link->push(core.array.scheduler, kZeros.data(), n, false, core.array.options.timed ? times.data() : nullptr, 0);
    for (Fifo* f : link->sinks)
      if (f->space() == 0) f->blocked_writer = &core;
    return core.array.scheduler.spend(1, core);
  }

  Result<bool> exchange(Core& core, const Exchange& e) {
    const auto lock = [&](int id) { return LockRef{&core.tile, static_cast<unsigned>(id)}; };
    if (e.give_lock >= 0 && core.tile.locks[static_cast<size_t>(e.give_lock)].value + e.give > kMaxLockValue) {
      listen(core, core.tile.locks[static_cast<size_t>(e.give_lock)]);
      return false;
    }
    if (e.take_lock < 0) {
      // Nothing says when: one buffer at a time.
      if (core.tile.locks[static_cast<size_t>(e.give_lock)].value > 0) {
        listen(core, core.tile.locks[static_cast<size_t>(e.give_lock)]);
        return false;
      }
    } else {
      ONEBIT_ASSIGN(const bool taken, core.array.acquire(lock(e.take_lock), e.take, false, core));
      if (!taken) {
        core.waiting = {Wait::For::lock, core.tile.id, static_cast<unsigned>(e.take_lock), e.take, false, nullptr};
        return false;
      }
    }
    if (e.give_lock >= 0) ONEBIT_TRY(core.array.release(lock(e.give_lock), e.give, core));
    return true;
  }

  static void listen(Core& core, Lock& lock) {
    if (std::find(lock.waiters.begin(), lock.waiters.end(), &core) == lock.waiters.end()) lock.waiters.push_back(&core);
  }

  std::vector<Exchange> exchanges_;
  uint64_t version_ = 0;
};

}  // namespace

std::unique_ptr<CoreBehaviour> make_stub_core() { return std::make_unique<StubCore>(); }

}  // namespace onebit::npu
