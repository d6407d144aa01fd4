// SentencePiece with model type BPE: characters are merged into tokens, the highest score first. What
// is no token in the end is spelled in byte tokens.
#include <algorithm>
#include <bit>

#include "text/merge.h"
#include "text/segmenter.h"
#include "text/utf8.h"

namespace onebit {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";   // U+2581 stands for the space in token texts

// What a symbol id says here: whether the characters may merge.
enum : int32_t { kFixed, kMergeable };

// Scores in descending order as ranks in ascending order; total on finite floats.
uint32_t rank_of(float score) {
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.0f);   // -0 becomes +0
  const uint32_t ascending = bits & 0x80000000 ? ~bits : bits | 0x80000000;
  return ~ascending;
}

class Spm final : public Segmenter {
 public:
  Spm(const Vocab& vocab, const SpaceRules& spaces, Token unknown)
      : vocab_(vocab), byte_tokens_(byte_tokens(vocab)), spaces_(spaces), unknown_(unknown) {}

  Status encode(std::string_view text, bool first, std::vector<Token>& out) const override;
  std::string piece(Token token) const override { return sentence_piece(vocab_, token); }

 private:
  const Vocab& vocab_;
  ByteTokens byte_tokens_;
  SpaceRules spaces_;
  Token unknown_;
};

Status Spm::encode(std::string_view text, bool first, std::vector<Token>& out) const {
  std::string escaped;
  escaped.reserve(text.size() + text.size() / 4 + kSpace.size());
  MergeList list;
  if (first && spaces_.prefix) {
    escaped += kSpace;
    list.add(kMergeable, 0);
  }
  for (size_t i = 0; i < text.size();) {
    const size_t n = std::max<size_t>(1, utf8_length(text, i));
    const std::string_view character = text.substr(i, n);
    // A U+2581 of the text would come back as a space, so it is spelled in bytes like a malformed byte.
    const bool literal = character == kSpace && byte_tokens_[0xE2] >= 0;
    list.add(literal ? kFixed : kMergeable, static_cast<uint32_t>(escaped.size()));
    escaped += character == " " ? kSpace : character;
    i += n;
  }
  // At most three times the 2^30 bytes of a text, so offsets fit.
  const uint32_t size = static_cast<uint32_t>(escaped.size());
  const std::string_view view = escaped;
  list.run(size, [&](const Symbol& l, const Symbol& r, uint32_t end) -> Pair {
    if (l.id == kFixed || r.id == kFixed) return {};
    const Token token = vocab_.find_plain(view.substr(l.begin, end - l.begin));
    return token < 0 ? Pair{} : Pair{rank_of(vocab_.score(token)), kMergeable};
  });
  Status status;
  list.for_each(size, [&](const Symbol& s, uint32_t end) {
    const std::string_view symbol = view.substr(s.begin, end - s.begin);
    const Token token = s.id == kFixed ? -1 : vocab_.find_plain(symbol);
    if (token >= 0)
      out.push_back(token);
    else if (status)
      status = append_bytes(symbol, byte_tokens_, unknown_, out);
  });
  return status;
}

}  // namespace

Result<std::unique_ptr<Segmenter>> make_spm(const Vocab& vocab, const SpaceRules& spaces, Token unknown) {
  return std::make_unique<Spm>(vocab, spaces, unknown);
}

}  // namespace onebit
