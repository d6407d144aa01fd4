// Vocabularies that a broken or hostile file could hold: typed errors that name key, index and value,
// or a tokenizer that works.
#include <cmath>
#include <cstdio>
#include <random>

#include <unistd.h>

#include <gtest/gtest.h>

#include "text/vocab.h"

namespace onebit {
namespace {

struct Case {
  std::vector<std::string> tokens{"a", "b", "ab"};
  std::vector<std::string> merges{"a b"};
  std::vector<float> scores;
  std::vector<int32_t> types;
  TokenizerConfig config;

  Case(std::string model = "gpt2", std::string pre = "gpt-2") {
    config.model = std::move(model);
    config.pre = std::move(pre);
  }
  Result<Tokenizer> make() {
    config.tokens = tokens;
    config.merges = merges;
    config.scores = scores;
    config.types = types;
    return Tokenizer::from_config(config);
  }
  void expect_error(Errc code, const std::string& message) {
    const auto t = make();
    ASSERT_FALSE(t) << message;
    EXPECT_EQ(t.error().code, code) << t.error().message;
    EXPECT_NE(t.error().message.find(message), std::string::npos) << t.error().message;
  }
};

TEST(HostileVocabulary, NamesModelAndPreTokenizer) {
  Case("word2vec").expect_error(Errc::unsupported, "tokenizer.ggml.model: unknown tokenizer 'word2vec'");
  Case("gpt2", "tekken").expect_error(Errc::unsupported, "tokenizer.ggml.pre: unknown pre-tokenizer 'tekken'");
}

TEST(HostileVocabulary, ArraysOfOtherLengths) {
  Case c;
  c.scores = {0, 0};
  c.expect_error(Errc::format, "tokenizer.ggml.scores: 2 entries, expected one for each of the 3 tokens");
  c.scores = {};
  c.types = {1, 1, 1, 1};
  c.expect_error(Errc::format, "tokenizer.ggml.token_type: 4 entries, expected one for each of the 3 tokens");
  c.types = {};
  c.tokens = {};
  c.expect_error(Errc::out_of_range, "tokenizer.ggml.tokens: 0 tokens");
}

TEST(HostileVocabulary, ValuesOutOfRange) {
  for (const int32_t type : {-1, 7, INT32_MIN, INT32_MAX}) {
    Case c;
    c.types = {1, type, 1};
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.token_type[1]: " + std::to_string(type));
  }
  for (const float score : {NAN, INFINITY, -INFINITY}) {
    Case c("llama", "");
    c.scores = {0, 0, score};
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.scores[2]: ");
  }
  for (const uint64_t id : {uint64_t{3}, uint64_t{1} << 31, (uint64_t{1} << 32) - 1, UINT64_MAX}) {
    const std::string expected = std::to_string(id) + ", expected a token id below 3";
    Case c;
    c.config.bos = id;
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.bos_token_id: " + expected);
    c.config.bos = {};
    c.config.eos = id;
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.eos_token_id: " + expected);
    c.config.eos = {};
    c.config.eot = id;
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.eot_token_id: " + expected);
    c.config.eot = {};
    c.config.unknown = id;
    c.expect_error(Errc::out_of_range, "tokenizer.ggml.unknown_token_id: " + expected);
  }
}

TEST(HostileVocabulary, BosWantedButMissing) {
  Case c;
  c.config.add_bos = true;
  c.expect_error(Errc::format, "tokenizer.ggml.add_bos_token: true, but there is no tokenizer.ggml.bos_token_id");
}

TEST(HostileVocabulary, DuplicateAndEmptyTokens) {
  Case c;
  c.tokens = {"a", "b", "a"};
  c.expect_error(Errc::format, "tokenizer.ggml.tokens: 'a' is token 0 and token 2");
  c.tokens = {"", "a", "", "b"};
  c.types = {3, 1, 4, 1};
  const auto t = c.make();
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->encode("ab").value(), (std::vector<Token>{1, 3}));
  EXPECT_EQ(t->piece(0, true), "");
  EXPECT_EQ(t->find(""), -1);
}

TEST(HostileVocabulary, MergesWithMissingParts) {
  for (const char* merge : {"", " ", "a", "a ", " a", "  ", "ab"}) {
    Case c;
    c.merges = {"a b", merge};
    c.expect_error(Errc::format, "tokenizer.ggml.merges[1]: '" + std::string(merge) + "', expected two symbols");
  }
}

TEST(HostileVocabulary, MalformedByteTokens) {
  Case c("llama", "");
  c.merges = {};
  c.tokens = {"<unk>", "<0x4G>", "<0x", "<0x410>", "<0x41>", "<0x41", "x"};
  c.types = {2, 6, 6, 6, 6, 6, 1};
  c.config.add_bos = false;
  const auto t = c.make();
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->encode("A", {.add_special = false}).value(), (std::vector<Token>{0, 4}));   // the space is unknown
  for (Token id = 0; id < 7; ++id) EXPECT_LE(t->piece(id, true).size(), 7u);
  EXPECT_EQ(t->piece(4), "A");
}

// Special tokens from the file are data: a huge one, or a thousand that are prefixes of each other.
TEST(HostileVocabulary, HugeSpecialTokens) {
  Case c;
  c.tokens = {"a", "b", std::string(256 << 10, 'a') + "b"};
  c.types = {1, 1, 3};
  EXPECT_EQ(c.make()->encode(std::string(1000, 'a')).value().size(), 1000u);
  c.tokens[2].resize((size_t{1} << 24) + 1, 'a');
  c.expect_error(Errc::out_of_range, "special tokens of more than 16777216 bytes in all, met at token 2");
  c.tokens = {"a", "b"};
  c.types = {1, 1};
  for (size_t n = 2; n < 1000; ++n) {
    c.tokens.emplace_back(n, 'a');
    c.types.push_back(4);
  }
  EXPECT_EQ(c.make()->encode(std::string(9990, 'a')).value().size(), 10u);
}

TEST(HostileVocabulary, RandomVocabulariesNeverCrash) {
  std::mt19937 random(7);
  const char* const models[] = {"gpt2", "llama", "t5"};
  const char* const kPieces[] = {"a", "b", " ", "\u2581", "<0x41>", "</s>", "\xFF", "\u0120", "\xE2\x96", "", "<", ">"};
  int built = 0;
  for (int round = 0; round < 3000; ++round) {
    Case c(models[random() % 3], random() % 2 ? "llama-bpe" : "default");
    c.tokens.clear();
    c.merges.clear();
    const auto word = [&] {
      std::string w;
      for (int n = static_cast<int>(random() % 4); n > 0; --n) w += kPieces[random() % std::size(kPieces)];
      return w;
    };
    for (int n = static_cast<int>(random() % 12); n > 0; --n) {
      c.tokens.push_back(word());
      c.types.push_back(static_cast<int32_t>(random() % 7));
      c.scores.push_back(static_cast<float>(random() % 100) - 50);
    }
    for (int n = static_cast<int>(random() % 4); n > 0; --n) c.merges.push_back(fmt::format("a{} {}b", word(), word()));
    if (random() % 2) c.config.unknown = 0;
    const auto t = c.make();
    if (!t) continue;
    ++built;
    for (int i = 0; i < 5; ++i) {
      std::string text = word() + word() + word();
      const auto ids = t->encode(text);
      for (const Token id : ids.value_or(std::vector<Token>{})) EXPECT_LT(static_cast<size_t>(id), t->size());
    }
  }
  EXPECT_GT(built, 300);
}

// The metadata of a working file, with one key left out or given another value.
class Metadata : public testing::Test {
 protected:
  std::string write(const std::string& key, std::optional<GgufValue> value) {
    const std::string path = testing::TempDir() + "onebit_metadata_" + std::to_string(getpid()) + ".gguf";
    GgufWriter w;
    const auto add = [&](const char* name, GgufValue v) {
      if (key != name) w.add_key(name, std::move(v));
    };
    add("tokenizer.ggml.model", std::string("gpt2"));
    add("tokenizer.ggml.pre", std::string("gpt-2"));
    add("tokenizer.ggml.tokens", GgufArray<std::string>{"a", "b", "ab"});
    add("tokenizer.ggml.token_type", GgufArray<int32_t>{1, 1, 1});
    add("tokenizer.ggml.merges", GgufArray<std::string>{"a b"});
    add("tokenizer.ggml.bos_token_id", uint32_t{0});
    add("tokenizer.ggml.eos_token_id", int32_t{1});
    if (value) w.add_key(key, *value);
    EXPECT_TRUE(w.begin(path));
    EXPECT_TRUE(w.finish());
    return path;
  }
  Result<Tokenizer> load(const std::string& key, std::optional<GgufValue> value) {
    const std::string path = write(key, std::move(value));
    auto gguf = Gguf::open(path);
    EXPECT_TRUE(gguf) << gguf.error().message;
    auto t = Tokenizer::from_gguf(*gguf);
    std::remove(path.c_str());
    return t;
  }
};

TEST_F(Metadata, Works) {
  const auto t = load("", {});
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->encode("abab").value(), (std::vector<Token>{2, 2}));
  EXPECT_EQ(t->eos(), 1);
  EXPECT_FALSE(t->add_bos());
}

TEST_F(Metadata, ErrorsNameTheKey) {
  const std::pair<const char*, std::optional<GgufValue>> cases[] = {
      {"tokenizer.ggml.model", {}},
      {"tokenizer.ggml.model", GgufValue(uint32_t{1})},
      {"tokenizer.ggml.pre", GgufValue(GgufArray<std::string>{"gpt-2"})},
      {"tokenizer.ggml.pre", GgufValue(std::string("nope"))},
      {"tokenizer.ggml.tokens", {}},
      {"tokenizer.ggml.tokens", GgufValue(GgufArray<int32_t>{1, 2, 3})},
      {"tokenizer.ggml.token_type", GgufValue(GgufArray<float>{1, 1, 1})},
      {"tokenizer.ggml.token_type", GgufValue(GgufArray<int32_t>{1, 1})},
      {"tokenizer.ggml.scores", GgufValue(GgufArray<double>{1, 1, 1})},
      {"tokenizer.ggml.scores", GgufValue(GgufArray<float>{1, NAN, 1})},
      {"tokenizer.ggml.merges", {}},
      {"tokenizer.ggml.merges", GgufValue(GgufArray<std::string>{"ab"})},
      {"tokenizer.ggml.bos_token_id", GgufValue(uint32_t{3})},
      {"tokenizer.ggml.bos_token_id", GgufValue(uint64_t{1} << 33)},
      {"tokenizer.ggml.eos_token_id", GgufValue(int32_t{-1})},
      {"tokenizer.ggml.eos_token_id", GgufValue(std::string("1"))},
      {"tokenizer.ggml.add_bos_token", GgufValue(std::string("yes"))},
      {"tokenizer.ggml.precompiled_charsmap", GgufValue(GgufArray<uint8_t>{1, 2})},
  };
  for (const auto& [key, value] : cases) {
    const auto t = load(key, value);
    ASSERT_FALSE(t) << key;
    EXPECT_NE(t.error().message.find(key), std::string::npos) << t.error().message;
    EXPECT_NE(t.error().message.find(".gguf"), std::string::npos) << t.error().message;
  }
}

TEST(Limits, TextOf2To30Bytes) {
  Case c;
  const auto t = c.make();
  // Reserved but never touched: the size is refused before a byte is read.
  const std::string_view huge(reinterpret_cast<const char*>(&c), (size_t{1} << 30) + 1);
  const auto r = t->encode(huge);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::out_of_range);
  EXPECT_NE(r.error().message.find("1073741825 bytes"), std::string::npos);
  const auto r31 = t->encode(std::string_view(huge.data(), size_t{1} << 31));
  EXPECT_FALSE(r31);
}

}  // namespace
}  // namespace onebit
