// The tables of float operations that float_ops() picks from; each exists only where its file is built.
#pragma once

#include "cpu/float_ops.h"

namespace onebit::cpu {

extern const FloatOps float_ops_scalar, float_ops_avx2, float_ops_avxvnni, float_ops_avx512vnni, float_ops_neon;

}  // namespace onebit::cpu
