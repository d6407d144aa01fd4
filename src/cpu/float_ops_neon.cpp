#include "cpu/float_ops_isa.h"
#include "cpu/vec16_neon.h"

#include "cpu/float_ops.inl"

namespace onebit::cpu {

constinit const FloatOps float_ops_neon = make_float_ops(Isa::neon);

}  // namespace onebit::cpu
