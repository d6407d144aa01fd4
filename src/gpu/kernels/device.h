// What the kernels need of a compiler and a device, under one set of names: clang for AMD (-x hip), clang or nvcc for
// NVIDIA (-x cuda), and the host compiler with the SIMT emulator. No vendor header is included.
//
// Warps have 32 threads. Blocks are one-dimensional. Shuffles and matrix products are for whole warps: all 32 threads
// have to reach them. fma() is the only fused operation: sources are compiled without contraction.
#pragma once

#include <stdint.h>

#include "gpu/kernels/kernels.h"

#if defined(ONEBIT_GPU_EMULATOR)
#include "gpu/emulator/device_emulator.h"
#elif defined(__AMDGCN__) || defined(__HIP__)
#include "gpu/kernels/device_amd.h"
#else
#include "gpu/kernels/device_nvidia.h"
#endif

namespace onebit::gpu {
namespace {

constexpr uint32_t kWarp = 32;

struct alignas(16) U4 {
  uint32_t v[4];
};
struct alignas(16) F4 {
  float v[4];
};
struct alignas(8) U2 {
  uint32_t v[2];
};

ONEBIT_DEVICE uint32_t lane() { return thread_x() % kWarp; }
ONEBIT_DEVICE uint32_t warp() { return same_in_warp(thread_x() / kWarp); }

ONEBIT_DEVICE float as_float(uint32_t x) { return __builtin_bit_cast(float, x); }
ONEBIT_DEVICE uint32_t as_bits(float x) { return __builtin_bit_cast(uint32_t, x); }

// As in vec16_scalar.h: b unless the comparison holds, which decides what NaN does.
ONEBIT_DEVICE float max_or(float a, float b) { return a > b ? a : b; }
ONEBIT_DEVICE float min_or(float a, float b) { return a < b ? a : b; }
ONEBIT_DEVICE uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

ONEBIT_DEVICE float shuffle_xor(float x, uint32_t mask) { return as_float(shuffle_xor_bits(as_bits(x), mask)); }
ONEBIT_DEVICE int32_t shuffle_xor(int32_t x, uint32_t mask) {
  return static_cast<int32_t>(shuffle_xor_bits(static_cast<uint32_t>(x), mask));
}
ONEBIT_DEVICE uint32_t shuffle_xor(uint32_t x, uint32_t mask) { return shuffle_xor_bits(x, mask); }

// The same value in every thread of the warp; order of operations irrelevant to the result.
ONEBIT_DEVICE int32_t warp_sum(int32_t x) {
  for (uint32_t m = kWarp / 2; m > 0; m /= 2) x += shuffle_xor(x, m);
  return x;
}
ONEBIT_DEVICE float warp_max(float x) {
  for (uint32_t m = kWarp / 2; m > 0; m /= 2) x = max_or(x, shuffle_xor(x, m));
  return x;
}

}  // namespace
}  // namespace onebit::gpu
