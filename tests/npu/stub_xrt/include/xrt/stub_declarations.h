// The part of libxrt's C++ interface that the NPU runtime uses, declared for the stub of the tests: the same names and
// signatures, none of the layout.
#pragma once

#include <any>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

enum ert_cmd_state {
  ERT_CMD_STATE_NEW = 1,
  ERT_CMD_STATE_QUEUED = 2,
  ERT_CMD_STATE_RUNNING = 3,
  ERT_CMD_STATE_COMPLETED = 4,
  ERT_CMD_STATE_ERROR = 5,
  ERT_CMD_STATE_ABORT = 6,
  ERT_CMD_STATE_SUBMITTED = 7,
  ERT_CMD_STATE_TIMEOUT = 8,
  ERT_CMD_STATE_NORESPONSE = 9,
  ERT_CMD_STATE_SKERROR = 10,
  ERT_CMD_STATE_SKCRASHED = 11,
};
enum xclBOSyncDirection { XCL_BO_SYNC_BO_TO_DEVICE = 0, XCL_BO_SYNC_BO_FROM_DEVICE = 1 };

namespace xrt {

namespace info {
enum class device : unsigned { name = 5 };
template <device Parameter>
struct param_traits {
  using return_type = std::string;
};
}  // namespace info

// Every class holds a shared implementation; copies are the same object.
template <class Impl>
class stub_handle {
 public:
  stub_handle() = default;
  explicit stub_handle(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  explicit operator bool() const { return impl_ != nullptr; }
  Impl* stub() const { return impl_.get(); }

 protected:
  std::shared_ptr<Impl> impl_;
};

using memory_group = uint32_t;

class uuid {
 public:
  uuid() = default;
  explicit uuid(uint64_t value) : value_(value) {}
  bool operator==(const uuid&) const = default;

 private:
  uint64_t value_ = 0;
};

class xclbin : public stub_handle<class xclbin_impl> {
 public:
  xclbin() = default;
  explicit xclbin(const std::vector<char>& data);
  uuid get_uuid() const;
};

class device : public stub_handle<class device_impl> {
 public:
  device() = default;
  explicit device(unsigned index);
  uuid register_xclbin(const xclbin& xclbin);
  template <info::device Parameter>
  typename info::param_traits<Parameter>::return_type get_info() const {
    return std::any_cast<typename info::param_traits<Parameter>::return_type>(get(Parameter));
  }

 private:
  std::any get(info::device parameter) const;
};

class hw_context : public stub_handle<class hw_context_impl> {
 public:
  hw_context() = default;
  hw_context(const device& device, const uuid& xclbin_id);
};

class kernel : public stub_handle<class kernel_impl> {
 public:
  kernel() = default;
  kernel(const hw_context& context, const std::string& name);
  int group_id(int argument) const;
};

class bo : public stub_handle<class bo_impl> {
 public:
  enum class flags : uint32_t { normal = 0, cacheable = 1u << 24, device_only = 1u << 28, host_only = 1u << 29 };
  bo() = default;
  bo(const device& device, size_t size, flags flags, memory_group group);
  void* map();
  void sync(xclBOSyncDirection direction, size_t size, size_t offset);
};

// The two command errors of libxrt are unrelated types.
class stub_command_error : public std::exception {
 public:
  stub_command_error(ert_cmd_state state, const std::string& what) : state_(state), what_(what) {}
  ert_cmd_state get_command_state() const { return state_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ert_cmd_state state_;
  std::string what_;
};

class run : public stub_handle<class run_impl> {
 public:
  class command_error : public stub_command_error {
    using stub_command_error::stub_command_error;
  };

  run() = default;
  explicit run(const kernel& kernel);
  template <class T>
  requires std::is_integral_v<std::remove_cvref_t<T>>
  void set_arg(int index, T&& value) { set_scalar(index, &value, sizeof value); }
  void set_arg(int index, const bo& buffer);
  void start();
  std::cv_status wait2(const std::chrono::milliseconds& timeout) const;
  ert_cmd_state state() const;

 private:
  void set_scalar(int index, const void* value, size_t bytes);
};

class runlist : public stub_handle<class runlist_impl> {
 public:
  class command_error : public stub_command_error {
    using stub_command_error::stub_command_error;
  };

  runlist() = default;
  explicit runlist(const hw_context& context);
  void add(const run& run);
  void execute();
  std::cv_status wait(const std::chrono::milliseconds& timeout) const;
  ert_cmd_state state() const;
};

}  // namespace xrt
