// What becomes of each tensor of a model when `onebit quantize` writes it as another type.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "format/codec.h"

namespace onebit::cli {

struct QuantizeOptions {
  TensorType type = TensorType::i2_s;
  std::optional<TensorType> embeddings;        // token_embd.weight and output.weight; as they are without
  I2sLayout layout = I2sLayout::automatic;     // of I2_S input
  bool absmean = false;                        // round weights that are not ternary
};

struct PlannedTensor {
  enum class Kind {
    copy,        // bytes as they are
    convert,     // decoded to float and encoded
    ternary,     // codes: from a ternary tensor, or float / threshold rounded
    blocks,      // TQ to TQ with a scale per block
    scale,       // a companion of one element, made here
  };
  std::string name;
  Kind kind;
  TensorType type;
  const GgufTensor* source;   // null for `scale`
  I2sLayout layout;           // of I2_S source
  float divisor;              // ternary from float: code = round(w / divisor) clamped to -1..1
  float scale;                // of the values written (ternary), the element (scale)
};

// Reads every linear weight once. Errors name the tensor: not ternary (with the largest relative
// deviation), not finite, a row length that the type cannot hold.
Result<std::vector<PlannedTensor>> plan_quantize(const Gguf& in, const QuantizeOptions& options);

}  // namespace onebit::cli
