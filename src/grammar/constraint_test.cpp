#include "grammar/constraint.h"

#include <random>

#include <gtest/gtest.h>

#include "text/vocab.h"

namespace onebit {
namespace {

// All bytes, some longer pieces, an end and a control token.
class ConstraintTest : public testing::Test {
 protected:
  ConstraintTest() {
    TokenizerConfig c;
    c.model = "llama";
    const auto add = [&](std::string text, TokenType type) {
      tokens_.push_back(std::move(text));
      types_.push_back(static_cast<int32_t>(type));
    };
    add("<unk>", TokenType::unknown);
    add("<s>", TokenType::control);
    add("</s>", TokenType::control);
    for (int b = 0; b < 256; ++b) add(fmt::format("<0x{:02X}>", b), TokenType::byte);
    for (const char* text : {"a", "b", "ab", "\"", "\",", "{\"", "\":", "true", "false", "null", "[", "]", "[[", "]]", "]]]", "1", "12", "1]", "1]]", "1,", "\"}", "}]",
                             "é", "日本", "abc\"", "\"a\"", "\":[", "},{", "}}", "{", "}", ",", "[[[["})
      add(text, TokenType::normal);
    scores_.assign(tokens_.size(), 0);
    c.tokens = tokens_;
    c.types = types_;
    c.scores = scores_;
    c.bos = 1;
    c.eos = 2;
    c.add_space_prefix = false;
    auto t = Tokenizer::from_config(c);
    EXPECT_TRUE(t) << t.error().message;
    tokenizer_.emplace(std::move(*t));
    auto trie = TokenTrie::build(*tokenizer_, tokens_.size() + 10);
    EXPECT_TRUE(trie);
    trie_ = *trie;
  }

  Constraint constraint(std::string_view gbnf, const MatcherLimits& limits = {}) {
    auto g = Grammar::parse(gbnf);
    EXPECT_TRUE(g) << g.error().message;
    auto c = Constraint::create(*g, trie_, limits);
    EXPECT_TRUE(c);
    return std::move(*c);
  }
  Token id(std::string_view text) const {
    for (size_t i = 259; i < tokens_.size(); ++i)
      if (tokens_[i] == text) return static_cast<Token>(i);
    ADD_FAILURE() << text;
    return -1;
  }

  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<float> scores_;
  std::optional<Tokenizer> tokenizer_;
  std::shared_ptr<const TokenTrie> trie_;
};

constexpr const char* kJson = R"(root ::= value
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (member ("," member)*)? "}"
member ::= string ":" value
array ::= "[" (value ("," value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\/bfnrt])* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)?
)";

TEST_F(ConstraintTest, TrieHoldsEveryPiece) {
  const auto nodes = trie_->nodes();
  size_t seen = 0;
  for (uint32_t n = 1; n + 1 < nodes.size(); ++n) {
    std::string text;
    for (uint32_t k = n; k != 0; k = nodes[k].parent) text.insert(text.begin(), static_cast<char>(nodes[k].byte));
    EXPECT_GT(nodes[n].skip, n);
    EXPECT_LE(nodes[n].skip, nodes[nodes[n].parent].skip);
    for (uint32_t t = nodes[n].first; t < nodes[n + 1].first; ++t, ++seen) {
      EXPECT_EQ(trie_->bytes(trie_->tokens()[t]), text);
      EXPECT_EQ(tokenizer_->piece(trie_->tokens()[t]), text);
    }
  }
  EXPECT_EQ(seen, tokens_.size() - 3);
  EXPECT_TRUE(trie_->is_end(2));
  EXPECT_FALSE(trie_->is_end(1));
}

TEST_F(ConstraintTest, EndsOnlyWhereTheGrammarMay) {
  Constraint c = constraint("root ::= \"ab\" \"b\"*");
  EXPECT_TRUE(*c.allows(id("a")));
  EXPECT_TRUE(*c.allows(id("ab")));
  EXPECT_FALSE(*c.allows(id("b")));
  EXPECT_FALSE(*c.allows(2));
  EXPECT_FALSE(*c.allows(1)) << "a control token has no bytes";
  EXPECT_FALSE(*c.allows(0));
  EXPECT_FALSE(*c.allows(-1));
  EXPECT_FALSE(*c.allows(100000));
  EXPECT_FALSE(c.accept(id("b")));
  ASSERT_TRUE(c.accept(id("a")));
  EXPECT_FALSE(c.may_end());
  ASSERT_TRUE(c.accept(id("b")));
  EXPECT_TRUE(c.may_end());
  EXPECT_FALSE(c.finished());
  EXPECT_TRUE(*c.allows(2));
  ASSERT_TRUE(c.accept(2));
  EXPECT_TRUE(c.finished());
  EXPECT_FALSE(*c.allows(id("b")));
  EXPECT_FALSE(*c.allows(2));
  ASSERT_TRUE(c.reset());
  EXPECT_TRUE(*c.allows(id("ab")));
  Constraint one = constraint("root ::= \"a\"");
  ASSERT_TRUE(one.accept(id("a")));
  EXPECT_TRUE(one.finished());
}

TEST_F(ConstraintTest, CharactersMayBeSplitAmongTokens) {
  Constraint c = constraint("root ::= [é]");
  ASSERT_TRUE(c.accept(3 + 0xC3));
  EXPECT_FALSE(*c.allows(id("a")));
  EXPECT_FALSE(c.may_end());
  ASSERT_TRUE(c.accept(3 + 0xA9));
  EXPECT_TRUE(c.finished());
}

// The mask, with all its shortcuts, is what asking for each token gives; along random texts of the grammar.
TEST_F(ConstraintTest, MaskIsWhatAllowsSays) {
  const char* ambiguous = "root ::= \"[\" root \"]\" | \"[\" root \"]]\" | \"a\"* | \"[\" [ab1]{0,40} \"]\"";
  std::mt19937 random(7);
  for (const char* grammar : {kJson, ambiguous})
    for (const MatcherLimits& limits : {MatcherLimits{}, MatcherLimits{.depth = 12, .states = 1 << 14}, MatcherLimits{.depth = 64, .states = 8}})
      for (int text = 0; text < 12; ++text) {
        Constraint c = constraint(grammar, limits);
        for (int n = 0; n < 60 && !c.finished(); ++n) {
          const auto mask = c.mask();
          ASSERT_TRUE(mask) << mask.error().message;
          const std::vector<uint64_t> bits(mask->begin(), mask->end());
          ASSERT_EQ(bits.size(), (tokens_.size() + 10 + 63) / 64);
          std::vector<Token> allowed;
          for (Token t = 0; t < static_cast<Token>(bits.size() * 64); ++t) {
            const bool in_mask = bits[static_cast<size_t>(t) / 64] >> (t % 64) & 1;
            ASSERT_EQ(in_mask, *c.allows(t)) << "token " << t << " after " << n;
            // Longer pieces and brackets more often, so that texts get deep.
            if (in_mask) allowed.insert(allowed.end(), t >= 259 ? 8 : 1, t);
          }
          ASSERT_FALSE(allowed.empty());
          ASSERT_TRUE(c.accept(allowed[random() % allowed.size()]));
        }
      }
}

}  // namespace
}  // namespace onebit
