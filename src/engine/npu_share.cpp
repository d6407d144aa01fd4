#include "engine/npu_share.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

namespace onebit {
namespace {

template <class F>
double seconds(const ShareClock& clock, F&& work) {
  const double start = clock();
  work();
  return clock() - start;
}

}  // namespace

double steady_seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Result<int> measured_share(cpu::TernaryDevice& device, cpu::Compute& compute, const cpu::Linear& w, const ShareClock& clock) {
  const size_t stride = cpu::quant_stride(w.cols);
  ONEBIT_ASSIGN(Buffer q, Buffer::allocate(kShareTokens * stride, "activations of the measurement"));
  std::fill_n(q.data(), kShareTokens * stride, uint8_t{1});
  const std::vector<int32_t> sum(kShareTokens, static_cast<int32_t>(w.cols));
  const std::vector<float> inv(kShareTokens, 1.0f), x(size_t{kShareTokens} * w.cols, 1.0f);
  std::vector<float> y(size_t{kShareTokens} * w.rows);
  std::vector<int32_t> sums(size_t{kShareTokens} * w.ternary.groups * cpu::kGroupRows);
  const cpu::QuantActs acts{kShareTokens, w.cols, stride, q.as<int8_t>(), sum.data(), inv.data()};
  const cpu::LinearInput in{x.data(), acts, kShareTokens, w.cols};
  const cpu::LinearOutput out{&w, y.data(), cpu::Into::store};
  const cpu::TernaryDevice::Product product{w.device_matrix, sums.data(), size_t{w.ternary.groups} * cpu::kGroupRows};
  ONEBIT_TRY(compute.reserve(kShareTokens, w.cols));
  // The CPU's time is that of all rows, whatever is attached by now, and nobody counts these products.
  cpu::TernaryDevice* const attached = std::exchange(compute.device, nullptr);
  auto* const runs = std::exchange(compute.runs, nullptr);
  double cpu_time = INFINITY, device_time = INFINITY;
  Status status;
  for (int i = 0; i < kShareRepetitions && status; ++i) {
    cpu_time = std::min(cpu_time, seconds(clock, [&] { cpu::linear(compute, in, {&out, 1}); }));
    device_time = std::min(device_time, seconds(clock, [&] {
      status = device.start(acts, {&product, 1});
      if (status) status = device.finish();
    }));
  }
  compute.device = attached;
  compute.runs = runs;
  ONEBIT_TRY(status);
  const double both = cpu_time + device_time;
  if (!(both > 0)) return 100;  // too short to tell
  return std::clamp(static_cast<int>(std::lround(100 * cpu_time / both)), 0, 100);
}

}  // namespace onebit
