// What a running emulated thread asks of the scheduler. Only kernels (through device_emulator.h) call these.
#pragma once

#include <cstddef>
#include <cstdint>

#include "gpu/emulator/emulator.h"

namespace onebit::gpu::emulator {

uint32_t current_thread();
const Dim3& current_block();

// `line` tells places apart: all threads have to stop at the same one.
void barrier(int line);
// The values that the 32 threads of the warp gave, by lane; valid until the thread's next exchange.
const uint32_t* exchange(uint32_t value, int line);
// Calls `combine` once with what the 32 threads of the warp gave, when all have arrived.
void collective(void* value, void (*combine)(void* const values[32]), int line);

// The array of that tag in the block's shared memory; made and poisoned when the first thread asks.
void* shared_array(const void* tag, size_t bytes);

// Copies of one thread that take place when it waits: all but the last `pending` groups.
void copy_later(void* to, const void* from, size_t bytes);
void copy_commit();
void copy_wait(uint32_t pending);

}  // namespace onebit::gpu::emulator
