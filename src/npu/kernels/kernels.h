// The kernels as functions with C names, for the core's compiler and for the host's alike, each with the cycles that its
// schedule takes. Buffers start at multiples of 64 bytes; counts are in elements. The sources argue the figures.
#pragma once

#include <stdint.h>

#if defined(__AIENGINE__)
// A promise to the loop scheduler, which needs it to overlap iterations without a check at the start.
#define ONEBIT_PRAGMA(x) _Pragma(#x)
#define ONEBIT_LOOP_AT_LEAST(n) ONEBIT_PRAGMA(clang loop min_iteration_count(n))
#else
#define ONEBIT_LOOP_AT_LEAST(n)
#endif

extern "C" {
void zero_i32(int32_t* out, int32_t count);
void copy_i32(const int32_t* in, int32_t* out, int32_t count);
void add_one_i32(const int32_t* in, int32_t* out, int32_t count);
void scale_i32(const int32_t* in, int32_t* out, int32_t count, int32_t factor);
void gemm_i8_i32(const int8_t* a, const int8_t* b, int32_t* c, int32_t m, int32_t k, int32_t n);
void gemm_i8_t2_i32(const int8_t* a, const uint8_t* b, int32_t* c, int32_t m, int32_t k, int32_t n, int32_t column, int32_t accumulate);
void gemv_t2_i32(const int8_t* x, const uint8_t* b, int32_t* y, int32_t k, int32_t n, int32_t accumulate);
void gemm_bf16(const uint16_t* a, const uint16_t* b, float* c, int32_t m, int32_t k, int32_t n, int32_t accumulate);  // a, b: bfloat16
void scale_bf16(const int32_t* sums, const int32_t* rows, uint16_t* out, int32_t m, int32_t n);  // out: bfloat16
}

namespace onebit::npu {

// Entry, exit and the fill and drain of a loop: 5 delay slots each for call and return, about 8 instructions to set the
// loop up, 7 cycles from the first load to its use and 7 until the last store is in memory.
inline constexpr uint64_t kCallCycles = 32;

// Each element of the tail after the last full vector: load, operate, store, branch, none overlapped.
inline constexpr uint64_t kTailCycles = 18;
constexpr uint64_t elementwise_cycles(uint64_t count, uint64_t cycles_per_vector) {
  return kCallCycles + count / 16 * cycles_per_vector + count % 16 * kTailCycles;
}
constexpr uint64_t zero_i32_cycles(uint64_t count) { return elementwise_cycles(count, 1); }
constexpr uint64_t copy_i32_cycles(uint64_t count) { return elementwise_cycles(count, 1); }
constexpr uint64_t add_one_i32_cycles(uint64_t count) { return elementwise_cycles(count, 1); }
constexpr uint64_t scale_i32_cycles(uint64_t count) { return elementwise_cycles(count, 8); }

constexpr uint64_t gemm_i8_i32_cycles(uint64_t m, uint64_t k, uint64_t n) {
  constexpr uint64_t per_group = 16 + 7 + 6 + 16;  // accumulators in, load to use, product to store, accumulators out
  return kCallCycles + m / 16 * (n / 16) * (k / 8 * 4 + per_group);
}
constexpr uint64_t gemm_i8_t2_i32_cycles(uint64_t m, uint64_t k, uint64_t n) {
  constexpr uint64_t per_group = 6 + 16 + 4 + 7;  // product to store, stores and loads, the last accumulator, load to use
  return kCallCycles + m / 16 * (n / 16) * (k / 8 * 4 + per_group);
}

constexpr uint64_t gemv_t2_i32_cycles(uint64_t k, uint64_t n) {
  constexpr uint64_t per_pair = 4 + 7 + 6 + 4;  // y in, load to use, product to store, y out
  return kCallCycles + n / 32 * (k / 16 * 8 + per_pair);
}
constexpr uint64_t gemm_bf16_cycles(uint64_t m, uint64_t k, uint64_t n) {
  constexpr uint64_t per_group = 16 + 7 + 6 + 16;
  return kCallCycles + m / 16 * (n / 16) * (k / 8 * 12 + per_group);
}
constexpr uint64_t scale_bf16_cycles(uint64_t m, uint64_t n) { return kCallCycles + m * n / 16 * 16; }

}  // namespace onebit::npu
