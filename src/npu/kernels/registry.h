// The kernels of this room, compiled for the host, by name.
#pragma once

#include <span>
#include <string_view>

#include "npu/kernels/host/host_kernel.h"

namespace onebit::npu {

std::span<const HostKernel> builtin_kernels();

// Null where there is none.
const HostKernel* find_kernel(std::span<const HostKernel> kernels, std::string_view name);

}  // namespace onebit::npu
