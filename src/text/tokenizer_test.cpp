#include "text/tokenizer.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "text/utf8.h"
#include "text/vocab.h"

namespace onebit {
namespace {

const std::string kData = std::string(ONEBIT_SOURCE_DIR) + "/tests/data/tokenizer/";

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> inputs() {
  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string all = read_file(kData + "cases.txt");
  std::vector<std::string> cases;
  size_t at = 0;
  for (size_t end; (end = all.find(separator, at)) != std::string::npos; at = end + separator.size())
    cases.push_back(all.substr(at, end - at));
  return cases;
}

std::vector<std::vector<Token>> expected(const std::string& name) {
  std::istringstream lines(read_file(kData + name + ".ids.txt"));
  std::vector<std::vector<Token>> cases;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream ids(line);
    cases.emplace_back();
    for (Token t; ids >> t;) cases.back().push_back(t);
  }
  return cases;
}

Tokenizer open(const std::string& name) {
  const auto gguf = Gguf::open(kData + name + ".gguf");
  EXPECT_TRUE(gguf) << gguf.error().message;
  auto tokenizer = Tokenizer::from_gguf(*gguf);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(*tokenizer);
}

std::vector<Token> ids(const Tokenizer& t, std::string_view text, EncodeOptions options = {}) {
  auto r = t.encode(text, options);
  EXPECT_TRUE(r) << r.error().message;
  return r.value_or(std::vector<Token>{-1});
}

class PublishedVectors : public testing::TestWithParam<const char*> {};

TEST_P(PublishedVectors, AllCases) {
  const Tokenizer t = open(GetParam());
  EXPECT_EQ(t.kind(), GetParam());
  const auto texts = inputs();
  const auto want = expected(GetParam());
  ASSERT_EQ(texts.size(), 46u);
  ASSERT_EQ(want.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto got = ids(t, texts[i], {.add_special = false, .parse_special = false});
    EXPECT_EQ(got, want[i]) << "case " << i << ": " << texts[i];
    EXPECT_EQ(t.decode(got), texts[i]) << "case " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, PublishedVectors, testing::Values("gpt-2", "llama-spm"));

// Texts that stress word boundaries: letters, digits, spaces of all kinds, emoji, U+2581 itself.
std::string random_text(std::mt19937& random) {
  static const char* const kPieces[] = {"a",  "Hello", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "1",  "23",  "4567",
                                        "é",  "ß",     "我", "🦙", "🏽", "\u00a0", "\u3000", "\u2581", "<", "|>", "</s>",
                                        "<0x41>", "...", "!?", "_", "\u0085", "\u180e", "े", "क"};
  std::string text;
  for (int n = static_cast<int>(random() % 24); n > 0; --n) {
    if (random() % 8) {
      text += kPieces[random() % std::size(kPieces)];
      continue;
    }
    char32_t c = random() % 0x11000;
    if (c >= 0xD800 && c < 0xE000) c = 0;
    if (c < 0x800) {
      append_utf8(text, c);
    } else {
      if (c > 0xFFFF) text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F))};
      else text += static_cast<char>(0xE0 | c >> 12);
      text += {static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
  }
  return text;
}

class RoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(RoundTrip, ValidText) {
  const Tokenizer t = open(GetParam());
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random);
    ASSERT_EQ(utf8_valid_run(text, 0), text.size());
    for (const bool parse : {false, true})
      EXPECT_EQ(t.decode(ids(t, text, {.add_special = false, .parse_special = parse}), true), text);
  }
}

TEST_P(RoundTrip, AnyBytes) {
  const Tokenizer t = open(GetParam());
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() % 3 ? random() : 'a' + random() % 26);
    EXPECT_EQ(t.decode(ids(t, text, {.add_special = false})), text);
  }
  std::string every;
  for (int b = 0; b < 256; ++b) every += static_cast<char>(b);
  EXPECT_EQ(t.decode(ids(t, every, {.add_special = false})), every);
}

// Bytes that are no UTF-8 stay single; the text around them is tokenized as if it stood alone.
TEST_P(RoundTrip, InvalidBytesLoseNothingAround) {
  const Tokenizer t = open(GetParam());
  const auto bad = ids(t, "Hello world\xE2\x96 and\xFF more", {.add_special = false});
  EXPECT_EQ(t.decode(bad), "Hello world\xE2\x96 and\xFF more");
  const auto head = ids(t, "Hello world", {.add_special = false});
  ASSERT_GE(bad.size(), head.size());
  EXPECT_TRUE(std::equal(head.begin(), head.end(), bad.begin()));
}

// One word of a megabyte: the merge loop must not be quadratic (the test would run for hours).
TEST_P(RoundTrip, HugeWord) {
  const Tokenizer t = open(GetParam());
  const std::pair<const char*, size_t> cases[] = {{"a", 1 << 20}, {"ab", 1 << 18}, {"xq", 1 << 18}, {"😁", 1 << 18}};
  for (const auto& [unit, size] : cases) {
    std::string text;
    while (text.size() < size) text += unit;
    EXPECT_EQ(t.decode(ids(t, text, {.add_special = false})), text);
  }
  const std::string spaces(1 << 18, ' ');
  EXPECT_EQ(t.decode(ids(t, spaces, {.add_special = false})), spaces);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, RoundTrip, testing::Values("gpt-2", "llama-spm"));

TEST(TokenizerGpt2, SpecialTokens) {
  const Tokenizer t = open("gpt-2");
  const Token end = t.find("<|endoftext|>");
  ASSERT_GE(end, 0);
  EXPECT_TRUE(t.is_end(end));
  EXPECT_TRUE(t.is_control(end));
  EXPECT_EQ(ids(t, "<|endoftext|>"), std::vector<Token>{end});
  const auto text = ids(t, "<|endoftext|>", {.add_special = true, .parse_special = false});
  EXPECT_GT(text.size(), 1u);
  EXPECT_EQ(std::count(text.begin(), text.end(), end), 0);
  EXPECT_EQ(t.piece(end), "");
  EXPECT_EQ(t.piece(end, true), "<|endoftext|>");
  EXPECT_EQ(t.piece(-1), "");
  EXPECT_EQ(t.piece(static_cast<Token>(t.size())), "");
}

TEST(TokenizerSpm, BosSpacesAndSpecials) {
  const Tokenizer t = open("llama-spm");
  EXPECT_TRUE(t.add_bos());
  EXPECT_EQ(t.bos(), 1);
  EXPECT_TRUE(t.is_end(t.eos()));
  EXPECT_EQ(ids(t, "").front(), 1);
  EXPECT_EQ(ids(t, "", {.add_special = false}), std::vector<Token>{});
  // A space is put before the text and after a special token, and comes off again.
  EXPECT_EQ(ids(t, "Hello</s>Hello"), (std::vector<Token>{1, 15043, 2, 15043}));
  for (const char* text : {"a</s>b", "a</s> b", " a</s>  b ", "</s>", "</s></s> x"})
    EXPECT_EQ(t.decode(ids(t, text, {.add_special = false}), true), text);
  // Without parse_special the characters of a control token never become that token.
  const auto plain = ids(t, "x</s>", {.add_special = true, .parse_special = false});
  EXPECT_EQ(std::count(plain.begin(), plain.end(), 2), 0);
}


TEST(Tokenizer, LiteralRangesSpellNoControlTokens) {
  const Tokenizer t = open("gpt-2");
  const Token end = t.find("<|endoftext|>");
  const std::string text = "<|endoftext|>User: the<|endoftext|> end<|endoftext|>";
  const size_t begin = text.find(" the"), stop = text.rfind("<|");
  const std::vector<ByteRange> literal{{begin, stop}};
  const auto got = ids(t, text, {.add_special = false, .parse_special = true, .literal = literal});
  EXPECT_EQ(std::ranges::count(got, end), 2);
  EXPECT_EQ(got.front(), end);
  EXPECT_EQ(got.back(), end);
  EXPECT_EQ(t.decode(got, true), text);
  // Words cross the ends of a range: " the" is one token although the space is not of the range.
  const std::vector<ByteRange> inside{{6, 9}};
  EXPECT_EQ(ids(t, "User: the", {.add_special = false, .literal = inside}), ids(t, "User: the", {.add_special = false}));
  // A token that reaches into a range is not one; ranges past the text change nothing.
  const std::vector<ByteRange> overlap{{3, 4}, {100, 200}};
  EXPECT_EQ(std::ranges::count(ids(t, "<|endoftext|>", {.add_special = false, .literal = overlap}), end), 0);
}
}  // namespace
}  // namespace onebit
