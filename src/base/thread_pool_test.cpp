#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <vector>

#include <gtest/gtest.h>

namespace onebit {
namespace {

TEST(ThreadPool, EveryIndexRunsOnce) {
  for (unsigned threads : {1u, 2u, 5u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{1000}}) {
      std::vector<std::atomic<int>> hits(count);
      pool.parallel_for(count, [&](size_t i, unsigned worker) {
        EXPECT_LT(worker, threads);
        hits[i]++;
      });
      for (auto& h : hits) EXPECT_EQ(h.load(), 1);
    }
  }
}

TEST(ThreadPool, RegionsFollowEachOther) {
  ThreadPool pool(3);
  std::vector<long> values(64, 0);
  for (long round = 0; round < 2000; ++round)
    pool.parallel_for(values.size(), [&](size_t i, unsigned) {
      EXPECT_EQ(values[i], round);
      ++values[i];
    });
}

TEST(ThreadPool, SleepsWhenIdle) {
  ThreadPool pool(4);
  pool.parallel_for(8, [](size_t, unsigned) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  timespec before{}, after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double used = double(after.tv_sec - before.tv_sec) + 1e-9 * double(after.tv_nsec - before.tv_nsec);
  // Three spinning workers would use up to 0.6 s; sleeping ones use none.
  EXPECT_LT(used, 0.05);
}

}  // namespace
}  // namespace onebit
