// Which operand stays in the memory tiles for a shape, and in which order waves run.
//
// A phase covers waves [first, first + count) along N and all waves along M, in this order:
//   for each group of `group` waves along N:  for each wave along M:  for each wave of the group
// A resident operand is fetched from DDR once for all uses in its place of that order: W of a group for all waves along M;
// X of one wave along M for the waves of a group, or of all waves along M for the whole phase and those after it. A
// streamed one is fetched for every wave.
//
// The last wave along N may need some columns of cores only. In a phase of one group the others let its activations
// pass; in a phase of several they multiply padding.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "npu/gemm/tiling.h"

namespace onebit::npu::gemm {

enum class HoldX : uint8_t {
  none,
  wave,  // one along M, for the waves of a group
  all,   // all along M, in groups of one
  kept,  // all, as the phase before left them
};

struct Phase {
  uint32_t first = 0, count = 0, group = 1;
  HoldX x = HoldX::none;
  bool w_resident = false;
  bool operator==(const Phase&) const = default;

  uint32_t groups() const { return count / group; }
  // Waves of X along M that are held at a time.
  uint32_t x_waves(Waves w) const { return x == HoldX::none ? 0 : x == HoldX::wave ? 1 : w.m; }
};

// Bytes of a memory tile that a phase keeps operands in; of X each of the two tiles of a core row holds half.
uint64_t resident_bytes(Waves w, const Phase& phase);

struct Plan {
  Shape shape;
  Waves waves{};
  std::vector<Phase> phases{};
  // Of one run.
  uint64_t x_read = 0, w_read = 0, c_written = 0;

  uint64_t moved() const { return x_read + w_read + c_written; }
  // Buffer arguments 0, 1, 2.
  uint64_t x_bytes() const;
  uint64_t w_bytes() const;
  uint64_t c_bytes() const;

  // The phase as a column of cores takes part in it; its count may be 0.
  Phase of_column(const Phase& phase, uint32_t column) const;
  // Where a half of a column starts in C, in elements, and the place of a wave among its waves there.
  uint64_t c_offset(uint32_t column, uint32_t half) const;
  uint64_t c_wave(uint32_t column, uint32_t half, uint32_t m, uint32_t n) const;

 private:
  uint64_t column_waves(uint32_t column) const;  // along N
};

// The plan that moves least.
Result<Plan> make_plan(Shape shape);

// The most tokens for which there is a plan, or 0; more are multiplied in slices.
uint32_t most_tokens(uint32_t n, uint32_t k);

// Bytes that no program avoids: packed weights once, activations once, results once, without padding.
uint64_t least_bytes(Shape shape);

}  // namespace onebit::npu::gemm
