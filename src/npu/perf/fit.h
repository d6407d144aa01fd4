// Does the model explain, or does it only remember? Each family of designs is left out in turn, the constants that were
// fitted to rows are fitted to the other families, and the family that was left out is judged with them.
#pragma once

#include <string>
#include <vector>

#include "npu/perf/measured.h"

namespace onebit::npu::perf {

struct LeftOut {
  std::string family;
  double coupling, launch_s, wave_turn_cycles;  // as the other families' rows want them
  Errors errors;                                // of the family's rows
};

Result<std::vector<LeftOut>> leave_one_family_out();

}  // namespace onebit::npu::perf
