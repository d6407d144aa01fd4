#include "cpu/float_ops_isa.h"
#include "cpu/vec16_scalar.h"

#include "cpu/float_ops.inl"

namespace onebit::cpu {

constinit const FloatOps float_ops_scalar = make_float_ops(Isa::scalar);

}  // namespace onebit::cpu
