#include "engine/scheduler.h"

#include <condition_variable>
#include <future>

#include <gtest/gtest.h>

#include "engine/session.h"

namespace onebit {
namespace {

// What a request gave, once it has ended.
struct Outcome {
  std::vector<Token> tokens;
  std::vector<float> logprobs;
  std::vector<Token> best;
  RequestEnd end;
};

// A request and the promise of its outcome.
struct Asked {
  std::shared_ptr<Outcome> outcome = std::make_shared<Outcome>();
  std::future<void> ended;

  Outcome& get() {
    ended.get();
    return *outcome;
  }
};

class SchedulerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto e = Engine::load({.path = ONEBIT_SOURCE_DIR "/models/onebit-kjv-austen-6m.gguf", .threads = 1});
    ASSERT_TRUE(e) << e.error().message;
    engine_ = std::move(*e);
  }
  static void TearDownTestSuite() { engine_.reset(); }

  static std::unique_ptr<Scheduler> scheduler(SchedulerOptions options = {}) {
    auto s = Scheduler::create(*engine_, options);
    EXPECT_TRUE(s) << s.error().message;
    return std::move(*s);
  }

  static std::vector<Token> encode(const std::string& text) { return *engine_->tokenizer().encode(text); }

  static Request request(const std::string& text, int64_t limit, double temperature = 0, uint64_t seed = 1) {
    Request r;
    r.prompt = encode(text);
    r.limit = limit;
    r.ignore_end = true;
    r.sampling.temperature = temperature;
    r.sampling.seed = seed;
    return r;
  }

  // Fills in the callbacks. `stop_after`: tokens after which on_token says stop.
  static Asked ask(Request& r, size_t stop_after = SIZE_MAX) {
    Asked a;
    auto promise = std::make_shared<std::promise<void>>();
    a.ended = promise->get_future();
    r.on_token = [outcome = a.outcome, stop_after](const Generated& g) {
      outcome->tokens.push_back(g.token);
      outcome->logprobs.push_back(g.logprob);
      outcome->best.push_back(g.top.empty() ? -1 : g.top[0].token);
      return outcome->tokens.size() < stop_after;
    };
    r.on_end = [outcome = a.outcome, promise](RequestEnd&& end) {
      outcome->end = std::move(end);
      promise->set_value();
    };
    return a;
  }

  static Asked submit(Scheduler& s, Request r, size_t stop_after = SIZE_MAX, uint64_t* id = nullptr) {
    Asked a = ask(r, stop_after);
    std::vector<Request> all;
    all.push_back(std::move(r));
    auto ids = s.submit(std::move(all));
    EXPECT_TRUE(ids) << ids.error().error.message;
    if (ids && id) *id = (*ids)[0];
    return a;
  }

  // The text that a session gives, one token at a time and alone.
  static std::vector<Token> alone(const std::string& text, int64_t limit, double temperature = 0, uint64_t seed = 1) {
    Session session = *Session::create(*engine_, {});
    const std::vector<Token> ids = encode(text);
    EXPECT_TRUE(session.feed(ids));
    Sampler sampler(request(text, limit, temperature, seed).sampling);
    for (const Token t : ids) sampler.accept(t);
    std::vector<Token> out;
    EXPECT_TRUE(session.generate(sampler, limit, true, [&](Token t, const std::string&) {
      out.push_back(t);
      return true;
    }));
    return out;
  }

  static std::unique_ptr<Engine> engine_;
};

std::unique_ptr<Engine> SchedulerTest::engine_;

const char* const kTexts[] = {"In the beginning",
                              ("It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. "
                               "However little known the feelings or views of such a man may be on his first entering a neighbourhood"),
                              "And it came to pass", "My dear Mr. Bennet", "x", "And God said, Let there be light: and there was light.",
                              "She was then", "The LORD is my shepherd; I shall not want."};

TEST_F(SchedulerTest, TheTextIsTheSameAloneTogetherAndInAnyPieces) {
  for (const double temperature : {0.0, 0.9}) {
    std::vector<std::vector<Token>> expected;
    for (const char* text : kTexts) expected.push_back(alone(text, 20, temperature, 7));
    for (const SchedulerOptions& options : {SchedulerOptions{.parallel = 1}, SchedulerOptions{.parallel = 8}, SchedulerOptions{.parallel = 8, .chunk = 3},
                                            SchedulerOptions{.parallel = 3, .chunk = 1, .prefix_cache = false}}) {
      auto s = scheduler(options);
      std::vector<Asked> asked;
      for (const char* text : kTexts) asked.push_back(submit(*s, request(text, 20, temperature, 7)));
      for (size_t i = 0; i < asked.size(); ++i) {
        const Outcome& o = asked[i].get();
        EXPECT_EQ(o.tokens, expected[i]) << kTexts[i] << ", " << options.parallel << " slots, pieces of " << options.chunk;
        EXPECT_EQ(o.end.ending, Ending::length);
        EXPECT_EQ(o.end.stats.generated_tokens, 20u);
        EXPECT_EQ(o.end.stats.prompt_tokens, encode(kTexts[i]).size());
      }
    }
  }
}

TEST_F(SchedulerTest, ACachedPromptGivesTheSameText) {
  auto s = scheduler({.parallel = 2});
  const std::string text = kTexts[1];
  const Outcome first = submit(*s, request(text, 12)).get();
  EXPECT_EQ(first.end.stats.cached_tokens, 0u);
  const Outcome again = submit(*s, request(text, 12)).get();
  EXPECT_EQ(again.end.stats.cached_tokens, encode(text).size() - 1);
  EXPECT_EQ(again.tokens, first.tokens);
  const Outcome longer = submit(*s, request(text + " more", 12)).get();
  EXPECT_GT(longer.end.stats.cached_tokens, 20u);
  EXPECT_EQ(longer.tokens, alone(text + " more", 12));
  // A conversation goes on where the first text ended.
  std::vector<Token> more = encode(text);
  more.insert(more.end(), first.tokens.begin(), first.tokens.end() - 1);
  Request r = request(text, 5);
  r.prompt = more;
  EXPECT_GE(submit(*s, std::move(r)).get().end.stats.cached_tokens, encode(text).size() - 1);
}

TEST_F(SchedulerTest, LogprobsDoNotChangeTheTextAndNameTheChosen) {
  auto s = scheduler();
  const Outcome plain = submit(*s, request(kTexts[0], 15)).get();
  Request r = request(kTexts[0], 15);
  r.top_logprobs = 3;
  const Outcome logged = submit(*s, std::move(r)).get();
  EXPECT_EQ(logged.tokens, plain.tokens);
  EXPECT_EQ(logged.best, plain.tokens);  // greedy
  for (const float p : logged.logprobs) {
    EXPECT_LE(p, 0);
    EXPECT_GT(p, -20);
  }
}

TEST_F(SchedulerTest, CancelFreesTheSlotBeforeTheNextToken) {
  auto s = scheduler({.parallel = 1});
  Request r = request(kTexts[0], -1);
  Asked a = ask(r);
  // Reported by the engine's thread, which cannot have gone on until this returns.
  std::promise<void> begun;
  std::promise<void> go_on;
  size_t seen = 0;
  r.on_token = [&](const Generated&) {
    if (++seen == 3) {
      begun.set_value();
      go_on.get_future().wait();
    }
    return true;
  };
  std::vector<Request> all;
  all.push_back(std::move(r));
  const auto ids = s->submit(std::move(all));
  ASSERT_TRUE(ids);
  begun.get_future().wait();
  EXPECT_TRUE(s->slots()[0].busy);
  s->cancel((*ids)[0]);
  go_on.set_value();
  EXPECT_EQ(a.get().end.ending, Ending::cancelled);
  EXPECT_EQ(seen, 3u);
  EXPECT_FALSE(s->slots()[0].busy);
  EXPECT_EQ(submit(*s, request(kTexts[0], 5)).get().tokens, alone(kTexts[0], 5));
  s->cancel(12345);  // nobody
}

TEST_F(SchedulerTest, TheQueueIsBoundedAndTakesAllOrNone) {
  auto s = scheduler({.parallel = 1, .queue = 2});
  std::promise<void> begun, go_on;
  Request r = request(kTexts[0], 1);
  Asked first = ask(r);
  r.on_token = [&](const Generated&) {
    begun.set_value();
    go_on.get_future().wait();
    return true;
  };
  std::vector<Request> one;
  one.push_back(std::move(r));
  ASSERT_TRUE(s->submit(std::move(one)));
  begun.get_future().wait();
  Asked second = submit(*s, request(kTexts[2], 1));
  std::vector<Request> two;
  for (int i = 0; i < 2; ++i) {
    two.push_back(request(kTexts[3], 1));
    (void)ask(two.back());
  }
  const auto refused = s->submit(std::move(two));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().busy);
  EXPECT_NE(refused.error().error.message.find("holds 2"), std::string::npos) << refused.error().error.message;
  Asked third = submit(*s, request(kTexts[3], 1));
  EXPECT_EQ(s->counters().waiting, 2u);
  EXPECT_EQ(s->counters().refused, 2u);
  go_on.set_value();
  for (Asked* a : {&first, &second, &third}) EXPECT_EQ(a->get().end.stats.generated_tokens, 1u);
}

TEST_F(SchedulerTest, RefusesWhatItCannotDo) {
  auto s = scheduler({.context = 32});
  const auto refusal = [&](Request r) {
    (void)ask(r);
    std::vector<Request> all;
    all.push_back(std::move(r));
    const auto ids = s->submit(std::move(all));
    EXPECT_FALSE(ids);
    EXPECT_FALSE(ids.error().busy);
    return ids.error().error.message;
  };
  Request empty = request("x", 1);
  empty.prompt.clear();
  EXPECT_NE(refusal(std::move(empty)).find("no tokens"), std::string::npos);
  Request big = request("x", 1);
  big.prompt.assign(32, 5);
  EXPECT_NE(refusal(std::move(big)).find("32 tokens, the context of 32 has room for 31"), std::string::npos);
  Request stranger = request("x", 1);
  stranger.prompt = {1 << 20};
  EXPECT_NE(refusal(std::move(stranger)).find("vocabulary"), std::string::npos);
  Request hot = request("x", 1);
  hot.sampling.temperature = -1;
  EXPECT_NE(refusal(std::move(hot)).find("temperature"), std::string::npos);
  EXPECT_FALSE(Scheduler::create(*engine_, {.parallel = 0}));
  EXPECT_FALSE(Scheduler::create(*engine_, {.context = 1 << 20}));
  EXPECT_FALSE(Scheduler::create(*engine_, {.chunk = 0}));
}

TEST_F(SchedulerTest, EndsAtTheLimitTheContextAndByWish) {
  auto s = scheduler({.parallel = 2, .context = 40});
  const size_t prompt = encode(kTexts[0]).size();
  const Outcome full = submit(*s, request(kTexts[0], -1)).get();
  EXPECT_EQ(full.end.ending, Ending::length);
  EXPECT_EQ(full.tokens.size(), 40 - prompt);
  EXPECT_EQ(full.tokens, alone(kTexts[0], static_cast<int64_t>(40 - prompt)));
  const Outcome none = submit(*s, request(kTexts[0], 0)).get();
  EXPECT_TRUE(none.tokens.empty());
  const Outcome stopped = submit(*s, request(kTexts[0], -1), 4).get();
  EXPECT_EQ(stopped.end.ending, Ending::stopped);
  EXPECT_EQ(stopped.tokens.size(), 4u);
  Request late = request(kTexts[0], -1);
  late.deadline = Request::Clock::now();
  EXPECT_EQ(submit(*s, std::move(late)).get().end.ending, Ending::timed_out);
}

TEST_F(SchedulerTest, AGrammarHoldsAtEveryTemperatureWithAndWithoutLogprobs) {
  const auto grammar = Grammar::parse("root ::= [a-f] [a-f] [a-f] \".\"");
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto trie = TokenTrie::build(engine_->tokenizer(), engine_->model().config().vocab);
  ASSERT_TRUE(trie);
  auto s = scheduler({.parallel = 4});
  for (const double temperature : {0.0, 1.5}) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      std::string texts[2];
      for (const int logprobs : {-1, 2}) {
        Request r = request(kTexts[seed], 50, temperature, seed);
        r.top_logprobs = logprobs;
        r.constraint = *Constraint::create(*grammar, *trie);
        const Outcome o = submit(*s, std::move(r)).get();
        EXPECT_EQ(o.end.ending, Ending::end_of_text) << o.end.error.message;
        texts[logprobs > 0] = engine_->tokenizer().decode(o.tokens);
      }
      EXPECT_EQ(texts[0], texts[1]);
      EXPECT_EQ(texts[0].size(), 4u);
      EXPECT_EQ(texts[0].find_first_not_of("abcdef"), 3u) << texts[0];
    }
  }
}

TEST_F(SchedulerTest, AnEmbeddingIsTheMeanOfHiddenStatesHoweverItWasRead) {
  const std::vector<Token> ids = encode(kTexts[1]);
  const uint32_t dim = engine_->model().config().dim;
  std::vector<float> hidden(ids.size() * dim);
  {
    Session session = *Session::create(*engine_, {});
    ASSERT_TRUE(session.feed_all(ids, hidden.data()));
  }
  for (const uint32_t chunk : {5u, 64u}) {
    auto s = scheduler({.parallel = 2, .chunk = chunk});
    Request r = request(kTexts[1], 0);
    r.embedding = true;
    Asked beside = submit(*s, request(kTexts[0], 20));
    const Outcome o = submit(*s, std::move(r)).get();
    ASSERT_EQ(o.end.embedding.size(), dim);
    for (uint32_t d = 0; d < dim; ++d) {
      double sum = 0;
      for (size_t t = 0; t < ids.size(); ++t) sum += static_cast<double>(hidden[t * dim + d]);
      ASSERT_EQ(o.end.embedding[d], static_cast<float>(sum / static_cast<double>(ids.size())));
    }
    const std::vector<Token> tokens = beside.get().tokens;  // before the engine is used otherwise
    EXPECT_EQ(tokens, alone(kTexts[0], 20));
  }
}

TEST_F(SchedulerTest, DrainLetsTextsEndAndRefusesOthers) {
  auto s = scheduler({.parallel = 2});
  Asked a = submit(*s, request(kTexts[0], 30)), b = submit(*s, request(kTexts[2], 10)), c = submit(*s, request(kTexts[3], 10));
  EXPECT_TRUE(s->drain(Request::Clock::now() + std::chrono::minutes(5)));
  EXPECT_EQ(a.get().tokens.size(), 30u);
  EXPECT_EQ(c.get().tokens.size(), 10u);
  Request late = request(kTexts[0], 1);
  (void)ask(late);
  std::vector<Request> all;
  all.push_back(std::move(late));
  const auto refused = s->submit(std::move(all));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().busy);
  EXPECT_EQ(b.get().end.ending, Ending::length);
}

TEST_F(SchedulerTest, TheEndCancelsWhatIsLeft) {
  Asked running, waiting;
  {
    auto s = scheduler({.parallel = 1});
    running = submit(*s, request(kTexts[0], -1));
    waiting = submit(*s, request(kTexts[2], -1));
    EXPECT_FALSE(s->drain(Request::Clock::now()));
  }
  EXPECT_NE(running.get().end.ending, Ending::failed);
  EXPECT_EQ(waiting.get().end.ending, Ending::cancelled);
}

}  // namespace
}  // namespace onebit
