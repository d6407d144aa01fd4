#include "cpu/attention_kernels.h"
#include "cpu/vec16_scalar.h"

#include "cpu/attention.inl"

namespace onebit::cpu {

constinit const AttentionKernels attention_scalar = kAttention;

}  // namespace onebit::cpu
