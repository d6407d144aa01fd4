// Opens the machine's GPU as the program does, loads the kernels and says what it found.
#include <cstdio>

#include "gpu/runtime/kernel_set.h"

int main() {
  using namespace onebit::gpu;
  const auto device = open_gpu();
  if (!device) {
    fmt::print("{}\n", device.error().message);
    return 1;
  }
  const DeviceInfo& info = (*device)->info();
  const auto kernels = KernelSet::load(**device);
  if (!kernels) {
    fmt::print("{}\n", kernels.error().message);
    return 1;
  }
  fmt::print("{} ({}) through {}: {} units, {:.1f} GB, {}; code object {}\n", info.name, info.architecture, name((*device)->backend()), info.units,
             static_cast<double>(info.memory) / 1e9, info.integrated ? "integrated" : "discrete", kernels->code_object());
  return 0;
}
