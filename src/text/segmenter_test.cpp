// The three models against slow, obvious versions of themselves on small random vocabularies.
#include "text/segmenter.h"

#include <functional>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "text/vocab.h"

namespace onebit {
namespace {

struct Source {
  std::vector<std::string> tokens;
  std::vector<std::string> merges;
  std::vector<float> scores;
  std::vector<int32_t> types;

  TokenizerConfig config(std::string model, std::string pre = "gpt-2") const {
    TokenizerConfig c;
    c.model = std::move(model);
    c.pre = std::move(pre);
    c.tokens = tokens;
    c.merges = merges;
    c.scores = scores;
    c.types = types;
    return c;
  }
};

Tokenizer make(const TokenizerConfig& c) {
  auto t = Tokenizer::from_config(c);
  EXPECT_TRUE(t) << t.error().message;
  return std::move(*t);
}

std::vector<std::string> pieces(const Tokenizer& t, std::string_view text) {
  const auto ids = t.encode(text, {.add_special = false});
  EXPECT_TRUE(ids) << ids.error().message;
  std::vector<std::string> out;
  for (const Token id : ids.value_or(std::vector<Token>{})) out.push_back(t.piece(id, true));
  return out;
}

std::string random_word(std::mt19937& random, int longest) {
  std::string w;
  for (int n = static_cast<int>(random() % longest) + 1; n > 0; --n) w += static_cast<char>('a' + random() % 3);
  return w;
}

// Joins the best adjacent pair (lowest rank, then leftmost), looking at all of them each time.
using Rank = std::function<double(const std::string&, const std::string&)>;   // infinity: no merge
std::vector<std::string> slow_merge(const std::string& word, const Rank& rank) {
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    size_t best = 0;
    double least = INFINITY;
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      if (const double r = rank(parts[i], parts[i + 1]); r < least) {
        least = r;
        best = i;
      }
    if (least == INFINITY) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(BytePair, EqualsSlowMerging) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    Source s{{"a", "b", "c"}, {}, {}, {}};
    std::map<std::pair<std::string, std::string>, int> ranks;
    for (int n = 0; n < 12; ++n) {
      // Parts of merges are tokens made before, as a trainer makes them.
      const std::string& l = s.tokens[random() % s.tokens.size()];
      const std::string& r = s.tokens[random() % s.tokens.size()];
      const std::string joined = l + r;
      ranks.try_emplace({l, r}, static_cast<int>(s.merges.size()));
      s.merges.push_back(l + " " + r);
      if (std::find(s.tokens.begin(), s.tokens.end(), joined) == s.tokens.end()) s.tokens.push_back(joined);
    }
    const Tokenizer t = make(s.config("gpt2"));
    for (int i = 0; i < 20; ++i) {
      const std::string word = random_word(random, 30);
      EXPECT_EQ(pieces(t, word), slow_merge(word, [&](const std::string& l, const std::string& r) {
                  const auto it = ranks.find({l, r});
                  return it == ranks.end() ? INFINITY : it->second;
                }));
    }
  }
}

TEST(BytePair, MergedSymbolsThatAreNoTokens) {
  // "ab" is made on the way to "abc" but is itself no token: where it stays alone it is spelled.
  Source s{{"a", "b", "c", "abc"}, {"a b", "ab c"}, {}, {}};
  const Tokenizer t = make(s.config("gpt2"));
  EXPECT_EQ(pieces(t, "abc"), (std::vector<std::string>{"abc"}));
  EXPECT_EQ(pieces(t, "abab"), (std::vector<std::string>{"a", "b", "a", "b"}));
}

TEST(BytePair, IgnoreMergesTakesWholeWords) {
  Source s{{"a", "b", "ab", "abb"}, {"a b"}, {}, {}};
  EXPECT_EQ(pieces(make(s.config("gpt2", "llama-bpe")), "abb"), (std::vector<std::string>{"abb"}));
  EXPECT_EQ(pieces(make(s.config("gpt2", "gpt-2")), "abb"), (std::vector<std::string>{"ab", "b"}));
}

TEST(BytePair, ByteWithoutTokenIsNamed) {
  Source s{{"a", "b", "<unk>"}, {}, {}, {1, 1, 2}};
  auto c = s.config("gpt2");
  const auto r = make(c).encode("ab\x80");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("byte 0x80"), std::string::npos) << r.error().message;
  c.unknown = 2;
  EXPECT_EQ(make(c).encode("a\x80" "b").value(), (std::vector<Token>{0, 2, 1}));
}

Source random_scored(std::mt19937& random, float step) {
  Source s{{"<unk>", "a", "b", "c"}, {}, {0, -5, -5, -5}, {2, 1, 1, 1}};
  for (int n = 0; n < 10; ++n) {
    const std::string w = random_word(random, 4);
    if (std::find(s.tokens.begin(), s.tokens.end(), w) != s.tokens.end()) continue;
    s.tokens.push_back(w);
    s.scores.push_back(-step * static_cast<float>(random() % 8));   // ties are common
    s.types.push_back(1);
  }
  return s;
}

TEST(LlamaSpm, EqualsSlowMerging) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const Source s = random_scored(random, 1);
    auto c = s.config("llama");
    c.add_space_prefix = false;
    const Tokenizer t = make(c);
    for (int i = 0; i < 20; ++i) {
      const std::string word = random_word(random, 30);
      EXPECT_EQ(pieces(t, word), slow_merge(word, [&](const std::string& l, const std::string& r) {
                  const auto it = std::find(s.tokens.begin(), s.tokens.end(), l + r);
                  return it == s.tokens.end() ? INFINITY : -s.scores[static_cast<size_t>(it - s.tokens.begin())];
                }));
    }
  }
}

double best_score(const Source& s, const std::string& word, size_t from) {
  if (from == word.size()) return 0;
  double best = -INFINITY;
  for (size_t t = 1; t < s.tokens.size(); ++t)
    if (word.compare(from, s.tokens[t].size(), s.tokens[t]) == 0)
      best = std::max(best, s.scores[t] + best_score(s, word, from + s.tokens[t].size()));
  return best;
}

TEST(Unigram, FindsTheBestSum) {
  std::mt19937 random(6);
  for (int round = 0; round < 200; ++round) {
    const Source s = random_scored(random, 0.5f);
    auto c = s.config("t5");
    c.eos = 0;
    c.unknown = 0;
    const Tokenizer t = make(c);
    for (int i = 0; i < 10; ++i) {
      const std::string word = random_word(random, 10);
      const auto ids = t.encode(word, {.add_special = false}).value();
      double sum = 0;
      for (const Token id : ids) sum += s.scores[static_cast<size_t>(id)];
      EXPECT_EQ(t.decode(ids), word);
      EXPECT_EQ(sum, best_score(s, word, 0)) << word;   // multiples of 0.5 add up exactly
    }
  }
}

TEST(Unigram, SpacesAndUnknownCharacters) {
  Source s{{"<unk>", "</s>", "\u2581a", "\u2581", "b", "<0x63>"}, {}, {0, 0, -1, -2, -3, 0}, {2, 3, 1, 1, 1, 6}};
  auto c = s.config("t5");
  c.unknown = 0;
  c.add_space_prefix = true;
  EXPECT_EQ(make(c).encode("a a").value(), (std::vector<Token>{2, 2, 1}));
  EXPECT_EQ(make(c).encode("abc").value(), (std::vector<Token>{2, 4, 5, 1}));
  EXPECT_EQ(make(c).encode("a\u00e9").value(), (std::vector<Token>{2, 0, 1}));
  EXPECT_EQ(make(c).encode("a  b").value(), (std::vector<Token>{2, 3, 3, 4, 1}));
  c.remove_extra_whitespaces = true;
  EXPECT_EQ(make(c).encode("  a  b ").value(), (std::vector<Token>{2, 3, 4, 1}));
}

}  // namespace
}  // namespace onebit
