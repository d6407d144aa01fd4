// Ternary GEMM for prompts on int8 matrix instructions: exact int32 sums.
//
// A block has 128 tokens and kRows rows, 2 x 2 warps of 64 tokens x kRows / 2 rows. Activations go through shared memory
// in stages of 128 columns (16 KiB), copied ahead; packed weights go from memory into registers one stage ahead, in the
// order in which the matrix instructions want them, and are expanded there: 7 operations for 16 weights, once for 64
// tokens. Codes 0, 1, 2 are multiplied as unsigned bytes; the sum of the activations comes off at the end.
//
// Bounds for R rows, C columns, T tokens: operations 2 R C T / peak; bytes R C / 4 + T C ceil(R / kRows) + 4 R T. Per
// stage and warp with kRows = 128: 64 x 64 x 128 multiply-adds = 128 mma.m16n8k32 against 16 loads of 16 bytes from shared
// memory and 112 operations of expansion: the matrix units are the bound where a mma takes 4 cycles or more of a quarter
// SM (Hopper through mma.sync: about 6).
#pragma once

#include "gpu/kernels/linear.h"
#include "gpu/kernels/matrix.h"

namespace onebit::gpu {
namespace {

constexpr uint32_t kStageColumns = 128, kStageBytes = kGemmTokens * kStageColumns;
constexpr uint32_t kWarpTokens = 64;

// 16-byte chunk `chunk` (0..7) of token n of a stage. The exclusive or spreads both what 8 lanes of a 16-row fragment read
// (8 tokens, one chunk) and what 8 lanes of an 8-row fragment read (2 tokens, 4 chunks) over all banks.
ONEBIT_DEVICE uint32_t chunk_at(uint32_t n, uint32_t chunk) {
  return n * kStageColumns + (chunk ^ ((n & 1) << 2 | (n >> 1 & 3))) * 16;
}

// This thread's share of a stage's activations on their way to shared memory.
class StageCopy {
 public:
  static constexpr uint32_t kChunks = kStageBytes / 16 / kGemmBlock;

  ONEBIT_DEVICE void start(const LinearArgs& a, uint32_t token0, uint32_t stage, int8_t* shared) {
    const uint32_t stride = quant_stride(a.cols);
    ONEBIT_UNROLL
    for (uint32_t i = 0; i < kChunks; ++i) {
      const uint32_t id = i * kGemmBlock + thread_x(), n = id / 8;
      // Past the last token: any token, nobody stores the result.
      const int8_t* const from = a.q + uint64_t{least(token0 + n, a.tokens - 1)} * stride + stage * kStageColumns + id % 8 * 16;
      if constexpr (kAsyncCopy) {
        copy16(shared + chunk_at(n, id % 8), from);
      } else {
        held_[i] = *reinterpret_cast<const Chunk*>(from);
      }
    }
  }
  ONEBIT_DEVICE void finish(int8_t* shared) {
    if constexpr (!kAsyncCopy) {
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kChunks; ++i) {
        const uint32_t id = i * kGemmBlock + thread_x();
        *reinterpret_cast<Chunk*>(shared + chunk_at(id / 8, id % 8)) = held_[i];
      }
    }
  }

 private:
  Chunk held_[kAsyncCopy ? 1 : kChunks];
};

template <uint32_t kRows>
class GemmBlock {
 public:
  static constexpr uint32_t kUnits = kRows / 2 / kUnitRows;  // of a warp
  // Where copies in flight and the sums of 4 units leave registers for the next stage's weights.
  static constexpr bool kWeightsAhead = kAsyncCopy || kUnits < 4;

  ONEBIT_DEVICE GemmBlock(const LinearArgs& args, int8_t* memory)
      : a(args), shared(memory), token0(block_y() * kGemmTokens), tile_count(tiles(Packing::p2, args.cols)),
        first_unit(block_x() * (kRows / kUnitRows) + warp() / 2 * kUnits) {}

  ONEBIT_DEVICE void run() {
    ONEBIT_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      const UnitPlace place = find_unit(a, first_unit + u, uint64_t{tile_count} * kTileBytes);
      // A unit that is not there: the first one's weights, nobody stores the result.
      weights[u] = (place.weights ? place.weights : a.segments[0].weights) + FragmentWeights::lane_offset();
    }
    const uint32_t stages = 2 * tile_count;
    grid_launch_next();
    grid_wait();
    // Not before: the weights may be what the launch before this one expanded.
    if constexpr (kWeightsAhead) load_weights(0);
    StageCopy copy;
    for (uint32_t s = 0; s + 1 < kCopyStages; ++s) {
      if (s < stages) {
        copy.start(a, token0, s, stage_memory(s));
        copy.finish(stage_memory(s));
      }
      copy_commit();
    }
    sums.clear();
    ONEBIT_NO_UNROLL
    for (uint32_t s = 0; s < stages; ++s) {
      copy_wait<kCopyStages - 2>();
      barrier();  // stage s has come, and nobody reads stage s - 1 any more
      // Past the last stage: the last one again, into memory that nobody reads.
      const uint32_t ahead = s + kCopyStages - 1;
      copy.start(a, token0, least(ahead, stages - 1), stage_memory(ahead));
      copy_commit();
      FragmentWeights current[kUnits];
      if constexpr (!kWeightsAhead) load_weights(s);
      ONEBIT_UNROLL
      for (uint32_t u = 0; u < kUnits; ++u) current[u] = next[u];
      if constexpr (kWeightsAhead) load_weights(s + 1 < stages ? s + 1 : s);
      sums.add(current, stage_memory(s) + warp() % 2 * kWarpTokens * kStageColumns);
      copy.finish(stage_memory(ahead));
    }
    barrier();
    int32_t* const out = reinterpret_cast<int32_t*>(shared) + warp() * kWarpTokens * kSumStride;
    ONEBIT_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      sums.put(u, out);
      warp_barrier();
      store(first_unit + u, out);
      warp_barrier();
    }
  }

 private:
  // 16 slots of two tokens at a time: stores of 64 contiguous bytes.
  ONEBIT_DEVICE void store(uint32_t unit, const int32_t* out) const {
    const UnitPlace place = find_unit(a, unit, uint64_t{tile_count} * kTileBytes);
    if (!place.weights) return;
    const bool gated = is_gate(a.epilogue);
    const uint32_t slot = lane() % kUnitRows, first = token0 + warp() % 2 * kWarpTokens;
    ONEBIT_NO_UNROLL
    for (uint32_t n = lane() / kUnitRows; n < kWarpTokens && first + n < a.tokens; n += kWarp / kUnitRows) {
      const uint32_t t = first + n;
      const int32_t sum = out[n * kSumStride + slot] - a.sum[t];
      if (!gated) {
        store_sum(a, place, slot, t, sum);
      } else if (slot < kUnitRows / 2) {
        store_gated(a, place, slot, t, sum, out[n * kSumStride + slot + kUnitRows / 2] - a.sum[t]);
      }
    }
  }

  ONEBIT_DEVICE int8_t* stage_memory(uint32_t stage) { return shared + stage % kCopyStages * kStageBytes; }
  ONEBIT_DEVICE void load_weights(uint32_t stage) {
    ONEBIT_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) next[u].load(weights[u] + stage / 2 * kTileBytes + stage % 2 * 8);
  }

  const LinearArgs& a;
  int8_t* const shared;
  const uint32_t token0, tile_count, first_unit;
  const uint8_t* weights[kUnits] = {};
  FragmentWeights next[kUnits] = {};
  WarpSums<kUnits> sums;
};

}  // namespace
}  // namespace onebit::gpu
