#include "npu/sim/dma_channel.h"

#include <algorithm>

#include "npu/device/stream_switch.h"
#include "npu/sim/array.h"
#include "npu/sim/trace.h"

namespace onebit::npu {
namespace {

constexpr uint32_t kMemWindowWords = kMemWindowBytes / 4;

struct Bits {
  unsigned word, low;
};
// Of the iteration state in a descriptor's registers.
constexpr Bits iteration_current_bits(TileKind kind) {
  return kind == TileKind::core ? Bits{4, 19} : kind == TileKind::mem ? Bits{6, 23} : Bits{6, 26};
}

uint32_t packet_header(const BufferDescriptor& bd, TileId tile) {
  uint32_t h = uint32_t{tile.column} << 21 | uint32_t{tile.row} << 16 | (bd.packet_type & 7) << 12 | (bd.packet_id & 0x1F);
  return h | (__builtin_parity(h) ? 0 : 1u << 31);  // odd parity
}

}  // namespace

DmaChannel::DmaChannel(Array& array, Tile& tile, Direction direction, unsigned channel)
    : array_(array), tile_(tile), direction_(direction), channel_(channel) {}

std::string DmaChannel::name() const { return fmt::format("{} {} {}", npu::name(tile_.id), npu::name(direction_), channel_); }
std::string DmaChannel::at_bd() const { return fmt::format("{} BD {}", name(), bd_index_); }

std::string DmaChannel::activity() const {
  if (state_ == State::idle) return {};
  return fmt::format("BD {}, {} of {} words", bd_index_, bd_.length - walk_.left(), bd_.length);
}

Status DmaChannel::push(uint32_t word, double time) {
  const unsigned bd = queue_bd(word, tile_.model->kind);
  if (bd >= tile_.model->dma.bds)
    return fail(Errc::out_of_range, "{}: task starts with BD {}, expected below {}", name(), bd, tile_.model->dma.bds);
  if (queue_full()) return fail(Errc::out_of_range, "{}: task queue overflow, {} tasks wait and BD {} was pushed", name(), queue_.size(), bd);
  queue_.push_back({bd, queue_repeat(word), (word & kQueueToken) != 0, time});
  ++tasks_pushed_;
  started_ |= uint64_t{1} << bd;
  array_.scheduler.wake(this);
  return {};
}

void DmaChannel::reset() {
  queue_.clear();
  state_ = State::idle;
  wait_ = {};
}

void DmaChannel::block(Wait wait) { wait_ = wait; }

Status DmaChannel::step() {
  wait_ = {};
  while (true) {
    switch (state_) {
      case State::idle:
        if (queue_.empty()) return {};
        task_ = queue_.front();
        queue_.pop_front();
        bd_index_ = task_.bd;
        if (array_.options.timed) {
          const double start = tile_.model->kind != TileKind::shim ? 0
                               : direction_ == Direction::mm2s     ? array_.options.timing.shim_mm2s_start_cycles
                                                                   : array_.options.timing.shim_s2mm_start_cycles;
          clock = std::max(clock, task_.time + start);
        }
        state_ = State::load;
        break;
      case State::load:
        if (auto loaded = load(); !loaded) return with_context(std::move(loaded).error(), at_bd());
        state_ = State::acquire;
        break;
      case State::acquire:
        if (bd_.acquire) {
          ONEBIT_ASSIGN(const LockRef ref, lock(bd_.acquire_lock));
          const bool equal = bd_.acquire_value >= 0;
          const int value = std::abs(bd_.acquire_value);
          ONEBIT_ASSIGN(const bool taken, array_.acquire(ref, value, equal, *this));
          if (!taken) return block({Wait::For::lock, ref.tile->id, ref.id, value, equal, nullptr}), Status{};
        }
        bd_start_ = clock;
        state_ = bd_.packet && direction_ == Direction::mm2s ? State::header : State::move;
        break;
      case State::header:
      case State::move: {
        ONEBIT_ASSIGN(const bool connected, wired());
        if (!connected) return block({Wait::For::wires, tile_.id, 0, 0, false, nullptr}), Status{};
        ONEBIT_ASSIGN(const bool moved, direction_ == Direction::s2mm ? move_in() : move_out());
        if (!moved) return {};
        state_ = State::release;
        break;
      }
      case State::release: ONEBIT_TRY(finish()); break;
    }
  }
}

Result<BufferDescriptor> DmaChannel::descriptor(unsigned index) const {
  const DmaModel& dma = tile_.model->dma;
  const TileKind kind = tile_.model->kind;
  if (index >= dma.bds) return fail(Errc::out_of_range, "is not there, expected below {}", dma.bds);
  const BdSlot& slot = tile_.bds[index];
  for (unsigned w = 0; w < dma.bd_words; ++w) {
    if (!(slot.written >> w & 1)) return fail(Errc::out_of_range, "word {} was never written", w);
    if (const uint32_t extra = slot.words[w] & ~bd_field_mask(kind, w); extra && !array_.options.stub_cores)
      return fail(Errc::unsupported, "word {} is {:#x}, which sets bits {:#x} that belong to no field", w, slot.words[w], extra);
  }
  return decode_bd(kind, slot.words);
}

Status DmaChannel::load() {
  ONEBIT_ASSIGN(bd_, descriptor(bd_index_));
  if (tile_.model->kind == TileKind::mem && !mem_bd_reachable(channel_, bd_index_))
    return fail(Errc::out_of_range, "is out of reach: even channels use 0 to 23, odd ones 24 to 47");
  ONEBIT_TRY(check(bd_));
  if (!array_.options.stub_cores) ONEBIT_TRY(check_unused(bd_));
  bd_version_ = tile_.bds[bd_index_].version;
  ONEBIT_TRY(walk_.start(tile_.model->kind, bd_));
  ONEBIT_TRY(check_memory(bd_));
  if (array_.options.timed) clock += array_.options.timing.tile_bd_cycles;
  return {};
}

Result<LockRef> DmaChannel::lock(unsigned id) const {
  if (tile_.model->kind != TileKind::mem) {
    if (id >= tile_.model->locks.count) return fail(Errc::out_of_range, "{} uses lock {}, expected below {}", at_bd(), id, tile_.model->locks.count);
    return LockRef{&tile_, id};
  }
  const unsigned window = id / kMemLocks;
  if (window > 2) return fail(Errc::out_of_range, "{} uses lock {}, expected below {}", at_bd(), id, 3 * kMemLocks);
  if (window != 1 && channel_ >= kMemNeighbourChannels)
    return fail(Errc::out_of_range, "{} uses lock {} of a neighbour, expected {} to {} on channels 4 and 5", at_bd(), id, kMemLocks,
                2 * kMemLocks - 1);
  Tile* owner = array_.find(tile_.id.column + static_cast<int>(window) - 1, tile_.id.row);
  if (!owner)
    return fail(Errc::out_of_range, "{} uses lock {} of its {} neighbour, which does not exist", at_bd(), id, window == 0 ? "west" : "east");
  return LockRef{owner, id % kMemLocks};
}

bool DmaChannel::releases(const Tile& tile, unsigned id) const {
  bool found = false;
  for_each_bd([&](const BufferDescriptor& bd) {
    if (bd.release_value == 0) return;
    const auto ref = lock(bd.release_lock);
    found |= ref && ref->tile == &tile && ref->id == id;
  }, active());
  return found;
}

void DmaChannel::for_each_bd(const std::function<void(const BufferDescriptor&)>& visit, bool only_waiting) const {
  uint64_t starts = started_, seen = 0;
  if (only_waiting) {
    starts = state_ == State::idle ? 0 : uint64_t{1} << bd_index_ | (task_.repeat > 1 ? uint64_t{1} << task_.bd : 0);
    for (const Task& t : queue_) starts |= uint64_t{1} << t.bd;
  }
  for (unsigned start = 0; start < tile_.model->dma.bds; ++start) {
    if (!(starts >> start & 1)) continue;
    for (unsigned at = start; !(seen >> at & 1);) {
      seen |= uint64_t{1} << at;
      const auto bd = descriptor(at);
      if (!bd) break;
      visit(*bd);
      if (!bd->use_next || bd->next >= tile_.model->dma.bds) break;
      at = bd->next;
    }
  }
}

Result<bool> DmaChannel::wired() {
  if (link_known_) return fifo_ || link_;
  const TileKind kind = tile_.model->kind;
  Port port{Bundle::dma, static_cast<uint8_t>(channel_)};
  fifo_ = nullptr;
  link_ = nullptr;
  link_known_ = true;
  if (kind == TileKind::shim) {
    const auto ports = shim_dma_ports();
    const auto p = std::find_if(ports.begin(), ports.end(), [&](const ShimDmaPort& s) { return s.direction == direction_ && s.channel == channel_; });
    if ((tile_.reg(p->mux_offset) >> p->mux_shift & 3) != kMuxDma) return false;
    port = p->port;
  }
  if (direction_ == Direction::s2mm) {
    fifo_ = &array_.fabric.sink(tile_.id, *master_index(kind, port));
    fifo_->reader = this;
    return true;
  }
  ONEBIT_ASSIGN(link_, array_.fabric.from_slave(tile_.id, *slave_index(kind, port)));
  return link_ != nullptr;
}

bool DmaChannel::feeds(const Fifo* fifo) const {
  return link_ && std::find(link_->sinks.begin(), link_->sinks.end(), fifo) != link_->sinks.end();
}

uint8_t* DmaChannel::word(uint64_t address, uint64_t* words_left) const {
  if (tile_.model->kind == TileKind::shim) {
    *words_left = ~uint64_t{0} / 2;
    return host_ + (address - host_first_) * 4;
  }
  if (tile_.model->kind == TileKind::core) {
    *words_left = tile_.model->data_bytes / 4 - address;
    return tile_.data.data() + address * 4;
  }
  const int window = static_cast<int>(address / kMemWindowWords) - 1;
  *words_left = kMemWindowWords - address % kMemWindowWords;
  return array_.find(tile_.id.column + window, tile_.id.row)->data.data() + address % kMemWindowWords * 4;
}

void DmaChannel::copy(uint32_t* words, unsigned n, bool out) {
  for (unsigned i = 0; i < n;) {
    BdWalk::Run run = walk_.peek(n - i);
    if (run.padding) {
      const uint32_t value = tile_.reg(pad_value_offset());
      std::fill_n(words + i, run.words, value);
    } else {
      uint64_t window = 0;
      uint8_t* p = word(run.address, &window);
      run.words = static_cast<uint32_t>(std::min<uint64_t>(run.words, (window + run.step - 1) / run.step));
      if (run.step == 1) {
        out ? std::memcpy(words + i, p, run.words * 4) : std::memcpy(p, words + i, run.words * 4);
      } else {
        for (unsigned k = 0; k < run.words; ++k, p += run.step * size_t{4}) out ? std::memcpy(words + i + k, p, 4) : std::memcpy(p, words + i + k, 4);
      }
    }
    walk_.take(run.words);
    i += run.words;
  }
}

uint32_t DmaChannel::pad_value_offset() const { return 0xA06E0 + 4 * channel_; }

double DmaChannel::word_cycles() const {
  const TimingModel& t = array_.options.timing;
  if (tile_.model->kind != TileKind::shim) return 4 / t.stream_bytes_per_cycle;
  return t.cycles(4 / (direction_ == Direction::mm2s ? t.ddr_channel_read_bytes_per_s : t.ddr_channel_write_bytes_per_s));
}

void DmaChannel::time_words(unsigned n) {
  if (!array_.options.timed) return;
  const bool shim = tile_.model->kind == TileKind::shim;
  const double cycles = word_cycles();
  double start = clock;
  if (shim && direction_ == Direction::mm2s) start = std::max(start, array_.ddr(clock, 4.0 * n, direction_) - n * cycles);
  double t = start;
  for (unsigned i = 0; i < n; ++i) {
    t += cycles;
    if (fifo_) {
      t = std::max(t, fifo_->ready(i));
    } else {
      for (const Fifo* f : link_->sinks) t = std::max(t, f->freed(i));
    }
    times_[i] = t;
  }
  if (shim && direction_ == Direction::s2mm) {
    t = std::max(t, array_.ddr(start, 4.0 * n, direction_));
    times_[n - 1] = t;
  }
  clock = t;
}

Result<bool> DmaChannel::move_in() {
  while (walk_.left()) {
    const unsigned n = static_cast<unsigned>(std::min<uint64_t>(fifo_->size(), walk_.left()));
    if (n == 0) return block({Wait::For::words, tile_.id, 0, 0, false, fifo_}), false;
    std::array<uint32_t, Fifo::kWords> words_in;
    fifo_->peek(words_in.data(), n);
    time_words(n);
    for (unsigned i = 0; array_.options.timed && i < n; ++i) fifo_->set_freed(i, times_[i]);
    fifo_->pop(n);
    copy(words_in.data(), n, false);
    array_.scheduler.wake(std::exchange(fifo_->blocked_writer, nullptr));
    words += n;
    ONEBIT_TRY(array_.scheduler.spend(n, *this));
  }
  return true;
}

Result<bool> DmaChannel::move_out() {
  while (walk_.left()) {
    const unsigned space = link_->space();
    if (space == 0) {
      for (Fifo* f : link_->sinks) {
        if (f->space()) continue;
        f->blocked_writer = this;
        block({Wait::For::space, tile_.id, 0, 0, false, f});
      }
      return false;
    }
    std::array<uint32_t, Fifo::kWords> words_out;
    const bool header = state_ == State::header;
    const unsigned n = header ? 1 : static_cast<unsigned>(std::min<uint64_t>(space, walk_.left()));
    if (header) {
      words_out[0] = packet_header(bd_, tile_.id);
    } else {
      copy(words_out.data(), n, true);
      words += n;
    }
    time_words(n);
    link_->push(array_.scheduler, words_out.data(), n, !header && walk_.left() == 0 && !bd_.tlast_suppress,
                array_.options.timed ? times_.data() : nullptr, array_.options.timing.route_cycles);
    state_ = State::move;
    ONEBIT_TRY(array_.scheduler.spend(n, *this));
  }
  return true;
}

Status DmaChannel::finish() {
  if (array_.options.trace) array_.options.trace->slice(name(), fmt::format("BD {}", bd_index_), bd_start_, clock);
  if (bd_.release_value != 0) {
    ONEBIT_ASSIGN(const LockRef ref, lock(bd_.release_lock));
    if (auto released = array_.release(ref, bd_.release_value, *this); !released) return with_context(std::move(released).error(), at_bd());
  }
  if (BdSlot& slot = tile_.bds[bd_index_]; bd_.iteration_wrap > 1 && slot.version == bd_version_) {
    const Bits bits = iteration_current_bits(tile_.model->kind);
    const uint32_t next = (bd_.iteration_current + 1) % bd_.iteration_wrap;
    slot.words[bits.word] = (slot.words[bits.word] & ~(0x3Fu << bits.low)) | next << bits.low;
  }
  if (bd_.use_next) {
    bd_index_ = bd_.next;
    state_ = State::load;
    return {};
  }
  if (--task_.repeat > 0) {
    bd_index_ = task_.bd;
    state_ = State::load;
    return {};
  }
  state_ = State::idle;
  ++tasks;
  ++tasks_done_;
  if (task_.token)
    array_.issue_token(tile_, direction_, channel_, control_controller_id(tile_.reg(tile_.model->dma.control_offset(direction_, channel_))), clock);
  return {};
}

}  // namespace onebit::npu
