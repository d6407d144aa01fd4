// What tests see of the stub libxrt: the calls made, objects alive, faults to come, and who executes a run.
#pragma once

#include <xrt/stub_declarations.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace stub_xrt {

// A new machine: no calls, no faults, nothing alive from before counts.
void reset();

// "device(0)", "bo(256, host_only, group 0x10000)", "set_arg(2, 4 bytes, 15)", "~hw_context".
const std::vector<std::string>& calls();
// Names of calls in the order they can first be made to fail.
const std::vector<std::string>& fault_points();
// What a caller may not do, and did: releasing an xclbin before its context, starting a run twice.
const std::vector<std::string>& violations();

int live_objects();
std::string live_names();  // "device bo bo"

enum class Fault { system_error, runtime_error, out_of_memory, unknown };
// The `nth` call of that name from here on (1: the next) throws.
void fail(const std::string& call, Fault fault, int error = 22, const std::string& text = "injected", unsigned nth = 1);

// Later runs end in `state` (an exception from wait), or, where that state is not final, never end.
void end_runs_in(ert_cmd_state state);
// The next look at the state of a run finds it completed.
void finish_before_next_state();

// Executes a run of a context (numbered from 1): image, instruction stream, bo0 and on as the device sees them. Without
// one, runs do nothing.
using Executor =
    std::function<bool(uint32_t context, std::span<const char> image, std::span<const uint8_t> stream, std::span<const std::span<uint8_t>> buffers)>;
void set_executor(Executor executor);

}  // namespace stub_xrt
