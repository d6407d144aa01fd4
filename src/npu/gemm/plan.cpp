#include "npu/gemm/plan.h"

#include <algorithm>

#include "npu/device/device.h"

namespace onebit::npu::gemm {
namespace {

constexpr uint64_t kMostPasses = uint64_t{kTaskQueueDepth - 1} * kMaxRepeat;  // of a chain of descriptors; one entry is the tail's

uint64_t x_wave_bytes(Waves w) { return uint64_t{w.chunks} * kChunkBytesX; }  // in one memory tile
uint64_t w_wave_bytes(Waves w) { return uint64_t{w.chunks} * kChunkBytesW; }

// Reads of a phase in bytes.
uint64_t x_reads(const Plan& plan, const Phase& p) {
  uint64_t waves = 0;  // of all core rows
  for (uint32_t half = 0; half < kHalves; ++half) waves += uint64_t{kHalfRows} * waves_of_half(plan.shape, half);
  return x_wave_bytes(plan.waves) * waves * (p.x_resident ? p.groups() : p.count);
}
uint64_t w_reads(const Plan& plan, const Phase& p) {
  uint64_t waves = 0;  // of all columns
  for (uint32_t column = 0; column < kColumns; ++column) waves += plan.of_column(p, column).count;
  return waves * w_wave_bytes(plan.waves) * (p.w_resident ? 1 : plan.waves.m);
}

// W resident in groups as large and as equal as they can be; what is left over is a phase of its own.
std::vector<Phase> resident_groups(Waves w, uint64_t most, bool x_resident) {
  const uint32_t largest = static_cast<uint32_t>(std::min<uint64_t>(most, w.n));
  const uint32_t group = div_up(w.n, div_up(w.n, largest));
  const uint32_t whole = w.n / group * group;
  std::vector<Phase> phases{{0, whole, group, x_resident, true}};
  if (whole < w.n) phases.push_back({whole, w.n - whole, w.n - whole, x_resident, true});
  return phases;
}

std::vector<std::vector<Phase>> candidates(Waves w) {
  std::vector<std::vector<Phase>> all;
  const uint64_t x = x_wave_bytes(w), one = w_wave_bytes(w);
  const uint64_t ring = uint64_t{kSlots} * kChunkBytesW;
  if (x + ring <= kResidentBytes) all.push_back({{0, w.n, w.n, true, false}});
  if (x + one <= kResidentBytes) all.push_back(resident_groups(w, (kResidentBytes - x) / one, true));
  if (one <= kResidentBytes) all.push_back({{0, w.n, 1, false, true}});
  all.push_back({{0, w.n, w.n, false, false}});
  return all;
}

// Passes over the chains of descriptors that the phase needs at most.
uint64_t passes(Waves w, const Phase& p) {
  const uint64_t waves = uint64_t{w.m} * p.count, streamed = waves * w.chunks / kSlots;
  return std::max(p.x_resident ? waves : streamed, p.w_resident ? waves / p.group : streamed);
}

}  // namespace

uint64_t Plan::x_bytes() const { return kRows * x_wave_bytes(waves) * waves.m; }
uint64_t Plan::w_bytes() const { return kColumns * w_wave_bytes(waves) * waves.n; }
uint64_t Plan::c_bytes() const {
  uint64_t waves_n = 0;
  for (uint32_t column = 0; column < kColumns; ++column) waves_n += column_waves(column);
  return waves_n * (waves_of_half(shape, 0) + waves_of_half(shape, 1)) * kHalfElements * sizeof(int32_t);
}

Phase Plan::of_column(const Phase& phase, uint32_t column) const {
  Phase p = phase;
  const uint32_t last = (waves.n - 1) * kWaveN + column * kTileN;  // the column's first in the last wave
  if (p.group == p.count && p.first + p.count == waves.n && last >= shape.n) p.count = p.group = p.count - 1;
  return p;
}

uint64_t Plan::column_waves(uint32_t column) const {
  uint64_t n = 0;
  for (const Phase& p : phases) n += of_column(p, column).count;
  return n;
}

uint64_t Plan::c_offset(uint32_t column, uint32_t half) const {
  const uint64_t lower = waves_of_half(shape, 0), upper = waves_of_half(shape, 1);
  uint64_t before = 0;
  for (uint32_t c = 0; c < column; ++c) before += (lower + upper) * column_waves(c);
  return (before + half * lower * column_waves(column)) * kHalfElements;
}

uint64_t Plan::c_wave(uint32_t column, uint32_t half, uint32_t m, uint32_t n) const {
  const uint64_t waves_m = waves_of_half(shape, half);
  uint64_t before = 0;
  for (const Phase& phase : phases) {
    const Phase p = of_column(phase, column);
    if (n >= p.first + p.count) {
      before += waves_m * p.count;
      continue;
    }
    const uint64_t in_phase = n - p.first;
    return before + in_phase / p.group * waves_m * p.group + m * p.group + in_phase % p.group;
  }
  return before;
}

Result<Plan> make_plan(Shape shape) {
  ONEBIT_TRY(check_shape(shape));
  Plan plan{.shape = shape, .waves = waves_of(shape)};
  const Waves w = plan.waves;
  for (const std::vector<Phase>& phases : candidates(w)) {
    uint64_t x = 0, weights = 0;
    bool fits = true;
    for (const Phase& p : phases) {
      x += x_reads(plan, p);
      weights += w_reads(plan, p);
      fits &= passes(w, p) <= kMostPasses;
    }
    if (!fits || (!plan.phases.empty() && x + weights >= plan.x_read + plan.w_read)) continue;
    plan.phases = phases;
    plan.x_read = x;
    plan.w_read = weights;
  }
  if (plan.phases.empty())
    return fail(Errc::out_of_range, "GEMM: {} x {} x {} takes more than {} passes of a descriptor chain", shape.m, shape.n, shape.k, kMostPasses);
  plan.c_written = plan.c_bytes();
  return plan;
}

uint32_t most_tokens(uint32_t n, uint32_t k) {
  for (uint32_t m = kMaxM; m >= kWaveM; m /= 2)
    if (make_plan({m, n, k})) return m;
  return 0;
}

uint64_t least_bytes(Shape s) { return uint64_t{s.m} * s.k + (uint64_t{s.n} * s.k + 3) / 4 + uint64_t{s.m} * s.n * 4; }

}  // namespace onebit::npu::gemm
