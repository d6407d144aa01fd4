// add_one_i32: out[i] = in[i] + 1, modulo 2^32.
//
// Schedule: load (lda), add (mv slot), store (st), one of each a cycle once the loop is full: 1 cycle for 16 elements.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

extern "C" void add_one_i32(const int32_t* __restrict in, int32_t* __restrict out, int32_t count) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) aie::store_v(out + i, aie::add(aie::load_v<16>(in + i), int32(1)));
  for (; i < count; ++i) out[i] = static_cast<int32_t>(static_cast<uint32_t>(in[i]) + 1u);
}
