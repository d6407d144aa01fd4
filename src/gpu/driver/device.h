// One GPU: its memory, one stream of work, kernels and graphs, with errors as values. Everything made from a device is
// destroyed before it. Any thread may call, one at a time.
//
// Every failed call gives Errc::device (Errc::out_of_memory where memory ran out) with the name of the call and the
// driver's words. After a failure that leaves the device in an unknown state (a fault, a reset, anything but memory
// that ran out or a name that was not found) the device is lost: later calls fail with that first reason.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "gpu/driver/api.h"

namespace onebit::gpu {

using Address = void*;  // of device memory: not for the host to follow, except where Memory::host() says so

struct DeviceInfo {
  std::string name;          // "AMD Radeon 8060S"
  std::string architecture;  // "gfx1151", "sm_90", "emulator"
  size_t memory = 0;         // bytes
  size_t l2_bytes = 0;
  int units = 0;             // compute units, streaming multiprocessors
  int warp_size = 32;
  bool integrated = false;   // shares the host's memory
};

struct DeviceCounts {
  uint64_t launches = 0;        // of kernels, those that a graph replays counted each time
  uint64_t graph_launches = 0;
  uint64_t uploaded_bytes = 0, downloaded_bytes = 0;
};

struct Grid {
  unsigned x = 1, y = 1, z = 1;
};

class Device;

// A block of device memory, or of host memory that the device reads and writes too.
class Memory {
 public:
  Memory() = default;
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory();

  Address address() const { return address_; }
  Address at(size_t offset) const { return static_cast<char*>(address_) + offset; }
  void* host() const { return host_; }  // null: the host cannot see it
  size_t size() const { return size_; }

 private:
  friend class Device;
  enum class Kind : uint8_t { none, device, mapped, registered };
  void swap(Memory& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(address_, other.address_);
    std::swap(host_, other.host_);
    std::swap(size_, other.size_);
    std::swap(kind_, other.kind_);
  }
  Device* device_ = nullptr;
  Address address_ = nullptr;
  void* host_ = nullptr;
  size_t size_ = 0;
  Kind kind_ = Kind::none;
};

// Owners of a driver's object.
template <int (*Api::*destroy)(void*)>
class Owned {
 public:
  Owned() = default;
  Owned(const Api* api, void* handle) : api_(api), handle_(handle) {}
  Owned(Owned&& o) noexcept : api_(o.api_), handle_(std::exchange(o.handle_, nullptr)) {}
  Owned& operator=(Owned&& o) noexcept {
    std::swap(api_, o.api_);
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_) (api_->*destroy)(handle_);
  }
  void* get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  const Api* api_ = nullptr;
  void* handle_ = nullptr;
};
using Module = Owned<&Api::module_unload>;
using Event = Owned<&Api::event_destroy>;
using Function = void*;  // lives as long as its module

// Launches recorded once, to be replayed.
struct Graph {
  Owned<&Api::executable_destroy> executable;
  uint64_t launches = 0;
};

class Device {
 public:
  // Errors: no device, each with the library's own words; no such ordinal.
  static Result<std::unique_ptr<Device>> open(Api api, int ordinal = 0);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const DeviceInfo& info() const { return info_; }
  Backend backend() const { return api_.backend; }
  const DeviceCounts& counts() const { return counts_; }
  // For other libraries on the same device.
  void* stream() const { return stream_; }
  bool lost() const { return !lost_.empty(); }

  Result<Memory> allocate(size_t bytes, const char* what);
  // Page-locked host memory in the device's address space: zero-copy where host and device share memory, and the
  // endpoint of copies that do not wait elsewhere.
  Result<Memory> allocate_mapped(size_t bytes, const char* what);
  // The same of memory that exists; it outlives the result.
  Result<Memory> map(void* host, size_t bytes, const char* what);
  Result<size_t> free_memory();

  // In the order of the stream. `from` and `to` on the host stay valid until wait(); page-locked memory lets the calls
  // return at once.
  Status copy_to_device(Address to, const void* from, size_t bytes);
  Status copy_to_host(void* to, Address from, size_t bytes);
  Status copy_on_device(Address to, Address from, size_t bytes);
  Status fill(Address to, uint8_t value, size_t bytes);
  Status wait();

  // image: a code object (an ELF file or PTX text) in memory; `what` names it in messages.
  Result<Module> load(const void* image, const std::string& what);
  Result<Function> function(const Module& module, const char* name);
  // parameters: the address of each argument in order. Kernels wait for earlier launches themselves (griddepcontrol.wait)
  // where the device lets them start before those end.
  Status launch(Function function, const char* name, Grid grid, Grid block, unsigned shared_bytes, void** parameters);

  // Launches between the two are recorded and not executed.
  Status begin_capture();
  Result<Graph> end_capture();
  Status launch(const Graph& graph);

  Result<Event> event();
  Status record(const Event& event);
  // Waits for `end`. Milliseconds between the two.
  Result<float> elapsed(const Event& start, const Event& end);

 private:
  friend class Memory;
  explicit Device(Api api) : api_(std::move(api)) {}
  Status start(int ordinal);
  // Makes the device current in this thread. Fails when it was lost.
  Status enter();
  Status check(int error, const char* call);
  std::unexpected<Error> failed(int error, const std::string& call);
  Result<Memory> finish(Memory memory, int error, const char* call, const char* what);

  Api api_;
  DeviceInfo info_;
  DeviceCounts counts_;
  std::string lost_;
  int ordinal_ = 0, device_ = 0;
  uint64_t serial_ = 0;        // of all devices of this process: what a thread remembers as its current one
  void* context_ = nullptr;
  void* stream_ = nullptr;
  bool overlapping_ = false;   // launches may start before earlier ones end: see launch_overlapping()
  bool capturing_ = false;
  uint64_t captured_launches_ = 0;
};

// A real GPU: HIP first, then CUDA. Errors: why neither can be used.
Result<std::unique_ptr<Device>> open_gpu();

}  // namespace onebit::gpu
