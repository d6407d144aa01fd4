#include "cpu/attention_kernels.h"
#include "cpu/vec16_neon.h"

#include "cpu/attention.inl"

namespace onebit::cpu {

constinit const AttentionKernels attention_neon = kAttention;

}  // namespace onebit::cpu
