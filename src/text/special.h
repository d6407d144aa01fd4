// Finds special tokens in a text: leftmost first, of those the longest, in time linear in the text
// whatever the tokens are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/trie.h"

namespace onebit {

// An Aho-Corasick automaton over the reversed texts. Run from the end of the text it knows, at every
// position, the longest special token that begins there.
class SpecialMatcher {
 public:
  struct Match {
    size_t begin, end;
    Token token;
  };

  // Texts must be different and not empty. build() comes after the last add().
  void add(std::string_view text, Token token);
  void build();

  // Matches that do not overlap, in order.
  std::vector<Match> find(std::string_view text) const;

 private:
  struct Links {
    uint32_t fail = ByteTrie::kRoot;      // the longest proper suffix of the node's string that is a node
    uint32_t longest = ByteTrie::kRoot;   // node of the longest token text that ends the node's string
  };
  uint32_t step(uint32_t node, uint8_t byte) const;

  ByteTrie trie_;
  std::vector<Links> links_;
};

}  // namespace onebit
