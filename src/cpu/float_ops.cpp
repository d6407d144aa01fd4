#include "cpu/float_ops.h"

#include "cpu/float_ops_isa.h"

namespace onebit::cpu {

const FloatOps& float_ops(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return float_ops_avx2;
    case Isa::avxvnni: return float_ops_avxvnni;
    case Isa::avx512vnni: return float_ops_avx512vnni;
#elif defined(__aarch64__)
    case Isa::neon: return float_ops_neon;
#endif
    default: return float_ops_scalar;
  }
}

}  // namespace onebit::cpu
