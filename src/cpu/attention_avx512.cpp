#include "cpu/attention_kernels.h"
#include "cpu/vec16_avx512.h"

#include "cpu/attention.inl"

namespace onebit::cpu {

constinit const AttentionKernels attention_avx512 = kAttention;

}  // namespace onebit::cpu
