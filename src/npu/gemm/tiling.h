// How C[M x N] = X[M x K] * W'[N x K] is cut for the array: X int8 activations, W' ternary weights, C int32.
//
//   core    one tile of C, 32 x 160, over the whole of K in chunks of 256; it leaves in strips of 32 columns
//   wave    a tile for every core: 4 rows of cores take 4 x 32 rows of C, 8 columns of cores 8 x 160 columns
//   half    two rows of cores; their strips leave together, and they rest in waves that M does not fill
//
// A core's data memory: two chunks of X (8 KiB each), two of W (10 KiB each), the tile of C (20 KiB), stack: 57 of 64 KiB.
// The strips of C are the ring of the fifo that takes C away: while the last ones leave, the next wave fills the first.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace onebit::npu::gemm {

inline constexpr uint32_t kRows = 4, kColumns = 8;  // of cores
inline constexpr uint32_t kTileM = 32, kTileN = 160, kChunkK = 256, kStripN = 32;
inline constexpr uint32_t kStrips = kTileN / kStripN;
inline constexpr uint32_t kWaveM = kRows * kTileM, kWaveN = kColumns * kTileN;
// Activations of core row r pass through memory tile 2 r and may lie in the one east of it as well.
inline constexpr uint32_t kTilesOfRow = kColumns / kRows;
inline constexpr uint32_t kHalves = 2, kHalfRows = kRows / kHalves, kHalfM = kHalfRows * kTileM;

inline constexpr uint32_t kChunkBytesX = kTileM * kChunkK;      // int8
inline constexpr uint32_t kChunkBytesW = kTileN * kChunkK / 4;  // 2 bits
inline constexpr uint32_t kStripElements = kTileM * kStripN;    // int32
inline constexpr uint32_t kHalfElements = kStrips * kHalfRows * kStripElements;  // of a column in a wave

// Memory tiles: results pass through the bottom; then what is streamed; from 0x14000 up what stays for a while.
inline constexpr uint32_t kSlots = 4;  // descriptors of a store, each side
inline constexpr uint32_t kMemTileBytes = 512 * 1024;
inline constexpr uint32_t kJoinBytes = 2 * kRows * kStripElements * 4;
inline constexpr uint32_t kLowBytes = 0x14000;
inline constexpr uint32_t kStreamBytesX = kLowBytes - kJoinBytes;
inline constexpr uint32_t kResidentBytes = kMemTileBytes - kLowBytes;
static_assert(kSlots * kChunkBytesX <= kStreamBytesX);

struct Shape {
  uint32_t m = 0, n = 0, k = 0;
  bool operator==(const Shape&) const = default;
};
inline constexpr uint32_t kMaxM = 16 * kWaveM;
inline constexpr uint32_t kMaxNK = 1u << 17;

constexpr uint32_t div_up(uint32_t size, uint32_t unit) { return (size + unit - 1) / unit; }

// Waves along M and N, chunks of K.
struct Waves {
  uint32_t m, n, chunks;
};
// Waves along M in which a half works.
constexpr uint32_t waves_of_half(Shape s, uint32_t half) { return s.m > half * kHalfM ? div_up(s.m - half * kHalfM, kWaveM) : 0; }
constexpr Waves waves_of(Shape s) { return {div_up(s.m, kWaveM), div_up(s.n, kWaveN), div_up(s.k, kChunkK)}; }

inline Status check_shape(Shape s) {
  for (const auto& [name, size, most] : {std::tuple{"M", s.m, kMaxM}, {"N", s.n, kMaxNK}, {"K", s.k, kMaxNK}})
    if (size == 0 || size > most) return fail(Errc::out_of_range, "GEMM: {} is {}, expected 1 to {}", name, size, most);
  return {};
}

}  // namespace onebit::npu::gemm
