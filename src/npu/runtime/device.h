// One NPU as the engine sees it: a context with one image, buffers, runs. Two implementations behind it, libxrt
// (a module loaded at run time) and the array simulator; what may be done in which order is checked here, the same for
// both.
//
//   open -> load(xclbin) -> allocate, fill bytes(), upload -> submit, submit, ... -> wait -> download -> read bytes()
//
// A buffer belongs to the device from submit to the wait of that run: until then it can be neither uploaded nor
// downloaded. Runs execute in the order of submission. One thread at a time uses a device and its buffers.
//
// Any failed run loses the context: the state of the array is unknown, other runs in flight fail too, outputs of all of
// them hold no meaning. Nothing else is lost; reopen() makes a fresh context with the same image and the contents of
// every buffer as the host sees them, and the runs may be submitted again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "npu/device/device.h"
#include "npu/runtime/backend.h"
#include "npu/sim/simulator.h"

namespace onebit::npu {

enum class DeviceKind : uint8_t { sim, xrt };
const char* name(DeviceKind kind);  // "npu-sim", "npu"

struct NpuOptions {
  DeviceKind kind = DeviceKind::sim;
  // sim: without kernels, those of this repository.
  const Device* array = nullptr;  // null: XDNA 2
  SimOptions sim{};
  // xrt: the module; empty: libonebit_xrt.so beside the program, then in ../lib, then where the loader looks.
  std::string xrt_module{};
  unsigned index = 0;  // of the NPU
};

// Memory that host and NPU both reach.
class NpuBuffer {
 public:
  // The host's view, the same memory until reopen(). What it holds after allocate() is not defined.
  std::span<uint8_t> bytes() const { return memory_->host(); }
  size_t size() const { return memory_->host().size(); }
  BufferUse use() const { return use_; }

 private:
  friend class NpuDevice;
  std::unique_ptr<BackendBuffer> memory_;
  const void* owner_ = nullptr;
  BufferUse use_ = BufferUse::data;
  bool uploaded_ = false;
  unsigned in_flight_ = 0;  // arguments of unfinished runs
};
using NpuBufferRef = std::shared_ptr<NpuBuffer>;

// One execution of an instruction stream on bo0, bo1, ...
struct NpuCommand {
  NpuBufferRef instructions;
  std::vector<NpuBufferRef> arguments;  // at most kMaxBufferArguments
  size_t stream_bytes = 0;              // of `instructions`, from its start; 0: all of it
};

struct NpuRun {
  uint64_t id = 0;
};

struct NpuStats {
  uint64_t runs = 0, commands = 0;  // waited for and completed
  uint64_t failures = 0, reopens = 0;
  uint64_t uploads = 0, uploaded_bytes = 0, downloads = 0, downloaded_bytes = 0;
  double wait_seconds = 0;  // measured: the caller's time inside wait()
  SimTotals simulated{};    // simulator only; never measured
};

inline constexpr unsigned kNpuQueueDepth = 16;  // runs in flight
inline constexpr unsigned kMaxCommandsPerRun = 64;
inline constexpr std::chrono::seconds kNpuTimeout{20};  // beyond the driver's own, whose verdict says more

class NpuDevice {
 public:
  static Result<std::unique_ptr<NpuDevice>> open(const NpuOptions& options);
  ~NpuDevice();  // waits for runs in flight
  NpuDevice(const NpuDevice&) = delete;
  NpuDevice& operator=(const NpuDevice&) = delete;

  DeviceKind kind() const { return kind_; }
  std::string description() const;  // "array simulator (npu2)", "RyzenAI-npu5"

  // The image of this device's context, once. Errc::unsupported for cores without machine code on an NPU.
  Status load(Bytes xclbin);

  // `argument`: the place (bo0 is 0) where a data buffer will be passed; it matters only for images whose arguments
  // lie in different memory banks. Ours have one.
  Result<NpuBufferRef> allocate(size_t bytes, BufferUse use, unsigned argument = 0);
  Status upload(const NpuBufferRef& buffer);
  Status upload(const NpuBufferRef& buffer, size_t offset, size_t bytes);
  Status download(const NpuBufferRef& buffer);
  Status download(const NpuBufferRef& buffer, size_t offset, size_t bytes);
  // Allocates an instruction buffer for a stream and uploads it.
  Result<NpuBufferRef> instructions(Bytes stream);

  // Several commands run one after the other as one run, as a runlist where XRT has it. Errc::out_of_range with
  // kNpuQueueDepth runs in flight.
  Result<NpuRun> submit(std::vector<NpuCommand> commands);
  Result<NpuRun> submit(NpuCommand command);
  // Once per run, in any order. `timeout` above 0; the simulator, whose time is not the host's, does not look at it
  // and ends a run that makes no progress by itself.
  Status wait(NpuRun run, std::chrono::milliseconds timeout = kNpuTimeout);
  size_t in_flight() const { return pending_.size(); }

  bool lost() const { return !lost_.empty(); }
  // A fresh context where the last one was lost. After an error it may be tried again.
  Status reopen();

  NpuStats stats() const;

 private:
  struct Pending {
    uint64_t id;
    std::unique_ptr<BackendRun> run;
    std::vector<NpuCommand> commands;
  };

  NpuDevice(DeviceKind kind, std::unique_ptr<NpuBackend> backend);
  Status check(const NpuBufferRef& buffer, size_t offset, size_t bytes, const char* what) const;
  Status check(const NpuCommand& command) const;
  Status ready(const char* what) const;
  std::unexpected<Error> lose(std::string what, const NpuFailure& failure);
  void forget(Pending& pending);

  DeviceKind kind_;
  // Declared before what refers to it: runs and buffers go first.
  std::unique_ptr<NpuBackend> backend_;
  std::vector<uint8_t> image_;
  std::string kernel_;
  std::vector<std::weak_ptr<NpuBuffer>> buffers_;
  std::vector<Pending> pending_;    // in order of submission
  std::vector<Pending> abandoned_;  // of a lost context; their memory stays until it is closed
  std::string lost_;                // why the context was lost; empty while it is not
  uint64_t next_id_ = 1;
  NpuStats stats_;
};

// Nothing where every core of the image has machine code, else the first core that has none: such an image runs in
// the simulator only. Errors where the image is no xclbin with a partition.
Result<std::optional<TileId>> core_without_machine_code(Bytes xclbin, const Device& device);

}  // namespace onebit::npu
