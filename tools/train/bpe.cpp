#include "bpe.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_set>

namespace onebit::train {
namespace {

enum class Kind { letter, digit, space, other };

Kind kind(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return Kind::letter;
  if (c >= '0' && c <= '9') return Kind::digit;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return Kind::space;
  return Kind::other;
}

size_t contraction(std::string_view text) {
  for (const std::string_view c : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"})
    if (text.starts_with(c)) return c.size();
  return 0;
}

// Length of the first piece of a text that is not empty.
size_t first_piece(std::string_view text) {
  if (const size_t n = contraction(text)) return n;
  // One space may lead a run of letters, digits or other characters.
  const size_t lead = text[0] == ' ' && text.size() > 1 && kind(text[1]) != Kind::space ? 1 : 0;
  const Kind run = kind(text[lead]);
  size_t end = lead + 1;
  while (end < text.size() && kind(text[end]) == run) ++end;
  // A run of white space leaves its last character to what follows, unless it is the only one.
  if (run == Kind::space && end < text.size() && end > 1) --end;
  return end;
}

uint64_t pair_key(Token a, Token b) { return static_cast<uint64_t>(a) << 32 | static_cast<uint32_t>(b); }

struct Word {
  std::vector<Token> tokens;
  int64_t count;
};

// How often each pair occurs, and in which words; kept up to date while words change.
class PairCounts {
 public:
  void add(const Word& word, uint32_t index) {
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i) {
      const uint64_t key = pair_key(word.tokens[i], word.tokens[i + 1]);
      counts_[key] += word.count;
      words_[key].insert(index);
    }
  }
  // The word stays in the set of words of the pair: a set may name words that no longer have it.
  void remove(const Word& word) {
    for (size_t i = 0; i + 1 < word.tokens.size(); ++i)
      counts_[pair_key(word.tokens[i], word.tokens[i + 1])] -= word.count;
  }
  std::pair<uint64_t, int64_t> most_frequent() const {
    std::pair<uint64_t, int64_t> best{0, 0};
    for (const auto& [key, count] : counts_)
      if (count > best.second || (count == best.second && key < best.first)) best = {key, count};
    return best;
  }
  std::unordered_set<uint32_t> take_words(uint64_t key) {
    auto node = words_.extract(key);
    counts_.erase(key);
    return std::move(node.mapped());
  }

 private:
  std::unordered_map<uint64_t, int64_t> counts_;
  std::unordered_map<uint64_t, std::unordered_set<uint32_t>> words_;
};

void replace_pair(std::vector<Token>& tokens, Bpe::Merge pair, Token merged) {
  size_t n = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i + 1 < tokens.size() && tokens[i] == pair.first && tokens[i + 1] == pair.second) {
      tokens[n++] = merged;
      ++i;
    } else {
      tokens[n++] = tokens[i];
    }
  }
  tokens.resize(n);
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else {  // the table below ends at U+0143
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// GPT-2's printable alphabet: bytes that print in Latin-1 stand for themselves, the others follow U+0100.
std::array<uint32_t, 256> byte_code_points() {
  std::array<uint32_t, 256> table;
  uint32_t next = 0x100;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    table[b] = prints ? b : next++;
  }
  return table;
}

}  // namespace

std::vector<std::string_view> split_pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    pieces.push_back(text.substr(0, first_piece(text)));
    text.remove_prefix(pieces.back().size());
  }
  return pieces;
}

Status check_ascii(std::string_view text, const std::string& name) {
  const auto bad = std::find_if(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
  if (bad == text.end()) return {};
  return fail(Errc::unsupported, "{}: line {} has the byte 0x{:02x}; the trainer takes ASCII text only", name,
              std::count(text.begin(), bad, '\n') + 1, static_cast<uint8_t>(*bad));
}

Bpe::Bpe(std::vector<Merge> merges) : merges_(std::move(merges)) {
  for (int b = 0; b < 256; ++b) bytes_.emplace_back(1, static_cast<char>(b));
  for (const auto& [a, b] : merges_) {
    merged_.emplace(pair_key(a, b), static_cast<Token>(bytes_.size()));
    bytes_.push_back(bytes_[a] + bytes_[b]);
  }
}

Bpe Bpe::learn(std::string_view text, int vocab) {
  // Ordered, so that the result does not depend on a hash function.
  std::map<std::string_view, int64_t> pieces;
  for (const auto piece : split_pieces(text)) ++pieces[piece];
  std::vector<Word> words;
  PairCounts counts;
  for (const auto& [piece, count] : pieces) {
    Word word{{}, count};
    for (const char c : piece) word.tokens.push_back(static_cast<uint8_t>(c));
    counts.add(word, static_cast<uint32_t>(words.size()));
    words.push_back(std::move(word));
  }

  std::vector<Merge> merges;
  while (256 + static_cast<int>(merges.size()) + 2 < vocab) {
    const auto [key, count] = counts.most_frequent();
    if (count < 2) break;
    const Merge pair{static_cast<Token>(key >> 32), static_cast<Token>(key & 0xFFFFFFFF)};
    const Token merged = 256 + static_cast<Token>(merges.size());
    merges.push_back(pair);
    for (const uint32_t index : counts.take_words(key)) {
      counts.remove(words[index]);
      replace_pair(words[index].tokens, pair, merged);
      counts.add(words[index], index);
    }
  }
  return Bpe(std::move(merges));
}

void Bpe::encode_piece(std::string_view piece, std::vector<Token>& out) const {
  std::vector<Token> tokens;
  for (const char c : piece) tokens.push_back(static_cast<uint8_t>(c));
  for (;;) {
    // The pair that was learned first; every place where it occurs is merged at once.
    Token best = bos();
    Merge pair{};
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto it = merged_.find(pair_key(tokens[i], tokens[i + 1]));
      if (it != merged_.end() && it->second < best) {
        best = it->second;
        pair = {tokens[i], tokens[i + 1]};
      }
    }
    if (best == bos()) break;
    replace_pair(tokens, pair, best);
  }
  out.insert(out.end(), tokens.begin(), tokens.end());
}

std::vector<Token> Bpe::encode(std::string_view text) const {
  std::unordered_map<std::string_view, std::vector<Token>> seen;
  std::vector<Token> out;
  for (const auto piece : split_pieces(text)) {
    auto [it, fresh] = seen.try_emplace(piece);
    if (fresh) encode_piece(piece, it->second);
    out.insert(out.end(), it->second.begin(), it->second.end());
  }
  return out;
}

std::string Bpe::decode(const std::vector<Token>& tokens) const {
  std::string out;
  for (const Token t : tokens)
    if (t >= 0 && t < bos()) out += bytes_[t];
  return out;
}

std::string Bpe::spelling(Token token) const {
  if (token == bos()) return "<|begin_of_text|>";
  if (token == eos()) return "<|end_of_text|>";
  static const auto table = byte_code_points();
  std::string out;
  for (const char c : bytes_[token]) append_utf8(out, table[static_cast<uint8_t>(c)]);
  return out;
}

}  // namespace onebit::train
