// The clock of a device: the host's around a real NPU, the simulator's own around a simulated one.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "npu/runtime/device.h"

namespace onebit::npu::evaluate {

// Seconds that `work`, which submits to `device` and waits, takes.
template <class Work>
Result<double> timed(const NpuDevice& device, Work&& work) {
  const double simulated = device.stats().simulated.seconds;
  const auto begin = std::chrono::steady_clock::now();
  ONEBIT_TRY(work());
  if (device.kind() == DeviceKind::sim) return device.stats().simulated.seconds - simulated;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace onebit::npu::evaluate
