// What a core does besides arithmetic: locks, events, its end. On the host each goes to hooks that whoever runs the
// core installs for its thread.
#pragma once

#include <cstdint>

namespace aie::host {

struct CoreHooks {
  void* context = nullptr;
  void (*acquire)(void* context, unsigned lock, int value, bool equal) = nullptr;  // returns when taken
  void (*release)(void* context, unsigned lock, int value) = nullptr;
  void* (*memory)(void* context, std::uint32_t address) = nullptr;  // of an address in the core's view
};
inline thread_local CoreHooks core_hooks;

}  // namespace aie::host

inline void acquire_greater_equal(unsigned id, unsigned value) {
  const auto& h = aie::host::core_hooks;
  if (h.acquire) h.acquire(h.context, id, static_cast<int>(value), false);
}
inline void acquire_equal(unsigned id, unsigned value) {
  const auto& h = aie::host::core_hooks;
  if (h.acquire) h.acquire(h.context, id, static_cast<int>(value), true);
}
inline void release(unsigned id, int value) {
  const auto& h = aie::host::core_hooks;
  if (h.release) h.release(h.context, id, value);
}

// Marks for the trace unit.
inline void event0() {}
inline void event1() {}
