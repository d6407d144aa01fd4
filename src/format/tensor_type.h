// The tensor types this program reads and writes, and how their bytes decode.
// Sources: the GGUF specification (ggml type ids), llama.cpp's quantisation formats, microsoft/BitNet (I2_S).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace onebit {

enum class TensorType : uint32_t {
  f32 = 0, f16 = 1, q4_0 = 2, q8_0 = 8, q4_k = 12, q6_k = 14, bf16 = 30, tq1_0 = 34, tq2_0 = 35, i2_s = 36,
};

struct TensorTypeInfo {
  TensorType type;
  std::string_view name;   // as llama.cpp prints it: "F32", "TQ2_0", "I2_S"
  uint32_t block;          // elements per block; a row is a whole number of blocks (I2_S: of the tensor)
  uint32_t block_bytes;
  bool ternary;            // holds codes -1, 0, +1 and a scale
};

// nullptr for an id that is not in the table.
const TensorTypeInfo* tensor_type_info(uint32_t id);
const TensorTypeInfo& tensor_type_info(TensorType type);
// By name, any case; nullopt when unknown.
std::optional<TensorType> parse_tensor_type(std::string_view name);

// Bytes of a tensor of rows x cols elements (I2_S: cols * rows / 4 + 32). Errors: a row that is not a
// whole number of blocks, overflow.
Result<uint64_t> tensor_bytes(TensorType type, uint64_t cols, uint64_t rows);

}  // namespace onebit
