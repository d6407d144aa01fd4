// AMD RDNA 3, 3.5 and 4 (gfx11, gfx12), wave32, through clang's builtins.
#pragma once

#define ONEBIT_DEVICE __attribute__((device, always_inline)) inline
#define ONEBIT_SHARED(type, name, count) __attribute__((shared, aligned(16))) type name[count]
#define ONEBIT_KERNEL(name, threads, Args)                                                     \
  extern "C" __attribute__((global)) __attribute__((amdgpu_flat_work_group_size(threads, threads))) \
  __attribute__((visibility("protected"))) void name(const Args a)
#define ONEBIT_UNROLL _Pragma("unroll")
#define ONEBIT_NO_UNROLL _Pragma("unroll 1")

#if defined(__gfx1200__) || defined(__gfx1201__) || defined(__gfx12_generic__) || defined(__GFX12__)
#define ONEBIT_MATRIX_GFX12 1
#else
#define ONEBIT_MATRIX_GFX11 1
#endif

#define ONEBIT_VECTOR(n) __attribute__((ext_vector_type(n)))
#include "gpu/kernels/fragments_amd.h"

namespace onebit::gpu {
namespace {

ONEBIT_DEVICE uint32_t thread_x() { return __builtin_amdgcn_workitem_id_x(); }
ONEBIT_DEVICE uint32_t block_x() { return __builtin_amdgcn_workgroup_id_x(); }
ONEBIT_DEVICE uint32_t block_y() { return __builtin_amdgcn_workgroup_id_y(); }
ONEBIT_DEVICE uint32_t block_z() { return __builtin_amdgcn_workgroup_id_z(); }

// A value that is the same in all threads of a warp, for the scalar registers.
ONEBIT_DEVICE uint32_t same_in_warp(uint32_t x) { return __builtin_amdgcn_readfirstlane(x); }

ONEBIT_DEVICE void barrier() {
  __builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
  __builtin_amdgcn_s_barrier();
  __builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}
// Threads of the warp see what the others wrote before.
ONEBIT_DEVICE void warp_barrier() {
  __builtin_amdgcn_fence(__ATOMIC_ACQ_REL, "wavefront");
  __builtin_amdgcn_wave_barrier();
}
ONEBIT_DEVICE uint32_t shuffle_xor_bits(uint32_t x, uint32_t mask) {
  const uint32_t from = (__builtin_amdgcn_workitem_id_x() & 31u) ^ mask;
  return static_cast<uint32_t>(__builtin_amdgcn_ds_bpermute(static_cast<int>(from << 2), static_cast<int>(x)));
}

// c + sum of the four products of unsigned bytes of a and signed bytes of b; and of signed by signed.
ONEBIT_DEVICE int32_t dot4_unsigned(uint32_t a, uint32_t b, int32_t c) {
  return __builtin_amdgcn_sudot4(false, static_cast<int>(a), true, static_cast<int>(b), c, false);
}
ONEBIT_DEVICE int32_t dot4_signed(uint32_t a, uint32_t b, int32_t c) {
  return __builtin_amdgcn_sudot4(true, static_cast<int>(a), true, static_cast<int>(b), c, false);
}
// Bytes 1 and 3 of a and b: a1 | b1 << 8 | a3 << 16 | b3 << 24.
ONEBIT_DEVICE uint32_t odd_bytes(uint32_t a, uint32_t b) { return __builtin_amdgcn_perm(b, a, 0x07030501u); }

ONEBIT_DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
ONEBIT_DEVICE float sqrt_exact(float x) { return __builtin_sqrtf(x); }
ONEBIT_DEVICE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
ONEBIT_DEVICE float half_to_float(uint16_t h) { return static_cast<float>(__builtin_bit_cast(_Float16, h)); }
ONEBIT_DEVICE uint16_t float_to_half(float x) { return __builtin_bit_cast(uint16_t, static_cast<_Float16>(x)); }

// Memory that no launch of a step writes, read once.
template <class T>
ONEBIT_DEVICE T load_once(const void* p) {
  typedef uint32_t Vector __attribute__((ext_vector_type(sizeof(T) / 4)));
  return __builtin_bit_cast(T, __builtin_nontemporal_load(static_cast<const Vector*>(p)));
}

ONEBIT_DEVICE void fence_device() { __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "agent"); }
ONEBIT_DEVICE uint32_t atomic_add(uint32_t* p, uint32_t x) {
  return __scoped_atomic_fetch_add(p, x, __ATOMIC_RELAXED, __MEMORY_SCOPE_DEVICE);
}
ONEBIT_DEVICE uint32_t atomic_add_shared(uint32_t* p, uint32_t x) {
  return __scoped_atomic_fetch_add(p, x, __ATOMIC_RELAXED, __MEMORY_SCOPE_WRKGRP);
}

// Copies into shared memory go through registers: the GEMM keeps what is on its way there.
typedef uint32_t Chunk ONEBIT_VECTOR(4);  // 16 bytes on their way
constexpr bool kAsyncCopy = false;
constexpr uint32_t kCopyStages = 2;
ONEBIT_DEVICE void copy16(void*, const void*) {}
ONEBIT_DEVICE void copy_commit() {}
template <int kPending>
ONEBIT_DEVICE void copy_wait() {}

// d += a b, a signed bytes (activations), b unsigned bytes (codes).
ONEBIT_DEVICE void wmma_codes(MatrixSums& d, const MatrixOperand& a, const MatrixOperand& b) {
  typedef int Operand ONEBIT_VECTOR(kOperandRegisters);
  const Operand x = __builtin_bit_cast(Operand, a), y = __builtin_bit_cast(Operand, b);
#if defined(ONEBIT_MATRIX_GFX12)
  d = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32_gfx12(true, x, false, y, d, false);
#else
  d = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(true, x, false, y, d, false);
#endif
}

// Loads after this are not moved before it.
ONEBIT_DEVICE void loads_stay_behind() {
  asm volatile("" ::: "memory");
  __builtin_amdgcn_sched_barrier(0);
}
// x is computed by here, not later: without it the compiler puts off sums and keeps what they need in registers.
ONEBIT_DEVICE void settle(int32_t& x) { asm volatile("" : "+v"(x)); }

// The launch before this one may still run until then; and: the next one may start.
ONEBIT_DEVICE void grid_wait() {}
ONEBIT_DEVICE void grid_launch_next() {}

}  // namespace
}  // namespace onebit::gpu
