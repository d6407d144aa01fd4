// What machines can do at most, each figure with what kind of figure it is and where it comes from.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::roofline {

enum class Label {
  measured,            // here, by this program
  measured_by_others,  // published, on such a machine
  nominal,             // from a data sheet: nobody reaches it
  estimated,           // from widths and clocks, or from a model
};
const char* name(Label label);  // "measured", "measured by others", "nominal", "estimated"

enum class Unit { cpu, gpu, npu };
const char* name(Unit unit);  // "CPU", "iGPU", "NPU"

// Bytes or int8 operations (a multiply-accumulate is two) per second.
struct Figure {
  Unit unit;
  std::string what;
  double value;
  Label label;
  std::string source;
};

struct Machine {
  std::string name, title;
  double nominal_bandwidth = 0;  // of the memory; 0: not known
  std::string nominal_source;
  std::vector<Figure> bandwidths, rates;
  bool has_npu = false;
};

std::span<const char* const> machine_names();  // without "this"
// Errc::usage for a name that is not in the list.
Result<Machine> machine(std::string_view name);
// The machine this runs on, by src/cpu/limits.h: the best of three probes of `bytes`.
Result<Machine> measure_this(size_t bytes);

}  // namespace onebit::roofline
