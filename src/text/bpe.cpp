// Byte-level byte-pair encoding (GPT-2): words from a regular expression, one symbol per byte, and
// merges of symbol pairs in the order of tokenizer.ggml.merges.
#include <array>
#include <bit>
#include <unordered_map>

#include "text/hash.h"
#include "text/merge.h"
#include "text/segmenter.h"
#include "text/utf8.h"

namespace onebit {
namespace {

// GPT-2 writes every byte as a printable character: printable Latin-1 stands for itself, the other 68
// bytes for U+0100, U+0101, ... in order.
struct ByteAlphabet {
  std::array<uint16_t, 256> character{};
  std::array<int16_t, 324> byte{};   // of a character, or -1

  constexpr ByteAlphabet() {
    byte.fill(-1);
    uint16_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = printable ? static_cast<uint16_t>(b) : next++;
      byte[character[b]] = static_cast<int16_t>(b);
    }
  }
};
constexpr ByteAlphabet kAlphabet;

// (left symbol, right symbol) -> rank and merged symbol. Open addressing; at most three quarters full.
class PairTable {
 public:
  explicit PairTable(size_t count) : slots_(std::bit_ceil(count + count / 3 + 2)) {}

  void prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots_[hash_word(seed_, key(left, right)) & (slots_.size() - 1)], 1);
  }

  // The first of equal pairs stays: it has the better rank.
  void insert(int32_t left, int32_t right, Pair pair) {
    Slot& s = slots_[find(left, right)];
    if (s.pair.rank == kNoMerge) s = {key(left, right), pair};
  }
  Pair operator()(int32_t left, int32_t right) const { return slots_[find(left, right)].pair; }

 private:
  struct Slot {
    uint64_t key = 0;
    Pair pair;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t find(int32_t left, int32_t right) const {
    const uint64_t k = key(left, right);
    const size_t mask = slots_.size() - 1;
    size_t at = hash_word(seed_, k) & mask;
    while (slots_[at].pair.rank != kNoMerge && slots_[at].key != k) at = (at + 1) & mask;
    return at;
  }
  uint64_t seed_ = hash_seed();
  std::vector<Slot> slots_;
};

class Bpe final : public Segmenter {
 public:
  Bpe(const Vocab& vocab, PreTokenizer words, bool ignore_merges, size_t merges, Token unknown)
      : vocab_(vocab), words_(std::move(words)), pairs_(merges), unknown_(unknown), ignore_merges_(ignore_merges) {
    for (int b = 0; b < 256; ++b) {
      std::string text;
      append_utf8(text, kAlphabet.character[b]);
      byte_symbols_[b] = intern(text);
      byte_tokens_[b] = vocab.find_plain(text);
    }
  }

  Status add_merges(std::span<const std::string> merges);
  Status encode(std::string_view text, bool first, std::vector<Token>& out) const override;
  std::string piece(Token token) const override;

 private:
  int32_t intern(std::string_view text);
  Status encode_word(std::string_view word, MergeList& list, std::vector<Token>& out) const;

  const Vocab& vocab_;
  PreTokenizer words_;
  PairTable pairs_;
  std::array<int32_t, 256> byte_symbols_;
  ByteTokens byte_tokens_;
  Token unknown_;
  bool ignore_merges_;
  // Symbols that merges name but that are no token take the ids after the vocabulary's.
  std::unordered_map<std::string, int32_t> extra_;
};

int32_t Bpe::intern(std::string_view text) {
  const Token id = vocab_.find_plain(text);
  if (id >= 0) return id;
  return extra_.try_emplace(std::string(text), static_cast<int32_t>(vocab_.size() + extra_.size())).first->second;
}

Status Bpe::add_merges(std::span<const std::string> merges) {
  struct Merge {
    int32_t left, right, merged;
  };
  std::vector<Merge> list;
  list.reserve(merges.size());
  std::string joined;
  for (size_t i = 0; i < merges.size(); ++i) {
    const std::string_view merge = merges[i];
    // A symbol may not be empty; the first one may itself begin with a space.
    const size_t space = merge.size() < 3 ? std::string_view::npos : merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size())
      return fail(Errc::format, "tokenizer.ggml.merges[{}]: '{}', expected two symbols separated by a space", i, merge);
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    list.push_back({intern(left), intern(right), intern(joined)});
  }
  // The table is larger than a core's cache: this order hides its misses, which would be half the time
  // it takes to load a tokenizer.
  constexpr size_t kAhead = 16;
  for (size_t i = 0; i < list.size(); ++i) {
    if (i + kAhead < list.size()) pairs_.prefetch(list[i + kAhead].left, list[i + kAhead].right);
    pairs_.insert(list[i].left, list[i].right, {static_cast<uint32_t>(i), list[i].merged});
  }
  return {};
}

Status Bpe::encode(std::string_view text, bool, std::vector<Token>& out) const {
  MergeList list;
  size_t at = 0;
  while (at < text.size()) {
    const size_t valid = utf8_valid_run(text, at);
    ONEBIT_TRY(words_.split(text.substr(at, valid), [&](std::string_view w) { return encode_word(w, list, out); }));
    at += valid;
    // The expressions are about characters; a byte that is part of none is its own token.
    for (; at < text.size() && utf8_length(text, at) == 0; ++at)
      ONEBIT_TRY(append_bytes(text.substr(at, 1), byte_tokens_, unknown_, out));
  }
  return {};
}

Status Bpe::encode_word(std::string_view word, MergeList& list, std::vector<Token>& out) const {
  if (ignore_merges_ && word.size() <= vocab_.longest()) {
    std::string text;
    for (const char c : word) append_utf8(text, kAlphabet.character[static_cast<uint8_t>(c)]);
    if (const Token id = vocab_.find_plain(text); id >= 0) {
      out.push_back(id);
      return {};
    }
  }
  list.clear();
  for (size_t i = 0; i < word.size(); ++i)
    list.add(byte_symbols_[static_cast<uint8_t>(word[i])], static_cast<uint32_t>(i));
  const uint32_t size = static_cast<uint32_t>(word.size());
  list.run(size, [&](const Symbol& l, const Symbol& r, uint32_t) { return pairs_(l.id, r.id); });
  Status status;
  list.for_each(size, [&](const Symbol& s, uint32_t end) {
    if (vocab_.contains(s.id))
      out.push_back(s.id);
    else if (status)
      status = append_bytes(word.substr(s.begin, end - s.begin), byte_tokens_, unknown_, out);
  });
  return status;
}

std::string Bpe::piece(Token token) const {
  const std::string_view text = vocab_.text(token);
  if (vocab_.type(token) == TokenType::byte)
    if (const int b = byte_token_value(text); b >= 0) return std::string(1, static_cast<char>(b));
  std::string bytes;
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_length(text, i);
    const char32_t c = n ? utf8_code_point(text, i, n) : 0;
    const int b = n && c < kAlphabet.byte.size() ? kAlphabet.byte[c] : -1;
    // A character outside the alphabet stands for itself; no text encodes to such a token.
    if (b >= 0)
      bytes += static_cast<char>(b);
    else
      bytes.append(text.substr(i, n ? n : 1));
    i += n ? n : 1;
  }
  return bytes;
}

}  // namespace

Result<std::unique_ptr<Segmenter>> make_bpe(const Vocab& vocab, std::span<const std::string> merges,
                                            const PreTokenizerSpec& spec, Token unknown) {
  ONEBIT_ASSIGN(PreTokenizer words, PreTokenizer::compile(spec));
  auto bpe = std::make_unique<Bpe>(vocab, std::move(words), spec.ignore_merges, merges.size(), unknown);
  ONEBIT_TRY(bpe->add_merges(merges));
  return bpe;
}

}  // namespace onebit
