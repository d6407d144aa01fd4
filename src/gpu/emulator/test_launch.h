// What the tests of the kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gpu/emulator/emulator.h"
#include "gpu/emulator/guarded.h"
#include "gpu/kernels/kernels.h"

namespace onebit::gpu {

template <class Args>
void run_kernel(const std::string& kernel, emulator::Dim3 grid, Args args, uint32_t block = kBlock,
                emulator::Order order = emulator::Order::forward, emulator::Matrix matrix = emulator::Matrix::nvidia) {
  void* pointers[] = {&args};
  const Status status = emulator::launch(matrix, kernel, grid, {block}, 0, pointers, order);
  ASSERT_TRUE(status) << status.error().message;
}

inline std::vector<float> random_floats(size_t n, uint32_t seed, float spread = 1.0f) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

// The same bits; any NaN equals any NaN.
template <class A, class B>
void expect_same_bits(const A& actual, const B& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    const float a = actual[i], e = expected[i];
    if (a != a && e != e) continue;
    uint32_t ab, eb;
    std::memcpy(&ab, &a, 4);
    std::memcpy(&eb, &e, 4);
    ASSERT_EQ(ab, eb) << what << " " << i << ": " << a << ", expected " << e;
  }
}

}  // namespace onebit::gpu
