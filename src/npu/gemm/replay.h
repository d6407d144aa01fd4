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

struct Replay {
  const design::PlacedStore& store;
  uint32_t address;                   // of the first slot, bytes in the memory tile
  uint32_t chunk_bytes;
  std::vector<uint32_t> slot_chunks;  // at most as many as the store has slots
  uint32_t sends;                     // of every fill; slots are sent in turn, all of them, so often
};

// `chunks` over at most kSlots slots: two in the first, so that sending starts early, the others equal.
std::vector<uint32_t> spread(uint32_t chunks);

// `passes` fills of all slots, then one of the last `tail` slots.
void add_replay(const design::Lowered& lowered, const Replay& replay, uint32_t passes, uint32_t tail, design::Sequence& s);

}  // namespace onebit::npu::gemm
