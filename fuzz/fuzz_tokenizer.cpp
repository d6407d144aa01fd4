// Any bytes as text: decode(encode(x)) is x under every tokenizer whose vocabulary has all bytes. Any
// bytes as a vocabulary: an error or a tokenizer that stays within its ids.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocab.h"

namespace {

using namespace onebit;

struct Source {
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<int32_t> types;
  TokenizerConfig config;

  void add(std::string text, TokenType type, float score = 0) {
    tokens.push_back(std::move(text));
    types.push_back(static_cast<int32_t>(type));
    scores.push_back(score);
  }
  Result<Tokenizer> make() {
    config.tokens = tokens;
    config.merges = merges;
    config.scores = scores;
    config.types = types;
    return Tokenizer::from_config(config);
  }
};

// Bytes in the alphabet of GPT-2, a few words and merges, special tokens that overlap.
Tokenizer byte_pair(const char* pre) {
  Source s;
  s.config.model = "gpt2";
  s.config.pre = pre;
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    std::string text;
    append_utf8(text, printable ? b : next++);
    s.add(text, TokenType::normal);
  }
  for (const char* word : {"th", "the", "\u0120t", "\u0120the", "aa", "aaaa", "\u0120\u0120", "12", "whole"}) s.add(word, TokenType::normal);
  s.merges = {"t h", "th e", "\u0120 t", "\u0120t he", "\u0120t h", "\u0120th e", "a a", "aa aa", "\u0120 \u0120", "1 2", "h e"};
  s.add("<|end|>", TokenType::control);
  s.add("<|", TokenType::user_defined);
  s.add("|>|", TokenType::user_defined);
  return s.make().value();
}

Tokenizer sentence_piece(const char* model) {
  Source s;
  s.config.model = model;
  s.config.add_space_prefix = true;
  s.add("<unk>", TokenType::unknown);
  s.add("</s>", TokenType::control);
  s.add("<s>", TokenType::control);
  for (int b = 0; b < 256; ++b) s.add(fmt::format("<0x{:02X}>", b), TokenType::byte);
  float score = 0;
  for (const char* piece : {"\u2581t", "th", "he", "\u2581the", "aa", "aaaa", "\u2581\u2581", "\u2581", "t", "h", "e", "a", "\u00e9", "<0x"})
    s.add(piece, TokenType::normal, score -= 1);
  s.add("[x]", TokenType::user_defined);
  return s.make().value();
}

[[noreturn]] void die(const char* what, const Tokenizer& t) {
  std::fprintf(stderr, "%s under %s\n", what, std::string(t.kind()).c_str());
  std::abort();
}

void round_trip(std::string_view text) {
  static const std::vector<Tokenizer> all = [] {
    std::vector<Tokenizer> list;
    for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "default"}) list.push_back(byte_pair(pre));
    for (const char* model : {"llama", "t5"}) list.push_back(sentence_piece(model));
    return list;
  }();
  for (const Tokenizer& t : all)
    for (const bool parse : {false, true}) {
      const auto ids = t.encode(text, {.add_special = false, .parse_special = parse});
      if (!ids) die(ids.error().message.c_str(), t);
      if (t.decode(*ids, true) != text) die("decode(encode(x)) != x", t);
    }
}

// Takes values off the front of the input.
struct Reader {
  std::string_view rest;
  uint8_t byte() {
    if (rest.empty()) return 0;
    const uint8_t b = static_cast<uint8_t>(rest[0]);
    rest.remove_prefix(1);
    return b;
  }
  std::string text() {
    const std::string_view s = rest.substr(0, byte() % 16);
    rest.remove_prefix(std::min(rest.size(), s.size()));
    return std::string(s);
  }
};

void any_vocabulary(std::string_view bytes) {
  Reader r{bytes};
  Source s;
  const uint8_t flags = r.byte();
  s.config.model = flags % 4 == 0 ? "gpt2" : flags % 4 == 1 ? "llama" : flags % 4 == 2 ? "t5" : r.text();
  s.config.pre = flags & 4 ? "llama-bpe" : flags & 8 ? r.text() : "";
  if (flags & 16) s.config.unknown = r.byte();
  if (flags & 32) s.config.bos = r.byte();
  if (flags & 64) s.config.add_space_prefix = true;
  if (flags & 128) s.config.remove_extra_whitespaces = true;
  for (int n = r.byte() % 64; n > 0; --n) {
    const uint8_t type = r.byte();
    s.add(r.text(), static_cast<TokenType>(type % 8), static_cast<float>(static_cast<int8_t>(r.byte())));
  }
  for (int n = r.byte() % 32; n > 0; --n) s.merges.push_back(r.text());
  const auto t = s.make();
  if (!t) return;
  for (const bool parse : {false, true}) {
    const auto ids = t->encode(r.rest, {.add_special = true, .parse_special = parse});
    if (!ids) continue;
    for (const Token id : *ids)
      if (id < 0 || static_cast<size_t>(id) >= t->size()) die("an id outside the vocabulary", *t);
    t->decode(*ids, parse);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] & 1)
    any_vocabulary(rest);
  else
    round_trip(rest);
  return 0;
}
