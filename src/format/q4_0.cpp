// Q4_0: 32 elements, f16 d, 16 bytes; element i in the low half of byte i, 16 + i in the high half;
// value = d * (q - 8).
#include "format/blocks.h"

namespace onebit {

void decode_q4_0(const uint8_t* blocks, uint64_t n, float* out) {
  constexpr uint32_t kElements = 32, kBytes = 18, kHalf = 16;
  for (uint64_t b = 0; b < n; ++b, blocks += kBytes, out += kElements) {
    const float d = load_f16(blocks);
    const uint8_t* q = blocks + 2;
    for (uint32_t i = 0; i < kHalf; ++i) {
      out[i] = d * static_cast<float>((q[i] & 15) - 8);
      out[kHalf + i] = d * static_cast<float>((q[i] >> 4) - 8);
    }
  }
}

}  // namespace onebit
