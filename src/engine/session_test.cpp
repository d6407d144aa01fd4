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

}  // namespace
}  // namespace onebit
