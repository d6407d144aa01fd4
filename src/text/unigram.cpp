// SentencePiece with model type unigram ("t5" in GGUF): of all ways to cut the text into tokens, the one
// with the greatest sum of scores (Viterbi). A character that no token holds is spelled in byte tokens,
// or is the unknown token where the vocabulary has none.
#include <algorithm>
#include <limits>

#include "text/segmenter.h"
#include "text/trie.h"
#include "text/utf8.h"

namespace onebit {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";
// Below the worst token by this much, as SentencePiece has it (kUnkPenalty).
constexpr double kUnknownPenalty = 10;
// The search is linear in text times token length; SentencePiece itself stops at a few dozen bytes.
constexpr size_t kMaxTokenBytes = 1024;

class Unigram final : public Segmenter {
 public:
  Unigram(const Vocab& vocab, const SpaceRules& spaces, Token unknown)
      : vocab_(vocab), byte_tokens_(byte_tokens(vocab)), spaces_(spaces), unknown_(unknown) {
    double worst = 0;
    for (Token id = 0; vocab.contains(id); ++id) {
      if (!vocab.is_plain(id) || vocab.text(id).empty()) continue;
      trie_.set_token(trie_.insert(vocab.text(id)), id);
      worst = std::min<double>(worst, vocab.score(id));
    }
    unknown_score_ = worst - kUnknownPenalty;
  }

  Status encode(std::string_view text, bool first, std::vector<Token>& out) const override;
  std::string piece(Token token) const override { return sentence_piece(vocab_, token); }

 private:
  Status encode_part(std::string_view text, std::vector<Token>& out) const;
  Status append_character(std::string_view bytes, std::vector<Token>& out) const {
    return append_bytes(bytes, byte_tokens_, unknown_, out);
  }

  const Vocab& vocab_;
  ByteTokens byte_tokens_;
  SpaceRules spaces_;
  Token unknown_;
  ByteTrie trie_;
  double unknown_score_ = 0;
};

Status Unigram::encode(std::string_view text, bool first, std::vector<Token>& out) const {
  std::string part;
  bool space_before = spaces_.merge;   // leading spaces go where runs of spaces are merged
  if (first && spaces_.prefix) part += kSpace;
  for (size_t i = 0; i < text.size();) {
    const size_t n = std::max<size_t>(1, utf8_length(text, i));
    const std::string_view character = text.substr(i, n);
    i += n;
    if (character == " ") {
      if (!(spaces_.merge && (space_before || text.find_first_not_of(' ', i) == std::string_view::npos))) part += kSpace;
      space_before = true;
      continue;
    }
    space_before = false;
    // A U+2581 of the text would come back as a space, so it is spelled in bytes.
    if (character == kSpace && byte_tokens_[0xE2] >= 0) {
      ONEBIT_TRY(encode_part(part, out));
      ONEBIT_TRY(append_character(character, out));
      part.clear();
      continue;
    }
    part += character;
  }
  return encode_part(part, out);
}

Status Unigram::encode_part(std::string_view text, std::vector<Token>& out) const {
  struct Best {
    double score = -std::numeric_limits<double>::infinity();
    uint32_t begin = 0;
    Token token = -1;   // -1: a character that is no token
  };
  std::vector<Best> best(text.size() + 1);   // of the text before each byte
  best[0].score = 0;
  const auto offer = [&](size_t begin, size_t end, double score, Token token) {
    score += best[begin].score;
    if (score > best[end].score) best[end] = {score, static_cast<uint32_t>(begin), token};
  };
  for (size_t i = 0, n; i < text.size(); i += n) {
    n = std::max<size_t>(1, utf8_length(text, i));
    bool whole = false;
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = i; end < text.size();) {
      node = trie_.child(node, static_cast<uint8_t>(text[end++]));
      if (node == ByteTrie::kRoot) break;
      if (const Token t = trie_.token(node); t >= 0) {
        offer(i, end, vocab_.score(t), t);
        whole |= end == i + n;
      }
    }
    if (!whole) offer(i, i + n, unknown_score_, -1);
  }
  std::vector<std::pair<Best, size_t>> path;   // with the end of each
  for (size_t end = text.size(); end > 0; end = best[end].begin) path.emplace_back(best[end], end);
  for (auto it = path.rbegin(); it != path.rend(); ++it) {
    if (it->first.token >= 0)
      out.push_back(it->first.token);
    else
      ONEBIT_TRY(append_character(text.substr(it->first.begin, it->second - it->first.begin), out));
  }
  return {};
}


}  // namespace

Result<std::unique_ptr<Segmenter>> make_unigram(const Vocab& vocab, const SpaceRules& spaces, Token unknown) {
  if (vocab.longest() > kMaxTokenBytes)
    return fail(Errc::out_of_range, "tokenizer.ggml.tokens: a token of {} bytes, expected at most {} in a unigram model",
                vocab.longest(), kMaxTokenBytes);
  return std::make_unique<Unigram>(vocab, spaces, unknown);
}

}  // namespace onebit
