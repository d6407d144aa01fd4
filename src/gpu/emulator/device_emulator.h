// What gpu/kernels/device.h provides, on top of the SIMT emulator. The including file has defined one of
// ONEBIT_MATRIX_NVIDIA, ONEBIT_MATRIX_GFX11 and ONEBIT_MATRIX_GFX12.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "gpu/emulator/emulator.h"
#include "gpu/emulator/half.h"
#include "gpu/emulator/matrix.h"
#include "gpu/emulator/scheduler.h"

#define ONEBIT_DEVICE inline
#define ONEBIT_SHARED(type, name, count)                                                               \
  static const char name##_tag = 0;                                                                    \
  type* const name = static_cast<type*>(::onebit::gpu::emulator::shared_array(&name##_tag, sizeof(type) * (count)))
// A kernel is a function and a line in the table of its file.
#define ONEBIT_KERNEL(kernel_name, threads, Args)                                                      \
  void kernel_name(const Args& a);                                                                     \
  const Registered kernel_name##_registered({#kernel_name, threads,                                    \
                                             [](const void* p) { kernel_name(*static_cast<const Args*>(p)); }, sizeof(Args)}); \
  void kernel_name(const Args& a)
#define ONEBIT_UNROLL
#define ONEBIT_NO_UNROLL

#if !defined(ONEBIT_MATRIX_NVIDIA)
#define ONEBIT_VECTOR(n) __attribute__((vector_size(4 * (n))))
#include "gpu/kernels/fragments_amd.h"
#endif

namespace onebit::gpu {
namespace {

inline std::vector<emulator::Kernel>& registered_kernels() {
  static std::vector<emulator::Kernel> all;
  return all;
}
struct Registered {
  explicit Registered(emulator::Kernel kernel) { registered_kernels().push_back(kernel); }
};

inline uint32_t thread_x() { return emulator::current_thread(); }
inline uint32_t block_x() { return emulator::current_block().x; }
inline uint32_t block_y() { return emulator::current_block().y; }
inline uint32_t block_z() { return emulator::current_block().z; }

inline uint32_t same_in_warp(uint32_t x) { return x; }
inline void barrier(int line = __builtin_LINE()) { emulator::barrier(line); }
inline void warp_barrier(int line = __builtin_LINE()) { emulator::exchange(0, line); }
inline uint32_t shuffle_xor_bits(uint32_t x, uint32_t mask, int line = __builtin_LINE()) {
  return emulator::exchange(x, line)[(emulator::current_thread() % 32) ^ mask];
}

inline int32_t dot4(uint32_t a, uint32_t b, int32_t c, bool a_signed) {
  for (int i = 0; i < 32; i += 8) {
    const int x = a_signed ? static_cast<int8_t>(a >> i) : static_cast<uint8_t>(a >> i);
    c += x * static_cast<int8_t>(b >> i);
  }
  return c;
}
inline int32_t dot4_unsigned(uint32_t a, uint32_t b, int32_t c) { return dot4(a, b, c, false); }
inline int32_t dot4_signed(uint32_t a, uint32_t b, int32_t c) { return dot4(a, b, c, true); }
inline uint32_t odd_bytes(uint32_t a, uint32_t b) {
  return (a >> 8 & 0xffu) | (b & 0xff00u) | (a >> 8 & 0xff0000u) | (b & 0xff000000u);
}

inline float fma(float a, float b, float c) { return std::fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return std::fma(a, b, c); }
inline float sqrt_exact(float x) { return std::sqrt(x); }
using emulator::float_to_half;
using emulator::half_to_float;

template <class T>
inline T load_once(const void* p) {
  return *static_cast<const T*>(p);
}
inline void fence_device() {}
inline uint32_t atomic_add(uint32_t* p, uint32_t x) { return std::exchange(*p, *p + x); }
inline uint32_t atomic_add_shared(uint32_t* p, uint32_t x) { return atomic_add(p, x); }

struct alignas(16) Chunk {
  uint32_t v[4];
};
#if defined(ONEBIT_MATRIX_NVIDIA)
inline void mma_codes(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { emulator::mma_nvidia(d, a, b); }
#elif defined(ONEBIT_MATRIX_GFX12)
inline void wmma_codes(MatrixSums& d, MatrixOperand a, MatrixOperand b) { 
  emulator::wmma_gfx12(reinterpret_cast<int32_t*>(&d), reinterpret_cast<const uint32_t*>(&a), reinterpret_cast<const uint32_t*>(&b));
}
#else
inline void wmma_codes(MatrixSums& d, MatrixOperand a, MatrixOperand b) { 
  emulator::wmma_gfx11(reinterpret_cast<int32_t*>(&d), reinterpret_cast<const uint32_t*>(&a), reinterpret_cast<const uint32_t*>(&b));
}
#endif

#if defined(ONEBIT_MATRIX_NVIDIA)
constexpr bool kAsyncCopy = true;
constexpr uint32_t kCopyStages = 3;
// A copy takes place when it is waited for, not before: who reads early reads poison.
inline void copy16(void* shared, const void* global) { emulator::copy_later(shared, global, 16); }
inline void copy_commit() { emulator::copy_commit(); }
template <int kPending>
inline void copy_wait() {
  emulator::copy_wait(kPending);
}
#else
constexpr bool kAsyncCopy = false;
constexpr uint32_t kCopyStages = 2;
inline void copy16(void*, const void*) {}
inline void copy_commit() {}
template <int kPending>
inline void copy_wait() {}
#endif
inline void settle(int32_t&) {}
inline void loads_stay_behind() {}
inline void grid_wait() {}
inline void grid_launch_next() {}

}  // namespace
}  // namespace onebit::gpu
