// The emulator finds what a GPU would hang on or silently get wrong.
#include "gpu/emulator/scheduler.h"

#include <gtest/gtest.h>

#include <vector>

namespace onebit::gpu::emulator {
namespace {

struct Args {
  uint32_t* out;
  uint32_t n;
};

std::string error_of(void (*run)(const void*), uint32_t block, uint32_t n = 0) {
  std::vector<uint32_t> out(1024, 0);
  const Args args{out.data(), n};
  const Status status = launch({"k", block, run}, {2}, &args);
  return status ? "" : status.error().message;
}

TEST(Scheduler, BlocksThreadsAndBarriers) {
  std::vector<uint32_t> out(3 * 96, 0);
  const Args args{out.data(), 96};
  const Kernel kernel{"reverse", 96, [](const void* p) {
                        static const char tag = 0;
                        const Args& a = *static_cast<const Args*>(p);
                        auto* shared = static_cast<uint32_t*>(shared_array(&tag, 4 * a.n));
                        shared[current_thread()] = 1000 * current_block().x + current_thread();
                        barrier(1);
                        a.out[current_block().x * a.n + current_thread()] = shared[a.n - 1 - current_thread()];
                      }};
  for (const Order order : {Order::forward, Order::reverse, Order::shuffled}) {
    ASSERT_TRUE(launch(kernel, {3}, &args, order));
    for (uint32_t i = 0; i < 3 * 96; ++i) ASSERT_EQ(out[i], 1000 * (i / 96) + 95 - i % 96);
    std::fill(out.begin(), out.end(), 0);
  }
}

TEST(Scheduler, ExchangesOfAWarp) {
  std::vector<uint32_t> out(64, 0);
  const Args args{out.data(), 0};
  const Kernel kernel{"xor", 64, [](const void* p) {
                        const Args& a = *static_cast<const Args*>(p);
                        uint32_t x = current_thread();
                        for (uint32_t m = 16; m > 0; m /= 2) x += exchange(x, 1)[(current_thread() % 32) ^ m];
                        a.out[current_thread()] = x;
                      }};
  ASSERT_TRUE(launch(kernel, {1}, &args, Order::shuffled));
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(out[i], i < 32 ? 496u : 1520u);
}

TEST(Scheduler, DivergentBarriersAreErrors) {
  EXPECT_EQ(error_of(
                [](const void*) {
                  if (current_thread() < 40) barrier(7);
                },
                64),
            "kernel k, block (0, 0, 0), thread 40: has ended while thread 0 waits at the barrier of line 7");
  EXPECT_EQ(error_of([](const void*) { barrier(current_thread() == 3 ? 8 : 7); }, 64),
            "kernel k, block (0, 0, 0), thread 3: waits at the barrier of line 8 while thread 0 waits at the barrier "
            "of line 7");
}

TEST(Scheduler, DivergentWarpOperationsAreErrors) {
  EXPECT_EQ(error_of(
                [](const void*) {
                  if (current_thread() % 32 < 31) exchange(1, 5);
                },
                64),
            "kernel k, block (0, 0, 0), thread 31: has ended while thread 0 waits at the shuffle of line 5");
  EXPECT_EQ(error_of(
                [](const void*) {
                  if (current_thread() == 33)
                    barrier(2);
                  else
                    exchange(1, 5);
                },
                64),
            "kernel k, block (0, 0, 0), thread 33: waits at the barrier of line 2 while thread 32 waits at the shuffle "
            "of line 5");
  EXPECT_EQ(error_of([](const void*) { exchange(1, 5); }, 40),
            "kernel k, block (0, 0, 0), thread 32: a warp operation in a warp of 8 threads");
}

TEST(Scheduler, WritesPastSharedMemoryAreErrors) {
  EXPECT_EQ(error_of(
                [](const void*) {
                  static const char tag = 0;
                  static_cast<char*>(shared_array(&tag, 100))[current_thread() == 5 ? 100 : 0] = 1;
                },
                32),
            "kernel k, block (0, 0, 0): a write outside a shared array of 100 bytes");
}

TEST(Scheduler, SharedMemoryIsPoisonedForEachBlock) {
  std::vector<uint32_t> out(2, 0);
  const Args args{out.data(), 0};
  ASSERT_TRUE(launch({"k", 32,
                      [](const void* p) {
                        static const char tag = 0;
                        auto* shared = static_cast<uint32_t*>(shared_array(&tag, 4));
                        if (current_thread() != 0) return;
                        static_cast<const Args*>(p)->out[current_block().x] = *shared;
                        *shared = 1;
                      }},
                     {2}, &args));
  EXPECT_EQ(out[0], 0xffffffffu);
  EXPECT_EQ(out[1], 0xffffffffu);
}

TEST(Scheduler, CopiesComeWhenTheyAreWaitedFor) {
  std::vector<uint32_t> out(3, 0);
  const Args args{out.data(), 0};
  ASSERT_TRUE(launch({"k", 1,
                      [](const void* p) {
                        uint32_t* const out = static_cast<const Args*>(p)->out;
                        const uint32_t from = 9;
                        uint32_t first = 0, second = 0;
                        copy_later(&first, &from, 4);
                        copy_commit();
                        copy_later(&second, &from, 4);
                        copy_commit();
                        out[0] = first;
                        copy_wait(1);
                        out[1] = first * 10 + second;
                        copy_wait(0);
                        out[2] = first * 10 + second;
                      }},
                     {1}, &args));
  EXPECT_EQ(out, (std::vector<uint32_t>{0, 90, 99}));
}

TEST(Launch, RefusesWhatAKernelIsNotMadeFor) {
  uint32_t arguments[64] = {};
  void* pointers[] = {arguments};
  EXPECT_EQ(launch(Matrix::gfx11, "nothing", {1}, {256}, 0, pointers).error().message,
            "emulator: no kernel nothing for gfx11");
  EXPECT_EQ(launch(Matrix::nvidia, "embed", {1}, {128}, 0, pointers).error().message,
            "kernel embed: blocks of 128 x 1 x 1 threads, expected 256 x 1 x 1");
  EXPECT_EQ(launch(Matrix::nvidia, "embed", {0}, {256}, 0, pointers).error().message,
            "kernel embed: an empty grid of 0 x 1 x 1");
  EXPECT_EQ(launch(Matrix::nvidia, "embed", {1}, {256}, 64, pointers).error().message,
            "kernel embed: 64 bytes of dynamic shared memory, expected 0");
}

TEST(Kernels, TheSameNamesForEveryDevice) {
  for (const Matrix matrix : {Matrix::gfx11, Matrix::gfx12}) {
    ASSERT_EQ(kernels(matrix).size(), kernels(Matrix::nvidia).size());
    for (const Kernel& k : kernels(Matrix::nvidia)) {
      const Kernel* const other = find_kernel(matrix, k.name);
      ASSERT_NE(other, nullptr) << k.name;
      EXPECT_EQ(other->block, k.block) << k.name;
    }
  }
}

}  // namespace
}  // namespace onebit::gpu::emulator
