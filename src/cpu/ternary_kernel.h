// What one kernel file sees. Kernel files are compiled with the flags of their instruction set, so
// nothing they include may define a function with external linkage: of several copies the linker keeps
// one for the whole program, and that one might only run on a newer CPU. Hence C headers, plain data,
// and templates over types of an anonymous namespace.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace onebit::cpu {

// A packed matrix (layouts: ternary.h) without its owner.
struct PackedView {
  const uint8_t* data;
  uint32_t tiles;  // per group of 16 rows
  bool dense;      // p16, else p2
};

// Expanded codes for GEMM: one panel per group, [step][16 rows][4 columns], a byte per code. 480 is a
// multiple of both tile widths; four panels (64 rows) are 30 KB and stay in a 48 KB L1 cache together
// with the activations of a few tokens.
constexpr uint32_t kPanelGroups = 4;
constexpr uint32_t kPanelColumns = 480;
constexpr uint32_t kPanelBytes = 16 * kPanelColumns;

// Arguments as in TernaryKernels.
struct RawKernels {
  void (*gemv)(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc);
  // x: [tokens][stride]; scratch: kPanelGroups * kPanelBytes, 64-byte aligned.
  void (*gemm)(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, size_t stride, const int32_t* sum,
               uint32_t tokens, int32_t* acc, size_t ld, uint8_t* scratch);
};

extern const RawKernels kTernaryScalar, kTernaryAvx2, kTernaryAvxVnni, kTernaryAvx512, kTernaryNeon;

}  // namespace onebit::cpu
