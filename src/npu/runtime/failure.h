// From what libxrt and the driver report to a message that says what to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "npu/runtime/backend.h"

namespace onebit::npu {

// States of a command, as in XRT's ert.h.
enum class ErtState : unsigned { none, created, queued, running, completed, error, abort, submitted, timeout, no_response, sk_error, sk_crashed };
std::string ert_name(unsigned state);  // "ERT_CMD_STATE_TIMEOUT", "ERT state 77"

// What of the machine bears on a failure.
struct HostFacts {
  bool accel_node = false;                  // /dev/accel/accel* exists
  bool accel_readable = false;              // and may be opened for reading and writing
  std::optional<uint64_t> memlock_bytes{};  // nothing: unlimited
};
HostFacts host_facts();

// Errc::out_of_memory where memory is short, else Errc::device. "CALL: TEXT (reason; what to do)".
Error explain(const NpuFailure& failure, const HostFacts& facts);

}  // namespace onebit::npu
