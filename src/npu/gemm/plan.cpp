#include "npu/gemm/plan.h"

#include <algorithm>

#include "npu/device/device.h"

namespace onebit::npu::gemm {
namespace {

constexpr uint64_t kMostPasses = uint64_t{kTaskQueueDepth - 1} * kMaxRepeat;  // of a chain of descriptors; one entry is the tail's
constexpr uint32_t kMostSends = kMaxLockValue;                                // of a slot between two fills

uint64_t x_wave_bytes(Waves w) { return uint64_t{w.chunks} * kChunkBytesX; }  // of one core row
uint64_t w_wave_bytes(Waves w) { return uint64_t{w.chunks} * kChunkBytesW; }  // in one memory tile

// Reads of a phase in bytes.
uint64_t x_reads(const Plan& plan, const Phase& p) {
  uint64_t waves = 0;  // of all core rows
  for (uint32_t half = 0; half < kHalves; ++half) waves += uint64_t{kHalfRows} * waves_of_half(plan.shape, half);
  const uint64_t times = p.x == HoldX::none ? p.count : p.x == HoldX::wave ? p.groups() : p.x == HoldX::all ? 1 : 0;
  return x_wave_bytes(plan.waves) * waves * times;
}
uint64_t w_reads(const Plan& plan, const Phase& p) {
  uint64_t waves = 0;  // of all columns
  for (uint32_t column = 0; column < kColumns; ++column) waves += plan.of_column(p, column).count;
  return waves * w_wave_bytes(plan.waves) * (p.w_resident ? 1 : plan.waves.m);
}

// W resident in groups as large and as equal as they can be; what is left over is a phase of its own.
std::vector<Phase> resident_groups(Waves w, uint64_t most, HoldX x) {
  const uint32_t largest = static_cast<uint32_t>(std::min<uint64_t>(most, w.n));
  const uint32_t group = div_up(w.n, div_up(w.n, largest));
  const uint32_t whole = w.n / group * group;
  std::vector<Phase> phases{{0, whole, group, x, true}};
  if (whole < w.n) phases.push_back({whole, w.n - whole, w.n - whole, x, true});
  return phases;
}

// X whole, W one wave at a time; the last wave by itself where some columns rest in it.
std::vector<Phase> x_whole(Waves w, bool last_apart) {
  std::vector<Phase> phases;
  const uint32_t together = last_apart ? w.n - 1 : w.n;
  for (uint32_t first = 0; first < together; first += kMostSends)
    phases.push_back({first, std::min(kMostSends, together - first), 1, first ? HoldX::kept : HoldX::all, true});
  if (last_apart) phases.push_back({together, 1, 1, HoldX::kept, true});
  return phases;
}

std::vector<std::vector<Phase>> candidates(Shape shape, Waves w) {
  std::vector<std::vector<Phase>> all;
  const uint64_t one = w_wave_bytes(w), x = resident_bytes(w, {.x = HoldX::wave}) - uint64_t{kSlots} * kChunkBytesW;
  const bool columns_rest = w.n > 1 && (w.n - 1) * kWaveN + (kColumns - 1) * kTileN >= shape.n;
  const auto add = [&](std::vector<Phase> phases) {
    if (resident_bytes(w, phases.front()) <= kResidentBytes) all.push_back(std::move(phases));
  };
  add({{0, w.n, w.n, HoldX::wave, false}});
  if (x + 2 * one <= kResidentBytes) add(resident_groups(w, std::min<uint64_t>((kResidentBytes - x) / one, kMostSends), HoldX::wave));
  add({{0, w.n, 1, HoldX::none, true}});
  add(x_whole(w, columns_rest));
  add({{0, w.n, w.n, HoldX::none, false}});
  return all;
}

// Passes over the chains of descriptors that the phase needs at most.
uint64_t passes(Waves w, const Phase& p) {
  const uint64_t waves = uint64_t{w.m} * p.count, streamed = waves * w.chunks / kSlots;
  const uint64_t x = p.x == HoldX::none ? streamed : p.x == HoldX::wave ? waves : p.count;
  return std::max(x, p.w_resident ? waves / p.group : streamed);
}
bool fits(Waves w, const Phase& p) {
  return passes(w, p) <= kMostPasses && (p.x != HoldX::wave || p.group <= kMostSends) && (!p.w_resident || w.m <= kMostSends);
}

}  // namespace

uint64_t resident_bytes(Waves w, const Phase& p) {
  return uint64_t{div_up(p.x_waves(w) * w.chunks, kTilesOfRow)} * kChunkBytesX +
         (p.w_resident ? p.group * w_wave_bytes(w) : uint64_t{kSlots} * kChunkBytesW);
}

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
  const Waves w = waves_of(shape);
  Plan best{.shape = shape, .waves = w};
  for (std::vector<Phase>& phases : candidates(shape, w)) {
    Plan plan{.shape = shape, .waves = w, .phases = std::move(phases)};
    if (!std::all_of(plan.phases.begin(), plan.phases.end(), [&](const Phase& p) { return fits(w, p); })) continue;
    for (const Phase& p : plan.phases) {
      plan.x_read += x_reads(plan, p);
      plan.w_read += w_reads(plan, p);
    }
    plan.c_written = plan.c_bytes();
    if (best.phases.empty() || plan.moved() < best.moved()) best = std::move(plan);
  }
  if (best.phases.empty())
    return fail(Errc::out_of_range, "GEMM: {} x {} x {} takes more than {} passes of a descriptor chain", shape.m, shape.n, shape.k, kMostPasses);
  return best;
}

uint32_t most_tokens(uint32_t n, uint32_t k) {
  for (uint32_t m = kMaxM; m >= kWaveM; m /= 2)
    if (make_plan({m, n, k})) return m;
  return 0;
}

uint64_t least_bytes(Shape s) { return uint64_t{s.m} * s.k + (uint64_t{s.n} * s.k + 3) / 4 + uint64_t{s.m} * s.n * 4; }

}  // namespace onebit::npu::gemm
