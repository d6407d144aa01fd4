// A core program with every kind of step, for the test that its generated main does what the record says.
#pragma once

#include "npu/image/core_program.h"

namespace onebit::npu {

inline constexpr uint32_t kExampleCountAddress = 0x70400, kExampleScalarAddress = 0x70404;

inline CoreProgram core_main_example() {
  CoreProgram p;
  p.kernels = {"example_two", "example_one", "example_unused", "example_none"};
  p.rings = {{{0x70800, 0x70C00}, 1024}, {{0x71000, 0x72000, 0x71800}, 512}, {{0x60000}, 64}};
  StepLoop inner{{true, 0, kExampleCountAddress}, {}};
  inner.body.push_back({StepAcquire{48, 2, false}});
  inner.body.push_back({StepAcquire{1, 0, true}});
  inner.body.push_back({StepCall{0, {ArgRing{0, 0}, ArgRing{1, 5}, CoreValue{false, -7, 0}, CoreValue{true, 0, kExampleScalarAddress}}}});
  inner.body.push_back({StepRelease{49, 3}});
  inner.body.push_back({StepAdvance{0, 1}});
  inner.body.push_back({StepAdvance{1, 2}});
  StepLoop outer{{false, 3, 0}, {}};
  outer.body.push_back({StepCall{1, {ArgBuffer{0x73000, 16}}}});
  outer.body.push_back({std::move(inner)});
  outer.body.push_back({StepCall{3, {}}});
  p.steps.push_back({StepLoop{{false, 0, 0}, {{StepRelease{63, 1}}}}});
  p.steps.push_back({std::move(outer)});
  p.steps.push_back({StepCall{1, {ArgRing{2, 4}}}});
  return p;
}

}  // namespace onebit::npu
