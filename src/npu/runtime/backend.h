// What an implementation of the NPU device has to do; callers use device.h. The libxrt module is built from this
// header and the standard library alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>

namespace onebit::npu {

enum class BufferUse : uint8_t {
  instructions,  // an instruction stream
  data,          // bo0 to bo4
};

enum class SyncDirection : uint8_t { to_device, from_device };

// What went wrong, undecoded; failure.h makes a message of it.
struct NpuFailure {
  std::string call{};      // "xrt::hw_context"
  int error = 0;           // errno, where the library gives one
  unsigned state = 0;      // ERT state of a command, where it has one
  bool timed_out = false;  // the caller's limit passed first
  bool simulated = false;  // the simulator's words need no decoding
  std::string text{};      // of the library
};

template <class T>
using BackendResult = std::expected<T, NpuFailure>;
using BackendStatus = std::expected<void, NpuFailure>;

class BackendBuffer {
 public:
  virtual ~BackendBuffer() = default;
  virtual std::span<uint8_t> host() = 0;
  virtual BackendStatus sync(SyncDirection direction, size_t offset, size_t bytes) = 0;
};

class BackendRun {
 public:
  virtual ~BackendRun() = default;
  virtual BackendStatus wait(std::chrono::milliseconds timeout) = 0;  // timeout > 0
};

struct BackendCommand {
  BackendBuffer* instructions = nullptr;
  uint32_t stream_bytes = 0;
  std::span<BackendBuffer* const> arguments{};
};

struct SimTotals {
  uint64_t ddr_read_bytes = 0, ddr_write_bytes = 0;  // by the array
  uint64_t kernel_calls = 0;
  double cycles = 0, seconds = 0;  // timed simulators only
};

class NpuBackend {
 public:
  virtual ~NpuBackend() = default;
  virtual std::string description() const = 0;
  virtual bool needs_machine_code() const = 0;

  // `xclbin` and `kernel` stay valid while the context is open. Opens the device too where it is closed.
  virtual BackendStatus open_context(std::span<const uint8_t> xclbin, const std::string& kernel) = 0;
  // No run of the context exists any more, except those that never ended.
  virtual void close_context() noexcept = 0;

  virtual BackendResult<std::unique_ptr<BackendBuffer>> allocate(size_t bytes, BufferUse use, unsigned argument) = 0;
  // Makes a buffer of a closed context one of the open context, with the contents that the host sees.
  virtual BackendStatus restore(BackendBuffer& buffer) = 0;

  virtual BackendResult<std::unique_ptr<BackendRun>> start(std::span<const BackendCommand> commands) = 0;
  virtual SimTotals simulated() const { return {}; }
};

// The entry of the libxrt module. Null with *failure set where the device cannot be opened.
using XrtBackendFactory = NpuBackend* (*)(unsigned index, NpuFailure* failure);
inline constexpr const char* kXrtBackendFactory = "onebit_xrt_backend_1";  // the number counts changes of this header

}  // namespace onebit::npu
