// A BitNet b1.58 language model (the graph of BitNet-b1.58-2B-4T) as it is trained: f32 master weights,
// ternary in the forward pass. Shapes: B sequences of T tokens, n = B * T; D dim, F ffn, V vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops.h"

namespace onebit::train {

struct Config {
  int32_t vocab = 4096;
  int32_t dim = 256;
  int32_t layers = 6;
  int32_t heads = 4;
  int32_t kv_heads = 2;
  int32_t ffn = 768;
  int32_t context = 512;
  float rope_base = 10000;
  float eps = 1e-5f;

  int head_dim() const { return dim / heads; }
  int kv_dim() const { return kv_heads * head_dim(); }
};

// The tensors of a layer, in the order in which they are used.
enum LayerTensor { attn_norm, attn_q, attn_k, attn_v, attn_sub_norm, attn_output, ffn_norm, ffn_gate, ffn_up,
                   ffn_sub_norm, ffn_down, layer_tensors };

struct Tensor {
  enum Kind { embedding, norm, linear } kind;
  std::string name;   // as in GGUF, "blk.0.attn_q.weight"
  int rows, cols;     // a linear maps cols inputs to rows outputs
  size_t offset;      // in the flat arrays of parameters, codes and gradients
  size_t size() const { return static_cast<size_t>(rows) * cols; }
};

// The network and its weights: token_embd, the layers, output_norm; the head is the embedding again.
class Model {
 public:
  Model(const Config& config, Quantise quantise);

  // Linears N(0, 1/D), embedding N(0, 0.02^2), norms 1.
  void init(uint64_t seed);
  // Makes codes and scales from the parameters; forward passes use those.
  void update_codes();

  const Config& config() const { return config_; }
  Quantise quantise() const { return quantise_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  size_t size() const { return parameters.size(); }
  size_t index(int layer, LayerTensor which) const { return 1 + static_cast<size_t>(layer) * layer_tensors + which; }

  std::vector<float> parameters;
  std::vector<float> codes;    // same layout; only linears are filled
  std::vector<float> scales;   // one per tensor

 private:
  Config config_;
  Quantise quantise_;
  std::vector<Tensor> tensors_;
};

// One forward and backward pass over a few sequences: the memory of activations, used by one thread.
class Pass {
 public:
  Pass(const Config& config, int batch, int seq);

  // tokens[n] -> logits()[n,V].
  void forward(const Model& model, const int32_t* tokens);
  // After forward(): the summed negative log-likelihood of targets[n] (negative: not counted).
  double loss(const int32_t* targets);
  // After forward(): adds the gradient of weight * loss(targets) to gradients; returns the loss.
  double backward(const Model& model, const int32_t* tokens, const int32_t* targets, float weight, float* gradients);

  const float* logits() const { return logits_.data(); }

 private:
  using Array = std::vector<float>;
  // What backward needs of a norm and the quantised rows it gives.
  struct NormOut {
    Array q, s, rstd;
  };
  struct Layer {
    Array x_attn, x_ffn;               // [n,D] the residual stream before each half
    NormOut in_attn, in_output, in_ffn, in_down;
    Array q, k, v, p, attended;        // [n,D] [n,KV] [n,KV] [B,H,T,T] [n,D]
    Array gate, up, h;                 // [n,F]
  };

  void normalise(const Model& model, size_t tensor, const float* x, NormOut& out);
  void linear(const Model& model, size_t tensor, const NormOut& in, float* y);
  void linear_back(const Model& model, size_t tensor, const NormOut& in, const float* dy, bool accumulate, float* dx,
                   float* gradients);
  void norm_back(const Model& model, size_t tensor, const NormOut& kept, const float* x, const float* dq, float* dx,
                 float* gradients);
  void ffn_backward(const Model& model, int layer, float* gradients);
  void attention_half_backward(const Model& model, int layer, float* gradients);

  int n_;
  AttentionShape shape_;
  std::vector<Layer> layers_;
  Array rope_;                 // [T, head_dim]
  Array x_;                    // [n,D] the end of the residual stream
  NormOut final_;
  Array logits_;               // [n,V]
  Array dx_;                   // [n,D] gradient of the residual stream
  Array wide_a_, wide_b_, wide_c_, wide_d_, scratch_;   // [n, max(D,F)]
  Array attention_scratch_;
};

}  // namespace onebit::train
