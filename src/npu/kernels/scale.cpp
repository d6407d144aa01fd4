// scale_i32: out[i] = in[i] * factor, modulo 2^32.
//
// Schedule: there is no 32 x 32 bit multiplication; it is made of 16 x 16 bit ones with shifts between them, four products
// into two 64-bit accumulators of 8 lanes each, so 8 vec slots for 16 elements. The other slots have room.
#include <aie_api/aie.hpp>

#include "npu/kernels/kernels.h"

extern "C" void scale_i32(const int32_t* __restrict in, int32_t* __restrict out, int32_t count, int32_t factor) {
  aie::set_saturation(aie::saturation_mode::none);
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const aie::accum<acc64, 16> product = aie::mul(aie::load_v<16>(in + i), int32(factor));
    aie::store_v(out + i, product.to_vector<int32>());
  }
  for (; i < count; ++i) out[i] = static_cast<int32_t>(static_cast<uint32_t>(in[i]) * static_cast<uint32_t>(factor));
}
