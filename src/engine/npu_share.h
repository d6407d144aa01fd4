// How the rows of matrices are divided between a device and the CPU so that both end together, by a measurement.
#pragma once

#include <functional>

#include "base/result.h"
#include "cpu/linear.h"
#include "cpu/ternary_device.h"

namespace onebit {

// Tokens of the measurement, and its repetitions.
inline constexpr uint32_t kShareTokens = 128;
inline constexpr int kShareRepetitions = 3;

// Seconds since some moment. It is read before and after each product, the CPU's first.
using ShareClock = std::function<double()>;
double steady_seconds();

// Percent of the rows, 0 to 100, that `device` should take, from the shortest times of both for all rows of `w`: its
// matrix `w.device_matrix` has them all. Nothing of `compute` stays changed. Errors: the device's.
Result<int> measured_share(cpu::TernaryDevice& device, cpu::Compute& compute, const cpu::Linear& w, const ShareClock& clock = steady_seconds);

}  // namespace onebit
