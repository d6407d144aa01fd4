// A loaded model and its forward pass: one token, a batch of prompt tokens, or several sequences at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "cpu/attention.h"
#include "cpu/linear.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/rope.h"
#include "model/step_device.h"
#include "model/weights.h"

namespace onebit {

// One token to evaluate, at position kv->length at the time it is reached: tokens of one sequence
// follow each other in a batch in text order.
struct BatchToken {
  int32_t token;
  KvCache* kv;
  bool wanted;  // its hidden state is asked for
};

// Memory of one forward pass, kept between calls; shapes in floats unless stated.
struct Activations {
  Buffer x;          // [tokens][dim]: the residual stream
  Buffer norm;       // [tokens][max(dim, q_dim, ffn)]: input of the linear layers
  Buffer q;          // [tokens][q_dim]
  Buffer k, v;       // [tokens][kv_dim]
  Buffer attn;       // [tokens][q_dim]
  Buffer hidden;     // [tokens][ffn]
  Buffer quant;      // int8 [tokens][quant_stride(max cols)]
  Buffer quant_sum;  // int32 [tokens]
  Buffer quant_inv;  // [tokens]
  cpu::AttentionScratch attention;
  std::vector<cpu::AttentionQuery> queries;
  std::vector<uint32_t> positions;
  uint32_t tokens = 0;

  // How many of the largest logits of each wanted token to bring along where a device has them at hand, and those that
  // it brought: [wanted][top], best first; empty from the CPU, whose output head is asked when they are needed.
  uint32_t top = 1;
  std::vector<cpu::TokenLogit> best;
};

class Model {
 public:
  // `gguf` outlives the model. See load_weights for the errors.
  static Result<Model> load(const Gguf& gguf, I2sLayout i2s, cpu::Compute& compute, const LoadProgress& progress);

  // Evaluates `batch`, appends keys and values to the caches (kv->length grows), and writes the final
  // normalised hidden state of each wanted token, in batch order: hidden[wanted][dim].
  // Errors leave the caches' lengths as they were: a token id outside the vocabulary, a full context,
  // no memory.
  Status forward(std::span<const BatchToken> batch, Activations& act, cpu::Compute& compute, float* hidden);

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  Weights& weights() { return weights_; }
  cpu::OutputHead& head() { return weights_.head; }
  RopeTable& rope() { return rope_; }

  // Where later forward passes run: on `device`, or on the CPU when it is null. Caches follow by themselves.
  void run_on(StepDevice* device) { device_ = device; }
  StepDevice* device() const { return device_; }

  // Bytes of weights and norms that one decoded token reads, and of KV cache at `positions`.
  size_t weight_bytes_per_token() const;
  // Multiply-accumulates of the linear layers for one token, the output head not counted.
  uint64_t linear_macs_per_token() const;

 private:
  Status reserve(Activations& act, uint32_t tokens, cpu::Compute& compute) const;
  Status admit(std::span<const BatchToken> batch, Activations& act);
  Status evaluate(std::span<const BatchToken> batch, Activations& act, cpu::Compute& compute, float* hidden);

  ModelConfig config_;
  Weights weights_;
  RopeTable rope_;
  StepDevice* device_ = nullptr;
};

}  // namespace onebit
