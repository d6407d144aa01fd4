// gemm_bf16: C (m x n, float) = or += A (m x k, bfloat16) * B (k x n, bfloat16).
//
// m and n are multiples of 16, k of 8. Blocks of 8 x 8 as in gemm_i8_i32.cpp: A and B 128 bytes each, C 256.
//
// Compiled with AIE_API_EMULATE_BFLOAT16_MMUL_WITH_BFP16=1, which makes 8 x 8 x 8 one multiplication of blocks whose eight
// values share an exponent. That keeps 8 bits of each factor beside the exponent of the largest of eight: less than bfloat16
// has where magnitudes differ within a row of A's or a column of B's block. The model on the host multiplies bfloat16
// exactly and sums in fp32.
//
// Schedule. A group is 2 x 2 blocks of C in four of the five accumulators. One step of k takes
//   slot      per step of k                                            per group beside the steps
//   vec       4 VMAC, 2 VMUL by one (blocks of B become floats)
//   lda, ldb  8 VLD (two for each block of A and B)                    16 VLDA of C quarters (lda only)
//   mv        4 VSHUFFLE (blocks of B transposed), 2 for blocks of A: bfloat16 to an accumulator's floats
//   st        4, those floats to shared exponents                      16 VST of C quarters
// aie_api transposes and converts in every mac; four of them share four conversions once the compiler has seen that they
// are the same. Conversions go through the fifth accumulator, one block after the other, with 3 cycles before the next may
// enter. Taken as 3 cycles for each block, 12 a step, which no measurement of ours supports: vec is then busy half of the
// time, a third with products, 19.7 of 59 tera-operations on 32 cores. Groups as in gemm_i8_i32.cpp: 16 + 7 + 6 + 16 cycles
// beside the steps.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

namespace {

using Block = aie::mmul<8, 8, 8, bfloat16, bfloat16, accfloat>;

inline Block load_c(const float* c) { return Block(aie::load_v<Block::size_C>(c)); }

}  // namespace

extern "C" void gemm_bf16(const uint16_t* a_bits, const uint16_t* b_bits, float* __restrict c, int32_t m, int32_t k, int32_t n,
                          int32_t accumulate) {
  const auto* __restrict a = reinterpret_cast<const bfloat16*>(a_bits);
  const auto* __restrict b = reinterpret_cast<const bfloat16*>(b_bits);
  const int32_t steps = k / 8, columns = n / 8;
  for (int32_t i = 0; i < m / 8; i += 2)
    for (int32_t j = 0; j < columns; j += 2) {
      const bfloat16* __restrict a0 = a + i * steps * Block::size_A;
      const bfloat16* __restrict a1 = a0 + steps * Block::size_A;
      const bfloat16* __restrict b0 = b + j * steps * Block::size_B;
      const bfloat16* __restrict b1 = b0 + steps * Block::size_B;
      float* __restrict c0 = c + (i * columns + j) * Block::size_C;
      float* __restrict c1 = c0 + columns * Block::size_C;
      Block c00, c01, c10, c11;
      if (accumulate) {
        c00 = load_c(c0);
        c01 = load_c(c0 + Block::size_C);
        c10 = load_c(c1);
        c11 = load_c(c1 + Block::size_C);
      }
      ONEBIT_LOOP_AT_LEAST(1)
      for (int32_t l = 0; l < steps; ++l) {
        const auto x0 = aie::load_v<Block::size_A>(a0 + l * Block::size_A), x1 = aie::load_v<Block::size_A>(a1 + l * Block::size_A);
        const auto y0 = aie::load_v<Block::size_B>(b0 + l * Block::size_B), y1 = aie::load_v<Block::size_B>(b1 + l * Block::size_B);
        c00.mac(x0, y0);
        c01.mac(x0, y1);
        c10.mac(x1, y0);
        c11.mac(x1, y1);
      }
      aie::store_v(c0, c00.to_vector<float>());
      aie::store_v(c0 + Block::size_C, c01.to_vector<float>());
      aie::store_v(c1, c10.to_vector<float>());
      aie::store_v(c1 + Block::size_C, c11.to_vector<float>());
    }
}
