// The model level of the C interface through libonebit.so: the same tokens as the engine, one text a session however
// many threads and calls there are, and what callbacks and cancels do.
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "capi/capi_testing.h"
#include "engine/session.h"

namespace onebit {
namespace {

using onebit::testing::Owned;
using onebit::testing::TinyFile;
using Ids = std::vector<int32_t>;

constexpr uint32_t kContext = 64, kVocab = 259;
constexpr double kPenalty = 100;

#define OK(call) ASSERT_EQ(call, ONEBIT_OK) << onebit_last_error()

class CapiTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    file_ = new TinyFile(kContext);
    ASSERT_TRUE(file_->status()) << file_->status().error().message;
  }
  static void TearDownTestSuite() {
    delete file_;
    file_ = nullptr;
  }
  void SetUp() override { model_ = load(ONEBIT_DEVICE_CPU); }

  static Owned<onebit_model> load(int32_t prefill) {
    onebit_model_options o;
    EXPECT_EQ(onebit_model_options_init(&o, sizeof o), ONEBIT_OK);
    o.threads = 2;
    o.prefill_device = prefill;
    onebit_model* m = nullptr;
    EXPECT_EQ(onebit_model_load(file_->path(), &o, &m), ONEBIT_OK) << onebit_last_error();
    return Owned<onebit_model>(m);
  }
  Owned<onebit_session> session(uint32_t batch = 0) const {
    onebit_session_options o;
    EXPECT_EQ(onebit_session_options_init(&o, sizeof o), ONEBIT_OK);
    o.batch = batch;
    onebit_session* s = nullptr;
    EXPECT_EQ(onebit_session_create(model_.get(), &o, &s), ONEBIT_OK) << onebit_last_error();
    return Owned<onebit_session>(s);
  }
  // Greedy by default. The tiny model likes to repeat itself, which the penalty keeps it from.
  static Owned<onebit_sampler> sampler(double temperature = 0, uint64_t seed = 0, double penalty = kPenalty) {
    onebit_sampler_options o;
    EXPECT_EQ(onebit_sampler_options_init(&o, sizeof o), ONEBIT_OK);
    o.temperature = temperature;
    o.seed = seed;
    o.frequency_penalty = penalty;
    o.top_p = 1;
    o.min_p = 0;
    onebit_sampler* s = nullptr;
    EXPECT_EQ(onebit_sampler_create(&o, &s), ONEBIT_OK) << onebit_last_error();
    return Owned<onebit_sampler>(s);
  }
  Ids encode(const std::string& text) const {
    onebit_tokenizer* t = nullptr;
    EXPECT_EQ(onebit_model_tokenizer(model_.get(), &t), ONEBIT_OK);
    const Owned<onebit_tokenizer> owned(t);
    size_t n = 0;
    EXPECT_EQ(onebit_tokenizer_encode(t, text.data(), text.size(), 0, nullptr, 0, &n), ONEBIT_OK);
    Ids ids(n);
    EXPECT_EQ(onebit_tokenizer_encode(t, text.data(), text.size(), 0, ids.data(), n, &n), ONEBIT_OK);
    return ids;
  }
  static Ids tokens(const onebit_session* s) {
    size_t n = 0;
    EXPECT_EQ(onebit_session_tokens(s, nullptr, 0, &n), ONEBIT_OK);
    Ids ids(n);
    EXPECT_EQ(onebit_session_tokens(s, ids.data(), n, &n), ONEBIT_OK);
    return ids;
  }
  static onebit_status feed(onebit_session* s, const Ids& ids) { return onebit_session_feed(s, ids.data(), ids.size(), nullptr, nullptr); }
  // The text after `text` and up to `limit` tokens more.
  Ids continued(const std::string& text, int64_t limit, uint32_t batch = 0) const {
    const auto s = session(batch);
    EXPECT_EQ(feed(s.get(), encode(text)), ONEBIT_OK) << onebit_last_error();
    EXPECT_EQ(onebit_session_generate(s.get(), sampler().get(), limit, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, nullptr), ONEBIT_OK);
    return tokens(s.get());
  }
  static std::vector<float> logits(onebit_session* s) {
    std::vector<float> out(kVocab, NAN);
    EXPECT_EQ(onebit_session_logits(s, out.data(), out.size()), ONEBIT_OK) << onebit_last_error();
    return out;
  }

  static TinyFile* file_;
  Owned<onebit_model> model_;
};
TinyFile* CapiTest::file_ = nullptr;

TEST_F(CapiTest, GreedyTokensAreTheEngines) {
  EngineOptions options;
  options.path = file_->path();
  options.threads = 1;
  options.placement.on = {Where::cpu, Where::cpu};
  const auto engine = Engine::load(options).value();
  for (const char* text : {"hello", "In the beginning God created", "x"}) {
    Session s = Session::create(*engine, {}).value();
    ASSERT_TRUE(s.feed(engine->tokenizer().encode(text).value()));
    SamplerOptions greedy;
    greedy.temperature = 0;
    greedy.frequency_penalty = kPenalty;
    Sampler sampler(greedy);
    ASSERT_TRUE(s.generate(sampler, 20, true, [](Token, const std::string&) { return true; }));
    EXPECT_EQ(continued(text, 20), Ids(s.tokens().begin(), s.tokens().end())) << text;
  }
}

TEST_F(CapiTest, GreedyTokensDoNotDependOnBatchesOrDevice) {
  const std::string text = "the simulated array reads prompts";
  const Ids wanted = continued(text, 16);
  EXPECT_EQ(wanted.size(), encode(text).size() + 16);
  EXPECT_GT(std::set<int32_t>(wanted.end() - 16, wanted.end()).size(), 8u) << "a text in which a wrong token can show";
  EXPECT_EQ(continued(text, 16, 5), wanted);
  model_ = load(ONEBIT_DEVICE_NPU_SIM);
  EXPECT_EQ(continued(text, 16, 7), wanted);
  onebit_model_stats stats;
  stats.struct_size = sizeof stats;
  OK(onebit_model_get_stats(model_.get(), &stats));
  EXPECT_GT(stats.dispatches, 0u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_GT(stats.simulated_ddr_bytes, 0u);
  OK(onebit_model_check_placement(model_.get()));
  onebit_model_info info;
  info.struct_size = sizeof info;
  OK(onebit_model_get_info(model_.get(), &info));
  EXPECT_EQ(info.prefill_device, ONEBIT_DEVICE_NPU_SIM);
  EXPECT_EQ(info.decode_device, ONEBIT_DEVICE_CPU);
  EXPECT_STREQ(info.device, "array simulator (npu2)");
  EXPECT_EQ(info.npu_share, 100);
}

TEST_F(CapiTest, Info) {
  onebit_model_info info;
  info.struct_size = sizeof info;
  OK(onebit_model_get_info(model_.get(), &info));
  EXPECT_STREQ(info.architecture, "bitnet-b1.58");
  EXPECT_STREQ(info.chat_format, "bitnet");
  EXPECT_STREQ(info.device, "");
  EXPECT_EQ(info.layers, 2u);
  EXPECT_EQ(info.embedding_size, 256u);
  EXPECT_EQ(info.heads, 4u);
  EXPECT_EQ(info.kv_heads, 2u);
  EXPECT_EQ(info.head_size, 64u);
  EXPECT_EQ(info.feed_forward_size, 512u);
  EXPECT_EQ(info.context, kContext);
  EXPECT_EQ(info.vocabulary, kVocab);
  EXPECT_EQ(info.threads, 2u);
  EXPECT_GT(info.weight_bytes_per_token, 0u);
}

TEST_F(CapiTest, StepsGiveWhatGenerateGives) {
  const Ids wanted = continued("step by step", 12);
  const auto s = session();
  OK(feed(s.get(), encode("step by step")));
  const auto greedy = sampler();
  for (size_t i = encode("step by step").size(); i < wanted.size(); ++i) {
    int32_t token = -1, finish = -1;
    OK(onebit_session_next(s.get(), greedy.get(), ONEBIT_GENERATE_IGNORE_END, &token, &finish));
    EXPECT_EQ(token, wanted[i]);
    EXPECT_EQ(finish, ONEBIT_FINISH_NONE);
  }
  EXPECT_EQ(tokens(s.get()), wanted);
}

TEST_F(CapiTest, OwnChoiceByLogits) {
  const auto s = session(), other = session();
  OK(feed(other.get(), encode("choose")));
  OK(onebit_session_generate(other.get(), sampler(0, 0, 0).get(), 8, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, nullptr));
  const Ids wanted = tokens(other.get());
  OK(feed(s.get(), encode("choose")));
  while (tokens(s.get()).size() < wanted.size()) {
    const std::vector<float> l = logits(s.get());
    const auto best = static_cast<int32_t>(std::max_element(l.begin(), l.end()) - l.begin());
    onebit_token_logit top[3];
    uint32_t count = 0;
    OK(onebit_session_top(s.get(), 3, top, &count));
    ASSERT_EQ(count, 3u);
    EXPECT_EQ(top[0].token, best);
    EXPECT_EQ(top[0].logit, l[static_cast<size_t>(best)]);
    EXPECT_GE(top[0].logit, top[1].logit);
    EXPECT_EQ(top[2].logit, l[static_cast<size_t>(top[2].token)]);
    OK(onebit_session_append(s.get(), best));
  }
  EXPECT_EQ(tokens(s.get()), wanted);
}

TEST_F(CapiTest, FullContextAndEnds) {
  const auto s = session();
  const auto greedy = sampler();
  OK(feed(s.get(), encode("full")));
  int32_t finish = -1, token = -1;
  OK(onebit_session_generate(s.get(), greedy.get(), -1, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, &finish));
  EXPECT_EQ(finish, ONEBIT_FINISH_LENGTH);
  EXPECT_EQ(tokens(s.get()).size(), kContext);
  OK(onebit_session_next(s.get(), greedy.get(), 0, &token, &finish));
  EXPECT_EQ(token, -1);
  EXPECT_EQ(finish, ONEBIT_FINISH_LENGTH);
  EXPECT_EQ(onebit_session_append(s.get(), 1), ONEBIT_ERROR_OUT_OF_RANGE);
  EXPECT_STREQ(onebit_last_error(), "1 tokens do not fit: 64 of the 64 positions of the context are in use");

  // A sampler that can only choose the token that ends the text.
  const onebit_logit_bias end{257, 1e6f};
  onebit_sampler_options o;
  OK(onebit_sampler_options_init(&o, sizeof o));
  o.logit_bias = &end;
  o.logit_biases = 1;
  onebit_sampler* ending = nullptr;
  OK(onebit_sampler_create(&o, &ending));
  const Owned<onebit_sampler> owned(ending);
  OK(onebit_session_truncate(s.get(), 10));
  int calls = 0;
  const auto count = [](void* user, int32_t, const char*, size_t) -> int32_t { return ++*static_cast<int*>(user), 0; };
  OK(onebit_session_generate(s.get(), ending, 5, 0, count, &calls, &finish));
  EXPECT_EQ(finish, ONEBIT_FINISH_END);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(tokens(s.get()).size(), 11u);
  EXPECT_EQ(tokens(s.get()).back(), 257);
  OK(onebit_session_next(s.get(), ending, 0, &token, &finish));
  EXPECT_EQ(token, 257);
  EXPECT_EQ(finish, ONEBIT_FINISH_END);
  OK(onebit_session_generate(s.get(), ending, 3, ONEBIT_GENERATE_IGNORE_END, count, &calls, &finish));
  EXPECT_EQ(finish, ONEBIT_FINISH_LENGTH);
  EXPECT_EQ(calls, 3);
}

TEST_F(CapiTest, TruncatedTextGoesOnAsIfNeverLonger) {
  const auto s = session(), fresh = session();
  OK(feed(s.get(), encode("a text that will be cut short")));
  OK(onebit_session_truncate(s.get(), 9));
  const Ids kept = tokens(s.get());
  ASSERT_EQ(kept.size(), 9u);
  OK(feed(fresh.get(), kept));
  EXPECT_EQ(logits(s.get()), logits(fresh.get()));
  EXPECT_EQ(tokens(s.get()), kept);
  OK(onebit_session_truncate(s.get(), 0));
  std::vector<float> out(kVocab);
  EXPECT_EQ(onebit_session_logits(s.get(), out.data(), out.size()), ONEBIT_ERROR_STATE);
  OK(feed(s.get(), kept));
  EXPECT_EQ(logits(s.get()), logits(fresh.get()));
}

TEST_F(CapiTest, HiddenStates) {
  const Ids ids = encode("hidden states");
  const auto s = session(4), other = session();
  std::vector<float> all(ids.size() * 256, NAN), last(256, NAN);
  OK(onebit_session_feed_hidden(s.get(), ids.data(), ids.size(), all.data(), all.size()));
  OK(feed(other.get(), ids));
  OK(onebit_session_hidden(other.get(), last.data(), last.size()));
  EXPECT_EQ(std::vector<float>(all.end() - 256, all.end()), last);
  OK(onebit_session_truncate(other.get(), 3));
  OK(onebit_session_hidden(other.get(), last.data(), last.size()));
  EXPECT_EQ(std::vector<float>(all.begin() + 2 * 256, all.begin() + 3 * 256), last);
  EXPECT_EQ(logits(s.get()).size(), kVocab);
}

TEST_F(CapiTest, SamplersRepeatBySeed) {
  const auto text = [&](uint64_t seed) {
    const auto s = session();
    EXPECT_EQ(feed(s.get(), encode("dice")), ONEBIT_OK);
    EXPECT_EQ(onebit_session_generate(s.get(), sampler(100, seed).get(), 24, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, nullptr), ONEBIT_OK);
    return tokens(s.get());
  };
  EXPECT_EQ(text(7), text(7));
  EXPECT_NE(text(7), text(8));
}

TEST_F(CapiTest, ManyThreadsOnOneModel) {
  const std::vector<std::string> prompts = {"alpha", "beta and more", "gamma", "a longer prompt, delta"};
  std::vector<Ids> wanted, got(prompts.size());
  for (const std::string& p : prompts) wanted.push_back(continued(p, 24));
  std::vector<std::thread> threads;
  for (size_t i = 0; i < prompts.size(); ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) got[i] = continued(prompts[i], 24, 3);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(got, wanted);
}

struct Waiter {
  onebit_session* session;
  std::mutex mutex;
  std::condition_variable moved;
  bool begun = false, cancelled = false;
  int tokens = 0;
};

TEST_F(CapiTest, CancelFromAnotherThread) {
  const auto s = session();
  OK(feed(s.get(), encode("cancel")));
  Waiter w{.session = s.get(), .mutex = {}, .moved = {}};
  std::thread other([&] {
    std::unique_lock lock(w.mutex);
    w.moved.wait(lock, [&] { return w.begun; });
    EXPECT_EQ(onebit_session_cancel(w.session), ONEBIT_OK);
    w.cancelled = true;
    w.moved.notify_all();
  });
  const auto on_token = [](void* user, int32_t, const char*, size_t) -> int32_t {
    auto& w = *static_cast<Waiter*>(user);
    std::unique_lock lock(w.mutex);
    w.begun = true;
    w.moved.notify_all();
    w.moved.wait(lock, [&] { return w.cancelled; });
    ++w.tokens;
    return 0;
  };
  const size_t before = tokens(s.get()).size();
  const auto greedy = sampler();
  EXPECT_EQ(onebit_session_generate(s.get(), greedy.get(), -1, ONEBIT_GENERATE_IGNORE_END, on_token, &w, nullptr), ONEBIT_ERROR_CANCELLED);
  other.join();
  EXPECT_EQ(w.tokens, 1);
  EXPECT_EQ(tokens(s.get()).size(), before + 1);
  // The request is spent; one that came while nothing ran is met by the next call, unless taken back.
  OK(onebit_session_append(s.get(), 5));
  OK(onebit_session_cancel(s.get()));
  EXPECT_EQ(feed(s.get(), {1, 2}), ONEBIT_ERROR_CANCELLED);
  OK(onebit_session_cancel(s.get()));
  OK(onebit_session_clear_cancel(s.get()));
  OK(feed(s.get(), {1, 2}));
  EXPECT_EQ(tokens(s.get()).size(), before + 4);
}

TEST_F(CapiTest, FeedStopsBetweenBatches) {
  const auto s = session(4);
  std::vector<double> seen;
  const auto progress = [](void* user, double fraction) -> int32_t {
    static_cast<std::vector<double>*>(user)->push_back(fraction);
    return fraction >= 0.5;
  };
  const Ids ids(16, 65);
  EXPECT_EQ(onebit_session_feed(s.get(), ids.data(), ids.size(), progress, &seen), ONEBIT_ERROR_CANCELLED);
  EXPECT_EQ(seen, (std::vector<double>{0.25, 0.5}));
  EXPECT_EQ(tokens(s.get()).size(), 8u);
  OK(onebit_session_feed(s.get(), ids.data(), 4, progress, &seen));
  EXPECT_EQ(tokens(s.get()).size(), 12u);
}

TEST_F(CapiTest, CallbacksFindTheirSessionBusy) {
  struct Context {
    onebit_session* session;
    onebit_sampler* sampler;
    onebit_model* model;
  } c{nullptr, nullptr, model_.get()};
  const auto s = session();
  const auto greedy = sampler();
  c.session = s.get();
  c.sampler = greedy.get();
  OK(feed(s.get(), encode("busy")));
  const auto on_token = [](void* user, int32_t, const char*, size_t) -> int32_t {
    const auto& c = *static_cast<Context*>(user);
    const int32_t id = 1;
    size_t n = 0;
    EXPECT_EQ(onebit_session_feed(c.session, &id, 1, nullptr, nullptr), ONEBIT_ERROR_BUSY);
    EXPECT_STREQ(onebit_last_error(), "the session is in use by another call, expected one at a time");
    EXPECT_EQ(onebit_session_truncate(c.session, 0), ONEBIT_ERROR_BUSY);
    EXPECT_EQ(onebit_session_tokens(c.session, nullptr, 0, &n), ONEBIT_ERROR_BUSY);
    EXPECT_EQ(onebit_sampler_accept(c.sampler, &id, 1), ONEBIT_ERROR_BUSY);
    EXPECT_EQ(onebit_sampler_forget(c.sampler), ONEBIT_ERROR_BUSY);
    // Another session of the same model may be used in between.
    onebit_session* other = nullptr;
    EXPECT_EQ(onebit_session_create(c.model, nullptr, &other), ONEBIT_OK);
    EXPECT_EQ(onebit_session_feed(other, &id, 1, nullptr, nullptr), ONEBIT_OK) << onebit_last_error();
    onebit_session_free(other);
    return 0;
  };
  OK(onebit_session_generate(s.get(), greedy.get(), 3, ONEBIT_GENERATE_IGNORE_END, on_token, &c, nullptr));
  Ids wanted = continued("busy", 3);
  EXPECT_EQ(tokens(s.get()), wanted);
}

TEST_F(CapiTest, ExceptionsOfCallbacksEndTheCall) {
  const auto s = session();
  OK(feed(s.get(), encode("throw")));
  const auto on_token = [](void*, int32_t, const char*, size_t) -> int32_t { throw std::runtime_error("mine"); };
  EXPECT_EQ(onebit_session_generate(s.get(), sampler().get(), 3, ONEBIT_GENERATE_IGNORE_END, on_token, nullptr, nullptr), ONEBIT_ERROR_INTERNAL);
  EXPECT_STREQ(onebit_last_error(), "an exception left the callback on_token");
  const auto progress = [](void*, double) -> int32_t { throw 5; };
  const int32_t id = 1;
  EXPECT_EQ(onebit_session_feed(s.get(), &id, 1, progress, nullptr), ONEBIT_ERROR_INTERNAL);
  EXPECT_EQ(logits(s.get()).size(), kVocab);

  onebit_model_options o;
  OK(onebit_model_options_init(&o, sizeof o));
  o.progress = [](void*, double) { throw std::bad_alloc(); };
  onebit_model* m = nullptr;
  EXPECT_EQ(onebit_model_load(file_->path(), &o, &m), ONEBIT_ERROR_INTERNAL);
  EXPECT_EQ(m, nullptr);
}

TEST_F(CapiTest, LoadProgressReachesOne) {
  onebit_model_options o;
  OK(onebit_model_options_init(&o, sizeof o));
  o.prefill_device = ONEBIT_DEVICE_CPU;
  double last = 0;
  o.progress_user = &last;
  o.progress = [](void* user, double fraction) { *static_cast<double*>(user) = fraction; };
  onebit_model* m = nullptr;
  OK(onebit_model_load(file_->path(), &o, &m));
  onebit_model_free(m);
  EXPECT_EQ(last, 1.0);
}

TEST_F(CapiTest, HandlesOutliveTheirModel) {
  const Ids wanted = continued("orphan", 6);
  const auto s = session();
  onebit_tokenizer* t = nullptr;
  OK(onebit_model_tokenizer(model_.get(), &t));
  const Owned<onebit_tokenizer> owned(t);
  const Ids ids = encode("orphan");
  model_.reset();
  OK(feed(s.get(), ids));
  OK(onebit_session_generate(s.get(), sampler().get(), 6, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, nullptr));
  EXPECT_EQ(tokens(s.get()), wanted);
  char text[64];
  size_t n = 0;
  OK(onebit_tokenizer_decode(t, ids.data(), ids.size(), 0, text, sizeof text, &n));
  EXPECT_EQ(std::string(text, n), "orphan");
}

TEST_F(CapiTest, TokenizerOfAFile) {
  onebit_tokenizer* t = nullptr;
  OK(onebit_tokenizer_load(file_->path(), &t));
  const Owned<onebit_tokenizer> owned(t);
  onebit_tokenizer_info info;
  info.struct_size = sizeof info;
  OK(onebit_tokenizer_get_info(t, &info));
  EXPECT_STREQ(info.kind, "gpt-2");
  EXPECT_EQ(info.size, kVocab);
  EXPECT_EQ(info.bos, 256);
  EXPECT_EQ(info.eos, 257);
  EXPECT_EQ(info.adds_bos, 1);
  const std::string text = "caf\xC3\xA9 <|eot_id|>";
  const auto encode = [&](uint32_t flags) {
    Ids ids(64);
    size_t n = 0;
    EXPECT_EQ(onebit_tokenizer_encode(t, text.data(), text.size(), flags, ids.data(), ids.size(), &n), ONEBIT_OK);
    ids.resize(n);
    return ids;
  };
  EXPECT_EQ(encode(0).front(), 256);
  EXPECT_EQ(encode(0).back(), 258);
  EXPECT_NE(encode(ONEBIT_ENCODE_NO_SPECIAL).front(), 256);
  EXPECT_NE(encode(ONEBIT_ENCODE_PLAIN).back(), 258);
  char out[64];
  size_t n = 0;
  const Ids plain = encode(ONEBIT_ENCODE_NO_SPECIAL);
  OK(onebit_tokenizer_decode(t, plain.data(), plain.size(), ONEBIT_DECODE_SPECIAL, out, sizeof out, &n));
  EXPECT_EQ(std::string(out, n), text);
  OK(onebit_tokenizer_piece(t, 258, 0, out, sizeof out, &n));
  EXPECT_EQ(n, 0u);
  OK(onebit_tokenizer_piece(t, 258, ONEBIT_DECODE_SPECIAL, out, sizeof out, &n));
  EXPECT_EQ(std::string(out, n), "<|eot_id|>");
  uint32_t attributes = 0;
  OK(onebit_tokenizer_attributes(t, 258, &attributes));
  EXPECT_EQ(attributes, uint32_t{ONEBIT_TOKEN_END | ONEBIT_TOKEN_CONTROL});
  OK(onebit_tokenizer_attributes(t, 65, &attributes));
  EXPECT_EQ(attributes, 0u);
  int32_t found = 0;
  OK(onebit_tokenizer_find(t, "<|eot_id|>", 10, &found));
  EXPECT_EQ(found, 258);
}

TEST_F(CapiTest, ChatIsTheEnginesFormat) {
  const onebit_chat_message messages[] = {{"system", "Be brief.", 9}, {"user", "Hi <|eot_id|>", 13}};
  Ids ids(256);
  size_t n = 0;
  OK(onebit_chat_encode(model_.get(), messages, 2, ONEBIT_CHAT_ANSWER, ids.data(), ids.size(), &n));
  ids.resize(n);
  EXPECT_EQ(ids.front(), 256);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 258), 2) << "the message that spells a control token stays text";
  onebit_tokenizer* t = nullptr;
  OK(onebit_model_tokenizer(model_.get(), &t));
  const Owned<onebit_tokenizer> owned(t);
  char text[256];
  OK(onebit_tokenizer_decode(t, ids.data(), ids.size(), ONEBIT_DECODE_SPECIAL, text, sizeof text, &n));
  EXPECT_EQ(std::string(text, n), "<|begin_of_text|>System: Be brief.<|eot_id|>User: Hi <|eot_id|><|eot_id|>Assistant: ");
  Ids more(256);
  OK(onebit_chat_encode(model_.get(), messages + 1, 1, ONEBIT_CHAT_CONTINUES, more.data(), more.size(), &n));
  EXPECT_NE(more.front(), 256);
}

TEST_F(CapiTest, MessagesBelongToTheirThread) {
  EXPECT_EQ(onebit_session_feed(nullptr, nullptr, 0, nullptr, nullptr), ONEBIT_ERROR_ARGUMENT);
  std::thread([] {
    EXPECT_STREQ(onebit_last_error(), "");
    EXPECT_EQ(onebit_model_load("/no/such", nullptr, nullptr), ONEBIT_ERROR_ARGUMENT);
    EXPECT_STREQ(onebit_last_error(), "model is NULL");
  }).join();
  EXPECT_STREQ(onebit_last_error(), "session is NULL");
  const std::string longest(5000, 'x');
  onebit_model* m = nullptr;
  EXPECT_EQ(onebit_model_load(longest.c_str(), nullptr, &m), ONEBIT_ERROR_IO);
  EXPECT_EQ(std::strlen(onebit_last_error()), 1023u);
}

}  // namespace
}  // namespace onebit
