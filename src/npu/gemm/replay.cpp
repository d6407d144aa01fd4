#include "npu/gemm/replay.h"

#include <algorithm>

#include "npu/device/buffer_descriptor.h"
#include "npu/gemm/tiling.h"

namespace onebit::npu::gemm {
namespace {

// Every value is within the descriptor's ranges by construction of the plan.
std::vector<uint32_t> words_of(const BufferDescriptor& bd) {
  auto words = encode_bd(TileKind::mem, bd);
  return words ? std::move(*words) : std::vector<uint32_t>(8, 0);
}

class Writer {
 public:
  Writer(const design::Lowered& lowered, const Replay& replay, design::Sequence& s)
      : replay_(replay), model_(lowered.program.device().tile(TileKind::mem)), s_(s) {}

  // `full` is 0 whenever nothing runs, and at the start.
  void locks_and_descriptors() {
    const auto sends = static_cast<int32_t>(replay_.sends);
    std::vector<std::vector<uint32_t>> fills, outs;
    for (uint32_t i = 0; i < replay_.slots.size(); ++i) {
      const uint8_t empty = replay_.store.empty[i], full = replay_.store.full[i];
      write(model_.locks.offset(empty), replay_.filled ? 0 : replay_.sends);
      if (replay_.filled) write(model_.locks.offset(full), replay_.sends);
      fills.push_back(descriptor(replay_.store.in_bds, i, empty, full, sends));
      outs.push_back(descriptor(replay_.store.out_bds, i, full, empty, 1));
    }
    if (!replay_.filled) write_descriptors(replay_.store.in_bds, fills);
    write_descriptors(replay_.store.out_bds, outs);
  }

  // Both sides run as tasks of the whole chain.
  void tasks(Direction direction, uint64_t passes, uint32_t tail) {
    const bool receives = direction == Direction::s2mm;
    const std::vector<uint8_t>& bds = receives ? replay_.store.in_bds : replay_.store.out_bds;
    const uint32_t queue = model_.dma.queue_offset(direction, receives ? replay_.store.in_channel : replay_.store.out_channel);
    for (uint64_t left = passes; left > 0; left -= std::min<uint64_t>(left, kMaxRepeat))
      write(queue, bds[0] | static_cast<uint32_t>(std::min<uint64_t>(left, kMaxRepeat) - 1) << 16);
    if (tail) write(queue, bds[replay_.slots.size() - tail]);
  }

 private:
  void write(uint32_t offset, uint32_t value) { s_.add({TxnWrite{address_of(replay_.store.tile, offset), value}}); }

  // Descriptors with successive numbers lie one after the other: one operation writes a run of them.
  void write_descriptors(const std::vector<uint8_t>& bds, const std::vector<std::vector<uint32_t>>& descriptors) {
    for (size_t i = 0; i < descriptors.size();) {
      TxnBlockWrite run{address_of(replay_.store.tile, model_.dma.bd_offset(bds[i])), {}};
      const size_t first = i;
      for (; i < descriptors.size() && bds[i] == bds[first] + (i - first); ++i) run.data.insert(run.data.end(), descriptors[i].begin(), descriptors[i].end());
      s_.add({std::move(run)});
    }
  }

  std::vector<uint32_t> descriptor(const std::vector<uint8_t>& bds, uint32_t i, uint8_t take, uint8_t give, int32_t credits) const {
    const Slot& slot = replay_.slots[i];
    BufferDescriptor bd;
    bd.base = ((slot.east ? 2 : 1) * kMemWindowBytes + slot.address) / 4;
    bd.length = slot.chunks * replay_.chunk_bytes / 4;
    bd.acquire = true;
    bd.acquire_lock = kMemLocks + take;
    bd.acquire_value = -credits;
    bd.release_lock = kMemLocks + give;
    bd.release_value = credits;
    bd.use_next = i + 1 < replay_.slots.size();
    bd.next = bd.use_next ? bds[i + 1] : 0;
    return words_of(bd);
  }

  const Replay& replay_;
  const TileModel& model_;
  design::Sequence& s_;
};

}  // namespace

std::vector<Slot> spread(uint32_t address, uint32_t chunk_bytes, uint32_t chunks) {
  const uint32_t count = std::min(chunks, kSlots);
  const uint32_t first = chunks <= 2 * count ? div_up(chunks, count) : 2;
  std::vector<Slot> slots{{address, false, first}};
  for (uint32_t i = 0, at = first; i + 1 < count; at += slots.back().chunks, ++i)
    slots.push_back({address + at * chunk_bytes, false, (chunks - first) * (i + 1) / (count - 1) - (chunks - first) * i / (count - 1)});
  return slots;
}

std::vector<Slot> spread_over_two(uint32_t end, uint32_t chunk_bytes, uint32_t chunks) {
  std::vector<Slot> slots;
  const auto add = [&](bool east, uint32_t count, uint32_t first) {
    const uint32_t address = end - count * chunk_bytes;
    if (first) slots.push_back({address, east, first});
    if (count > first) slots.push_back({address + first * chunk_bytes, east, count - first});
  };
  const uint32_t east = chunks / 2, own = chunks - east;
  add(false, own, std::min(own, 2u));
  add(true, east, div_up(east, 2));
  return slots;
}

void add_replay(const design::Lowered& lowered, const Replay& replay, uint32_t passes, uint32_t tail, design::Sequence& s) {
  Writer writer(lowered, replay, s);
  writer.locks_and_descriptors();
  if (!replay.filled) writer.tasks(Direction::s2mm, passes, tail);
  writer.tasks(Direction::mm2s, uint64_t{passes} * replay.sends, tail);
}

}  // namespace onebit::npu::gemm
