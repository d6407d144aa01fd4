#include "text/special.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace onebit {
namespace {

// The definition: at each position the longest text that begins there; then go on behind it.
std::vector<std::pair<size_t, Token>> slow_find(const std::vector<std::string>& texts, const std::string& text) {
  std::vector<std::pair<size_t, Token>> found;
  for (size_t i = 0; i < text.size();) {
    Token best = -1;
    size_t length = 0;
    for (size_t t = 0; t < texts.size(); ++t)
      if (texts[t].size() > length && text.compare(i, texts[t].size(), texts[t]) == 0) {
        best = static_cast<Token>(t);
        length = texts[t].size();
      }
    if (best >= 0) found.emplace_back(i, best);
    i += best >= 0 ? length : 1;
  }
  return found;
}

TEST(SpecialMatcher, EqualsTheDefinition) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> texts;
    SpecialMatcher matcher;
    for (int n = static_cast<int>(random() % 8); n > 0; --n) {
      std::string t;
      for (int k = static_cast<int>(random() % 5) + 1; k > 0; --k) t += static_cast<char>('a' + random() % 2);
      if (std::find(texts.begin(), texts.end(), t) != texts.end()) continue;
      matcher.add(t, static_cast<Token>(texts.size()));
      texts.push_back(t);
    }
    matcher.build();
    std::string text;
    for (int k = static_cast<int>(random() % 40); k > 0; --k) text += static_cast<char>('a' + random() % 3 % 2);
    std::vector<std::pair<size_t, Token>> got;
    for (const auto& m : matcher.find(text)) {
      EXPECT_EQ(text.substr(m.begin, m.end - m.begin), texts[m.token]);
      got.emplace_back(m.begin, m.token);
    }
    EXPECT_EQ(got, slow_find(texts, text)) << text;
  }
}

// Every prefix of the text looks like a token until its last byte; trying each position anew would take
// 2^36 steps.
TEST(SpecialMatcher, LinearOnHostileTokens) {
  SpecialMatcher matcher;
  matcher.add("b" + std::string(1 << 16, 'a'), 0);
  matcher.add(std::string(1 << 16, 'a') + "b", 1);
  matcher.add("a", 2);
  matcher.build();
  EXPECT_EQ(matcher.find(std::string(1 << 20, 'a')).size(), size_t{1} << 20);
}

}  // namespace
}  // namespace onebit
