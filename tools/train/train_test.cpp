#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/file.h"
#include "bpe.h"
#include "checkpoint.h"
#include "corpus.h"
#include "optimizer.h"
#include "trainer.h"

namespace onebit::train {
namespace {

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> list;
  for (const auto p : split_pieces(text)) list.emplace_back(p);
  return list;
}

// What the regular expression of GPT-2 gives.
TEST(Bpe, SplitsLikeGpt2) {
  using List = std::vector<std::string>;
  EXPECT_EQ(pieces("I don't know 42 things!"), (List{"I", " don", "'t", " know", " 42", " things", "!"}));
  EXPECT_EQ(pieces("a  b"), (List{"a", " ", " b"}));
  EXPECT_EQ(pieces("a\nb"), (List{"a", "\n", "b"}));
  EXPECT_EQ(pieces("a \n\n b"), (List{"a", " \n\n", " b"}));
  EXPECT_EQ(pieces("end.  "), (List{"end", ".", "  "}));
  EXPECT_EQ(pieces("x1 'tis--so"), (List{"x", "1", " '", "tis", "--", "so"}));
  EXPECT_EQ(pieces(" "), (List{" "}));
  EXPECT_EQ(pieces(""), List{});
}

TEST(Bpe, LearnsTheMostFrequentPairFirst) {
  // Pairs: "ab" 5 times, "bc" twice, "ca" once; then "ab" + "c".
  const Bpe bpe = Bpe::learn("abcabc,ab,ab,ab", 258 + 2);
  ASSERT_EQ(bpe.merges().size(), 2u);
  EXPECT_EQ(bpe.merges()[0], (Bpe::Merge{'a', 'b'}));
  EXPECT_EQ(bpe.merges()[1], (Bpe::Merge{256, 'c'}));
  EXPECT_EQ(bpe.encode("abc ab"), (std::vector<Token>{257, ' ', 256}));
}

TEST(Bpe, RoundTrip) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "the quick brown fox, it's " + std::to_string(i * i) + " times\n\n  over ";
  const Bpe bpe = Bpe::learn(text, 360);
  EXPECT_EQ(bpe.size(), 360);
  for (const std::string& s : {text, std::string("unseen words aaaa\t\r\n"), std::string("\0x", 2), std::string()})
    EXPECT_EQ(bpe.decode(bpe.encode(s)), s);
  EXPECT_LT(bpe.encode(text).size(), text.size() / 3);
}

TEST(Bpe, SpellsBytesAsGpt2Does) {
  const Bpe bpe({{' ', 'a'}});
  EXPECT_EQ(bpe.spelling('A'), "A");
  EXPECT_EQ(bpe.spelling('\n'), "\u010a");
  EXPECT_EQ(bpe.spelling(256), "\u0120a");
  EXPECT_EQ(bpe.spelling(0xAD), "\u0143");
  EXPECT_EQ(bpe.spelling(bpe.bos()), "<|begin_of_text|>");
}

TEST(Bpe, RefusesTextOutsideAscii) {
  const auto status = check_ascii("one\ntw\xc3\xb6", "corpus.txt");
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("corpus.txt: line 2 has the byte 0xc3"), std::string::npos);
}

TEST(Corpus, DocumentsEndWithEos) {
  const Bpe bpe({});
  const Token e = bpe.eos();
  EXPECT_EQ(document_stream(bpe, "ab\n\nc\n"), (std::vector<Token>{'a', 'b', '\n', e, 'c', '\n', e}));
}

TEST(Corpus, AnEpochVisitsEveryWindowOnce) {
  std::vector<Token> stream(50);
  for (size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<Token>(i);
  WindowSampler sampler(stream, 99, 8, 1);
  std::vector<int> seen(stream.size());
  int32_t input[8], target[8];
  for (int window = 0; window < 5; ++window) {   // at least (50 - 7) / 8 whole windows fit behind any origin
    sampler.next(input, target);
    EXPECT_EQ(input[0], 99);
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(target[i], target[0] + i);
      if (i > 0) {
        EXPECT_EQ(input[i], target[i - 1]);
      }
      EXPECT_EQ(++seen[target[i]], 1);
    }
  }
}

TEST(AdamW, TwoStepsByHand) {
  AdamW adam(1);
  float p = 1;
  const float g1 = 0.5f, g2 = -1.0f;
  adam.begin_step();
  adam.update(&p, &g1, 0, 1, 1, 0.1f, 0.2f);
  // m = 0.05, v = 0.0125; corrected 0.5 and 0.25: direction 1. p = 1 - 0.1 (1 + 0.2).
  EXPECT_NEAR(p, 0.88, 1e-6);
  adam.begin_step();
  adam.update(&p, &g2, 0, 1, 0.5f, 0.1f, 0);
  // g = -0.5: m = 0.045 - 0.05 = -0.005, v = 0.011875 + 0.0125 = 0.024375;
  // corrected by 1 - 0.81 and 1 - 0.9025: direction -0.0263158 / 0.5.
  EXPECT_NEAR(p, 0.88 + 0.1 * (0.005 / 0.19) / 0.5, 1e-6);
}

TEST(Schedule, WarmsUpAndDecays) {
  const Schedule s{.warmup = 10, .steps = 110, .peak = 1, .floor = 0.1};
  EXPECT_NEAR(s.rate(0), 0.1, 1e-12);
  EXPECT_NEAR(s.rate(9), 1, 1e-12);
  EXPECT_NEAR(s.rate(60), 0.55, 1e-12);
  EXPECT_NEAR(s.rate(110), 0.1, 1e-12);
}

TEST(Gradients, AreSummedInOrderAndCleared) {
  ThreadPool pool(2);
  std::vector<std::vector<float>> parts(2, std::vector<float>(100000, 1.0f));
  std::vector<float> sum(100000, NAN);
  EXPECT_NEAR(sum_gradients(pool, parts, sum), std::sqrt(100000.0) * 2, 1e-6);
  EXPECT_EQ(sum[99999], 2);
  EXPECT_EQ(parts[1][0], 0);
}

Checkpoint untrained() {
  Checkpoint c{Bpe({}), Model({.vocab = 258, .dim = 256, .layers = 1, .heads = 4, .kv_heads = 2, .ffn = 256,
                               .context = 16}, Quantise::on)};
  c.model.init(1);
  return c;
}

class Training : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "onebit_train_" + testing::UnitTest::GetInstance()->current_test_info()->name() + "_";
    std::string text;
    for (int i = 0; i < 300; ++i)
      text += "In the beginning was the word, and the word was " + std::to_string(i % 7) + ".\n";
    options_.train_path = write("train.txt", text + "\n" + text);
    options_.heldout_path = write("heldout.txt", text.substr(0, 500));
    options_.config = {.vocab = 280, .dim = 256, .layers = 1, .heads = 4, .kv_heads = 2, .ffn = 256, .context = 32};
    options_.schedule = {.warmup = 5, .steps = 30, .peak = 5e-3};
    options_.eval_every = 30;
  }
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + name) << text;
    return dir_ + name;
  }
  std::string dir_;
  TrainOptions options_;
};

TEST_F(Training, LearnsAndDoesNotDependOnThreads) {
  std::vector<Checkpoint> results;
  for (const unsigned threads : {1u, 2u}) {
    ThreadPool pool(threads);
    options_.out = dir_ + "run" + std::to_string(threads);
    const auto status = train(options_, nullptr, pool);
    ASSERT_TRUE(status) << status.error().message;
    auto loaded = load_checkpoint(options_.out + ".best");
    ASSERT_TRUE(loaded) << loaded.error().message;
    results.push_back(std::move(*loaded));
  }
  EXPECT_EQ(results[0].model.parameters, results[1].model.parameters);
  ThreadPool pool(1);
  const auto& [bpe, model] = results[0];
  const auto score = score_text(model, bpe, bpe.encode("In the beginning was the word, and the word was 3.\n"), pool);
  EXPECT_LT(score.nats / static_cast<double>(score.tokens), 1.5) << "log(280) = 5.6 is chance";
}

TEST_F(Training, ScoreCountsEveryTokenOnce) {
  const Checkpoint c = untrained();
  ThreadPool pool(1);
  const std::string text = "abcdefghijklmnopqrstuvw";   // 23 tokens: windows of 15 and 8
  const auto all = score_text(c.model, c.bpe, c.bpe.encode(text), pool);
  const auto first = score_text(c.model, c.bpe, c.bpe.encode(text.substr(0, 15)), pool);
  const auto second = score_text(c.model, c.bpe, c.bpe.encode(text.substr(15)), pool);
  EXPECT_EQ(all.tokens, 23);
  EXPECT_DOUBLE_EQ(all.nats, first.nats + second.nats);
}

TEST_F(Training, DamagedCheckpointsAreErrors) {
  const Checkpoint c = untrained();
  const std::string path = dir_ + "model";
  ASSERT_TRUE(save_checkpoint(path, c.bpe, c.model));
  ASSERT_TRUE(load_checkpoint(path));
  std::string bytes = read_text(path, 1 << 30).value();
  EXPECT_FALSE(load_checkpoint(write("short", bytes.substr(0, bytes.size() - 1))));
  EXPECT_FALSE(load_checkpoint(write("empty", "")));
  bytes[0] = 'x';
  EXPECT_FALSE(load_checkpoint(write("magic", bytes)));
}

}  // namespace
}  // namespace onebit::train
