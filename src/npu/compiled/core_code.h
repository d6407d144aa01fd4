// Compiled code of core programs, embedded by a build that knows the device compiler (docs/npu-peano.md).
#pragma once

#include <span>
#include <string_view>

#include "npu/design/lower.h"
#include "npu/image/bytes.h"

namespace onebit::npu {

struct CoreCode {
  std::string_view id;  // core_program_id()
  Bytes elf;
};

// Empty in a build without the device compiler.
std::span<const CoreCode> embedded_core_code();

// lower(), with machine code in every core if `code` has it for all of them; else for the simulator only.
Result<design::Lowered> lower_with_code(const design::Program& program, std::span<const CoreCode> code = embedded_core_code());

}  // namespace onebit::npu
