// The vocabulary: token texts in one block of memory, their kinds and scores, and the index from text
// to id. Also what a file's metadata say about a tokenizer, as plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace onebit {

// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

// The tokenizer.ggml.* metadata. The spans must live until the tokenizer is built; it keeps none.
struct TokenizerConfig {
  std::string model;                      // "gpt2", "llama" or "t5"
  std::string pre;                        // empty: the file does not say
  std::span<const std::string> tokens;
  std::span<const std::string> merges;    // "left right", best first; gpt2 only
  std::span<const float> scores;          // empty, or one per token
  std::span<const int32_t> types;         // empty, or one per token
  std::optional<uint64_t> bos, eos, eot, eom, unknown;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
};

class Vocab {
 public:
  // Errors: no token or more than 2^24, arrays of another length, an unknown type, a score that is not
  // finite, a text that two tokens share. Empty texts are allowed and are never found.
  static Result<Vocab> build(const TokenizerConfig& config);

  size_t size() const { return types_.size(); }
  std::string_view text(Token id) const {
    return std::string_view(block_).substr(begins_[id], begins_[id + 1] - begins_[id]);
  }
  TokenType type(Token id) const { return types_[id]; }
  void set_type(Token id, TokenType type) { types_[id] = type; }
  float score(Token id) const { return scores_.empty() ? 0 : scores_[id]; }
  bool contains(Token id) const { return id >= 0 && static_cast<size_t>(id) < size(); }
  size_t longest() const { return longest_; }

  // The token of exactly this text, of any type, or -1.
  Token find(std::string_view text) const;
  // Like find, for text met in a prompt: control, unknown, byte and user-defined tokens never come out
  // of merges (user-defined ones are cut out of the text before).
  Token find_plain(std::string_view text) const {
    const Token id = find(text);
    return id >= 0 && is_plain(id) ? id : -1;
  }
  bool is_plain(Token id) const {
    const TokenType t = types_[id];
    return t == TokenType::normal || t == TokenType::unused || t == TokenType::undefined;
  }

 private:
  std::string block_;
  std::vector<uint32_t> begins_;   // size() + 1 offsets into block_
  std::vector<TokenType> types_;
  std::vector<float> scores_;
  size_t longest_ = 0;

  // Open addressing with linear probing: the high half of the hash beside the id, so that a probe
  // rarely touches the text.
  struct Slot {
    uint32_t tag;
    Token id = -1;
  };
  std::vector<Slot> slots_;        // a power of two
};

// The byte of a token text of the form "<0x0A>", or -1.
int byte_token_value(std::string_view text);

}  // namespace onebit
