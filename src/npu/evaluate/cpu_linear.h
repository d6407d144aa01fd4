// The CPU's ternary kernels over a model's linear layers: what the NPU has to beat.
#pragma once

#include "npu/evaluate/plan.h"

namespace onebit::npu::evaluate {

// Seconds that the linear layers of one block take for a prompt of each number of tokens, in batches of 512 as the
// engine does it; integer products alone. The best of `repetitions`.
Result<std::vector<double>> cpu_linear_seconds(const ModelShape& model, std::span<const uint32_t> tokens, unsigned repetitions, cpu::Isa isa, ThreadPool& pool);

}  // namespace onebit::npu::evaluate
