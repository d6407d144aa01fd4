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
    uint32_t address = replay_.address;
    const auto slots = static_cast<uint32_t>(replay_.slot_chunks.size());
    const auto sends = static_cast<int32_t>(replay_.sends);
    std::vector<std::vector<uint32_t>> fills, outs;
    for (uint32_t i = 0; i < slots; ++i) {
      const uint8_t empty = replay_.store.empty[i], full = replay_.store.full[i];
      write(model_.locks.offset(empty), replay_.sends);
      const uint32_t bytes = replay_.slot_chunks[i] * replay_.chunk_bytes;
      fills.push_back(descriptor(replay_.store.in_bds, i, slots, address, bytes, empty, full, sends));
      outs.push_back(descriptor(replay_.store.out_bds, i, slots, address, bytes, full, empty, 1));
      address += bytes;
    }
    write_descriptors(replay_.store.in_bds, fills);
    write_descriptors(replay_.store.out_bds, outs);
  }

  // Both sides run as tasks of the whole chain.
  void tasks(Direction direction, uint64_t passes, uint32_t tail) {
    const bool receives = direction == Direction::s2mm;
    const std::vector<uint8_t>& bds = receives ? replay_.store.in_bds : replay_.store.out_bds;
    const uint32_t queue = model_.dma.queue_offset(direction, receives ? replay_.store.in_channel : replay_.store.out_channel);
    for (uint64_t left = passes; left > 0; left -= std::min<uint64_t>(left, kMaxRepeat))
      write(queue, bds[0] | static_cast<uint32_t>(std::min<uint64_t>(left, kMaxRepeat) - 1) << 16);
    if (tail) write(queue, bds[replay_.slot_chunks.size() - tail]);
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

  std::vector<uint32_t> descriptor(const std::vector<uint8_t>& bds, uint32_t i, uint32_t slots, uint32_t address, uint32_t bytes, uint8_t take, uint8_t give,
                                   int32_t credits) const {
    BufferDescriptor bd;
    bd.base = (kMemWindowBytes + address) / 4;
    bd.length = bytes / 4;
    bd.acquire = true;
    bd.acquire_lock = kMemLocks + take;
    bd.acquire_value = -credits;
    bd.release_lock = kMemLocks + give;
    bd.release_value = credits;
    bd.use_next = i + 1 < slots;
    bd.next = bd.use_next ? bds[i + 1] : 0;
    return words_of(bd);
  }

  const Replay& replay_;
  const TileModel& model_;
  design::Sequence& s_;
};

}  // namespace

std::vector<uint32_t> spread(uint32_t chunks) {
  const uint32_t slots = std::min(chunks, kSlots);
  const uint32_t first = chunks <= 2 * slots ? (chunks + slots - 1) / slots : 2;
  std::vector<uint32_t> sizes{first};
  for (uint32_t i = 0; i + 1 < slots; ++i) sizes.push_back((chunks - first) * (i + 1) / (slots - 1) - (chunks - first) * i / (slots - 1));
  return sizes;
}

void add_replay(const design::Lowered& lowered, const Replay& replay, uint32_t passes, uint32_t tail, design::Sequence& s) {
  Writer writer(lowered, replay, s);
  writer.locks_and_descriptors();
  writer.tasks(Direction::s2mm, passes, tail);
  writer.tasks(Direction::mm2s, uint64_t{passes} * replay.sends, tail);
}

}  // namespace onebit::npu::gemm
