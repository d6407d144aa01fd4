// Runs the GPU kernels on the CPU: the sources of gpu/kernels/ compiled for the host, blocks one after another, the
// threads of a block as fibers. A barrier is a round of the scheduler; a shuffle or a matrix product is an exchange
// between the 32 fibers of a warp.
//
// Errors, each with the kernel, block and thread: a barrier or a warp operation that some threads do not reach, or that
// they reach at different places; writes past a shared array. Shared memory holds 0xff (NaN) when a block starts.
// Device memory is plain host memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace onebit::gpu::emulator {

// Whose matrix instructions the kernels use; everything else is the same text.
enum class Matrix : uint8_t { nvidia, gfx11, gfx12 };
const char* name(Matrix matrix);

// In which order the threads of a block run between two barriers. A kernel that misses a barrier gives other results
// in another order.
enum class Order : uint8_t { forward, reverse, shuffled };

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

struct Kernel {
  const char* name;
  uint32_t block;    // threads
  void (*run)(const void* arguments);  // one thread's work
  size_t argument_bytes = 0;           // of the struct that arguments points to; launch() does without
};

// Every kernel of kernels.h.
std::span<const Kernel> kernels(Matrix matrix);
const Kernel* find_kernel(Matrix matrix, std::string_view name);

// Runs a whole grid before it returns. arguments[0] points to the kernel's struct, as in hipModuleLaunchKernel.
// Errors: an unknown kernel, a block of another size than the kernel's, dynamic shared memory, the errors above.
Status launch(Matrix matrix, std::string_view kernel, Dim3 grid, Dim3 block, size_t shared_bytes, void** arguments,
              Order order = Order::forward);
// The same for a kernel of the caller's own.
Status launch(const Kernel& kernel, Dim3 grid, const void* arguments, Order order = Order::forward);

}  // namespace onebit::gpu::emulator
