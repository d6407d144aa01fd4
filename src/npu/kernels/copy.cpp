// copy_i32: out[i] = in[i].
//
// Schedule: one 512-bit load (lda) and one store (st) a cycle: 1 cycle for 16 elements, as long as `in` and `out` lie in
// different 16 KiB windows of the memory; in one window the two accesses take turns.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

extern "C" void copy_i32(const int32_t* __restrict in, int32_t* __restrict out, int32_t count) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) aie::store_v(out + i, aie::load_v<16>(in + i));
  for (; i < count; ++i) out[i] = in[i];
}
