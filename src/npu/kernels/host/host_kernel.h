// A kernel compiled for the host, as the array simulator calls it by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace onebit::npu {

// A buffer in simulated tile memory, or a 32-bit scalar (then data is null and bytes is 0).
struct KernelArg {
  uint8_t* data = nullptr;  // aligned as it is in the tile: (address % 64) == (data % 64)
  uint32_t bytes = 0;
  int32_t scalar = 0;
};

struct HostKernel {
  std::string_view name;  // of the function that the device compiler sees

  // Number and kinds of arguments, sizes of buffers against the scalars, alignment. Images may be hostile:
  // after success `invoke` touches no byte outside its buffers, whatever they hold.
  Status (*check)(std::span<const KernelArg> args);

  void (*invoke)(std::span<const KernelArg> args);

  // Core cycles of one call, from the slot count argued in the kernel's header. Called after a check.
  uint64_t (*cycles)(std::span<const KernelArg> args);
};

}  // namespace onebit::npu
