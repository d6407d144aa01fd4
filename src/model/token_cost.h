// What a token costs by the shape of a model alone: bytes to read and multiply-accumulates.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "format/gguf.h"
#include "model/named_shapes.h"

namespace onebit {

// The linear layers of a block: blk.N.{attn_q,attn_k,attn_v,attn_output,ffn_gate,ffn_up,ffn_down}.weight.
bool is_linear_weight(std::string_view name);

// `count` matrices with n rows of k weights.
struct LinearShape {
  uint64_t k = 0, n = 0, count = 0;
};

struct TokenCost {
  std::vector<LinearShape> linears;      // each shape once
  std::vector<LinearShape> stacked;      // the same with q, k, v of a block as one matrix, and gate and up
  uint64_t linear_weights = 0;           // also the multiply-accumulates of a token
  uint64_t linear_bytes_stored = 0;      // in the file's type
  uint64_t head_weights = 0, head_bytes_stored = 0;
  bool head_tied = false;                // the head reads the embedding table
  uint64_t other_bytes = 0;              // norms
  uint64_t kv_elements_per_position = 0; // keys and values of all layers

  uint64_t linear_bytes_2bit() const { return linear_weights / 4; }
};

// Of a file's tensors. kv_elements_per_position follows from the rows of attn_k and attn_v.
TokenCost token_cost(const Gguf& gguf);
// As the official files hold it: ternary linears at 2 bits, a head in F16, norms in F32.
TokenCost token_cost(const NamedShape& shape);

}  // namespace onebit
