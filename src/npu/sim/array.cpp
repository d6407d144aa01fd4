#include "npu/sim/array.h"

#include <algorithm>
#include <cstdint>

namespace onebit::npu {

namespace {

// An array that has not come to rest after this many steps has endless traffic of its own; it goes on while a stream waits.
constexpr uint64_t kRestSteps = uint64_t{1} << 24;
constexpr uint64_t kMaxScratchBytes = uint64_t{256} << 20;

}  // namespace

void TileMemory::allocate() const {
  storage_.reset(new uint8_t[size_ + 64]);
  const auto at = reinterpret_cast<uintptr_t>(storage_.get());
  data_ = storage_.get() + (64 - at % 64) % 64;
  std::fill_n(data_, size_, kPoison);
}

Tile::Tile(Array& array, TileId tile, const TileModel& m)
    : id(tile), model(&m), data(m.data_bytes), program(m.program_bytes), locks(m.locks.count), bds(m.dma.bds) {
  for (const Direction d : {Direction::s2mm, Direction::mm2s})
    for (unsigned c = 0; c < m.dma.channels; ++c) channels[static_cast<size_t>(d)].push_back(std::make_unique<DmaChannel>(array, *this, d, c));
  if (m.kind == TileKind::core) core = std::make_unique<Core>(array, *this);
}

Array::Array(const Device& d, const SimOptions& o) : device(d), options(o), scheduler(o.timed, o.max_steps), fabric(*this) {
  for (uint8_t c = 0; c < d.columns; ++c)
    for (uint8_t r = 0; r < d.rows; ++r) tiles_.push_back(std::make_unique<Tile>(*this, TileId{c, r}, d.tile(TileId{c, r})));
}

Tile* Array::find(int column, int row) {
  if (column < 0 || row < 0 || column >= device.columns || row >= device.rows) return nullptr;
  return &tile({static_cast<uint8_t>(column), static_cast<uint8_t>(row)});
}

void Array::lock_changed(Lock& lock) {
  for (Actor* a : std::exchange(lock.waiters, {})) scheduler.wake(a);
}

Result<bool> Array::acquire(LockRef ref, int value, bool equal, Actor& who) {
  Lock& lock = ref.tile->locks[ref.id];
  const bool ready = equal ? lock.value == value : lock.value >= value;
  if (!ready) {
    if (std::find(lock.waiters.begin(), lock.waiters.end(), &who) == lock.waiters.end()) lock.waiters.push_back(&who);
    return false;
  }
  if (options.timed) {
    who.clock += options.timing.lock_cycles;
    const auto taken = std::min<size_t>(static_cast<size_t>(value), lock.credits.size());
    for (size_t i = 0; i < taken; ++i) who.clock = std::max(who.clock, lock.credits[i]);
    lock.credits.erase(lock.credits.begin(), lock.credits.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  lock.value -= value;
  ++report.lock_acquires;
  if (value != 0) lock_changed(lock);
  return true;
}

Status Array::release(LockRef ref, int value, Actor& who) {
  Lock& lock = ref.tile->locks[ref.id];
  const int next = lock.value + value;
  if (next < 0 || next > kMaxLockValue)
    return fail(Errc::out_of_range, "releases lock {} of {} by {:+}, from {} to {}, expected 0 to {}", ref.id, name(ref.tile->id), value, lock.value,
                next, kMaxLockValue);
  lock.value = next;
  if (options.timed) {
    lock.credits.resize(std::min<size_t>(lock.credits.size(), static_cast<size_t>(next)));
    lock.credits.resize(static_cast<size_t>(next), who.clock);
  }
  ++report.lock_releases;
  lock_changed(lock);
  return {};
}

Result<Array::Memory> Array::host_memory(uint64_t address, uint64_t words) {
  if (options.stub_cores && address >> kBufferShift == 0) {
    // Streams whose addresses a host patches before they run: such a descriptor gets memory of its own.
    auto& scratch = scratch_[{address, words}];
    if (scratch.empty()) {
      scratch_bytes_ += words * 4;
      if (scratch_bytes_ > kMaxScratchBytes)
        return fail(Errc::out_of_range, "descriptors without DDR_PATCH reach {} bytes in all, expected at most {}", scratch_bytes_, kMaxScratchBytes);
      scratch.assign(words * 4, kPoison);
      notices_.insert("descriptors without DDR_PATCH use scratch memory");
    }
    return Memory{scratch.data(), words};
  }
  const uint64_t argument = (address >> kBufferShift) - 1, offset = address & ((uint64_t{1} << kBufferShift) - 1);
  if (address >> kBufferShift == 0 || argument >= buffers_.size())
    return fail(Errc::out_of_range, "points to host address {:#x}, which no buffer argument holds (DDR_PATCH puts one there)", address);
  const auto buffer = buffers_[argument];
  if (offset + words * 4 > buffer.size())
    return fail(Errc::out_of_range, "reaches byte {:#x} of bo{}, which has {:#x}", offset + words * 4 - 1, argument, buffer.size());
  return Memory{buffer.data() + offset, words};
}

void Array::issue_token(Tile& tile, Direction direction, unsigned channel, unsigned controller_id, double time) {
  Tokens& tokens = tokens_[{tile.id, direction, static_cast<uint8_t>(channel)}];
  auto lost = fabric.token_lost(tile.id, controller_id);
  if (lost) {
    ++tokens.lost;
    tokens.reason = std::move(*lost);
    return;
  }
  ++report.tokens;
  tokens.arrived.push_back({time, tile.channels[static_cast<size_t>(direction)][channel]->tasks_done()});
}

double Array::ddr(double time, double bytes, Direction direction) {
  const TimingModel& t = options.timing;
  const auto d = static_cast<size_t>(direction);
  const double own = direction == Direction::mm2s ? t.ddr_total_read_bytes_per_s : t.ddr_total_write_bytes_per_s;
  ddr_free_[d] = std::max(time, ddr_free_[d]) + t.cycles(bytes / own);
  ddr_mixed_free_ = std::max(time, ddr_mixed_free_) + t.cycles(bytes / t.ddr_mixed_bytes_per_s);
  return std::max(ddr_free_[d], ddr_mixed_free_);
}

Status Array::rest() {
  const uint64_t limit = scheduler.spent() + kRestSteps;
  ONEBIT_ASSIGN([[maybe_unused]] const bool endless, scheduler.run([this, limit] { return scheduler.spent() >= limit; }));
  return {};
}



}  // namespace onebit::npu
