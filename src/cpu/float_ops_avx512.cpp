#include "cpu/float_ops_isa.h"
#include "cpu/vec16_avx512.h"

#include "cpu/float_ops.inl"

namespace onebit::cpu {

constinit const FloatOps float_ops_avx512vnni = make_float_ops(Isa::avx512vnni);

}  // namespace onebit::cpu
