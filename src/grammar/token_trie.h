// The byte trie of a vocabulary, laid out in the order of a walk: a node's subtree is contiguous, so what cannot
// begin a word of the grammar is skipped in one step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace onebit {

class TokenTrie {
 public:
  // Built once per tokenizer and shared. Tokens without bytes (control tokens among them) are not in the trie.
  // `vocab`: rows of the model's output, at least tokenizer.size(); ids past the tokenizer's are never allowed.
  static Result<std::shared_ptr<const TokenTrie>> build(const Tokenizer& tokenizer, size_t vocab = 0);

  struct Node {
    uint32_t skip;     // index of the first node after this subtree
    uint32_t parent;
    uint32_t first;    // tokens that end here: tokens()[first .. next node's first)
    uint8_t byte;
  };
  std::span<const Node> nodes() const { return nodes_; }            // [0] is the root; one more at the end
  std::span<const Token> tokens() const { return tokens_; }         // in the order of their nodes
  std::string_view bytes(Token token) const;                        // empty: not in the trie
  std::span<const Token> ends() const { return ends_; }             // tokens that end a text
  bool is_end(Token token) const;
  size_t vocab() const { return vocab_; }

 private:
  TokenTrie() = default;
  std::vector<Node> nodes_;
  std::vector<Token> tokens_, ends_;
  std::vector<uint32_t> begins_;   // of each token's bytes in text_
  std::string text_;
  size_t vocab_ = 0;
};

}  // namespace onebit
