// Ternary GEMV for one token and small batches: exact int32 sums, read of the weights at memory speed.
//
// A warp takes a unit of 16 rows, or with `split` a share of its tiles: per tile two loads of 512 contiguous bytes, 16
// bytes a lane, kAhead tiles in flight before the first is used and before the activations are waited for. The
// activations of a chunk of tiles lie in shared memory; the 8 rows of a group read the same 64 bytes of them at a time,
// which is one wavefront a quarter warp, and both groups use what was read.
//
// Work per lane, tile and group (16 bytes, 64 or 80 weights), one token:
//   p2   16 and, 16 dot4: the fields stay where they are in their bytes (factors 1, 4, 16, 64), each with a sum of its
//        own; the sums are shifted once at the end. 2 operations for a byte of weights.
//   p16  8 to split bytes, per field 2 multiply-adds, 1 permute, 2 and, 1 dot4: 7.5 operations for a byte.
// With N operations a clock and lane (64 lanes of a CU or SM), p2 keeps up with 32 bytes a clock and CU: 3.7 TB/s on 40
// CUs at 2.9 GHz, 7.2 TB/s on 132 SMs at 1.7 GHz; p16 with a quarter of that. Memory is slower than p2 in each case and
// than p16 on an APU. More tokens: 7/4 operations to expand 4 codes, then a dot4 a token.
#pragma once

#include "gpu/kernels/linear.h"
#include "gpu/kernels/norm.h"

namespace onebit::gpu {
namespace {

constexpr uint32_t kWarps = kBlock / kWarp;

template <int kTokens>
struct GemvShape {
  static constexpr uint32_t kAhead = kTokens == 1 ? 4 : kTokens <= 4 ? 2 : 1;
  // Tiles whose activations are in shared memory at a time: a multiple of kAhead * 8, so that a warp's tiles in flight
  // are of one chunk.
  static constexpr uint32_t kChunkTiles = kTokens <= 2 ? 32 : kTokens == 4 ? 16 : 8;
};

template <class A, class B>
constexpr uint32_t larger_of() {
  return sizeof(A) > sizeof(B) ? sizeof(A) : sizeof(B);
}

// Codes of a lane's 16 bytes: field f as four bytes.
template <Packing P>
ONEBIT_DEVICE void expand(const U4& packed, uint32_t* codes) {
  ONEBIT_UNROLL
  for (int w = 0; w < 4; ++w) {
    const uint32_t word = packed.v[w];
    if constexpr (P == Packing::p2) {
      ONEBIT_UNROLL
      for (int i = 0; i < 4; ++i) codes[4 * w + i] = word >> (2 * i) & 0x03030303u;
    } else {
      uint32_t even = word & 0x00ff00ffu, odd = word >> 8 & 0x00ff00ffu;
      ONEBIT_UNROLL
      for (int s = 0; s < 5; ++s) {
        even = even * 3;
        odd = odd * 3;
        codes[5 * w + s] = odd_bytes(even, odd);
        even &= 0x00ff00ffu;
        odd &= 0x00ff00ffu;
      }
    }
  }
}

// Sums of one lane for its row in each group: [group][token], or [group][factor] for one token of p2.
template <Packing P, int kTokens>
struct LaneSums {
  static constexpr bool kFactors = P == Packing::p2 && kTokens == 1;
  int32_t v[2][kFactors ? 4 : kTokens];

  ONEBIT_DEVICE void clear() {
    ONEBIT_UNROLL
    for (int g = 0; g < 2; ++g) {
      ONEBIT_UNROLL
      for (int i = 0; i < (kFactors ? 4 : kTokens); ++i) v[g][i] = 0;
    }
  }

  // x: the tile's activations of token 0 at the lane's columns; tokens are `stride` bytes apart.
  ONEBIT_DEVICE void add(const U4 (&packed)[2], const int8_t* x, uint32_t stride) {
    constexpr int kQuads = tile_fields(P) / 4;
    if constexpr (kFactors) {
      ONEBIT_UNROLL
      for (int m = 0; m < kQuads; ++m) {
        const U4 q = *reinterpret_cast<const U4*>(x + 64 * m);
        ONEBIT_UNROLL
        for (int g = 0; g < 2; ++g) {
          ONEBIT_UNROLL
          for (int i = 0; i < 4; ++i) v[g][i] = dot4_unsigned(packed[g].v[m] & (0x03030303u << (2 * i)), q.v[i], v[g][i]);
        }
      }
    } else {
      uint32_t codes[2][tile_fields(P)];
      expand<P>(packed[0], codes[0]);
      expand<P>(packed[1], codes[1]);
      ONEBIT_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        ONEBIT_UNROLL
        for (int m = 0; m < kQuads; ++m) {
          const U4 q = *reinterpret_cast<const U4*>(x + t * stride + 64 * m);
          ONEBIT_UNROLL
          for (int i = 0; i < 4; ++i) {
            v[0][t] = dot4_unsigned(codes[0][4 * m + i], q.v[i], v[0][t]);
            v[1][t] = dot4_unsigned(codes[1][4 * m + i], q.v[i], v[1][t]);
          }
        }
        if constexpr (kTokens >= 4) {
          settle(v[0][t]);
          settle(v[1][t]);
        }
      }
    }
  }

  ONEBIT_DEVICE int32_t of(int g, int t) const {
    if constexpr (kFactors) return v[g][0] + (v[g][1] >> 2) + (v[g][2] >> 4) + (v[g][3] >> 6);
    return v[g][t];
  }
  // out: [token][16 slots]
  ONEBIT_DEVICE void put(int32_t* out) const {
    ONEBIT_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      ONEBIT_UNROLL
      for (int g = 0; g < 2; ++g) {
        int32_t sum = of(g, t);
        sum += shuffle_xor(sum, 1);
        sum += shuffle_xor(sum, 2);
        if (lane() % 4 == 0) out[t * kUnitRows + g * 8 + lane() / 4] = sum;
      }
    }
  }
};

#if defined(ONEBIT_MATRIX_NVIDIA)
constexpr bool kMatrixUnits = true;

// Several tokens on the matrix units: the lanes of a packed tile are those of a fragment of codes (row = lane / 4 in each
// group), 8 tokens are its columns. A tile of two groups is 8 (p2) or 10 products for 8 tokens, and 7/4 operations for 4
// codes as above: what a batch of up to 8 adds to one token is below what memory leaves free.
template <Packing P, int kTokens>
struct BatchSums {
  static constexpr int kParts = (kTokens + 7) / 8;
  int32_t v[kParts][4];

  ONEBIT_DEVICE void clear() {
    ONEBIT_UNROLL
    for (int n = 0; n < kParts; ++n) {
      ONEBIT_UNROLL
      for (int i = 0; i < 4; ++i) v[n][i] = 0;
    }
  }
  ONEBIT_DEVICE void add(const U4 (&packed)[2], const int8_t* x, uint32_t stride) {
    uint32_t codes[2][tile_fields(P)];
    expand<P>(packed[0], codes[0]);
    expand<P>(packed[1], codes[1]);
    const int8_t* const mine = x + least(lane() / 4, kTokens - 1) * stride;
    ONEBIT_UNROLL
    for (int m = 0; m < static_cast<int>(tile_fields(P)) / 4; ++m) {
      ONEBIT_UNROLL
      for (int n = 0; n < kParts; ++n) {
        const U4 q = *reinterpret_cast<const U4*>(mine + 8 * n * stride + 64 * m);
        ONEBIT_UNROLL
        for (int i = 0; i < 4; i += 2) {
          const int f = 4 * m + i;
          const uint32_t fragment[4] = {codes[0][f], codes[1][f], codes[0][f + 1], codes[1][f + 1]};
          const uint32_t activations[2] = {q.v[i], q.v[i + 1]};
          mma_codes(v[n], fragment, activations);
        }
      }
    }
  }
  // out: [token][16 slots]
  ONEBIT_DEVICE void put(int32_t* out) const {
    ONEBIT_UNROLL
    for (int n = 0; n < kParts; ++n) {
      ONEBIT_UNROLL
      for (int i = 0; i < 4; ++i) {
        const uint32_t t = 8 * n + lane() % 4 * 2 + i % 2;
        if (t < kTokens) out[t * kUnitRows + lane() / 4 + i / 2 * 8] = v[n][i];
      }
    }
  }
};
#else
constexpr bool kMatrixUnits = false;
template <Packing P, int kTokens>
using BatchSums = LaneSums<P, kTokens>;
#endif

template <bool kMatrix, Packing P, int kTokens>
struct SumsOf {
  using Type = LaneSums<P, kTokens>;
};
template <Packing P, int kTokens>
struct SumsOf<true, P, kTokens> {
  using Type = BatchSums<P, kTokens>;
};

// Bytes [first, first + bytes) of each token's activations to shared memory. A multiple of 16 each.
template <int kTokens>
ONEBIT_DEVICE void stage_activations(const LinearArgs& a, int8_t* shared, uint32_t first, uint32_t bytes, uint32_t stride) {
  const uint32_t global_stride = quant_stride(a.cols);
  ONEBIT_NO_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const bool used = static_cast<uint32_t>(t) < a.tokens;
    const int8_t* const from = a.q + uint64_t{used ? static_cast<uint32_t>(t) : 0u} * global_stride + first;
    for (uint32_t i = thread_x() * 16; i < bytes; i += kBlock * 16)
      *reinterpret_cast<U4*>(shared + t * stride + i) = *reinterpret_cast<const U4*>(from + i);
  }
}

// sums: [warp][token][16 slots].
template <int kTokens>
ONEBIT_DEVICE void finish_units(const LinearArgs& a, const int32_t* sums, uint32_t tiles_bytes) {
  const uint32_t units = kWarps / a.split;
  const bool gated = is_gate(a.epilogue);
  for (uint32_t i = thread_x(); i < units * a.tokens * kUnitRows; i += kBlock) {
    const uint32_t slot = i % kUnitRows, t = i / kUnitRows % a.tokens, u = i / kUnitRows / a.tokens;
    const UnitPlace place = find_unit(a, block_x() * units + u, tiles_bytes);
    if (!place.weights || (gated && slot >= kUnitRows / 2)) continue;
    int32_t sum = -a.sum[t], up = sum;
    for (uint32_t part = 0; part < a.split; ++part) {
      const int32_t* const from = sums + ((u * a.split + part) * kTokens + t) * kUnitRows + slot;
      sum += from[0];
      if (gated) up += from[kUnitRows / 2];
    }
    if (gated) {
      store_gated(a, place, slot, t, sum, up);
    } else {
      store_sum(a, place, slot, t, sum);
    }
  }
}

// The last block to come here goes on with norm_quant; all writes of the others are visible to it.
ONEBIT_DEVICE void gemv_tail(const LinearArgs& a, NormShared<kTailFloats>& s) {
  if (!a.counter) return;
  fence_device();
  barrier();
  if (thread_x() == 0) {
    const uint32_t blocks = gemv_blocks(unit_count(a), a.split);
    const bool last = atomic_add(a.counter, 1) + 1 == blocks;
    if (last) *a.counter = 0;
    s.sums[0] = last;
  }
  barrier();
  if (s.sums[0] == 0) return;
  fence_device();
  for (uint32_t t = 0; t < a.tokens; ++t) {
    barrier();
    norm_quant_token(a.next, t, s);
  }
}

template <Packing P, int kTokens>
ONEBIT_DEVICE void gemv(const LinearArgs& a) {
  using Shape = GemvShape<kTokens>;
  constexpr bool kMatrix = kMatrixUnits && kTokens > 1;
  constexpr uint32_t kColumns = tile_columns(P), kAhead = Shape::kAhead;
  // 64 bytes more, so that neighbouring tokens lie in other banks.
  constexpr uint32_t kStride = Shape::kChunkTiles * kColumns + (kMatrix ? 64 : 0);
  struct Activations {
    int8_t x[kTokens * kStride];
  };
  ONEBIT_SHARED(uint8_t, shared, (larger_of<Activations, NormShared<kTailFloats>>()));

  const uint32_t tile_count = tiles(P, a.cols), part = warp() % a.split;
  const uint64_t unit_bytes = uint64_t{tile_count} * kTileBytes;
  const UnitPlace place = find_unit(a, block_x() * (kWarps / a.split) + warp() / a.split, unit_bytes);
  const uint8_t* const weights = place.weights ? place.weights + lane() * 16 : nullptr;
  const auto load = [&](U4 (&to)[2], uint32_t tile) {
    if (!place.weights || tile >= tile_count) return;
    to[0] = load_once<U4>(weights + uint64_t{tile} * kTileBytes);
    to[1] = load_once<U4>(weights + uint64_t{tile} * kTileBytes + kTileBytes / 2);
  };
  U4 packed[kAhead][2] = {};
  ONEBIT_UNROLL
  for (uint32_t i = 0; i < kAhead; ++i) load(packed[i], part + i * a.split);
  grid_launch_next();
  grid_wait();

  typename SumsOf<kMatrix, P, kTokens>::Type sums;
  sums.clear();
  int8_t* const x = reinterpret_cast<int8_t*>(shared);
  for (uint32_t first = 0; first < tile_count; first += Shape::kChunkTiles) {
    const uint32_t end = least(first + Shape::kChunkTiles, tile_count);
    if (first > 0) barrier();
    stage_activations<kTokens>(a, x, first * kColumns, (end - first) * kColumns, kStride);
    barrier();
    ONEBIT_NO_UNROLL
    for (uint32_t base = first + part; place.weights && base < end; base += kAhead * a.split) {
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < kAhead; ++i) {
        const uint32_t tile = base + i * a.split;
        if (tile < end) sums.add(packed[i], x + (tile - first) * kColumns + lane() % 4 * 16, kStride);
        load(packed[i], tile + kAhead * a.split);
      }
    }
  }

  barrier();
  int32_t* const all = reinterpret_cast<int32_t*>(shared);
  sums.put(all + warp() * kTokens * kUnitRows);
  barrier();
  finish_units<kTokens>(a, all, unit_bytes);
  gemv_tail(a, *reinterpret_cast<NormShared<kTailFloats>*>(shared));
}

}  // namespace
}  // namespace onebit::gpu
