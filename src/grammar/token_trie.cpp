#include "grammar/token_trie.h"

#include <algorithm>
#include <numeric>

namespace onebit {

Result<std::shared_ptr<const TokenTrie>> TokenTrie::build(const Tokenizer& tokenizer, size_t vocab) {
  std::shared_ptr<TokenTrie> trie(new TokenTrie());
  TokenTrie& t = *trie;
  t.vocab_ = std::max(vocab, tokenizer.size());
  std::vector<Token> sorted;
  for (size_t i = 0; i < tokenizer.size(); ++i) {
    const auto id = static_cast<Token>(i);
    t.begins_.push_back(static_cast<uint32_t>(t.text_.size()));
    if (tokenizer.is_end(id)) t.ends_.push_back(id);
    if (tokenizer.is_end(id) || tokenizer.is_control(id)) continue;
    const std::string piece = tokenizer.piece(id);
    if (piece.empty()) continue;
    if (t.text_.size() + piece.size() > UINT32_MAX / 2)
      return fail(Errc::out_of_range, "tokenizer.ggml.tokens: more than {} bytes of text in all", UINT32_MAX / 2);
    t.text_ += piece;
    sorted.push_back(id);
  }
  t.begins_.push_back(static_cast<uint32_t>(t.text_.size()));
  std::ranges::sort(sorted, [&](Token a, Token b) { return std::pair(t.bytes(a), a) < std::pair(t.bytes(b), b); });

  // In sorted order a token leaves some nodes of the way to the one before, and opens its own.
  std::vector<uint32_t> path{0};
  t.nodes_.push_back({0, 0, 0, 0});
  std::string_view before;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth + 1; path.pop_back()) t.nodes_[path.back()].skip = static_cast<uint32_t>(t.nodes_.size());
  };
  for (const Token id : sorted) {
    const std::string_view text = t.bytes(id);
    const size_t common = static_cast<size_t>(std::ranges::mismatch(before, text).in1 - before.begin());
    leave(common);
    for (size_t i = common; i < text.size(); ++i) {
      t.nodes_.push_back({0, path.back(), static_cast<uint32_t>(t.tokens_.size()), static_cast<uint8_t>(text[i])});
      path.push_back(static_cast<uint32_t>(t.nodes_.size() - 1));
    }
    t.tokens_.push_back(id);
    before = text;
  }
  leave(0);
  t.nodes_[0].skip = static_cast<uint32_t>(t.nodes_.size());
  t.nodes_.push_back({static_cast<uint32_t>(t.nodes_.size()), 0, static_cast<uint32_t>(t.tokens_.size()), 0});
  return trie;
}

std::string_view TokenTrie::bytes(Token token) const {
  if (token < 0 || static_cast<size_t>(token) + 1 >= begins_.size()) return {};
  return std::string_view(text_).substr(begins_[token], begins_[token + 1] - begins_[token]);
}

bool TokenTrie::is_end(Token token) const { return std::ranges::binary_search(ends_, token); }

}  // namespace onebit
