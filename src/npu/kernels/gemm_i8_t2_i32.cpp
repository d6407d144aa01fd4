// gemm_i8_t2_i32: C (m x n, int32) = or += A (m x k, int8) * B', where B' holds columns [column, column + n) of a chunk of
// ternary codes, 2 bits each.
//
// A code is 0, 1 or 2 and stands for the weight -1, 0 or 1. Codes are multiplied as they are; whoever reads C subtracts the
// sum of A's row once per element, which is cheaper than one subtraction per weight.
//
// m is a multiple of 16, k, n and column are multiples of 16. Layouts, in blocks of 8 x 8, each block row-major:
//   A  block (i, l) at block index i * (k / 8) + l, 64 bytes each
//   B  group g holds columns 16 g .. 16 g + 15; in a group 64 bytes hold 16 rows of k: nibble x of these belongs to row
//      8 * (x / 64) + x % 64 / 8 and carries two codes, that of column x % 8 in its low two bits and that of column x % 8 + 8
//      in its high two bits; nibble 2 y is the low half of byte y
//   C  block (i, j) at block index i * (n / 8) + j, 256 bytes each
// Blocks of C with odd j are 4 times the sum: their codes are used where they lie in the nibble. |4 * 2 * 128 * K| stays
// below 2^31 up to K = 2^21.
//
// Expansion. The unit that loads also widens nibbles to bytes, so 64 bytes become 128 lanes u = low + 4 * high in two
// vectors; u AND 3 is one block of B, u AND 12 the one beside it at 4 times its value. No shift, no table, no multiplication:
// one load and four ANDs for 256 weights.
//
// Schedule. A group is 2 x 2 blocks of C in four of the five accumulators. Two steps of k (16 rows of B) take
//   slot   per two steps of k                per group beside the steps
//   vec    8 VMAC
//   lda    4 VLDA (A)                        16 VLDA of C quarters
//   ldb    1 VLDB.UNPACK (B, two vectors)
//   mv     4 VBAND
//   st                                       16 VST of C quarters
// so eight cycles with vec full, lda and mv half full and ldb an eighth; an accumulator is used every fourth cycle and
// needs 3. Beside the masks, live vectors are two of A, two of B unpacked and two masked, with the next A on its way. The
// stores of a group and the loads of the next one stand next to each other in one block of code and use different slots: 6
// cycles from the last product to the first store, 16 stores with the loads beside them, the last accumulator 4 cycles
// behind its store, 7 from load to use. That is 33 cycles for each group, 4 (k / 8) + 33 in all: at k = 256 vec is busy
// 80 % of the time. No stall of the memories is in the figure; A and B belong in different 16 KiB windows.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

namespace {

using Block = aie::mmul<8, 8, 8, int8, int8, acc32>;
using Bytes = aie::vector<uint8, 64>;

// Where a group of 2 x 2 blocks reads and writes.
struct Group {
  const int8_t* a;   // two rows of blocks, a_next bytes apart
  const uint8_t* b;  // one group of columns
  int32_t* c;        // two rows of blocks, c_next elements apart
  int32_t a_next, c_next;
};

template <bool kAccumulate>
inline void multiply(const Group& g, int32_t pairs) {
  const int8_t* __restrict a0 = g.a;
  const int8_t* __restrict a1 = g.a + g.a_next;
  const uint8_t* __restrict b = g.b;
  int32_t* __restrict c0 = g.c;
  int32_t* __restrict c1 = g.c + g.c_next;
  const Bytes low = aie::broadcast<uint8, 64>(3), high = aie::broadcast<uint8, 64>(12);
  Block c00, c01, c10, c11;
  if constexpr (kAccumulate) {
    c00 = Block(aie::load_v<Block::size_C>(c0));
    c01 = Block(aie::load_v<Block::size_C>(c0 + Block::size_C));
    c10 = Block(aie::load_v<Block::size_C>(c1));
    c11 = Block(aie::load_v<Block::size_C>(c1 + Block::size_C));
  }
  const auto step = [&](const Bytes& u, const int8_t* x0_at, const int8_t* x1_at) {
    const auto x0 = aie::load_v<Block::size_A>(x0_at), x1 = aie::load_v<Block::size_A>(x1_at);
    const auto y0 = aie::bit_and(u, low).cast_to<int8>(), y1 = aie::bit_and(u, high).cast_to<int8>();
    c00.mac(x0, y0);
    c01.mac(x0, y1);
    c10.mac(x1, y0);
    c11.mac(x1, y1);
  };
  ONEBIT_LOOP_AT_LEAST(1)
  for (int32_t l = 0; l < pairs; ++l) {
    const aie::vector<uint8, 128> u = aie::load_v<64>(b + l * 64).cast_to<uint4>().unpack();
    step(u.extract<64>(0), a0 + l * 128, a1 + l * 128);
    step(u.extract<64>(1), a0 + l * 128 + 64, a1 + l * 128 + 64);
  }
  aie::store_v(c0, c00.to_vector<int32>());
  aie::store_v(c0 + Block::size_C, c01.to_vector<int32>());
  aie::store_v(c1, c10.to_vector<int32>());
  aie::store_v(c1 + Block::size_C, c11.to_vector<int32>());
}

template <bool kAccumulate>
inline void multiply_all(const int8_t* a, const uint8_t* b, int32_t* c, int32_t m, int32_t k, int32_t n) {
  const int32_t a_next = k * 8, c_next = n * 8;
  for (int32_t j = 0; j < n / 16; ++j)
    for (int32_t i = 0; i < m / 16; ++i)
      multiply<kAccumulate>({a + i * 2 * a_next, b + j * k * 4, c + i * 2 * c_next + j * 2 * static_cast<int32_t>(Block::size_C), a_next, c_next}, k / 16);
}

}  // namespace

extern "C" void gemm_i8_t2_i32(const int8_t* __restrict a, const uint8_t* __restrict b, int32_t* __restrict c, int32_t m, int32_t k, int32_t n,
                               int32_t column, int32_t accumulate) {
  const uint8_t* columns = b + column / 16 * k * 4;
  if (accumulate) multiply_all<true>(a, columns, c, m, k, n);
  else multiply_all<false>(a, columns, c, m, k, n);
}
