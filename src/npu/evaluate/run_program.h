// An example program on the evaluated device: exact or not, and how long a run takes.
#pragma once

#include <optional>

#include "npu/evaluate/plan.h"
#include "npu/programs/programs.h"

namespace onebit::npu::evaluate {

struct Timing {
  double first = 0;      // seconds of the first run in the context
  double seconds = 0;    // median of the others
  double pipelined = 0;  // seconds per run with the queue full; 0: not tried
};

// Nothing where the program cannot run here; the section then says why.
Result<std::optional<Timing>> try_program(Context& c, const char* program, const ExampleShape& shape, unsigned runs, Section& section);

// How a Timing came about.
std::string how(const Context& c, unsigned runs);

}  // namespace onebit::npu::evaluate
