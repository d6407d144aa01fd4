#include "model/token_cost.h"

#include <map>
#include <string>
#include <utility>

namespace onebit {
namespace {

using Shapes = std::map<std::pair<uint64_t, uint64_t>, uint64_t>;  // (k, n) -> how many

void set_linears(TokenCost& cost, const Shapes& shapes, const Shapes& stacked) {
  for (const auto& [shape, count] : stacked) cost.stacked.push_back({shape.first, shape.second, count});
  for (const auto& [shape, count] : shapes) {
    cost.linears.push_back({shape.first, shape.second, count});
    cost.linear_weights += shape.first * shape.second * count;
  }
}

}  // namespace

bool is_linear_weight(std::string_view name) {
  if (!name.starts_with("blk.") || !name.ends_with(".weight")) return false;
  const size_t dot = name.find('.', 4);
  if (dot == std::string_view::npos) return false;
  const std::string_view part = name.substr(dot + 1, name.size() - dot - 1 - std::string_view(".weight").size());
  for (const std::string_view linear : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
    if (part == linear) return true;
  return false;
}

namespace {

// Matrices of a block that read the same input share a key.
std::string stack_key(std::string_view name, uint64_t k) {
  const size_t dot = name.find('.', 4) + 1;
  std::string_view part = name.substr(dot);
  if (part == "attn_q.weight" || part == "attn_k.weight" || part == "attn_v.weight") part = "attn_qkv";
  if (part == "ffn_gate.weight" || part == "ffn_up.weight") part = "ffn_gate_up";
  return fmt::format("{}{} {}", name.substr(0, dot), part, k);
}

}  // namespace

TokenCost token_cost(const Gguf& gguf) {
  TokenCost cost;
  Shapes shapes, stacked;
  std::map<std::string, std::pair<uint64_t, uint64_t>> stacks;  // key -> (k, n)
  for (const GgufTensor& t : gguf.tensors()) {
    if (is_linear_weight(t.name)) {
      ++shapes[{t.cols(), t.rows()}];
      auto& stack = stacks[stack_key(t.name, t.cols())];
      stack = {t.cols(), stack.second + t.rows()};
      cost.linear_bytes_stored += t.size;
      if (t.name.ends_with(".attn_k.weight") || t.name.ends_with(".attn_v.weight")) cost.kv_elements_per_position += t.rows();
    } else if (t.name != "token_embd.weight" && t.name != "output.weight") {
      cost.other_bytes += t.size;
    }
  }
  for (const auto& [key, shape] : stacks) ++stacked[shape];
  set_linears(cost, shapes, stacked);
  const GgufTensor* output = gguf.find_tensor("output.weight");
  const GgufTensor* head = output ? output : gguf.find_tensor("token_embd.weight");
  cost.head_tied = output == nullptr;
  if (head) {
    cost.head_weights = head->elements();
    cost.head_bytes_stored = head->size;
  }
  return cost;
}

TokenCost token_cost(const NamedShape& s) {
  TokenCost cost;
  Shapes shapes, stacked;
  const uint64_t hidden = s.hidden, q = uint64_t{s.heads} * s.head_size, kv = uint64_t{s.kv_heads} * s.head_size;
  shapes[{hidden, q}] += s.layers;
  shapes[{hidden, kv}] += 2 * uint64_t{s.layers};
  shapes[{q, hidden}] += s.layers;
  shapes[{hidden, s.ffn}] += 2 * uint64_t{s.layers};
  shapes[{s.ffn, hidden}] += s.layers;
  stacked[{hidden, q + 2 * kv}] += s.layers;
  stacked[{q, hidden}] += s.layers;
  stacked[{hidden, 2 * uint64_t{s.ffn}}] += s.layers;
  stacked[{s.ffn, hidden}] += s.layers;
  set_linears(cost, shapes, stacked);
  cost.linear_bytes_stored = cost.linear_bytes_2bit();
  cost.head_weights = hidden * s.vocab;
  cost.head_bytes_stored = 2 * cost.head_weights;
  cost.head_tied = !s.own_output;
  const bool sub_norms = std::string_view(s.arch) != "llama";
  cost.other_bytes = 4 * (hidden + s.layers * (2 * hidden + (sub_norms ? q + s.ffn : 0)));
  cost.kv_elements_per_position = 2 * kv * s.layers;
  return cost;
}

}  // namespace onebit
