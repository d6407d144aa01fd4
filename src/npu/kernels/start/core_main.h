// The main function of a compiled core, generated from the same value that the simulator reads as a record: both
// perform the same lock operations and kernel calls in the same order.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "npu/image/core_program.h"

namespace onebit::npu {

// C++ text that defines `extern "C" void core_main()`, for the core's compiler and for the host's against the model of
// aie_api. Errc::format where a kernel's name is no C identifier, or where two calls of one kernel differ in the kinds of
// their arguments.
Result<std::string> core_main_source(const CoreProgram& program);

// Bytes of a core's memories that the linker may fill.
struct CoreLayout {
  uint32_t program_bytes = 16 * 1024;  // in front of the record
  uint32_t data_bytes = 1024;          // at the bottom of the core's own data memory: constants, variables, then the stack
};

// The linker's script: code from 0, start code first; data at 0x70000. Linking fails where either does not fit or less than
// kMinStackBytes are left for the stack.
inline constexpr uint32_t kMinStackBytes = 512;
std::string core_linker_script(const CoreLayout& layout);

// Names the compiled code of a program, whoever asks: 16 hex digits over the record without machine code.
Result<std::string> core_program_id(CoreProgram program);

}  // namespace onebit::npu
