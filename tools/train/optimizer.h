// AdamW (Loshchilov and Hutter 2019) with a clipped global gradient norm, and the learning-rate schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace onebit::train {

struct AdamW {
  float beta1 = 0.9f;
  float beta2 = 0.95f;
  float epsilon = 1e-8f;

  std::vector<float> m, v;   // running means of the gradient and of its square
  int64_t steps = 0;

  explicit AdamW(size_t count) : m(count), v(count) {}
  // One step of the parameters in [first, last); begin_step() once before all ranges of a step.
  void begin_step() { ++steps; }
  void update(float* parameters, const float* gradients, size_t first, size_t last, float gradient_scale, float rate,
              float weight_decay);
};

// sum[i] = sum of all parts[k][i], in the order of the parts, which are cleared; returns the L2 norm of
// the sum. The result does not depend on the number of threads.
double sum_gradients(ThreadPool& pool, std::span<std::vector<float>> parts, std::vector<float>& sum);

struct Schedule {
  int64_t warmup = 100;
  int64_t steps = 1000;
  double peak = 2e-3;
  double floor = 0.05;   // of the peak, at the last step

  // Linear warm-up, then half a cosine.
  double rate(int64_t step) const;
};

}  // namespace onebit::train
