// Byte-level byte-pair encoding: learned from a text, then used to encode it. The pre-tokenizer is that
// of GPT-2, for ASCII: the trainer refuses other text, so no Unicode tables are needed here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"

namespace onebit::train {

using Token = int32_t;

// The pieces that merges may not cross, in order; together they are the text.
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::vector<std::string_view> split_pieces(std::string_view text);

// Errc::unsupported names the line of the first byte outside ASCII.
Status check_ascii(std::string_view text, const std::string& name);

// Ids: 0..255 the bytes, then one token per merge, then bos and eos.
class Bpe {
 public:
  using Merge = std::pair<Token, Token>;

  explicit Bpe(std::vector<Merge> merges);

  // Learns merges until the vocabulary, with the bytes and the two special tokens, has `vocab` tokens or
  // no pair occurs twice. The most frequent pair is taken; of equals, the one with the smallest ids.
  static Bpe learn(std::string_view text, int vocab);

  std::vector<Token> encode(std::string_view text) const;
  std::string decode(const std::vector<Token>& tokens) const;   // special tokens give nothing

  int size() const { return static_cast<int>(bytes_.size()) + 2; }
  Token bos() const { return static_cast<Token>(bytes_.size()); }
  Token eos() const { return static_cast<Token>(bytes_.size()) + 1; }
  const std::vector<Merge>& merges() const { return merges_; }
  // The text of a token as GGUF and GPT-2 vocabularies spell it: bytes that do not print become code
  // points from U+0100 on.
  std::string spelling(Token token) const;

 private:
  void encode_piece(std::string_view piece, std::vector<Token>& out) const;

  std::vector<Merge> merges_;
  std::unordered_map<uint64_t, Token> merged_;   // pair -> token; a smaller token was learned earlier
  std::vector<std::string> bytes_;               // token -> its bytes
};

}  // namespace onebit::train
