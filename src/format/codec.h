// Decoding and encoding of tensor rows: every type to float, ternary types to codes, float to ternary.
// One file per format (i2_s.cpp, tq1_0.cpp, ...); this header is what the other rooms use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "format/gguf.h"
#include "format/tensor_type.h"

namespace onebit {

// I2_S has dialects that share one type id: blocks of 128 elements in 32 bytes (x86 builds) or of 64
// elements in 16 bytes (ARM builds).
enum class I2sLayout : uint8_t { automatic, block128, block64 };
std::string_view i2s_layout_name(I2sLayout layout);   // "auto", "128", "64"

// Decodes `count` elements of a tensor, starting at element `first`, to float. first and count are
// multiples of the type's block, or reach the end of the tensor. `layout` must not be automatic for
// I2_S. Total over any bytes: NaN or infinite scales come out as they are.
void decode(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, float* out);

// What a ternary tensor says: one scale for the whole tensor, or not (TQ blocks may differ).
struct TernaryInfo {
  bool uniform;        // every block has the same scale (blocks of all-zero codes are ignored)
  float scale;         // that scale; value = (code - 1) * scale
  I2sLayout layout;    // for I2_S: the dialect chosen
  bool layout_certain; // for I2_S: false when both dialects are plausible and the common one was taken
};
// Errors: a code 3 in the data (names tensor and element), a scale that is not finite.
Result<TernaryInfo> ternary_info(const GgufTensor& tensor, I2sLayout layout);

// Codes (0 = -1, 1 = 0, 2 = +1), one byte each, of `count` elements from element `first` of a ternary
// tensor; both multiples of 256 or reaching the end of a row or the tensor.
void ternary_codes(const GgufTensor& tensor, I2sLayout layout, uint64_t first, uint64_t count, uint8_t* codes);

// The reverse: packs codes of whole rows. `size` of out is tensor_bytes(type, cols, rows).
// type: i2_s (block128 layout), tq1_0, tq2_0. scale is rounded to f16 by the TQ types.
void ternary_encode(TensorType type, const uint8_t* codes, uint64_t cols, uint64_t rows, float scale, uint8_t* out);

// float -> f16 / bf16 / q8_0 and back; round to nearest even.
uint16_t f32_to_f16(float x);
float f16_to_f32(uint16_t x);
uint16_t f32_to_bf16(float x);
float bf16_to_f32(uint16_t x);
// f32, f16, bf16 and q8_0 only.
Status encode(TensorType type, const float* x, uint64_t count, uint8_t* out);

}  // namespace onebit
