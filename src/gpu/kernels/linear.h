// What the ternary GEMV and GEMM share: which matrix a unit belongs to, and what becomes of its sums.
#pragma once

#include "gpu/kernels/float_math.h"

namespace onebit::gpu {
namespace {

struct UnitPlace {
  const uint8_t* weights;  // null: no such unit
  float* out;
  uint32_t unit;           // in its matrix
  uint32_t rows, ld;
  float scale;
};

// Segments are looked up with constant indices: kernel arguments stay where they are.
ONEBIT_DEVICE UnitPlace find_unit(const LinearArgs& a, uint32_t unit, uint64_t unit_bytes) {
  UnitPlace p = {nullptr, nullptr, 0, 0, 0, 0.0f};
  ONEBIT_UNROLL
  for (uint32_t i = 0; i < kSegments; ++i) {
    const LinearSegment& s = a.segments[i];
    if (unit < s.units) {
      if (!p.weights) p = {s.weights + unit * unit_bytes, s.out, unit, s.rows, s.ld, s.scale};
      unit = s.units;  // found: not below the next one's count after the subtraction
      unit += 0x40000000u;
    } else {
      unit -= s.units;
    }
  }
  return p;
}

ONEBIT_DEVICE uint32_t unit_count(const LinearArgs& a) {
  return a.segments[0].units + a.segments[1].units + a.segments[2].units;
}

ONEBIT_DEVICE bool is_gate(Epilogue e) { return e == Epilogue::gate_relu2 || e == Epilogue::gate_silu; }

// sum: of weight times q (the activation sum already taken off). Slot 0..15 of the unit, token t.
ONEBIT_DEVICE void store_sum(const LinearArgs& a, const UnitPlace& p, uint32_t slot, uint32_t t, int32_t sum) {
  const uint32_t row = p.unit * kUnitRows + slot;
  if (row >= p.rows) return;
  float* const y = p.out + uint64_t{t} * p.ld + row;
  if (a.epilogue == Epilogue::sums) {
    *reinterpret_cast<int32_t*>(y) = sum;
    return;
  }
  const float value = static_cast<float>(sum) * (a.inv_scale[t] * p.scale);
  *y = a.epilogue == Epilogue::add ? *y + value : value;
}

// A gated pair: slot 0..7.
ONEBIT_DEVICE void store_gated(const LinearArgs& a, const UnitPlace& p, uint32_t slot, uint32_t t, int32_t gate,
                               int32_t up) {
  const uint32_t row = p.unit * (kUnitRows / 2) + slot;
  if (row >= p.rows) return;
  const float g = static_cast<float>(gate) * (a.inv_scale[t] * p.scale);
  const float u = static_cast<float>(up) * (a.inv_scale[t] * a.up_scale);
  p.out[uint64_t{t} * p.ld + row] = (a.epilogue == Epilogue::gate_silu ? silu(g) : relu2(g)) * u;
}

}  // namespace
}  // namespace onebit::gpu
