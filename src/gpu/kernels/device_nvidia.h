// NVIDIA sm_80 and later, through PTX, so that clang (without CUDA headers) and nvcc compile the same text.
#pragma once

#if defined(__CUDACC__) && !defined(__clang__)
#define ONEBIT_DEVICE __device__ __forceinline__
#define ONEBIT_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define ONEBIT_KERNEL(name, threads, Args) extern "C" __global__ void __launch_bounds__(threads, 2) name(const __grid_constant__ Args a)
#else
#define ONEBIT_DEVICE __attribute__((device, always_inline)) inline
#define ONEBIT_SHARED(type, name, count) __attribute__((shared, aligned(16))) type name[count]
#define ONEBIT_KERNEL(name, threads, Args) \
  extern "C" __attribute__((global)) __attribute__((launch_bounds(threads, 2))) void name(const Args a)
#endif
#define ONEBIT_UNROLL _Pragma("unroll")
#define ONEBIT_NO_UNROLL _Pragma("unroll 1")
#define ONEBIT_MATRIX_NVIDIA 1

namespace onebit::gpu {
namespace {

#define ONEBIT_SPECIAL(name, reg)                        \
  ONEBIT_DEVICE uint32_t name() {                        \
    uint32_t r;                                          \
    asm("mov.u32 %0, %" reg ";" : "=r"(r));              \
    return r;                                            \
  }
ONEBIT_SPECIAL(thread_x, "%tid.x")
ONEBIT_SPECIAL(block_x, "%ctaid.x")
ONEBIT_SPECIAL(block_y, "%ctaid.y")
ONEBIT_SPECIAL(block_z, "%ctaid.z")
#undef ONEBIT_SPECIAL

ONEBIT_DEVICE uint32_t same_in_warp(uint32_t x) { return x; }
ONEBIT_DEVICE void barrier() { asm volatile("bar.sync 0;" ::: "memory"); }
// Threads of the warp see what the others wrote before.
ONEBIT_DEVICE void warp_barrier() { asm volatile("bar.warp.sync -1;" ::: "memory"); }
ONEBIT_DEVICE uint32_t shuffle_xor_bits(uint32_t x, uint32_t mask) {
  uint32_t r;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, -1;" : "=r"(r) : "r"(x), "r"(mask));
  return r;
}

// c + sum of the four products of unsigned bytes of a and signed bytes of b; and of signed by signed.
ONEBIT_DEVICE int32_t dot4_unsigned(uint32_t a, uint32_t b, int32_t c) {
  int32_t r;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}
ONEBIT_DEVICE int32_t dot4_signed(uint32_t a, uint32_t b, int32_t c) {
  int32_t r;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}
// Bytes 1 and 3 of a and b: a1 | b1 << 8 | a3 << 16 | b3 << 24.
ONEBIT_DEVICE uint32_t odd_bytes(uint32_t a, uint32_t b) {
  uint32_t r;
  asm("prmt.b32 %0, %1, %2, 0x7351;" : "=r"(r) : "r"(a), "r"(b));
  return r;
}

ONEBIT_DEVICE float fma(float a, float b, float c) {
  float r;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(r) : "f"(a), "f"(b), "f"(c));
  return r;
}
ONEBIT_DEVICE double fma(double a, double b, double c) {
  double r;
  asm("fma.rn.f64 %0, %1, %2, %3;" : "=d"(r) : "d"(a), "d"(b), "d"(c));
  return r;
}
ONEBIT_DEVICE float sqrt_exact(float x) {
  float r;
  asm("sqrt.rn.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
ONEBIT_DEVICE float half_to_float(uint16_t h) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(h));
  return r;
}
ONEBIT_DEVICE uint16_t float_to_half(float x) {
  uint16_t r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
  return r;
}

// Memory that no launch of a step writes, read once: not kept in L1, and not coherent with writes.
template <class T>
ONEBIT_DEVICE T load_once(const void* p) {
  T r;
  static_assert(sizeof(T) == 16);
  asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
      : "=r"(r.v[0]), "=r"(r.v[1]), "=r"(r.v[2]), "=r"(r.v[3])
      : "l"(p));
  return r;
}

ONEBIT_DEVICE void fence_device() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }
ONEBIT_DEVICE uint32_t atomic_add(uint32_t* p, uint32_t x) {
  uint32_t r;
  asm volatile("atom.relaxed.gpu.add.u32 %0, [%1], %2;" : "=r"(r) : "l"(p), "r"(x) : "memory");
  return r;
}
ONEBIT_DEVICE uint32_t atomic_add_shared(uint32_t* p, uint32_t x) {
  uint32_t r;
  asm volatile("atom.relaxed.cta.add.u32 %0, [%1], %2;" : "=r"(r) : "l"(p), "r"(x) : "memory");
  return r;
}

// Copies into shared memory that complete later: cp.async.
struct alignas(16) Chunk {  // 16 bytes on their way
  uint32_t v[4];
};
constexpr bool kAsyncCopy = true;
constexpr uint32_t kCopyStages = 3;
ONEBIT_DEVICE void copy16(void* shared, const void* global) {
  uint64_t address;
  asm("cvta.to.shared.u64 %0, %1;" : "=l"(address) : "l"(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<uint32_t>(address)), "l"(global) : "memory");
}
ONEBIT_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
ONEBIT_DEVICE void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// d += a b, a 16 x 32 unsigned bytes (codes), b 32 x 8 signed bytes (activations).
ONEBIT_DEVICE void mma_codes(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// x is computed by here, not later; ptxas weighs registers itself.
ONEBIT_DEVICE void settle(int32_t&) {}

// With programmatic dependent launch: the launch before this one may still run until grid_wait() returns, and the
// next one may start from grid_launch_next() on. Without it both do nothing.
ONEBIT_DEVICE void grid_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
ONEBIT_DEVICE void grid_launch_next() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace
}  // namespace onebit::gpu
