// The compressed copy of the output matrix, and what an instruction set provides to scan it.
//
// A code has 6 bits: w^ = scale(row) * m(row, block) * (code - 32), with a block of 128 columns, m in
// 1..256, and scale(row) of 16 significant bits, so that scale * m is exact in fp32. Rows are taken in
// groups of 16. A group is, per block of columns, 8 tiles of 16 columns, and then per block 16 bytes
// (one per row) of m - 129. A tile is three runs of 64 bytes in which byte 4*row + j belongs to row `row`
// of the group and columns 4*i + j of the tile:
//
//   run 0   low four bits of the codes for i = 0 (bits 3:0) and i = 1 (bits 7:4)
//   run 1   the same for i = 2 and i = 3
//   run 2   upper two bits of the codes, for i at bits 2i+1:2i
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"

namespace onebit::cpu {

constexpr uint32_t kHeadGroup = 16;
constexpr uint32_t kHeadBlock = 128;
constexpr uint32_t kHeadTileBytes = 192;
constexpr uint32_t kHeadBlockBytes = kHeadBlock / 16 * kHeadTileBytes;
constexpr int32_t kHeadZero = 32;  // the code of 0

struct HeadCopy {
  uint32_t cols = 0;
  uint32_t groups = 0;
  uint32_t blocks = 0;      // ceil(cols / 128)
  size_t group_bytes = 0;   // a multiple of 64
  uint8_t* codes = nullptr; // [groups][group_bytes]
  float* scale = nullptr;   // [16 * groups]
  // Upper bounds of |w - w^| and |w| (Euclidean); infinite for a row whose copy says nothing about it.
  float* error = nullptr;
  float* norm = nullptr;
};

// The vector the copy is multiplied with: x^ = unit * (128 * hi + lo), zeros past the last column.
struct HeadInput {
  const int8_t* hi;        // [128 * blocks]
  const int8_t* lo;
  const int32_t* offset;   // [blocks]: 32 times the sum of 128 * hi + lo
  float unit;
};

struct HeadKernels {
  // Fills rows [16 * group, 16 * group + 16) of the copy from `count` rows; the others become zero.
  // temp: 16 * 128 * blocks bytes.
  void (*compress)(const HeadCopy& copy, uint32_t group, const float* rows, size_t ld, uint32_t count, uint8_t* temp);
  // out[t][16 * g + r] = w^ . x^ of token t for groups [g0, g1): exact in integers per block, then fp32 in order of
  // blocks; each group is read from memory once for all tokens.
  void (*multiply)(const HeadCopy& copy, uint32_t g0, uint32_t g1, const HeadInput* x, uint32_t tokens, float* const* out);
  // Indices i < n, ascending, for which approx[i] + error[i] * a + norm[i] * c < threshold is not true.
  size_t (*candidates)(const float* approx, const float* error, const float* norm, size_t n, float a, float c,
                       float threshold, uint32_t* out);
};

extern const HeadKernels head_scalar, head_avx2, head_avxvnni, head_avx512, head_neon;
const HeadKernels& head_kernels(Isa isa);

}  // namespace onebit::cpu
