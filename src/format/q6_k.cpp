// Q6_K: 256 elements in two halves of 128. A half has 64 bytes of low 4 bits, 32 bytes of upper 2 bits and
// 8 int8 scales, one per 16 elements; f16 d at the end; value = d * scale * (q - 32).
// In a half, quarter k (32 elements): low bits from byte 32 * (k % 2) + i, low half for k < 2; upper bits
// from bits 2k of byte i.
#include "format/blocks.h"

namespace onebit {

void decode_q6_k(const uint8_t* blocks, uint64_t n, float* out) {
  constexpr uint32_t kBytes = 210, kHigh = 128, kScales = 192, kScale = 208, kQuarter = 32;
  for (uint64_t b = 0; b < n; ++b, blocks += kBytes) {
    const float d = load_f16(blocks + kScale);
    for (uint32_t half = 0; half < 2; ++half) {
      const uint8_t* high = blocks + kHigh + half * 32;
      for (uint32_t k = 0; k < 4; ++k, out += kQuarter) {
        const uint8_t* low = blocks + half * 64 + k % 2 * 32;
        const uint8_t* scales = blocks + kScales + half * 8 + k * 2;
        for (uint32_t i = 0; i < kQuarter; ++i) {
          const int q = ((low[i] >> (k / 2 * 4)) & 15) | ((high[i] >> (2 * k)) & 3) << 4;
          out[i] = d * static_cast<float>(static_cast<int8_t>(scales[i / 16])) * static_cast<float>(q - 32);
        }
      }
    }
  }
}

}  // namespace onebit
