// Every kernel of kernels.h: one translation unit for each compiler and device.
#include "gpu/kernels/gemv.h"
#include "gpu/kernels/norm.h"

namespace onebit::gpu {
namespace {

ONEBIT_KERNEL(norm_quant, kBlock, NormQuantArgs) {
  ONEBIT_SHARED(NormShared<kNormFloats>, shared, 1);
  grid_launch_next();
  grid_wait();
  norm_quant_token(a, block_x(), shared[0]);
}

#define ONEBIT_GEMV(packing, tokens) \
  ONEBIT_KERNEL(ternary_gemv_##packing##_t##tokens, kBlock, LinearArgs) { gemv<Packing::packing, tokens>(a); }
ONEBIT_GEMV(p2, 1)
ONEBIT_GEMV(p2, 2)
ONEBIT_GEMV(p2, 4)
ONEBIT_GEMV(p2, 8)
ONEBIT_GEMV(p2, 16)
ONEBIT_GEMV(p16, 1)
ONEBIT_GEMV(p16, 2)
ONEBIT_GEMV(p16, 4)
ONEBIT_GEMV(p16, 8)
ONEBIT_GEMV(p16, 16)
#undef ONEBIT_GEMV

}  // namespace
}  // namespace onebit::gpu
