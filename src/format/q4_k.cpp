// Q4_K: 256 elements in 8 groups of 32: f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, 128 bytes
// of 4-bit q; value = d * scale * q - dmin * minimum. Groups 2j and 2j + 1 share 32 bytes: low and high half.
#include "format/blocks.h"

namespace onebit {
namespace {

struct ScaleMin {
  uint8_t scale, minimum;
};

// Groups 0-3 keep their 6 bits in bytes 0-3 and 4-7; groups 4-7 keep 4 bits in bytes 8-11 and the upper 2
// in the top of bytes 0-7.
ScaleMin scale_min(const uint8_t* s, uint32_t group) {
  if (group < 4) return {static_cast<uint8_t>(s[group] & 63), static_cast<uint8_t>(s[group + 4] & 63)};
  return {static_cast<uint8_t>((s[group + 4] & 15) | (s[group - 4] >> 6) << 4),
          static_cast<uint8_t>((s[group + 4] >> 4) | (s[group] >> 6) << 4)};
}

}  // namespace

void decode_q4_k(const uint8_t* blocks, uint64_t n, float* out) {
  constexpr uint32_t kElements = 256, kBytes = 144, kGroup = 32;
  for (uint64_t b = 0; b < n; ++b, blocks += kBytes, out += kElements) {
    const float d = load_f16(blocks), dmin = load_f16(blocks + 2);
    const uint8_t* scales = blocks + 4;
    for (uint32_t group = 0; group < 8; ++group) {
      const ScaleMin sm = scale_min(scales, group);
      const float step = d * static_cast<float>(sm.scale), low = dmin * static_cast<float>(sm.minimum);
      const uint8_t* q = blocks + 16 + group / 2 * kGroup;
      const uint32_t shift = group % 2 * 4;
      for (uint32_t i = 0; i < kGroup; ++i) out[group * kGroup + i] = step * static_cast<float>((q[i] >> shift) & 15) - low;
    }
  }
}

}  // namespace onebit
