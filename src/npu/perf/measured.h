// Published measurements on hardware (Strix Halo), each with the dataflow and condition it was taken under.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "npu/perf/estimate.h"

namespace onebit::npu::perf {

struct Variant {
  Tile tile{};        // m 0: the preset's
  double c_bits = 0;  // 0: the preset's
  bool calibrates = false;  // a constant of the model was taken from this row
};

struct Measured {
  int row;               // of docs/npu-performance-model.md
  const char* label;
  const char* design;    // preset
  Shape shape;
  double us;             // per GEMM; 0: only `tops` is published
  double tops = 0;
  Condition condition{};
  Variant variant{};
};

struct NotCovered {
  const char* rows;
  const char* reason;
};

std::span<const Measured> measured_rows();
std::span<const NotCovered> rows_not_covered();

struct Comparison {
  const Measured* row;
  double measured_us, estimated_us;
  double error() const { return estimated_us / measured_us - 1; }
};
Result<std::vector<Comparison>> compare(const Rates& rates = {});

struct Errors {
  double median = 0, worst = 0;  // of absolute values
  size_t rows = 0;
};
Errors summarize(std::span<const Comparison> comparisons, bool with_calibration_rows);

}  // namespace onebit::npu::perf
