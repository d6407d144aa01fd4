#include "grammar/grammar.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "grammar/matcher.h"

namespace onebit {
namespace {

std::shared_ptr<const Grammar> compile(std::string_view text) {
  auto g = Grammar::parse(text);
  EXPECT_TRUE(g) << g.error().message << "\n" << text;
  return g ? *g : nullptr;
}

bool matches(Matcher& m, std::string_view text) {
  Matcher::StateId s = m.start();
  for (const char c : text) {
    s = m.step(s, static_cast<uint8_t>(c));
    m.collect(s);
  }
  EXPECT_TRUE(m.status()) << m.status().error().message;
  return m.accepting(s);
}

bool matches(std::string_view grammar, std::string_view text) {
  const auto g = compile(grammar);
  if (!g) return false;
  Matcher m(g);
  return matches(m, text);
}

std::string error(std::string_view grammar, const GrammarLimits& limits = {}) {
  const auto g = Grammar::parse(grammar, "root", limits);
  return g ? "accepted" : g.error().message;
}

struct Case {
  const char* grammar;
  std::vector<std::string> yes, no;
};

TEST(Grammar, Notation) {
  const Case cases[] = {
      {"root ::= \"a\"", {"a"}, {"", "b", "aa"}},
      {"root ::= \"a\" \"b\" | \"c\"", {"ab", "c"}, {"a", "b", "abc", "ac"}},
      {"root ::= (\"a\" | \"b\")* \"c\"", {"c", "abbac"}, {"", "ab", "cc"}},
      {"root ::= \"a\"+ \"b\"? [0-9]{2}", {"a12", "aaab99"}, {"12", "abb12", "a1", "a123"}},
      {"root ::= \"x\"{2,3}", {"xx", "xxx"}, {"", "x", "xxxx"}},
      {"root ::= \"x\"{2,}", {"xx", "xxxxxx"}, {"", "x"}},
      {"root ::= \"x\"{,2}", {"", "x", "xx"}, {"xxx"}},
      {"root ::= (\"ab\" \"c\"?){2,4}", {"abab", "abcab", "abababc", "abababab"}, {"ab", "abcc", "ababababab"}},
      {"root ::= (\"a\"?){3} \"b\"", {"b", "ab", "aab", "aaab"}, {"aaaab"}},
      {"root ::= \"a\"+? \"!\"", {"!", "aaa!"}, {"a"}},
      {"root ::= [^a-c\\n]", {"d", "é", "日", "😀", "z"}, {"a", "b", "c", "\n", "", "dd", "\xff", "\xc3"}},
      {"root ::= .", {"a", "\n", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"},
       {"\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\x80", "\xE0\x80\x80", "\xF0\x80\x80\x80", "ab"}},
      {"root ::= [à-ü日-本]", {"é", "日", "本"}, {"a", "ý", "\xE6\x97"}},
      {"root ::= [a\\-z\\]\\^-]", {"a", "-", "z", "]", "^"}, {"b", "\\"}},
      {"root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\\n\"", {"Aé😀\"\\\n"}, {"Aé"}},
      {"root ::= [\\x30-\\x39\\u4e00-\\u9fff]", {"5", "一"}, {"a"}},
      {"# a comment\nroot ::= item  # another\n  \nitem ::= (\"a\" # inside\n | \"b\")\n", {"a", "b"}, {""}},
      {"root ::= first |\n  second\nfirst ::= \"1\"\nsecond ::=\n  \"2\"", {"1", "2"}, {"3"}},
      {"root ::= \"\" | \"a\" | ", {"", "a"}, {"b"}},
      {"item-1 ::= \"x\"\nroot ::= item-1 item-1", {"xx"}, {"x"}},
      {"root ::= \"(\" root \")\" root | \"\"", {"", "()", "(())()", "((()))"}, {"(", ")", "(()", "())"}},
      {"root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"d\"", {"d", "adb", "aadbc", "aaadbcb"}, {"adbb", "ad", "aadb"}},
      {"root ::= list\nlist ::= \"x\" | \"x\" \",\" list", {"x", "x,x,x"}, {"", "x,", ",x"}},
      {"root ::= e e e \"!\"\ne ::= \"a\"? n\nn ::= \"b\"*", {"!", "abab!", "aaa!", "bbb!"}, {"aaaa!"}},
  };
  for (const Case& c : cases) {
    for (const auto& text : c.yes) EXPECT_TRUE(matches(c.grammar, text)) << c.grammar << " on " << text;
    for (const auto& text : c.no) EXPECT_FALSE(matches(c.grammar, text)) << c.grammar << " on " << text;
  }
}

TEST(Grammar, ErrorsNameTheLine) {
  EXPECT_EQ(error(""), "grammar: there is no rule 'root'");
  EXPECT_EQ(error("root ::= \"a\"\nroot ::= \"b\""), "grammar: line 2: the rule 'root' is defined in line 1 already");
  EXPECT_EQ(error("\nroot ::= what"), "grammar: line 2: the rule 'what' is not defined");
  EXPECT_EQ(error("root ::= \"a"), "grammar: line 1: expected a character, met the end");
  EXPECT_EQ(error("root ::= (\"a\""), "grammar: line 1: expected ')', met the end");
  EXPECT_EQ(error("root := \"a\""), "grammar: line 1: expected '::=' after 'root', met ':'");
  EXPECT_EQ(error("root ::= \"a\" ) "), "grammar: line 1: expected an expression or the end of the line, met ')'");
  EXPECT_EQ(error("root ::= [z-a]"), "grammar: line 1: a range of characters from U+007A down to U+0061");
  EXPECT_EQ(error("root ::= \"a\"{3,2}"), "grammar: line 1: {3,2}: the most is less than the least");
  EXPECT_EQ(error("root ::= \"\\q\""), "grammar: line 1: unknown escape '\\' before 'q'");
  EXPECT_EQ(error("root ::= \"\\ud800\""), "grammar: line 1: U+D800 is no character");
  EXPECT_EQ(error("root ::= \"\xff\""), "grammar: line 1: expected UTF-8, met byte 0xff");
  EXPECT_NE(error("root ::= <[12]>").find("not supported"), std::string::npos);
}

TEST(Grammar, HostileOnesAreRefused) {
  for (const char* left : {"root ::= root \"a\" | \"a\"", "root ::= x root\nx ::= \"y\"?", "root ::= a\na ::= b\nb ::= a \"x\" | \"y\"",
                           "root ::= (root | \"x\"){3,9}", "root ::= root"})
    EXPECT_NE(error(left).find("left-recursive"), std::string::npos) << left << ": " << error(left);
  EXPECT_EQ(error("root ::= \"a\" root"), "grammar: line 1: no text ever ends the rule 'root'");
  EXPECT_NE(error("root ::= [a-z]{1000000}").find("expected at most"), std::string::npos);
  EXPECT_NE(error("root ::= [a-z]{99999999999999999999999}").find("expected at most"), std::string::npos);
  EXPECT_NE(error("root ::= [a-z]{150000} \"x\"{150000}").find("states"), std::string::npos);
  EXPECT_NE(error("root ::= (\"\"{100000}){100000}{100000}").find("states"), std::string::npos);
  EXPECT_NE(error("root ::= " + std::string(100000, '(')).find("nested"), std::string::npos);
  EXPECT_NE(error("root ::= \"a\"" + std::string(100000, '*')).find("repetitions in one another"), std::string::npos);
  EXPECT_NE(error("root ::= \"a\"", {.source_bytes = 5, .depth = 64, .rules = 20, .states = 20}).find("expected at most 5"), std::string::npos);
}

TEST(Grammar, ChoicesThatLeadNowhereAreNotOffered) {
  // "c" can never be completed: after it nothing could end the text.
  const auto g = compile("root ::= \"a\" | \"c\" loop\nloop ::= \"x\" loop");
  Matcher m(g);
  EXPECT_EQ(m.step(m.start(), 'c'), Matcher::kDead);
  EXPECT_NE(m.step(m.start(), 'a'), Matcher::kDead);
}

// Two ways to read every character: 2^n parses, one state each.
TEST(Matcher, AmbiguityCostsNothing) {
  Matcher m(compile("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"d\""));
  const std::string deep(400, 'a');
  EXPECT_TRUE(matches(m, deep + "d" + std::string(200, 'b') + std::string(200, 'c')));
  Matcher optional(compile("root ::= (\"a\"?){2000}"));
  EXPECT_TRUE(matches(optional, std::string(2000, 'a')));
  EXPECT_FALSE(matches(optional, std::string(2001, 'a')));
  Matcher empty(compile("root ::= (\"a\"* \"b\"?){100}"));
  EXPECT_TRUE(matches(empty, std::string(100, 'a') + "baab"));
  Matcher stars(compile("root ::= ((\"a\"*)*)* \"b\""));
  EXPECT_TRUE(matches(stars, std::string(1000, 'a') + "b"));
}

TEST(Matcher, DepthIsLimitedAndListsAreNot) {
  Matcher m(compile("root ::= \"[\" root? \"]\""), {.depth = 10});
  EXPECT_TRUE(matches(m, std::string(11, '[') + std::string(11, ']')));
  EXPECT_FALSE(matches(m, std::string(12, '[') + std::string(12, ']')));
  // A call at the end of a rule takes no depth.
  Matcher list(compile("root ::= \"x\" | \"x,\" root"), {.depth = 10});
  std::string text = "x";
  for (int i = 0; i < 1000; ++i) text += ",x";
  EXPECT_TRUE(matches(list, text));
}

TEST(Matcher, ForgettingKeepsTheState) {
  const auto g = compile("root ::= \"[\" (root (\",\" root)*)? \"]\" | [0-9]+");
  Matcher small(g, {.depth = 100, .states = 4});
  std::string text = "[";
  for (int i = 0; i < 50; ++i) text += i % 3 ? "[1,[22," : "[";
  text += "[";
  Matcher::StateId s = small.start();
  bool forgot = false;
  for (const char c : text) {
    s = small.step(s, static_cast<uint8_t>(c));
    ASSERT_NE(s, Matcher::kDead);
    forgot |= small.collect(s);
  }
  EXPECT_TRUE(forgot);
  EXPECT_FALSE(small.accepting(s));
  const auto depth = std::ranges::count(text, '[');
  for (long i = 0; i < depth; ++i) {
    EXPECT_FALSE(small.accepting(s));
    s = small.step(s, ']');
    ASSERT_NE(s, Matcher::kDead);
    small.collect(s);
  }
  EXPECT_TRUE(small.accepting(s));
  EXPECT_FALSE(small.can_continue(s));
}

TEST(Matcher, WorkIsLimited) {
  Matcher m(compile("root ::= (\"a\"? \"b\"?){2000}"), {.work = 1000});
  const auto s = m.start();
  EXPECT_EQ(s, Matcher::kDead);
  ASSERT_FALSE(m.status());
  EXPECT_EQ(m.status().error().code, Errc::out_of_range);
}

}  // namespace
}  // namespace onebit
