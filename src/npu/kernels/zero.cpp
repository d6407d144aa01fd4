// zero_i32: out[i] = 0.
//
// Schedule: one 512-bit store a cycle in the st slot, nothing else: 1 cycle for 16 elements.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

extern "C" void zero_i32(int32_t* __restrict out, int32_t count) {
  const aie::vector<int32, 16> zero = aie::zeros<int32, 16>();
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) aie::store_v(out + i, zero);
  for (; i < count; ++i) out[i] = 0;
}
