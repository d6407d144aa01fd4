// The NPU through libxrt's C++ interface: xclbin and instruction stream, opcode 3.
//
// Objects of libxrt are released in the reverse order of their making: runs, kernel, context, xclbin, device. The
// firmware reads the configuration from the xclbin's memory when it switches contexts, so the xclbin outlives the
// context.
#include <xrt/experimental/xrt_kernel.h>
#include <xrt/experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_hw_context.h>
#include <xrt/xrt_kernel.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "npu/runtime/backend.h"

namespace onebit::npu {
namespace {

constexpr uint64_t kRunStream = 3;  // opcode: execute a transaction stream
// Arguments of the kernel: opcode, instruction buffer, its words, bo0 to bo4.
constexpr int kOpcodeArgument = 0, kInstructionArgument = 1, kWordsArgument = 2, kFirstBuffer = 3;

NpuFailure failure(const char* call, std::string text, int error = 0, unsigned state = 0) {
  NpuFailure f;
  f.call = call;
  f.text = std::move(text);
  f.error = error;
  f.state = state;
  return f;
}

// libxrt reports by exceptions, of the library's types and of the standard library's; none passes this line.
template <class F>
auto guarded(const char* call, F&& body) noexcept -> BackendResult<decltype(body())> {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return {};
    } else {
      return body();
    }
  } catch (const xrt::run::command_error& e) {
    return std::unexpected(failure(call, e.what(), 0, e.get_command_state()));
  } catch (const xrt::runlist::command_error& e) {
    return std::unexpected(failure(call, e.what(), 0, e.get_command_state()));
  } catch (const std::system_error& e) {
    return std::unexpected(failure(call, e.what(), e.code().value()));
  } catch (const std::bad_alloc& e) {
    return std::unexpected(failure(call, e.what(), ENOMEM));
  } catch (const std::exception& e) {
    return std::unexpected(failure(call, e.what()));
  } catch (...) {
    return std::unexpected(failure(call, "an exception of unknown type"));
  }
}

// Returns the failure of a guarded call from the enclosing function.
#define XRT_TRY(call, ...)                                                                                             \
  do {                                                                                                                 \
    if (auto status = guarded(call, [&] { __VA_ARGS__; }); !status) return std::unexpected(std::move(status.error())); \
  } while (false)

class XrtBuffer : public BackendBuffer {
 public:
  XrtBuffer(size_t bytes, BufferUse use, int argument) : bytes_(bytes), use_(use), argument_(argument) {}

  // Allocates in the bank of the argument; what the buffer held before is released.
  BackendStatus place(const xrt::device& device, const xrt::kernel& kernel) {
    int group = 0;
    XRT_TRY("xrt::kernel::group_id", group = kernel.group_id(argument_));
    const auto flags = use_ == BufferUse::instructions ? xrt::bo::flags::cacheable : xrt::bo::flags::host_only;
    xrt::bo fresh;
    void* memory = nullptr;
    XRT_TRY("xrt::bo", fresh = xrt::bo(device, bytes_, flags, static_cast<xrt::memory_group>(group)));
    XRT_TRY("xrt::bo::map", memory = fresh.map());
    if (host_) {
      std::memcpy(memory, host_, bytes_);
      XRT_TRY("xrt::bo::sync to the device", fresh.sync(XCL_BO_SYNC_BO_TO_DEVICE, bytes_, 0));
    }
    bo_ = std::move(fresh);
    host_ = static_cast<uint8_t*>(memory);
    return {};
  }

  std::span<uint8_t> host() override { return {host_, bytes_}; }
  BackendStatus sync(SyncDirection direction, size_t offset, size_t bytes) override {
    if (direction == SyncDirection::to_device)
      XRT_TRY("xrt::bo::sync to the device", bo_.sync(XCL_BO_SYNC_BO_TO_DEVICE, bytes, offset));
    else
      XRT_TRY("xrt::bo::sync from the device", bo_.sync(XCL_BO_SYNC_BO_FROM_DEVICE, bytes, offset));
    return {};
  }
  const xrt::bo& bo() const { return bo_; }

 private:
  size_t bytes_;
  BufferUse use_;
  int argument_;
  xrt::bo bo_;
  uint8_t* host_ = nullptr;
};

class XrtRun : public BackendRun {
 public:
  BackendStatus start(const xrt::hw_context& context, const xrt::kernel& kernel, std::span<const BackendCommand> commands) {
    for (const BackendCommand& c : commands) {
      xrt::run run;
      XRT_TRY("xrt::run", run = xrt::run(kernel));
      XRT_TRY("xrt::run::set_arg", set_arguments(run, c));
      runs_.push_back(std::move(run));
    }
    if (runs_.size() == 1) {
      XRT_TRY("xrt::run::start", runs_[0].start());
      return {};
    }
    XRT_TRY("xrt::runlist", list_.emplace(context));
    for (const xrt::run& run : runs_) XRT_TRY("xrt::runlist::add", list_->add(run));
    XRT_TRY("xrt::runlist::execute", list_->execute());
    return {};
  }

  BackendStatus wait(std::chrono::milliseconds timeout) override {
    const char* const call = list_ ? "xrt::runlist::wait" : "xrt::run::wait2";
    auto ended = guarded(call, [&] { return list_ ? list_->wait(timeout) : runs_[0].wait2(timeout); });
    if (ended && *ended == std::cv_status::no_timeout) return {};
    if (!ended && ended.error().state != 0) return std::unexpected(std::move(ended.error()));
    // Neither completed nor failed: the state says how far it came.
    NpuFailure f = ended ? failure(call, "") : std::move(ended.error());
    f.timed_out = ended.has_value();
    const auto state = guarded(call, [&] { return list_ ? list_->state() : runs_[0].state(); });
    if (state && *state == ERT_CMD_STATE_COMPLETED && f.timed_out) return {};  // between the two calls
    if (state && *state != ERT_CMD_STATE_COMPLETED) f.state = *state;
    return std::unexpected(std::move(f));
  }

 private:
  static void set_arguments(xrt::run& run, const BackendCommand& c) {
    run.set_arg(kOpcodeArgument, kRunStream);
    run.set_arg(kInstructionArgument, static_cast<const XrtBuffer*>(c.instructions)->bo());
    run.set_arg(kWordsArgument, static_cast<uint32_t>(c.stream_bytes / 4));
    for (size_t i = 0; i < c.arguments.size(); ++i)
      run.set_arg(kFirstBuffer + static_cast<int>(i), static_cast<const XrtBuffer*>(c.arguments[i])->bo());
  }

  std::vector<xrt::run> runs_;
  std::optional<xrt::runlist> list_;  // of all runs where there are several; goes before them
};

class XrtBackend : public NpuBackend {
 public:
  explicit XrtBackend(unsigned index) : index_(index) {}
  ~XrtBackend() override { XrtBackend::close_context(); }

  BackendStatus open_device() {
    XRT_TRY("xrt::device", device_ = xrt::device(index_));
    // A device without a name is a device still.
    if (auto name = guarded("xrt::device::get_info", [&] { return device_.get_info<xrt::info::device::name>(); })) name_ = std::move(*name);
    return {};
  }

  std::string description() const override { return name_; }
  bool needs_machine_code() const override { return true; }

  BackendStatus open_context(std::span<const uint8_t> bytes, const std::string& kernel) override {
    if (!device_)
      if (auto opened = open_device(); !opened) return opened;
    XRT_TRY("xrt::xclbin", xclbin_ = xrt::xclbin(std::vector<char>(bytes.begin(), bytes.end())));
    XRT_TRY("xrt::device::register_xclbin", device_.register_xclbin(xclbin_));
    XRT_TRY("xrt::hw_context", context_ = xrt::hw_context(device_, xclbin_.get_uuid()));
    XRT_TRY("xrt::kernel", kernel_ = xrt::kernel(context_, kernel));
    return {};
  }

  void close_context() noexcept override {
    kernel_ = {};
    context_ = {};
    xclbin_ = {};
    device_ = {};
  }

  BackendResult<std::unique_ptr<BackendBuffer>> allocate(size_t bytes, BufferUse use, unsigned argument) override {
    auto buffer =
        std::make_unique<XrtBuffer>(bytes, use, use == BufferUse::instructions ? kInstructionArgument : kFirstBuffer + static_cast<int>(argument));
    if (auto placed = buffer->place(device_, kernel_); !placed) return std::unexpected(std::move(placed.error()));
    return buffer;
  }
  BackendStatus restore(BackendBuffer& buffer) override { return static_cast<XrtBuffer&>(buffer).place(device_, kernel_); }

  BackendResult<std::unique_ptr<BackendRun>> start(std::span<const BackendCommand> commands) override {
    auto run = std::make_unique<XrtRun>();
    if (auto started = run->start(context_, kernel_, commands); !started) return std::unexpected(std::move(started.error()));
    return run;
  }

 private:
  unsigned index_;
  std::string name_ = "NPU";
  xrt::device device_;
  xrt::xclbin xclbin_;
  xrt::hw_context context_;
  xrt::kernel kernel_;
};

}  // namespace
}  // namespace onebit::npu

extern "C" onebit::npu::NpuBackend* onebit_xrt_backend_1(unsigned index, onebit::npu::NpuFailure* failure) {
  auto backend = std::make_unique<onebit::npu::XrtBackend>(index);
  if (auto opened = backend->open_device(); !opened) {
    *failure = std::move(opened.error());
    return nullptr;
  }
  return backend.release();
}
