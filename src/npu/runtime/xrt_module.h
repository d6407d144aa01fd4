// The libxrt implementation as a module, so that the program starts on a machine without libxrt.
#pragma once

#include <string>

#include "base/result.h"
#include "npu/runtime/backend.h"

namespace onebit::npu {

// `path`: of the module; empty: searched, see device.h. A module once loaded stays for the life of the process.
Result<XrtBackendFactory> load_xrt_module(const std::string& path);

}  // namespace onebit::npu
