#include "engine/sampler.h"

#include <cmath>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>
#include <unistd.h>

#include "format/codec.h"

namespace onebit {
namespace {

// A head with one row per token and dimension 64: logit of token i is logits[i].
class Head {
 public:
  explicit Head(const std::vector<float>& logits) : pool_(1) {
    path_ = (std::filesystem::temp_directory_path() / ("onebit_sampler_" + std::to_string(getpid()) + ".gguf")).string();
    GgufWriter w;
    std::vector<float> rows(logits.size() * kDim, 0);
    for (size_t i = 0; i < logits.size(); ++i) rows[i * kDim] = logits[i];
    (void)w.add_tensor("t", TensorType::f32, kDim, logits.size());
    (void)w.begin(path_);
    (void)w.write(rows.data(), rows.size() * sizeof(float));
    (void)w.finish();
    gguf_ = std::move(*Gguf::open(path_));
    compute_ = std::move(*cpu::Compute::create(cpu::best_isa(), pool_));
    (void)compute_->reserve(1, kDim);
    head_ = std::move(*cpu::OutputHead::create(gguf_, *gguf_.find_tensor("t"), *compute_));
    hidden_[0] = 1;
  }
  ~Head() { std::filesystem::remove(path_); }
  Result<Token> choose(Sampler& s) { return s.choose(*head_, *compute_, hidden_); }

 private:
  static constexpr uint32_t kDim = 64;
  std::string path_;
  ThreadPool pool_;
  Gguf gguf_;
  std::optional<cpu::Compute> compute_;
  std::optional<cpu::OutputHead> head_;
  float hidden_[kDim] = {};
};

std::map<Token, double> shares(Head& head, SamplerOptions o, int draws = 20000) {
  o.seed = 7;
  Sampler s(o);
  std::map<Token, double> share;
  for (int i = 0; i < draws; ++i) share[head.choose(s).value()] += 1.0 / draws;
  return share;
}

SamplerOptions plain() {
  SamplerOptions o;
  o.temperature = 1;
  o.top_k = 0;
  o.top_p = 1;
  o.min_p = 0;
  return o;
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  Head head({std::log(0.5f), std::log(0.3f), std::log(0.2f)});
  // Four standard deviations of a share of 20000 draws.
  const double bound = 4 * std::sqrt(0.25 / 20000);
  auto s = shares(head, plain());
  EXPECT_NEAR(s[0], 0.5, bound);
  EXPECT_NEAR(s[1], 0.3, bound);
  EXPECT_NEAR(s[2], 0.2, bound);
  SamplerOptions cold = plain();
  cold.temperature = 0.5;  // probabilities squared: 25 : 9 : 4
  s = shares(head, cold);
  EXPECT_NEAR(s[0], 25.0 / 38, bound);
  EXPECT_NEAR(s[2], 4.0 / 38, bound);
}

TEST(Sampler, TopKTopPAndMinPCut) {
  Head head({std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)});
  SamplerOptions o = plain();
  o.top_k = 2;
  EXPECT_EQ(shares(head, o, 2000).size(), 2u);
  o = plain();
  o.top_p = 0.79;  // 0.5 + 0.3 reaches it
  EXPECT_EQ(shares(head, o, 2000).size(), 2u);
  o.top_p = 0.81;
  EXPECT_EQ(shares(head, o, 2000).size(), 3u);
  o = plain();
  o.min_p = 0.2;  // 0.1 of the best is dropped, 0.3 is not
  EXPECT_EQ(shares(head, o, 2000).size(), 3u);
}

TEST(Sampler, SameSeedSameTokens) {
  Head head({0, 0.1f, 0.2f, 0.3f, 0.4f});
  SamplerOptions o = plain();
  o.seed = 42;
  Sampler a(o), b(o);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(head.choose(a).value(), head.choose(b).value());
}

TEST(Sampler, GreedyTakesTheLowestOfEquals) {
  Head head({1, 3, 3, 2});
  SamplerOptions o = plain();
  o.temperature = 0;
  Sampler s(o);
  EXPECT_EQ(head.choose(s).value(), 1);
}

TEST(Sampler, PenaltiesAndBiases) {
  Head head({3.0f, 2.9f, -1.0f, 0.0f});
  SamplerOptions o = plain();
  o.temperature = 0;
  o.repeat_penalty = 1.1;
  Sampler s(o);
  EXPECT_EQ(head.choose(s).value(), 0);
  s.accept(0);  // 3.0 / 1.1 < 2.9
  EXPECT_EQ(head.choose(s).value(), 1);
  o.repeat_penalty = 1;
  o.frequency_penalty = 0.06;
  Sampler f(o);
  f.accept(0);
  EXPECT_EQ(head.choose(f).value(), 0);
  f.accept(0);  // 3.0 - 0.12 < 2.9
  EXPECT_EQ(head.choose(f).value(), 1);
  o.frequency_penalty = 0;
  o.logit_bias = {{0, -INFINITY}, {3, 10.0}};
  Sampler b(o);
  EXPECT_EQ(head.choose(b).value(), 3);
}

TEST(Sampler, PenaltyLooksBackOnlySoFar) {
  Head head({3.0f, 2.9f});
  SamplerOptions o = plain();
  o.temperature = 0;
  o.repeat_penalty = 2;
  o.repeat_last_n = 2;
  Sampler s(o);
  s.accept(0);
  s.accept(1);
  s.accept(1);  // token 0 is out of the window
  EXPECT_EQ(head.choose(s).value(), 0);
}

TEST(Sampler, RefusesWhatIsNotFinite) {
  Head head({NAN, NAN});
  for (const double temperature : {0.0, 1.0}) {
    SamplerOptions o = plain();
    o.temperature = temperature;
    Sampler s(o);
    const auto r = head.choose(s);
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().message.find("expected a finite number"), std::string::npos);
  }
  SamplerOptions bad;
  bad.top_p = NAN;
  EXPECT_FALSE(check(bad));
  bad = {};
  bad.temperature = -1;
  EXPECT_FALSE(check(bad));
  EXPECT_TRUE(check({}));
}

}  // namespace
}  // namespace onebit
