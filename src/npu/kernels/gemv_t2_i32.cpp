// gemv_t2_i32: y (n, int32) = or += x (k, int8) * B, B ternary codes of 2 bits, laid out as in gemm_i8_t2_i32.cpp.
//
// n is a multiple of 32, k of 16. x comes as k / 8 pieces of 16 bytes: 8 elements, then 8 zeros, the second row of the
// smallest multiplication there is. y lies in order of columns; blocks of 8 columns with odd number are 4 times the sum,
// and all lack the correction for codes.
//
// Schedule. Two groups of 16 columns at a time, four accumulators. Two steps of k take
//   slot   per two steps of k                        per pair of groups beside the steps
//   vec    8 VMAC, rows 2 to 7 unused
//   lda    2 VLDA (x, 128 bits)                      4 VLDA of y where it is added to
//   ldb    2 VLDB.UNPACK (one of each group)
//   mv     8 VBAND                                   4 VMOV of y into accumulators
//   st                                               4 VST
// Eight cycles with vec and mv full; an accumulator is used every fourth cycle and needs 3. Beside the steps: 7 from load to
// use, 6 from the last product to the first store, 4 stores, 4 loads. 512 codes are 128 bytes, which take 27 cycles to
// arrive at 4.8 bytes a cycle: the stream is the limit by more than three, and nothing is gained by using the six idle
// rows.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

namespace {

using Block = aie::mmul<2, 8, 8, int8, int8, acc32>;
using Bytes = aie::vector<uint8, 64>;

inline Block load_row(const int32_t* y) { return Block(aie::concat(aie::load_v<8>(y), aie::zeros<int32, 8>())); }
inline void store_row(int32_t* y, const Block& block) { aie::store_v(y, block.to_vector<int32>().extract<8>(0)); }

template <bool kAccumulate>
inline void multiply(const int8_t* __restrict x, const uint8_t* __restrict b, int32_t* __restrict y, int32_t k, int32_t n) {
  const Bytes low = aie::broadcast<uint8, 64>(3), high = aie::broadcast<uint8, 64>(12);
  for (int32_t j = 0; j < n; j += 32) {
    const uint8_t* __restrict b0 = b + j * (k / 4);
    const uint8_t* __restrict b1 = b0 + 4 * k;
    Block c0, c1, c2, c3;
    if constexpr (kAccumulate) {
      c0 = load_row(y + j);
      c1 = load_row(y + j + 8);
      c2 = load_row(y + j + 16);
      c3 = load_row(y + j + 24);
    }
    ONEBIT_LOOP_AT_LEAST(1)
    for (int32_t l = 0; l < k / 16; ++l) {
      const aie::vector<uint8, 128> u = aie::load_v<64>(b0 + l * 64).cast_to<uint4>().unpack();
      const aie::vector<uint8, 128> v = aie::load_v<64>(b1 + l * 64).cast_to<uint4>().unpack();
      for (unsigned half = 0; half < 2; ++half) {
        const auto a = aie::load_v<16>(x + l * 32 + half * 16);
        c0.mac(a, aie::bit_and(u.extract<64>(half), low).cast_to<int8>());
        c1.mac(a, aie::bit_and(u.extract<64>(half), high).cast_to<int8>());
        c2.mac(a, aie::bit_and(v.extract<64>(half), low).cast_to<int8>());
        c3.mac(a, aie::bit_and(v.extract<64>(half), high).cast_to<int8>());
      }
    }
    store_row(y + j, c0);
    store_row(y + j + 8, c1);
    store_row(y + j + 16, c2);
    store_row(y + j + 24, c3);
  }
}

}  // namespace

extern "C" void gemv_t2_i32(const int8_t* __restrict x, const uint8_t* __restrict b, int32_t* __restrict y, int32_t k, int32_t n, int32_t accumulate) {
  if (accumulate) multiply<true>(x, b, y, k, n);
  else multiply<false>(x, b, y, k, n);
}
