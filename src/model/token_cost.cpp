#include "model/token_cost.h"

#include <map>
#include <utility>

namespace onebit {
namespace {

using Shapes = std::map<std::pair<uint64_t, uint64_t>, uint64_t>;  // (k, n) -> how many

void set_linears(TokenCost& cost, const Shapes& shapes) {
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

TokenCost token_cost(const Gguf& gguf) {
  TokenCost cost;
  Shapes shapes;
  for (const GgufTensor& t : gguf.tensors()) {
    if (is_linear_weight(t.name)) {
      ++shapes[{t.cols(), t.rows()}];
      cost.linear_bytes_stored += t.size;
      if (t.name.ends_with(".attn_k.weight") || t.name.ends_with(".attn_v.weight")) cost.kv_elements_per_position += t.rows();
    } else if (t.name != "token_embd.weight" && t.name != "output.weight") {
      cost.other_bytes += t.size;
    }
  }
  set_linears(cost, shapes);
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
  Shapes shapes;
  const uint64_t hidden = s.hidden, q = uint64_t{s.heads} * s.head_size, kv = uint64_t{s.kv_heads} * s.head_size;
  shapes[{hidden, q}] += s.layers;
  shapes[{hidden, kv}] += 2 * uint64_t{s.layers};
  shapes[{q, hidden}] += s.layers;
  shapes[{hidden, s.ffn}] += 2 * uint64_t{s.layers};
  shapes[{s.ffn, hidden}] += s.layers;
  set_linears(cost, shapes);
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
