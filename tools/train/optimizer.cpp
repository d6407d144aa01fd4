#include "optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace onebit::train {

void AdamW::update(float* parameters, const float* gradients, size_t first, size_t last, float gradient_scale,
                   float rate, float weight_decay) {
  const auto t = static_cast<double>(steps);
  const auto correct1 = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta1), t)));
  const auto correct2 = static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta2), t)));
  for (size_t i = first; i < last; ++i) {
    const float g = gradients[i] * gradient_scale;
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    const float direction = m[i] * correct1 / (std::sqrt(v[i] * correct2) + epsilon);
    parameters[i] -= rate * (direction + weight_decay * parameters[i]);
  }
}

double sum_gradients(ThreadPool& pool, std::span<std::vector<float>> parts, std::vector<float>& sum) {
  constexpr size_t kChunk = 1 << 16;
  const size_t chunks = (sum.size() + kChunk - 1) / kChunk;
  std::vector<double> squares(chunks);
  pool.parallel_for(chunks, [&](size_t chunk, unsigned) {
    const size_t first = chunk * kChunk, last = std::min(first + kChunk, sum.size());
    std::fill(sum.begin() + first, sum.begin() + last, 0.0f);
    for (auto& part : parts)
      for (size_t i = first; i < last; ++i) {
        sum[i] += part[i];
        part[i] = 0;
      }
    double total = 0;
#pragma omp simd reduction(+ : total)
    for (size_t i = first; i < last; ++i) total += static_cast<double>(sum[i]) * sum[i];
    squares[chunk] = total;
  });
  double total = 0;
  for (const double s : squares) total += s;
  return std::sqrt(total);
}

double Schedule::rate(int64_t step) const {
  if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double progress =
      static_cast<double>(step - warmup) / static_cast<double>(std::max<int64_t>(1, steps - warmup));
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * std::min(progress, 1.0)));
  return peak * (floor + (1 - floor) * cosine);
}

}  // namespace onebit::train
