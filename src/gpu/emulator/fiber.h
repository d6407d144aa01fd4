// Stacks that take turns on one thread: registers that a call keeps, and nothing else, are switched (some nanoseconds,
// where ucontext makes a system call).
#pragma once

#include <cstddef>

namespace onebit::gpu::emulator {

// The stack pointer of what is not running; its registers lie there.
using Fiber = void*;

// A fiber on a stack of its own that runs `entry` when it is first switched to. entry must not return.
Fiber make_fiber(char* stack, size_t bytes, void (*entry)());
// Saves what runs in *from and goes on with `to`.
void switch_fiber(Fiber* from, Fiber to);

}  // namespace onebit::gpu::emulator
