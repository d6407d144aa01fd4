// The array simulator as an NPU: runs execute on a thread of their own, in the order of submission.
//
// Host and array see two copies of a buffer that only upload and download make equal, so that a forgotten one shows.
#pragma once

#include <memory>

#include "npu/runtime/backend.h"
#include "npu/sim/simulator.h"

namespace onebit::npu {

std::unique_ptr<NpuBackend> make_sim_backend(const Device& device, const SimOptions& options);

}  // namespace onebit::npu
