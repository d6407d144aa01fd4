#include "cpu/attention_kernels.h"
#include "cpu/vec16_avx2.h"

#include "cpu/attention.inl"

namespace onebit::cpu {

constinit const AttentionKernels attention_avx2 = kAttention;

}  // namespace onebit::cpu
