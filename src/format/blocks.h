// One function set per tensor format, over whole blocks; codec.cpp picks. Private to this room.
// Layouts: https://github.com/ggml-org/llama.cpp (ggml-common.h) and microsoft/BitNet (I2_S).
#pragma once

#include <cstdint>
#include <cstring>

#include "format/codec.h"

namespace onebit {

inline uint16_t load_u16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline float load_f16(const uint8_t* p) { return f16_to_f32(load_u16(p)); }

// blocks -> out[n * elements per block]
void decode_f32(const uint8_t* blocks, uint64_t n, float* out);
void decode_f16(const uint8_t* blocks, uint64_t n, float* out);
void decode_bf16(const uint8_t* blocks, uint64_t n, float* out);
void decode_q8_0(const uint8_t* blocks, uint64_t n, float* out);
void decode_q4_0(const uint8_t* blocks, uint64_t n, float* out);
void decode_q4_k(const uint8_t* blocks, uint64_t n, float* out);
void decode_q6_k(const uint8_t* blocks, uint64_t n, float* out);

void encode_f16(const float* x, uint64_t count, uint8_t* out);
void encode_bf16(const float* x, uint64_t count, uint8_t* out);
Status encode_q8_0(const float* x, uint64_t blocks, uint8_t* out);

// Ternary formats of 256 elements with an f16 scale of their own.
struct TernaryBlockFormat {
  uint32_t bytes;
  uint32_t scale_offset;                                       // of the f16 scale in the block
  bool (*has_code3)(const uint8_t* block);
  void (*codes)(const uint8_t* block, uint8_t* codes);         // 256 codes
  void (*pack)(const uint8_t* codes, uint8_t* block);          // all but the scale
};
extern const TernaryBlockFormat tq1_0_format, tq2_0_format;
constexpr uint32_t kTernaryBlock = 256;

// I2_S is one stream of codes over the flattened tensor, then the scale.
float i2_s_scale(const GgufTensor& tensor);
// The first element whose code is 3, or the number of elements.
uint64_t i2_s_find_code3(const GgufTensor& tensor, I2sLayout layout);
void i2_s_codes(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, uint8_t* codes);
void i2_s_pack(const uint8_t* codes, uint64_t elements, float scale, uint8_t* out);

}  // namespace onebit
