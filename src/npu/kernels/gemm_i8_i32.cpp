// gemm_i8_i32: C (m x n, int32) += A (m x k, int8) * B (k x n, int8).
//
// m and n are multiples of 16, k of 8. All three lie in blocks of 8 x 8, each block row-major:
//   A: block (i, l) at block index i * (k / 8) + l, 64 bytes each    rows of blocks, along k
//   B: block (l, j) at block index j * (k / 8) + l, 64 bytes each    columns of blocks, along k
//   C: block (i, j) at block index i * (n / 8) + j, 256 bytes each
// so that the loop over k reads both operands forwards and every load is 512 bits.
//
// Schedule. A group is 2 x 2 blocks of C in four of the five accumulators (64 x int32 each). One step of k needs two
// blocks of A, two of B and four products:
//   slot   per step of k     per group beside the steps
//   vec    4 VMAC
//   lda    2 VLDA (A)        16 VLDA of C quarters (512 bits, only this slot loads accumulators)
//   ldb    2 VLDB (B)
//   st                       16 VST of C quarters
// Four cycles a step with vec full and lda and ldb half full. Each accumulator is used every fourth cycle, and a product
// needs 3 until the next on the same accumulator, so four cycles a step can be met. Loads are used 7 cycles later, which takes
// two steps in flight: 8 vector registers of 12. Groups are not overlapped: 16 cycles of C in, 7 to the first use, 6 from the
// last product, 16 of C out. So a group takes 4 (k / 8) + 45 cycles, and k should be large: at k = 64 vec is busy 42 %
// of the time, at k = 256 74 %. No stall of the memories is in the figure; A, B and C belong in different 16 KiB windows.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

namespace {

using Block = aie::mmul<8, 8, 8, int8, int8, acc32>;

inline Block load_c(const int32_t* c) { return Block(aie::load_v<Block::size_C>(c)); }

}  // namespace

extern "C" void gemm_i8_i32(const int8_t* __restrict a, const int8_t* __restrict b, int32_t* __restrict c, int32_t m, int32_t k, int32_t n) {
  const int32_t steps = k / 8, columns = n / 8;
  for (int32_t i = 0; i < m / 8; i += 2)
    for (int32_t j = 0; j < columns; j += 2) {
      const int8_t* __restrict a0 = a + i * steps * Block::size_A;
      const int8_t* __restrict a1 = a0 + steps * Block::size_A;
      const int8_t* __restrict b0 = b + j * steps * Block::size_B;
      const int8_t* __restrict b1 = b0 + steps * Block::size_B;
      int32_t* __restrict c0 = c + (i * columns + j) * Block::size_C;
      int32_t* __restrict c1 = c0 + columns * Block::size_C;
      Block c00 = load_c(c0), c01 = load_c(c0 + Block::size_C), c10 = load_c(c1), c11 = load_c(c1 + Block::size_C);
      ONEBIT_LOOP_AT_LEAST(1)
      for (int32_t l = 0; l < steps; ++l) {
        const auto x0 = aie::load_v<Block::size_A>(a0 + l * Block::size_A), x1 = aie::load_v<Block::size_A>(a1 + l * Block::size_A);
        const auto y0 = aie::load_v<Block::size_B>(b0 + l * Block::size_B), y1 = aie::load_v<Block::size_B>(b1 + l * Block::size_B);
        c00.mac(x0, y0);
        c01.mac(x0, y1);
        c10.mac(x1, y0);
        c11.mac(x1, y1);
      }
      aie::store_v(c0, c00.to_vector<int32>());
      aie::store_v(c0 + Block::size_C, c01.to_vector<int32>());
      aie::store_v(c1, c10.to_vector<int32>());
      aie::store_v(c1 + Block::size_C, c11.to_vector<int32>());
    }
}
