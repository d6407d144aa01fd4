#include "npu/runtime/failure.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

namespace onebit::npu {
namespace {

constexpr const char* kStates[] = {"none",  "NEW",       "QUEUED",  "RUNNING",    "COMPLETED", "ERROR",
                                   "ABORT", "SUBMITTED", "TIMEOUT", "NORESPONSE", "SKERROR",   "SKCRASHED"};

bool has(const NpuFailure& f, std::string_view part) { return f.text.find(part) != std::string::npos || f.call.find(part) != std::string::npos; }

// The driver plug-in writes "(err=-11)" or "(err=11)" into its messages and often gives no code beside them.
int error_number(const NpuFailure& f) {
  if (f.error != 0) return std::abs(f.error);
  const std::string_view key = "err=";
  const size_t at = f.text.find(key);
  if (at == std::string::npos) return 0;
  int value = 0;
  std::from_chars(f.text.data() + at + key.size(), f.text.data() + f.text.size(), value);
  return value == INT32_MIN ? 0 : std::abs(value);
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string memlock(const HostFacts& facts) {
  return facts.memlock_bytes ? fmt::format("{} KiB", *facts.memlock_bytes / 1024) : std::string("unlimited");
}

std::string explain_state(unsigned state) {
  switch (static_cast<ErtState>(state)) {
    case ErtState::error:
      return "the firmware refused the command or the array reported an error; check the instruction stream with `onebit npu lint`, the kernel log "
             "has the firmware's code";
    case ErtState::abort:
      return "the driver stopped the command, as it does with one that never ends; the array waits for a lock, a token or data: run the same image "
             "in the simulator";
    case ErtState::timeout:
      return "the driver's time limit passed; either the array waits for a lock, a token or data (run the same image in the simulator), or another "
             "program or a busy GPU kept the NPU";
    case ErtState::no_response:
      return "the firmware does not answer; reload the driver (`modprobe -r amdxdna; modprobe amdxdna`), reboot where that fails";
    case ErtState::sk_error:
    case ErtState::sk_crashed:
      return "the firmware's part of the command failed; driver and firmware may not match: `onebit doctor`";
    case ErtState::created:
    case ErtState::queued:
    case ErtState::submitted:
      return "the command never started: other commands, of this or another program, hold the NPU";
    case ErtState::running:
      return "the array still works or waits for a lock, a token or data: run the same image in the simulator";
    default:
      return "the state of the command is unknown";
  }
}

// Opening the device: what the machine lacks says more than libxrt's words.
std::string explain_open(int error, const HostFacts& facts) {
  if (!facts.accel_node)
    return "no /dev/accel device; load the driver (`modprobe amdxdna`, Linux 6.14 or later) and its firmware (package linux-firmware)";
  if (!facts.accel_readable || error == EACCES || error == EPERM)
    return "this user may not open /dev/accel; add it to the group render (`usermod -aG render USER`) and log in again";
  return "the driver is there and XRT finds no NPU; install XRT's NPU plug-in (Debian: libxrt-npu2) of the same version as XRT";
}

std::string explain_error(const NpuFailure& f, int error, const HostFacts& facts) {
  switch (error) {
    case EAGAIN:
      return fmt::format(
          "memory for the NPU is locked memory and its limit is {}; raise it (`ulimit -l unlimited`, or memlock in /etc/security/limits.conf)",
          memlock(facts));
    case ENOMEM:
      return fmt::format("out of memory or of locked memory, whose limit is {}; close other users of the NPU or raise memlock", memlock(facts));
    case EACCES:
    case EPERM:
      return "this user may not use the NPU; add it to the group render (`usermod -aG render USER`) and log in again";
    case EOPNOTSUPP:
    case ENOTTY:
      return "the driver does not know this request; driver and XRT are of different versions: `onebit doctor`";
    case ENODEV:
    case ENXIO:
      return "the device is gone; reload the driver (`modprobe -r amdxdna; modprobe amdxdna`)";
    case EBUSY:
    case ENOSPC:
      return "every hardware context is taken; close other programs that use the NPU";
    case ETIME:
    case ETIMEDOUT:
      return "the firmware does not answer; reload the driver (`modprobe -r amdxdna; modprobe amdxdna`), reboot where that fails";
    case EIO:
      return "the driver lost the firmware or the context; reopen the device, reload the driver where that fails";
    case EINVAL:
      if (has(f, "HWCTX") || has(f, "hw_context"))
        return "the driver refused the context; driver, firmware and image may not match, or the locked memory limit is too low: `onebit doctor`";
      return "the driver refused the request; driver and XRT may be of different versions: `onebit doctor`";
    default:
      return "";
  }
}

}  // namespace

std::string ert_name(unsigned state) {
  if (state == 0 || state >= std::size(kStates)) return fmt::format("ERT state {}", state);
  return fmt::format("ERT_CMD_STATE_{}", kStates[state]);
}

HostFacts host_facts() {
  HostFacts facts;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/accel", ignored)) {
    facts.accel_node = true;
    if (access(entry.path().c_str(), R_OK | W_OK) == 0) facts.accel_readable = true;
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) facts.memlock_bytes = limit.rlim_cur;
  return facts;
}

Error explain(const NpuFailure& f, const HostFacts& facts) {
  if (f.simulated) return {f.error == ENOMEM ? Errc::out_of_memory : Errc::device, f.call + ": " + f.text};
  const int error = error_number(f);
  std::string what = f.call + ": ";
  if (f.timed_out)
    what += fmt::format("not finished within the time limit, {}", ert_name(f.state));
  else if (f.state != 0)
    what += ert_name(f.state);
  if (const std::string_view text = trimmed(f.text); !text.empty())
    what += fmt::format("{}{}", f.timed_out || f.state != 0 ? ", " : "", text);
  else if (error != 0 && f.state == 0)
    what += std::strerror(error);

  std::string reason;
  if (f.state != 0 || f.timed_out)
    reason = explain_state(f.state);
  else if (f.call == "xrt::device")
    reason = explain_open(error, facts);
  else
    reason = explain_error(f, error, facts);
  if (!reason.empty()) what += " (" + reason + ")";
  return {error == ENOMEM || error == EAGAIN ? Errc::out_of_memory : Errc::device, what};
}

}  // namespace onebit::npu
