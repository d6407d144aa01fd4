// A byte trie for token texts from files: memory proportional to their bytes, whatever they are.
#pragma once

#include <cstdint>
#include <vector>

#include "text/hash.h"
#include "text/tokenizer.h"

namespace onebit {

class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;   // also what child() gives where there is no such child

  // The node reached by `bytes` (any range of bytes), made if it is not there.
  template <class Range>
  uint32_t insert(const Range& bytes) {
    uint32_t node = kRoot;
    for (const char c : bytes) {
      const uint64_t key = edge_key(node, static_cast<uint8_t>(c));
      uint32_t next = edges_[slot(key)].to;
      if (next == kRoot) {
        next = static_cast<uint32_t>(nodes_.size());
        nodes_.push_back({key, nodes_[node].depth + 1, -1});
        add_edge({key, next});
      }
      node = next;
    }
    return node;
  }
  void set_token(uint32_t node, Token token) { nodes_[node].token = token; }

  uint32_t child(uint32_t node, uint8_t byte) const { return edges_[slot(edge_key(node, byte))].to; }
  size_t size() const { return nodes_.size(); }                    // with the root; parents come before children
  Token token(uint32_t node) const { return nodes_[node].token; }  // -1: none
  uint32_t depth(uint32_t node) const { return nodes_[node].depth; }
  uint32_t parent(uint32_t node) const { return static_cast<uint32_t>(nodes_[node].key >> 8); }
  uint8_t byte(uint32_t node) const { return static_cast<uint8_t>(nodes_[node].key); }

 private:
  struct Node {
    uint64_t key = 0;   // of the edge that leads here
    uint32_t depth = 0;
    Token token = -1;
  };
  struct Edge {
    uint64_t key = 0;
    uint32_t to = kRoot;   // kRoot: an empty slot
  };
  static uint64_t edge_key(uint32_t node, uint8_t byte) { return uint64_t{node} << 8 | byte; }
  size_t slot(uint64_t key) const {
    const size_t mask = edges_.size() - 1;
    size_t at = hash_word(seed_, key) & mask;
    while (edges_[at].to != kRoot && edges_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  void add_edge(Edge edge) {
    if (nodes_.size() * 2 > edges_.size()) {
      std::vector<Edge> old(edges_.size() * 2);
      old.swap(edges_);
      for (const Edge& e : old)
        if (e.to != kRoot) edges_[slot(e.key)] = e;
    }
    edges_[slot(edge.key)] = edge;
  }

  uint64_t seed_ = hash_seed();
  std::vector<Node> nodes_{Node{}};
  std::vector<Edge> edges_{std::vector<Edge>(4)};   // open addressing, a power of two, at most half full
};

}  // namespace onebit
