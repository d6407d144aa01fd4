#include "engine/session.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/byte_tokenizer.h"
#include "engine/chat_format.h"
#include "model/tiny_model.h"

namespace onebit {
namespace {

using onebit::testing::byte_tokenizer;
using onebit::testing::TinyModel;
using onebit::testing::TinyShape;
namespace fs = std::filesystem;

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::temp_directory_path() / ("onebit_session_" + std::to_string(getpid()) + ".gguf")).string();
    const Status s = TinyModel({.vocab = 259, .context = 64}).write(path_, byte_tokenizer());
    ASSERT_TRUE(s) << s.error().message;
    auto e = Engine::load({.path = path_, .threads = 2});
    ASSERT_TRUE(e) << e.error().message;
    engine_ = std::move(*e);
  }
  void TearDown() override { fs::remove(path_); }

  Session session(uint32_t batch = 512, uint32_t context = 0) {
    return *Session::create(*engine_, {.context = context, .batch = batch});
  }
  static Sampler greedy() {
    SamplerOptions o;
    o.temperature = 0;
    return Sampler(o);
  }
  std::vector<Token> generate(Session s, const std::string& text, int64_t limit) {
    EXPECT_TRUE(s.feed(*engine_->tokenizer().encode(text)));
    Sampler sampler = greedy();
    std::vector<Token> out;
    const auto finish = s.generate(sampler, limit, true, [&](Token t, const std::string&) {
      out.push_back(t);
      return true;
    });
    EXPECT_TRUE(finish) << finish.error().message;
    return out;
  }

  std::string path_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(SessionTest, BatchSplitsDoNotChangeTheText) {
  const auto expected = generate(session(), "a prompt of some length", 30);
  EXPECT_EQ(expected.size(), 30u);
  for (uint32_t batch : {1u, 2u, 7u}) EXPECT_EQ(generate(session(batch), "a prompt of some length", 30), expected);
}

TEST_F(SessionTest, StopsAtTheEndOfTheContext) {
  EXPECT_EQ(generate(session(512, 20), "0123456789", -1).size(), 9u);  // BOS and ten bytes came before
  Session s = session(512, 8);
  const auto r = s.feed(*engine_->tokenizer().encode("0123456789"));
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("0 of the 8 positions"), std::string::npos) << r.error().message;
  EXPECT_FALSE(Session::create(*engine_, {.context = 65}));
}

TEST_F(SessionTest, TruncateGoesBack) {
  Session s = session();
  const auto ids = *engine_->tokenizer().encode("some text");
  ASSERT_TRUE(s.feed(ids));
  const std::vector<float> before(s.hidden(), s.hidden() + engine_->model().config().dim);
  const std::vector<Token> more{65, 66, 67};
  ASSERT_TRUE(s.feed(more));
  s.truncate(static_cast<uint32_t>(ids.size() - 1));
  EXPECT_EQ(s.tokens().size(), ids.size() - 1);
  ASSERT_TRUE(s.feed(std::span(ids).last(1)));
  EXPECT_EQ(std::vector<float>(s.hidden(), s.hidden() + before.size()), before);
}

TEST_F(SessionTest, StopsWhenAskedAndKeepsWhatItSaid) {
  Session s = session(4);
  const auto ids = *engine_->tokenizer().encode("abcdefghij");
  const auto r = s.feed(ids, [](double) { return false; });
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::cancelled);
  EXPECT_EQ(s.tokens().size(), 4u);
  Sampler sampler = greedy();
  int calls = 0;
  const auto finish = s.generate(sampler, 10, true, [&](Token, const std::string&) { return ++calls < 3; });
  ASSERT_TRUE(finish);
  EXPECT_EQ(*finish, Finish::stopped);
  EXPECT_EQ(s.tokens().size(), 7u);
}

TEST_F(SessionTest, ChatFormatKeepsControlTokensOutOfText) {
  const Tokenizer& t = engine_->tokenizer();
  EXPECT_EQ(detect_chat_style(engine_->model().config(), t), ChatStyle::bitnet);
  const auto ids = encode_message(t, ChatStyle::bitnet, {"user", "hi <|eot_id|>"}, true, true);
  ASSERT_TRUE(ids);
  EXPECT_EQ(ids->front(), t.bos());
  EXPECT_EQ(std::count(ids->begin(), ids->end(), t.find("<|eot_id|>")), 1);
  EXPECT_EQ(t.decode(std::span(*ids).subspan(1), true), "User: hi <|eot_id|><|eot_id|>Assistant: ");
  EXPECT_FALSE(encode_message(t, ChatStyle::llama3, {"<|eot_id|>", "x"}, true, true));
}

// At every step the token is the allowed one with the largest full-precision logit, found among all rows.
TEST_F(SessionTest, ConstrainedGreedyIsTheBestAllowed) {
  const auto grammar = Grammar::parse("root ::= \"[\" item (\",\" item)* \"]\"\nitem ::= [a-f]{1,3} | [0-9]");
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto trie = TokenTrie::build(engine_->tokenizer(), engine_->model().config().vocab);
  ASSERT_TRUE(trie);
  const auto text_with = [&](SamplerOptions options) {
    Session s = session();
    const std::vector<Token> prompt{256, 'x' - '!' + 33};
    EXPECT_TRUE(s.feed(prompt));
    auto constraint = Constraint::create(*grammar, *trie);
    auto oracle = Constraint::create(*grammar, *trie);
    EXPECT_TRUE(constraint && oracle);
    Sampler sampler(options);
    std::string text;
    std::vector<float> logits(engine_->model().config().vocab);
    for (int n = 0; n < 24; ++n) {
      engine_->model().head().logits(engine_->compute(), s.hidden(), 1, logits.data());
      Token best = -1;
      for (Token t = 0; t < static_cast<Token>(logits.size()); ++t)
        if (*oracle->allows(t) && (best < 0 || logits[static_cast<size_t>(t)] > logits[static_cast<size_t>(best)])) best = t;
      const auto token = s.choose(sampler, &*constraint);
      EXPECT_TRUE(token) << token.error().message;
      if (!token) break;
      if (options.temperature == 0 && options.repeat_penalty == 1) {
        EXPECT_EQ(*token, best) << n;
      }
      EXPECT_TRUE(*oracle->allows(*token));
      EXPECT_TRUE(constraint->accept(*token));
      EXPECT_TRUE(oracle->accept(*token));
      if (constraint->finished()) break;
      text += engine_->tokenizer().piece(*token);
      EXPECT_TRUE(s.feed({&*token, 1}));
    }
    return text;
  };
  SamplerOptions options;
  options.temperature = 0;
  EXPECT_FALSE(text_with(options).empty());
  options.repeat_penalty = 1.3;   // looks at every row
  EXPECT_TRUE(text_with(options).starts_with("["));
  options.temperature = 2;
  options.top_k = 0;
  options.seed = 5;
  const std::string once = text_with(options);
  EXPECT_TRUE(once.starts_with("["));
  EXPECT_EQ(text_with(options), once);
  options.repeat_penalty = 1;
  options.top_k = 40;
  EXPECT_EQ(text_with(options), text_with(options));
}

TEST_F(SessionTest, AConstrainedTextEndsWithItsGrammar) {
  const auto grammar = Grammar::parse("root ::= \"yes\" | \"no\"");
  const auto trie = TokenTrie::build(engine_->tokenizer(), engine_->model().config().vocab);
  ASSERT_TRUE(grammar && trie);
  auto constraint = Constraint::create(*grammar, *trie);
  ASSERT_TRUE(constraint);
  Session s = session();
  ASSERT_TRUE(s.feed(std::vector<Token>{256, 40}));
  Sampler sampler = greedy();
  std::string text;
  const auto finish = s.generate(sampler, 20, true, [&](Token, const std::string& bytes) { return text += bytes, true; }, &*constraint);
  ASSERT_TRUE(finish) << finish.error().message;
  EXPECT_EQ(*finish, Finish::end_of_text);
  EXPECT_TRUE(text == "yes" || text == "no") << text;
  // Token by token, each asked for on its own.
  const auto other = Grammar::parse("root ::= \"\\x01\" \"a\"");
  auto narrow = Constraint::create(*other, *trie);
  ASSERT_TRUE(narrow);
  ASSERT_TRUE(narrow->accept(*s.choose(sampler, &*narrow)));
  EXPECT_EQ(engine_->tokenizer().piece(*s.choose(sampler, &*narrow)), "a");
}

TEST_F(SessionTest, TheTemplateOfAFileWithoutOneIsBuiltIn) {
  const auto t = chat_template(*engine_);
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->name(), "bitnet");
  ChatInput in;
  in.messages = {{{"role", "user"}, {"content", "hi <|eot_id|>"}}};
  const auto ids = t->encode(in, engine_->tokenizer());
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_EQ(*ids, *encode_message(engine_->tokenizer(), ChatStyle::bitnet, {"user", "hi <|eot_id|>"}, true, true));
  EXPECT_EQ(chat_template(*engine_, "chatml")->name(), "chatml");
  EXPECT_EQ(chat_template(*engine_, "{{ messages[0].content }}")->name(), "jinja");
  EXPECT_FALSE(chat_template(*engine_, "nosuch"));
}

}  // namespace
}  // namespace onebit
