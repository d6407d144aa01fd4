// npu_probe MODULE: opens the NPU through a module of the libxrt implementation and prints its name, or why not.
#include <cstdio>

#include "npu/runtime/device.h"

int main(int count, char** arguments) {
  onebit::npu::NpuOptions options;
  options.kind = onebit::npu::DeviceKind::xrt;
  if (count > 1) options.xrt_module = arguments[1];
  const auto device = onebit::npu::NpuDevice::open(options);
  if (!device) {
    std::printf("error: %s\n", device.error().message.c_str());
    return 1;
  }
  std::printf("NPU: %s\n", (*device)->description().c_str());
  return 0;
}
