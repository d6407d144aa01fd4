// Device memory of forward passes: activations, inputs and results. Grows, never shrinks.
#pragma once

#include "gpu/driver/device.h"
#include "gpu/kernels/kernels.h"
#include "gpu/runtime/gpu_weights.h"

namespace onebit::gpu {

// Tokens that one pass takes, and those up to which a pass is a step: GEMV kernels, decode attention, the output head,
// and a graph that replays it all.
inline constexpr uint32_t kPassTokens = 512, kStepTokens = 16;

// What the host gives a pass, in page-locked memory and on the device at the same offsets.
struct PassInput {
  explicit PassInput(uint32_t capacity = 0) : tokens(capacity) {}
  uint32_t tokens;
  size_t sequences_at() const { return sizeof(Token) * tokens; }
  size_t wanted_at() const { return sequences_at() + sizeof(KvSequence) * tokens; }
  size_t parameters_at() const { return wanted_at() + sizeof(Token) * tokens; }
  size_t bytes() const { return parameters_at() + sizeof(SampleParameters) * kStepTokens; }
};

struct Scratch {
  uint32_t tokens = 0, positions = 0;

  PassInput layout;
  Memory input, input_host;
  Memory x;             // [tokens][dim]
  Memory y;             // [tokens][widest]: normalised floats, where a matrix that is not ternary reads them
  Memory quant;         // int8 [tokens][quant_stride(widest)]
  Memory inv, sum;      // [tokens]
  Memory q, k, v, attn; // [tokens][q_dim] or [kv_dim]
  Memory h;             // [tokens][ffn]
  Memory up;            // [tokens][ffn], where gate and up are not one ternary matrix
  Memory scores;        // [min(tokens, 16)][heads][positions]
  Memory partial;       // [min(tokens, 16)][chunks][heads][head_dim + 2]
  Memory counter;       // uint32, 0 between launches
  Memory expanded;      // p2 units of the largest matrix, where the weights are p16 and a pass is no step
  Memory cos, sin;      // [positions][half]

  // The head's, for a step.
  Memory hi, lo, head_input, upper, lower, threshold, counts, list, logits, best;
  // Results: choices and hidden states one after the other, in page-locked memory for a step.
  Memory results;       // Choice [16], then hidden [tokens][dim]
  Memory results_host;  // Choice [16], hidden [16][dim]
  Memory best_host;     // Choice [16][kMaxTopK]
  static size_t hidden_at() { return sizeof(Choice) * kStepTokens; }

  // Room for passes of `tokens` tokens at positions below `positions`. True when memory moved.
  Result<bool> reserve(Device& device, const Model& model, const GpuWeights& weights, RopeTable& rope, uint32_t tokens, uint32_t positions);

  size_t bytes = 0;

 private:
  Status allocate(Device& device, const Model& model, const GpuWeights& weights, RopeTable& rope);
  Status allocate_head(Device& device, const GpuHead& head);
};

}  // namespace onebit::gpu
