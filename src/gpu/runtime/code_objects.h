// Compiled kernels, part of this program: one file per architecture. The table is written by CMake and is empty where no
// compiler for the GPU was at hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace onebit::gpu {

struct CodeObject {
  const char* architecture;  // "gfx1151", "gfx11-generic", "sm_90"
  const uint8_t* bytes;      // an ELF file (AMD, cubin) or PTX text, followed by a zero byte
  size_t size;
};
std::span<const CodeObject> code_objects();

}  // namespace onebit::gpu
