// The weights of a model: checked against the configuration, ternary matrices packed for the kernels.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "cpu/head.h"
#include "cpu/linear.h"
#include "format/gguf.h"
#include "model/config.h"

namespace onebit {

struct LayerWeights {
  std::vector<float> attn_norm;      // [dim]
  cpu::Linear q, k, v;               // [q_dim][dim], [kv_dim][dim] twice
  std::vector<float> attn_sub_norm;  // [q_dim], empty without sub-norms
  cpu::Linear o;                     // [dim][q_dim]
  std::vector<float> ffn_norm;       // [dim]
  cpu::Linear gate, up;              // [ffn][dim]
  std::vector<float> ffn_sub_norm;   // [ffn], empty without sub-norms
  cpu::Linear down;                  // [dim][ffn]
};

struct Weights {
  const GgufTensor* embedding = nullptr;  // [vocab][dim], decoded row by row where it is mapped
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;         // [dim]
  std::vector<float> rope_factors;        // [rope_dim / 2] or empty: divides each frequency
  cpu::OutputHead head;                   // output.weight, or the embedding when the file has none
  Buffer packed;                          // all ternary matrices, one allocation: they lie on huge pages

  // What loading decided, for `info` and --stats.
  uint32_t ternary_tensors = 0;
  uint32_t float_tensors = 0;       // linears that are not ternary and run in fp32
  I2sLayout i2s = I2sLayout::automatic;  // the dialect of I2_S tensors, if there are any
  bool i2s_certain = true;
};

// Called with the share done, 0..1, from the loading thread.
using LoadProgress = std::function<void(double)>;

// Reads every tensor the configuration asks for. `gguf` outlives the weights. Errors: a tensor that is
// missing, of another shape than expected, of a type that cannot be read, with codes that are not
// ternary, or that this architecture does not know.
Result<Weights> load_weights(const Gguf& gguf, const ModelConfig& config, I2sLayout i2s, cpu::Compute& compute,
                             const LoadProgress& progress);

}  // namespace onebit
