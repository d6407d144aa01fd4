// Every allocation of a call fails once: a status, no leak, no crash, and handles that can still be freed.
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "capi/capi_testing.h"

namespace {

// Allocations of this thread until one fails; none fails below 0.
thread_local long t_left = -1;

void* allocate(size_t bytes) {
  if (t_left == 0) {
    t_left = -1;
    return nullptr;
  }
  if (t_left > 0) --t_left;
  return std::malloc(bytes ? bytes : 1);
}

}  // namespace

// Not inlined: g++ takes malloc and operator delete, or the reverse, for a mismatch.
[[gnu::noinline]] void* operator new(size_t bytes) {
  if (void* const p = allocate(bytes)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace onebit {
namespace {

using onebit::testing::Owned;
using onebit::testing::TinyFile;

// Calls body() with its n-th allocation failing, for all n up to where it succeeds; far up only some of them.
template <class Body>
void with_failures(const char* what, Body&& body) {
  long failed = 0;
  for (long n = 0;; n += 1 + n / 40) {
    t_left = n;
    const onebit_status status = body();
    const bool fired = t_left < 0;
    t_left = -1;
    if (!fired) {
      EXPECT_EQ(status, ONEBIT_OK) << what << ": " << onebit_last_error();
      break;
    }
    // Where something optional could not be had the call may go on without it.
    ASSERT_TRUE(status == ONEBIT_ERROR_OUT_OF_MEMORY || status == ONEBIT_OK) << what << ", allocation " << n << ": " << onebit_last_error();
    failed += status != ONEBIT_OK;
  }
  EXPECT_GT(failed, 0) << what;
}

class AllocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(file_.status());
    ASSERT_EQ(onebit_model_options_init(&options_, sizeof options_), ONEBIT_OK);
    options_.threads = 1;
    options_.prefill_device = ONEBIT_DEVICE_CPU;
  }
  TinyFile file_;
  onebit_model_options options_{};
};

TEST_F(AllocationTest, Model) {
  with_failures("load", [&] {
    onebit_model* m = nullptr;
    const onebit_status status = onebit_model_load(file_.path(), &options_, &m);
    EXPECT_EQ(m != nullptr, status == ONEBIT_OK);
    onebit_model_free(m);
    return status;
  });
}

TEST_F(AllocationTest, SessionAndTokenizer) {
  onebit_model* m = nullptr;
  ASSERT_EQ(onebit_model_load(file_.path(), &options_, &m), ONEBIT_OK);
  const Owned<onebit_model> model(m);
  onebit_sampler_options dice;
  ASSERT_EQ(onebit_sampler_options_init(&dice, sizeof dice), ONEBIT_OK);
  with_failures("sampler", [&] {
    onebit_sampler* s = nullptr;
    const onebit_status status = onebit_sampler_create(&dice, &s);
    onebit_sampler_free(s);
    return status;
  });
  with_failures("session", [&] {
    onebit_session* s = nullptr;
    const onebit_status status = onebit_session_create(m, nullptr, &s);
    onebit_session_free(s);
    return status;
  });
  with_failures("tokenizer", [&] {
    onebit_tokenizer* t = nullptr;
    int32_t ids[32];
    char text[32];
    size_t n = 0;
    onebit_status status = onebit_model_tokenizer(m, &t);
    if (status == ONEBIT_OK) status = onebit_tokenizer_encode(t, "hello <|eot_id|>", 16, 0, ids, 32, &n);
    if (status == ONEBIT_OK) status = onebit_tokenizer_decode(t, ids, n, 0, text, 32, &n);
    onebit_tokenizer_free(t);
    return status;
  });
}

TEST_F(AllocationTest, TextsInProgress) {
  onebit_model* m = nullptr;
  ASSERT_EQ(onebit_model_load(file_.path(), &options_, &m), ONEBIT_OK);
  const Owned<onebit_model> model(m);
  const int32_t ids[] = {1, 2, 3, 4, 5};
  for (const double temperature : {0.0, 1.0}) {
    with_failures("generate", [&] {
      const long left = std::exchange(t_left, -1);
      onebit_session* s = nullptr;
      onebit_sampler* dice = nullptr;
      onebit_sampler_options o;
      EXPECT_EQ(onebit_sampler_options_init(&o, sizeof o), ONEBIT_OK);
      o.temperature = temperature;
      EXPECT_EQ(onebit_sampler_create(&o, &dice), ONEBIT_OK);
      EXPECT_EQ(onebit_session_create(m, nullptr, &s), ONEBIT_OK);
      t_left = left;
      onebit_status status = onebit_session_feed(s, ids, 5, nullptr, nullptr);
      if (status == ONEBIT_OK) status = onebit_session_generate(s, dice, 3, ONEBIT_GENERATE_IGNORE_END, nullptr, nullptr, nullptr);
      const long after = std::exchange(t_left, -1);
      // The session says that it is lost, or goes on.
      const onebit_status next = onebit_session_append(s, 1);
      EXPECT_TRUE(next == ONEBIT_OK || (status != ONEBIT_OK && next == ONEBIT_ERROR_STATE)) << onebit_last_error();
      onebit_session_free(s);
      onebit_sampler_free(dice);
      t_left = after;
      return status;
    });
  }
  // The model is as good as before.
  onebit_session* s = nullptr;
  ASSERT_EQ(onebit_session_create(m, nullptr, &s), ONEBIT_OK);
  EXPECT_EQ(onebit_session_feed(s, ids, 5, nullptr, nullptr), ONEBIT_OK) << onebit_last_error();
  onebit_session_free(s);
}

TEST_F(AllocationTest, Device) {
  const int8_t w[] = {0, 1, -1, 1}, x[] = {3, 4};
  int32_t out[2];
  with_failures("device", [&] {
    onebit_device_options o;
    EXPECT_EQ(onebit_device_options_init(&o, sizeof o), ONEBIT_OK);
    o.kind = ONEBIT_DEVICE_CPU;
    o.threads = 1;
    onebit_device* d = nullptr;
    onebit_weights* held = nullptr;
    onebit_event* e = nullptr;
    onebit_status status = onebit_device_open(&o, &d);
    if (status == ONEBIT_OK) status = onebit_weights_create(d, ONEBIT_TERNARY_I8, 2, 2, w, 0, &held);
    if (status == ONEBIT_OK) status = onebit_gemm(held, x, 1, 0, out, 0);
    if (status == ONEBIT_OK) status = onebit_gemm_submit(held, x, 1, 0, out, 0, &e);
    if (status == ONEBIT_OK) status = onebit_event_wait(e);
    onebit_device_free(d);
    onebit_weights_free(held);
    onebit_event_free(e);
    return status;
  });
}

}  // namespace
}  // namespace onebit
