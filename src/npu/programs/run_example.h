// An example program in the simulator, compared with its reference.
#pragma once

#include "npu/programs/programs.h"
#include "npu/sim/simulator.h"

namespace onebit::npu {

// One run in a context that may have run others before. Output buffers start with every byte wrong. An error
// where the simulator reports one, where an output differs or an input has changed, or where shim transfers
// are left over.
Result<RunReport> run_example(Simulator& context, const std::vector<uint8_t>& stream, const std::vector<ExampleBuffer>& data);

// The context of a program, with every kernel of this repository.
Result<Simulator> open_example(const Device& device, const std::vector<uint8_t>& image, bool timed = false);

}  // namespace onebit::npu
