#include "cpu/float_ops_isa.h"
#include "cpu/vec16_avx2.h"

#include "cpu/float_ops.inl"

namespace onebit::cpu {

constinit const FloatOps float_ops_avx2 = make_float_ops(Isa::avx2);
constinit const FloatOps float_ops_avxvnni = make_float_ops(Isa::avxvnni);

}  // namespace onebit::cpu
