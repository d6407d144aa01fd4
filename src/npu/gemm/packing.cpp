#include "npu/gemm/packing.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

namespace onebit::npu::gemm {
namespace {

constexpr uint32_t kBlock = 8;              // rows and columns of a block
constexpr uint32_t kGroup = 2 * kBlock;     // columns of C whose codes share nibbles
constexpr uint32_t kGroupBytes = kGroup * kChunkK / 4;
constexpr uint32_t kBlockBytes = kBlock * kBlock;
constexpr uint8_t kPaddingCode = 1;

// Codes of 16 rows at k as the four bytes of that row of k in both blocks.
void pack_step(const std::vector<uint8_t>* rows, size_t k, uint8_t* out) {
  for (uint32_t y = 0; y < 4; ++y)
    out[y] = static_cast<uint8_t>(rows[2 * y][k] | rows[2 * y + kBlock][k] << 2 | rows[2 * y + 1][k] << 4 | rows[2 * y + 1 + kBlock][k] << 6);
}

uint64_t tile_offset(uint32_t n, const Waves& w) {
  return ((n % kWaveN / kTileN * uint64_t{w.n} + n / kWaveN) * w.chunks) * kChunkBytesW + n % kTileN / kGroup * kGroupBytes;
}

}  // namespace

uint64_t packed_weight_bytes(uint32_t n, uint32_t k) {
  const Waves w = waves_of({1, n, k});
  return uint64_t{kColumns} * w.n * w.chunks * kChunkBytesW;
}

uint32_t weight_groups(uint32_t n) { return div_up(n, kWaveN) * kWaveN / kGroup; }

void pack_weights(uint32_t n, uint32_t k, const RowCodes& codes, uint32_t begin, uint32_t end, std::span<uint8_t> packed) {
  const Waves w = waves_of({1, n, k});
  std::array<std::vector<uint8_t>, kGroup> rows;
  for (uint32_t g = begin; g < end; ++g) {
    for (uint32_t r = 0; r < kGroup; ++r) {
      rows[r].assign(size_t{w.chunks} * kChunkK, kPaddingCode);
      if (g * kGroup + r < n) codes(g * kGroup + r, rows[r].data());
    }
    uint8_t* group = packed.data() + tile_offset(g * kGroup, w);
    for (uint32_t chunk = 0; chunk < w.chunks; ++chunk)
      for (uint32_t l = 0; l < kChunkK; ++l) pack_step(rows.data(), size_t{chunk} * kChunkK + l, group + size_t{chunk} * kChunkBytesW + l * 4);
  }
}

// Eight bytes of a row at each step of k, in order. Rows from M on hold zeros, where a wave has them.
void pack_activations(const Plan& plan, const int8_t* x, size_t stride, std::span<uint8_t> packed, std::span<int32_t> sums, uint32_t begin, uint32_t end) {
  const Waves& w = plan.waves;
  const uint32_t k = plan.shape.k, steps = kChunkK / kBlock;
  for (uint32_t m = begin; m < end; ++m) {
    const bool padding = m >= plan.shape.m;
    const int8_t* row = padding ? nullptr : x + m * stride;
    if (!padding) sums[m] = std::accumulate(row, row + k, int32_t{0});
    uint8_t* tile = packed.data() + (m % kWaveM / kTileM * uint64_t{w.m} + m / kWaveM) * w.chunks * kChunkBytesX;
    tile += size_t{m % kTileM / kBlock} * steps * kBlockBytes + m % kBlock * kBlock;
    for (uint32_t l = 0; l < w.chunks * kChunkK; l += kBlock) {
      uint8_t* out = tile + size_t{l / kChunkK} * kChunkBytesX + size_t{l % kChunkK / kBlock} * kBlockBytes;
      const uint32_t count = padding || l >= k ? 0 : std::min(kBlock, k - l);
      if (count == kBlock) {
        std::memcpy(out, row + l, kBlock);
      } else {
        std::memset(out, 0, kBlock);
        if (count) std::memcpy(out, row + l, count);
      }
    }
  }
}

void unpack_results(const Plan& plan, std::span<const uint8_t> packed, std::span<const int32_t> sums, std::span<const Output> outputs, uint32_t begin,
                    uint32_t end) {
  const Waves& w = plan.waves;
  // Where waves start, by half, column, wave along M, wave along N.
  std::vector<uint64_t> starts(size_t{kHalves} * kColumns * w.m * w.n);
  const auto start_of = [&](uint32_t half, uint32_t column, uint32_t m, uint32_t n) -> uint64_t& {
    return starts[((size_t{half} * kColumns + column) * w.m + m) * w.n + n];
  };
  for (uint32_t half = 0; half < kHalves; ++half)
    for (uint32_t column = 0; column < kColumns; ++column)
      for (uint32_t m = 0; m < w.m; ++m)
        for (uint32_t n = 0; n < w.n; ++n) start_of(half, column, m, n) = plan.c_offset(column, half) + plan.c_wave(column, half, m, n) * kHalfElements;
  // The eight columns from n - n % 8 on of row m.
  const auto block_row = [&](uint32_t m, uint32_t n) {
    const uint32_t half = m % kWaveM / kHalfM, row = m % kHalfM, in_tile = n % kTileN;
    const uint64_t element = start_of(half, n % kWaveN / kTileN, m / kWaveM, n / kWaveN) +
                             (uint64_t{in_tile / kStripN} * kHalfRows + row / kTileM) * kStripElements +
                             (uint64_t{row % kTileM / kBlock} * (kStripN / kBlock) + in_tile % kStripN / kBlock) * kBlockBytes + row % kBlock * kBlock;
    return packed.data() + element * sizeof(int32_t);
  };
  for (uint32_t m = begin; m < end; ++m)
    for (const Output& o : outputs)
      for (uint32_t n = o.first; n < o.first + o.count;) {
        std::array<int32_t, kBlock> v;
        std::memcpy(v.data(), block_row(m, n), sizeof(v));
        const uint32_t shift = n / kBlock % 2 * 2, skip = n % kBlock, count = std::min(kBlock - skip, o.first + o.count - n);
        for (uint32_t i = 0; i < count; ++i) o.out[m * o.stride + n - o.first + i] = (v[skip + i] >> shift) - sums[m];
        n += count;
      }
}

}  // namespace onebit::npu::gemm
