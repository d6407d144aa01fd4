// Which operand stays in the memory tiles for a shape, and in which order waves run.
//
// A phase covers waves [first, first + count) along N and all waves along M, in this order:
//   for each group of `group` waves along N:  for each wave along M:  for each wave of the group
// A resident operand is fetched from DDR once for all uses in its place of that order: X of one wave along M for the
// waves of a group, W of a group for all waves along M. A streamed one is fetched for every wave.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "npu/gemm/tiling.h"

namespace onebit::npu::gemm {

struct Phase {
  uint32_t first = 0, count = 0, group = 1;
  bool x_resident = false, w_resident = false;
  bool operator==(const Phase&) const = default;
};

struct Plan {
  Shape shape;
  Waves waves{};
  std::vector<Phase> phases{};
  // Of one run.
  uint64_t x_read = 0, w_read = 0, c_written = 0;

  // Buffer arguments 0, 1, 2.
  uint64_t x_bytes() const;
  uint64_t w_bytes() const;
  uint64_t c_bytes() const;
  // Where a half of a column starts in C, in elements; its waves follow in order of execution.
  uint64_t c_offset(uint32_t column, uint32_t half) const;
};

// The plan that reads least.
Result<Plan> make_plan(Shape shape);

// The most tokens for which there is a plan, or 0; more are multiplied in slices.
uint32_t most_tokens(uint32_t n, uint32_t k);

// Bytes that no plan avoids: packed weights, activations and results once, of the shape itself without padding.
uint64_t least_bytes(Shape shape);

// Calls visit(wave along M, wave along N) in the order in which a half executes them.
template <class Visit>
void for_each_wave(const Plan& plan, uint32_t half, Visit visit) {
  for (const Phase& p : plan.phases)
    for (uint32_t g = 0; g < p.count; g += p.group)
      for (uint32_t m = 0; m < waves_of_half(plan.shape, half); ++m)
        for (uint32_t n = 0; n < p.group; ++n) visit(m, p.first + g + n);
}

}  // namespace onebit::npu::gemm
