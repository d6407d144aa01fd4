// The table of a build without the device compiler.
#include "npu/compiled/core_code.h"

namespace onebit::npu {

std::span<const CoreCode> embedded_core_code() { return {}; }

}  // namespace onebit::npu
