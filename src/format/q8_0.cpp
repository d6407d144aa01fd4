// Q8_0: 32 elements, f16 d, int8 q[32]; value = d * q.
#include <cmath>

#include "format/blocks.h"

namespace onebit {
namespace {
constexpr uint32_t kElements = 32, kBytes = 34;
}

void decode_q8_0(const uint8_t* blocks, uint64_t n, float* out) {
  for (uint64_t b = 0; b < n; ++b, blocks += kBytes, out += kElements) {
    const float d = load_f16(blocks);
    for (uint32_t i = 0; i < kElements; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(blocks[2 + i]));
  }
}

Status encode_q8_0(const float* x, uint64_t blocks, uint8_t* out) {
  for (uint64_t b = 0; b < blocks; ++b, x += kElements, out += kBytes) {
    float largest = 0;
    for (uint32_t i = 0; i < kElements; ++i) {
      if (!std::isfinite(x[i]))
        return fail(Errc::out_of_range, "element {} is {}, which Q8_0 cannot hold", b * kElements + i, x[i]);
      largest = std::max(largest, std::fabs(x[i]));
    }
    const float d = largest / 127.0f;
    const uint16_t stored = f32_to_f16(d);
    if (f16_to_f32(stored) > 65504.0f)
      return fail(Errc::out_of_range, "a block reaches {}, beyond the range of the f16 scale of Q8_0", largest);
    const float inverse = d > 0 ? 127.0f / largest : 0.0f;
    std::memcpy(out, &stored, 2);
    for (uint32_t i = 0; i < kElements; ++i)
      out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::nearbyint(x[i] * inverse)));
  }
  return {};
}

}  // namespace onebit
