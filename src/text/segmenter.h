// What the tokenizer models have in common: a piece of plain text (no special token in it) to ids, and
// an id to bytes.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/pretokenizer.h"
#include "text/vocab.h"

namespace onebit {

class Segmenter {
 public:
  virtual ~Segmenter() = default;

  // Appends the ids of `text`, any bytes. `first`: at the start of the input or after a special token.
  virtual Status encode(std::string_view text, bool first, std::vector<Token>& out) const = 0;
  // The bytes of a token that is neither control nor unknown nor user-defined.
  virtual std::string piece(Token token) const = 0;
};

struct SpaceRules {
  bool prefix;   // a space is put before the text and after each special token
  bool merge;    // runs of spaces become one, those at the ends go (unigram only)
};

// The vocabulary must outlive the segmenter. `unknown` is -1 where there is no such token.
Result<std::unique_ptr<Segmenter>> make_bpe(const Vocab& vocab, std::span<const std::string> merges,
                                            const PreTokenizerSpec& spec, Token unknown);
// SentencePiece with model type BPE, as in llama.cpp's "llama": the score of a token ranks the merge
// that makes it.
Result<std::unique_ptr<Segmenter>> make_spm(const Vocab& vocab, const SpaceRules& spaces, Token unknown);
Result<std::unique_ptr<Segmenter>> make_unigram(const Vocab& vocab, const SpaceRules& spaces, Token unknown);

// For the models' own use.
using ByteTokens = std::array<Token, 256>;   // -1 where a byte has no token

// The tokens "<0x00>" ... "<0xFF>" of byte type.
ByteTokens byte_tokens(const Vocab& vocab);
// Spells bytes; those without a token become one unknown token per run of them. Errors: no token and
// no unknown token either.
Status append_bytes(std::string_view bytes, const ByteTokens& table, Token unknown, std::vector<Token>& out);
// The bytes of a SentencePiece token: U+2581 is a space, "<0x0A>" of byte type is that byte.
std::string sentence_piece(const Vocab& vocab, Token token);

}  // namespace onebit
