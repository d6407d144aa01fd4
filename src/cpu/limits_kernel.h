// Loops of the limit probes, one file per instruction set. See ternary_kernel.h for what these files
// may include.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace onebit::cpu {

struct LimitLoops {
  // Reads all of [p, p + bytes); bytes is a multiple of 4096. Four streams, which keeps more requests in
  // flight than one. The result keeps the loads from being removed.
  uint64_t (*read)(const uint8_t* p, size_t bytes);
  // Independent multiply-add instructions on registers, enough of them in flight to fill every port.
  uint64_t (*int8)(uint64_t iterations);
  uint64_t int8_ops;  // operations per iteration
};

extern const LimitLoops kLimitsScalar, kLimitsAvx2, kLimitsAvxVnni, kLimitsAvx512, kLimitsNeon;

}  // namespace onebit::cpu
