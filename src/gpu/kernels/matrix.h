// A warp's part of the GEMM, 64 tokens x kUnits units, in terms of each device's matrix instruction. Fragment layouts
// are stated in gpu/emulator/matrix.h.
#pragma once

#include "gpu/kernels/device.h"

namespace onebit::gpu {
namespace {

ONEBIT_DEVICE uint32_t chunk_at(uint32_t n, uint32_t chunk);
constexpr uint32_t kSumStride = 17;  // tokens of a unit on its way out, in shared memory
ONEBIT_DEVICE uint32_t field(uint32_t word, uint32_t i) { return word >> (2 * i) & 0x03030303u; }

#if defined(ONEBIT_MATRIX_NVIDIA)

// Half a tile's packed bytes of a unit, as the lane needs them: lane l of either group is row l / 4 of the fragment.
struct FragmentWeights {
  U2 group[2];
  static ONEBIT_DEVICE uint32_t lane_offset() { return lane() * 16; }
  ONEBIT_DEVICE void load(const uint8_t* p) {
    group[0] = *reinterpret_cast<const U2*>(p);
    group[1] = *reinterpret_cast<const U2*>(p + kTileBytes / 2);
  }
};

// D [rows][tokens] = codes x activations. Fields 2 k and 2 k + 1 of a word are the two halves of a fragment's k: columns are
// permuted the same way in both operands, which is all that a sum needs.
template <uint32_t kUnits>
struct WarpSums {
  int32_t v[kUnits][8][4];

  ONEBIT_DEVICE void clear() {
    ONEBIT_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      ONEBIT_UNROLL
      for (uint32_t n = 0; n < 8; ++n) {
        ONEBIT_UNROLL
        for (uint32_t i = 0; i < 4; ++i) v[u][n][i] = 0;
      }
    }
  }

  // x: the stage's activations of the warp's tokens.
  ONEBIT_DEVICE void add(const FragmentWeights (&w)[kUnits], const int8_t* x) {
    ONEBIT_UNROLL
    for (uint32_t word = 0; word < 2; ++word) {
      U4 b[8];
      ONEBIT_UNROLL
      for (uint32_t n = 0; n < 8; ++n) b[n] = *reinterpret_cast<const U4*>(x + chunk_at(8 * n + lane() / 4, 4 * word + lane() % 4));
      ONEBIT_UNROLL
      for (uint32_t k = 0; k < 2; ++k) {
        ONEBIT_UNROLL
        for (uint32_t u = 0; u < kUnits; ++u) {
          const uint32_t low = w[u].group[0].v[word], high = w[u].group[1].v[word];
          const uint32_t fragment[4] = {field(low, 2 * k), field(high, 2 * k), field(low, 2 * k + 1), field(high, 2 * k + 1)};
          ONEBIT_UNROLL
          for (uint32_t n = 0; n < 8; ++n) {
            const uint32_t activations[2] = {b[n].v[2 * k], b[n].v[2 * k + 1]};
            mma_codes(v[u][n], fragment, activations);
          }
        }
      }
    }
  }

  // Sums of unit u to out[token][slot], tokens kSumStride apart.
  ONEBIT_DEVICE void put(uint32_t u, int32_t* out) const {
    ONEBIT_UNROLL
    for (uint32_t n = 0; n < 8; ++n) {
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < 4; ++i)
        out[(8 * n + lane() % 4 * 2 + i % 2) * kSumStride + lane() / 4 + i / 2 * 8] = v[u][n][i];
    }
  }
};

#else

// Half a tile's packed bytes of a unit: row lane % 16, two words of each quarter of the columns. Upper lanes repeat lower.
struct FragmentWeights {
  U2 quarter[4];
  static ONEBIT_DEVICE uint32_t lane_offset() { return lane() % 16 / 8 * (kTileBytes / 2) + lane() % 8 * 64; }
  ONEBIT_DEVICE void load(const uint8_t* p) {
    ONEBIT_UNROLL
    for (uint32_t c = 0; c < 4; ++c) quarter[c] = *reinterpret_cast<const U2*>(p + 16 * c);
  }
};

// D [tokens][rows] = activations x codes: a register's 16 lanes are 16 neighbouring rows of one token, which are stored
// together.
template <uint32_t kUnits>
struct WarpSums {
  MatrixSums v[kUnits][4];

  ONEBIT_DEVICE void clear() {
    ONEBIT_UNROLL
    for (uint32_t u = 0; u < kUnits; ++u) {
      ONEBIT_UNROLL
      for (uint32_t n = 0; n < 4; ++n) {
        ONEBIT_UNROLL
        for (uint32_t i = 0; i < 8; ++i) v[u][n][i] = 0;
      }
    }
  }

  // Operands of one step of 16 columns are loaded while the step before is multiplied, no earlier; with 4 units, whose
  // sums fill half of the registers, when they are needed.
  ONEBIT_DEVICE void add(const FragmentWeights (&w)[kUnits], const int8_t* x) {
    constexpr uint32_t kBuffers = kUnits < 4 ? 2 : 1;
    MatrixOperand activations[kBuffers][4];
    if (kBuffers == 2) load(activations[0], x, 0);
    ONEBIT_UNROLL
    for (uint32_t step = 0; step < 8; ++step) {
      if (kBuffers == 1) load(activations[0], x, step);
      if (kBuffers == 2 && step < 7) load(activations[(step + 1) % kBuffers], x, step + 1);
      ONEBIT_UNROLL
      for (uint32_t u = 0; u < kUnits; ++u) {
        MatrixOperand codes;
        ONEBIT_UNROLL
        for (uint32_t i = 0; i < kOperandRegisters; ++i)
          codes[i] = field(w[u].quarter[step % 4].v[step / 4], operand_offset(lane()) / 4 + i);
        ONEBIT_UNROLL
        for (uint32_t n = 0; n < 4; ++n) wmma_codes(v[u][n], activations[step % kBuffers][n], codes);
      }
      loads_stay_behind();
    }
  }
  static ONEBIT_DEVICE void load(MatrixOperand (&to)[4], const int8_t* x, uint32_t step) {
    ONEBIT_UNROLL
    for (uint32_t n = 0; n < 4; ++n)
      to[n] = *reinterpret_cast<const MatrixOperand*>(x + chunk_at(16 * n + lane() % 16, step) + operand_offset(lane()));
  }

  ONEBIT_DEVICE void put(uint32_t u, int32_t* out) const {
    ONEBIT_UNROLL
    for (uint32_t n = 0; n < 4; ++n) {
      ONEBIT_UNROLL
      for (uint32_t i = 0; i < 8; ++i)
        out[(16 * n + result_token(i, lane() / 16)) * kSumStride + lane() % 16] = v[u][n][i];
    }
  }
};

#endif

}  // namespace
}  // namespace onebit::gpu
