// What generated main functions use, on the core and on the host.
#pragma once

#include <aie_api/aie.hpp>

#include <stdint.h>

namespace onebit::core {

// An address in the core's view of data memory.
inline void* at(uint32_t address) {
#if defined(__AIENGINE__)
  return reinterpret_cast<void*>(address);
#else
  const auto& hooks = aie::host::core_hooks;
  return hooks.memory(hooks.context, address);
#endif
}

// A word that the instruction stream may have written since it was last read.
inline int32_t parameter(uint32_t address) { return *static_cast<volatile int32_t*>(at(address)); }

}  // namespace onebit::core
