#include "gpu/runtime/scratch.h"

#include <algorithm>

namespace onebit::gpu {
namespace {

constexpr uint32_t kFirstPositions = 256;

// Sizes at which memory is made anew: few, so that few graphs are recorded.
uint32_t room_for_tokens(uint32_t tokens) {
  for (const uint32_t n : {1u, 4u, kStepTokens, 128u})
    if (tokens <= n) return n;
  return kPassTokens;
}
uint32_t room_for_positions(uint32_t positions) {
  uint32_t n = kFirstPositions;
  while (n < positions) n *= 2;
  return n;
}

}  // namespace

Result<bool> Scratch::reserve(Device& device, const Model& model, const GpuWeights& weights, RopeTable& rope, uint32_t wanted_tokens,
                              uint32_t wanted_positions) {
  if (wanted_tokens <= tokens && wanted_positions <= positions) return false;
  Scratch larger;
  larger.tokens = std::max(tokens, room_for_tokens(wanted_tokens));
  larger.positions = std::max(positions, room_for_positions(wanted_positions));
  // Nothing may still read the old memory.
  ONEBIT_TRY(device.wait());
  *this = Scratch();
  ONEBIT_TRY(larger.allocate(device, model, weights, rope));
  *this = std::move(larger);
  return true;
}

Status Scratch::allocate(Device& device, const Model& model, const GpuWeights& weights, RopeTable& rope) {
  const ModelConfig& c = model.config();
  const size_t t = tokens, step = std::min(tokens, kStepTokens);
  const uint32_t widest = std::max({c.dim, c.q_dim(), c.ffn});
  layout = PassInput(tokens);
  bool floats = false, split_gate = false;
  size_t expanded_bytes = 0;
  for (const GpuLayer& l : weights.layers) {
    split_gate = split_gate || !l.gated;
    for (const GpuMatrix* m : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) {
      floats = floats || !m->ternary;
      if (m->ternary) expanded_bytes = std::max<size_t>(expanded_bytes, packed_bytes(Packing::p2, m->units, m->cols));
    }
  }
  if (weights.packing == Packing::p2 || tokens <= kStepTokens) expanded_bytes = 0;

  struct Block {
    Memory* memory;
    size_t bytes;
  };
  const size_t f = sizeof(float);
  for (const Block& b : std::initializer_list<Block>{{&input, layout.bytes()},
                                                     {&x, t * c.dim * f},
                                                     {&y, floats ? t * widest * f : 0},
                                                     {&quant, t * quant_stride(widest)},
                                                     {&inv, t * f},
                                                     {&sum, t * f},
                                                     {&q, t * c.q_dim() * f},
                                                     {&k, t * c.kv_dim() * f},
                                                     {&v, t * c.kv_dim() * f},
                                                     {&attn, t * c.q_dim() * f},
                                                     {&h, t * c.ffn * f},
                                                     {&up, split_gate ? t * c.ffn * f : 0},
                                                     {&scores, step * c.heads * positions * f},
                                                     {&partial, step * chunks(positions) * c.heads * (c.head_dim + 2) * f},
                                                     {&counter, f},
                                                     {&expanded, expanded_bytes},
                                                     {&cos, size_t{positions} * rope.half() * f},
                                                     {&sin, size_t{positions} * rope.half() * f},
                                                     {&results, hidden_at() + t * c.dim * f}}) {
    ONEBIT_ASSIGN(*b.memory, device.allocate(b.bytes, "activations"));
    bytes += b.bytes;
  }
  ONEBIT_ASSIGN(input_host, device.allocate_mapped(layout.bytes(), "inputs of a step"));
  ONEBIT_ASSIGN(results_host, device.allocate_mapped(hidden_at() + kStepTokens * c.dim * f, "results of a step"));
  ONEBIT_ASSIGN(best_host, device.allocate_mapped(kStepTokens * kMaxTopK * sizeof(Choice), "results of a step"));
  ONEBIT_TRY(allocate_head(device, weights.head));
  rope.reserve(positions);
  ONEBIT_TRY(device.fill(counter.address(), 0, f));
  ONEBIT_TRY(device.copy_to_device(cos.address(), rope.cos(0), cos.size()));
  ONEBIT_TRY(device.copy_to_device(sin.address(), rope.sin(0), sin.size()));
  return device.wait();
}

Status Scratch::allocate_head(Device& device, const GpuHead& head) {
  const size_t t = std::min(tokens, kStepTokens), f = sizeof(float);
  struct Block {
    Memory* memory;
    size_t bytes;
  };
  for (const Block& b : std::initializer_list<Block>{{&hi, t * head_stride(head.dim)},
                                                     {&lo, t * head_stride(head.dim)},
                                                     {&head_input, t * 4 * f},
                                                     {&upper, t * head.vocab * f},
                                                     {&lower, t * head_groups(head.vocab) * f},
                                                     {&threshold, t * f},
                                                     {&counts, t * f},
                                                     {&list, t * head.vocab * f},
                                                     {&logits, t * head.vocab * f},
                                                     {&best, t * kMaxTopK * sizeof(Choice)}}) {
    ONEBIT_ASSIGN(*b.memory, device.allocate(b.bytes, "the output head's scratch"));
    bytes += b.bytes;
  }
  return device.fill(counts.address(), 0, counts.size());
}

}  // namespace onebit::gpu
