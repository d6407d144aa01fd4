// Filling a store and sending what it holds, several times, as operations of an instruction stream.
//
// A store's slots are filled in turn and sent in turn. Each slot has two locks: `empty` starts at the number of sends, a
// fill takes all of it and gives as much to `full`; a send takes one of `full` and gives one of `empty`. So a slot is
// filled again when its last send has ended, while others are still being sent, and at the end the locks are as they
// were.
#pragma once

#include <cstdint>
#include <vector>

#include "npu/design/lower.h"
#include "npu/design/sequence.h"

namespace onebit::npu::gemm {

struct Slot {
  uint32_t address = 0;  // bytes in the memory tile
  bool east = false;     // of the memory tile east of the store's
  uint32_t chunks = 0;
};

struct Replay {
  const design::PlacedStore& store;
  uint32_t chunk_bytes;
  std::vector<Slot> slots;  // at most as many as the store has
  uint32_t sends;           // of every fill; slots are sent in turn, all of them, so often
  bool filled = false;      // from an earlier replay of the same slots: nothing is received
};

// `chunks` from `address` on over at most kSlots slots: two in the first, so that sending starts early, the others equal.
std::vector<Slot> spread(uint32_t address, uint32_t chunk_bytes, uint32_t chunks);
// Half of them in the store's memory tile and half in the one to the east, both ending at `end`.
std::vector<Slot> spread_over_two(uint32_t end, uint32_t chunk_bytes, uint32_t chunks);

// `passes` fills of all slots, then one of the last `tail` slots.
void add_replay(const design::Lowered& lowered, const Replay& replay, uint32_t passes, uint32_t tail, design::Sequence& s);

}  // namespace onebit::npu::gemm
