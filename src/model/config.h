// Hyperparameters of a model, read from GGUF metadata and checked against documented ranges.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cpu/linear.h"
#include "format/gguf.h"

namespace onebit {

enum class Arch {
  bitnet_b158,  // "bitnet-b1.58" and "bitnet-25": BitNet-b1.58-2B-4T; sub-norms, squared ReLU
  bitnet,       // "bitnet": 1bitLLM 0.7B and 3B; sub-norms, SiLU
  llama,        // "llama" with ternary linears (Llama3-8B-1.58, Falcon3-1.58bit); SiLU
};

struct ModelConfig {
  Arch arch;
  std::string arch_name;  // as the file spells it; the prefix of its keys
  std::string name;       // general.name or ""

  // Ranges: what the file must keep to. They bound memory, not quality.
  uint32_t layers;      // block_count                          1 .. 1024
  uint32_t dim;         // embedding_length                     2 .. 65536
  uint32_t heads;       // attention.head_count                 1 .. 1024
  uint32_t kv_heads;    // attention.head_count_kv              1 .. heads, divides heads
  uint32_t head_dim;    // attention.key_length or dim / heads  2 .. 256, even
  uint32_t ffn;         // feed_forward_length                  1 .. 262144
  uint32_t context;     // context_length                       1 .. 2^24
  uint32_t vocab;       // rows of token_embd                   1 .. 2^24
  uint32_t rope_dim;    // rope.dimension_count                 2 .. head_dim, even
  float rope_theta;     // rope.freq_base                       1 .. 1e9
  float rope_scale;     // 1 / rope.scaling.factor (linear)     factor 1 .. 1024
  float norm_eps;       // attention.layer_norm_rms_epsilon     1e-12 .. 1

  bool rope_neox;  // pairs (i, i + rope_dim/2); else (2i, 2i + 1)
  bool sub_norms;  // attn_sub_norm and ffn_sub_norm are present
  cpu::Gate gate;

  uint32_t q_dim() const { return heads * head_dim; }
  uint32_t kv_dim() const { return kv_heads * head_dim; }

  // Errors name the key, the value and the range.
  static Result<ModelConfig> read(const Gguf& gguf);
};

}  // namespace onebit
