// IEEE half precision and bfloat16. The array loops have no branch, so that the compiler vectorises them
// for the oldest x86-64.
#include <bit>

#include "format/blocks.h"

namespace onebit {
namespace {

constexpr uint32_t kHalfExponent = 0x7c00u << 13;    // the exponent field of a half, in float position
constexpr uint32_t kRebias = (127 - 15) << 23;       // from the bias of half to that of float
constexpr uint32_t kSmallestNormal = 113u << 23;     // 2^-14 as float

inline uint32_t half_bits_to_float_bits(uint32_t h) {
  const uint32_t sign = (h & 0x8000) << 16;
  const uint32_t shifted = (h & 0x7fff) << 13;
  const uint32_t exponent = shifted & kHalfExponent;
  const uint32_t normal = shifted + kRebias;
  // A subnormal is (mantissa * 2^-24): read as 2^-14 * (1 + m), less 2^-14; the difference is exact.
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(normal + (1u << 23)) - std::bit_cast<float>(kSmallestNormal));
  const uint32_t special = normal + kRebias;  // infinity and NaN: exponent 31 becomes 255
  uint32_t bits = exponent == 0 ? subnormal : normal;
  bits = exponent == kHalfExponent ? special : bits;
  return bits | sign;
}

inline uint32_t float_bits_to_half_bits(uint32_t x) {
  constexpr uint32_t kInfinity = 0x7f800000;
  constexpr uint32_t kOverflow = 0x477ff000;  // 65520, half way between the largest half and 2^16
  const uint32_t sign = (x >> 16) & 0x8000;
  const uint32_t abs = x & 0x7fffffff;
  const uint32_t normal = (abs + 0xfff + ((abs >> 13) & 1) - kRebias) >> 13;
  // One unit in the last place of 0.5f is 2^-24, the step of half subnormals: the addition rounds.
  const float sum = std::bit_cast<float>(abs < kSmallestNormal ? abs : 0u) + 0.5f;
  const uint32_t subnormal = std::bit_cast<uint32_t>(sum) - std::bit_cast<uint32_t>(0.5f);
  uint32_t h = abs < kSmallestNormal ? subnormal : normal;
  h = abs >= kOverflow ? 0x7c00u : h;
  h = abs > kInfinity ? (0x7e00u | ((abs >> 13) & 0x3ff)) : h;  // NaN, made quiet
  return h | sign;
}

inline uint32_t float_bits_to_bf16_bits(uint32_t x) {
  const uint32_t rounded = (x + 0x7fff + ((x >> 16) & 1)) >> 16;
  return (x & 0x7fffffff) > 0x7f800000 ? (x >> 16) | 0x40 : rounded;
}

}  // namespace

float f16_to_f32(uint16_t x) { return std::bit_cast<float>(half_bits_to_float_bits(x)); }
uint16_t f32_to_f16(float x) { return static_cast<uint16_t>(float_bits_to_half_bits(std::bit_cast<uint32_t>(x))); }
float bf16_to_f32(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }
uint16_t f32_to_bf16(float x) { return static_cast<uint16_t>(float_bits_to_bf16_bits(std::bit_cast<uint32_t>(x))); }

void decode_f32(const uint8_t* blocks, uint64_t n, float* out) {
  if (n) std::memcpy(out, blocks, n * sizeof(float));
}

void decode_f16(const uint8_t* blocks, uint64_t n, float* out) {
  for (uint64_t i = 0; i < n; ++i)
    out[i] = std::bit_cast<float>(half_bits_to_float_bits(load_u16(blocks + 2 * i)));
}

void decode_bf16(const uint8_t* blocks, uint64_t n, float* out) {
  for (uint64_t i = 0; i < n; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(load_u16(blocks + 2 * i)) << 16);
}

void encode_f16(const float* x, uint64_t count, uint8_t* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto h = static_cast<uint16_t>(float_bits_to_half_bits(std::bit_cast<uint32_t>(x[i])));
    std::memcpy(out + 2 * i, &h, 2);
  }
}

void encode_bf16(const float* x, uint64_t count, uint8_t* out) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto h = static_cast<uint16_t>(float_bits_to_bf16_bits(std::bit_cast<uint32_t>(x[i])));
    std::memcpy(out + 2 * i, &h, 2);
  }
}

}  // namespace onebit
