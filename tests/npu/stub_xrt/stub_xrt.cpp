#include "stub_xrt.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace {

struct PlannedFault {
  std::string call;
  stub_xrt::Fault fault;
  int error;
  std::string text;
  unsigned nth;
};

struct Machine {
  std::vector<std::string> calls, violations;
  std::vector<PlannedFault> faults;
  std::map<std::string, int> live;
  std::optional<ert_cmd_state> end_state;
  bool finish = false;  // before the next state()
  stub_xrt::Executor executor;
  uint32_t contexts = 0;  // opened so far
};
Machine machine;

// Records a call; throws where a fault is planned for it. The name ends at the parenthesis.
void called(const std::string& call) {
  machine.calls.push_back(call);
  const std::string name = call.substr(0, call.find('('));
  for (auto fault = machine.faults.begin(); fault != machine.faults.end(); ++fault) {
    if (fault->call != name || --fault->nth != 0) continue;
    const PlannedFault f = *fault;
    machine.faults.erase(fault);
    switch (f.fault) {
      case stub_xrt::Fault::system_error:
        throw std::system_error(f.error, std::generic_category(), f.text);
      case stub_xrt::Fault::runtime_error:
        throw std::runtime_error(f.text);
      case stub_xrt::Fault::out_of_memory:
        throw std::bad_alloc();
      case stub_xrt::Fault::unknown:
        throw 42;
    }
  }
}

void violation(const std::string& what) { machine.violations.push_back(what); }

// Counts an object while it lives and records its end.
class Counted {
 public:
  explicit Counted(const char* name) : name_(name) { ++machine.live[name_]; }
  ~Counted() {
    --machine.live[name_];
    machine.calls.push_back(std::string("~") + name_);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  const char* name_;
};

// Children of an object that are alive; outlives the object.
using Users = std::shared_ptr<int>;
class Use {
 public:
  explicit Use(Users users) : users_(std::move(users)) { ++*users_; }
  ~Use() { --*users_; }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  Users users_;
};
void expect_unused(const char* name, const Users& users) {
  if (*users > 0) violation(std::string(name) + " released before what was made from it");
}

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "%#x", value);
  return text;
}

}  // namespace

namespace xrt {

class xclbin_impl {
 public:
  explicit xclbin_impl(const std::vector<char>& data) : image(data) {}
  ~xclbin_impl() { expect_unused("xclbin", users); }
  Users users = std::make_shared<int>(0);
  std::vector<char> image;

 private:
  Counted counted_{"xclbin"};
};

class device_impl {
 public:
  ~device_impl() { expect_unused("device", users); }
  Users users = std::make_shared<int>(0);
  Users xclbin_users;
  std::map<uint64_t, std::vector<char>> registered;

 private:
  Counted counted_{"device"};
};

class hw_context_impl {
 public:
  hw_context_impl(Users device, Users xclbin) : of_device_(std::move(device)), of_xclbin_(std::move(xclbin)) {}
  ~hw_context_impl() { expect_unused("hw_context", users); }
  Users users = std::make_shared<int>(0);
  std::vector<char> image;
  uint32_t slot = 0;

 private:
  Use of_device_, of_xclbin_;
  Counted counted_{"hw_context"};
};

class kernel_impl {
 public:
  explicit kernel_impl(hw_context_impl* c) : context(c), of_context_(c->users) {}
  ~kernel_impl() { expect_unused("kernel", users); }
  Users users = std::make_shared<int>(0);
  hw_context_impl* context = nullptr;

 private:
  Use of_context_;
  Counted counted_{"kernel"};
};

class bo_impl {
 public:
  bo_impl(size_t size, bo::flags f, memory_group g) : host(size, 0), device(size, 0xEE), flags(f), group(g) {}
  std::vector<uint8_t> host, device;  // only sync makes them equal
  bo::flags flags;
  memory_group group;

 private:
  Counted counted_{"bo"};
};

class run_impl {
 public:
  explicit run_impl(kernel_impl* k) : kernel(k), of_kernel_(k->users), of_context_(k->context->users) {}
  void execute();

  kernel_impl* kernel = nullptr;
  std::map<int, uint64_t> scalars;
  std::map<int, bo> buffers;
  ert_cmd_state state = ERT_CMD_STATE_NEW;
  bool started = false, listed = false;

 private:
  Use of_kernel_, of_context_;
  Counted counted_{"run"};
};

class runlist_impl {
 public:
  std::vector<run> runs;

 private:
  Counted counted_{"runlist"};
};

xclbin::xclbin(const std::vector<char>& data) {
  called("xclbin(" + std::to_string(data.size()) + ")");
  impl_ = std::make_shared<xclbin_impl>(data);
}

uuid xclbin::get_uuid() const {
  called("get_uuid()");
  return uuid(1);
}

device::device(unsigned index) {
  called("device(" + std::to_string(index) + ")");
  if (index != 0) throw std::runtime_error("No such device with index '" + std::to_string(index) + "'");
  impl_ = std::make_shared<device_impl>();
}

uuid device::register_xclbin(const xclbin& x) {
  called("register_xclbin()");
  impl_->registered[0] = x.stub()->image;
  impl_->xclbin_users = x.stub()->users;
  return {};
}

std::any device::get(info::device) const {
  called("get_info()");
  return std::string("stub NPU");
}

hw_context::hw_context(const device& d, const uuid& id) {
  called("hw_context()");
  if (id == uuid() || !d.stub()->registered.contains(0)) throw std::runtime_error("the xclbin is not registered");
  impl_ = std::make_shared<hw_context_impl>(d.stub()->users, d.stub()->xclbin_users);
  impl_->image = d.stub()->registered[0];
  impl_->slot = ++machine.contexts;
}

kernel::kernel(const hw_context& context, const std::string& name) {
  called("kernel(" + name + ")");
  const std::vector<char>& image = context.stub()->image;
  const std::string text = "name=\"" + name + "\"";
  if (std::search(image.begin(), image.end(), text.begin(), text.end()) == image.end()) throw std::runtime_error("no such kernel '" + name + "'");
  impl_ = std::make_shared<kernel_impl>(context.stub());
}

// Bank 1 for instructions, bank 0 for data, and the slot of the context above them.
int kernel::group_id(int argument) const {
  called("group_id(" + std::to_string(argument) + ")");
  if (argument != 1 && (argument < 3 || argument > 7)) throw std::runtime_error("argument " + std::to_string(argument) + " has no memory");
  return static_cast<int>(impl_->context->slot << 16) | (argument == 1);
}

bo::bo(const device& d, size_t size, flags f, memory_group group) {
  const char* const name = f == flags::cacheable ? "cacheable" : f == flags::host_only ? "host_only" : "other";
  called("bo(" + std::to_string(size) + ", " + name + ", group " + hex(group) + ")");
  if (!d) violation("bo without a device");
  impl_ = std::make_shared<bo_impl>(size, f, group);
}

void* bo::map() {
  called("map()");
  return impl_->host.data();
}

void bo::sync(xclBOSyncDirection direction, size_t size, size_t offset) {
  const bool to_device = direction == XCL_BO_SYNC_BO_TO_DEVICE;
  called(std::string("sync(") + (to_device ? "to device, " : "from device, ") + std::to_string(size) + " from " + std::to_string(offset) + ")");
  if (offset > impl_->host.size() || size > impl_->host.size() - offset) throw std::runtime_error("sync outside the buffer");
  uint8_t* const host = impl_->host.data() + offset;
  uint8_t* const device = impl_->device.data() + offset;
  if (to_device)
    std::memcpy(device, host, size);
  else
    std::memcpy(host, device, size);
}

run::run(const kernel& k) {
  called("run()");
  impl_ = std::make_shared<run_impl>(k.stub());
}

void run::set_scalar(int index, const void* value, size_t bytes) {
  uint64_t number = 0;
  std::memcpy(&number, value, std::min(bytes, sizeof number));
  called("set_arg(" + std::to_string(index) + ", " + std::to_string(bytes) + " bytes, " + std::to_string(number) + ")");
  impl_->scalars[index] = number;
}

void run::set_arg(int index, const bo& buffer) {
  called("set_arg(" + std::to_string(index) + ", bo)");
  if (buffer.stub()->group != (impl_->kernel->context->slot << 16 | (index == 1))) throw std::runtime_error("a buffer of another bank or context");
  impl_->buffers[index] = buffer;
}

void run_impl::execute() {
  if (started) violation("a run started twice");
  started = true;
  state = machine.end_state.value_or(ERT_CMD_STATE_COMPLETED);
  if (state != ERT_CMD_STATE_COMPLETED) return;
  if (scalars[0] != 3) violation("opcode is not 3");
  if (!buffers.contains(1) || buffers[1].stub()->flags != bo::flags::cacheable) return violation("instructions are not in a cacheable buffer");
  std::vector<std::span<uint8_t>> arguments;
  for (int i = 3; buffers.contains(i); ++i) {
    if (buffers[i].stub()->flags != bo::flags::host_only) violation("data is not in a host_only buffer");
    arguments.emplace_back(buffers[i].stub()->device);
  }
  const std::span<const uint8_t> stream = buffers[1].stub()->device;
  if (4 * scalars[2] > stream.size()) return violation("more instruction words than the buffer holds");
  if (machine.executor && !machine.executor(kernel->context->slot, kernel->context->image, stream.first(4 * scalars[2]), arguments))
    state = ERT_CMD_STATE_ERROR;
}

namespace {
// As wait2 is documented: an exception for a command that failed, timeout for one that has not ended.
template <class CommandError>
std::cv_status end_of(ert_cmd_state state) {
  switch (state) {
    case ERT_CMD_STATE_COMPLETED:
      return std::cv_status::no_timeout;
    case ERT_CMD_STATE_NEW:
    case ERT_CMD_STATE_QUEUED:
    case ERT_CMD_STATE_RUNNING:
    case ERT_CMD_STATE_SUBMITTED:
      return std::cv_status::timeout;
    default:
      throw CommandError(state, "Command failed to complete successfully");
  }
}
}  // namespace

void run::start() {
  called("start()");
  if (impl_->listed) violation("a run of a runlist started by itself");
  impl_->execute();
}

std::cv_status run::wait2(const std::chrono::milliseconds& timeout) const {
  called("wait2(" + std::to_string(timeout.count()) + ")");
  if (timeout.count() == 0) violation("wait2 without a limit");
  return end_of<command_error>(impl_->state);
}

ert_cmd_state run::state() const {
  called("state()");
  if (std::exchange(machine.finish, false)) impl_->state = ERT_CMD_STATE_COMPLETED;
  return impl_->state;
}

runlist::runlist(const hw_context& context) {
  called("runlist()");
  if (!context) violation("runlist without a context");
  impl_ = std::make_shared<runlist_impl>();
}

void runlist::add(const run& r) {
  called("add()");
  if (r.stub()->listed) violation("a run added twice");
  r.stub()->listed = true;
  impl_->runs.push_back(r);
}

void runlist::execute() {
  called("execute()");
  for (const run& r : impl_->runs) {
    r.stub()->execute();
    if (r.stub()->state != ERT_CMD_STATE_COMPLETED) return;
  }
}

std::cv_status runlist::wait(const std::chrono::milliseconds& timeout) const {
  called("runlist_wait(" + std::to_string(timeout.count()) + ")");
  if (timeout.count() == 0) violation("runlist::wait without a limit");
  for (const run& r : impl_->runs)
    if (end_of<command_error>(r.stub()->state) == std::cv_status::timeout) return std::cv_status::timeout;
  return std::cv_status::no_timeout;
}

ert_cmd_state runlist::state() const {
  called("runlist_state()");
  for (const run& r : impl_->runs)
    if (r.stub()->state != ERT_CMD_STATE_COMPLETED) return r.stub()->state;
  return ERT_CMD_STATE_COMPLETED;
}

}  // namespace xrt

namespace stub_xrt {

void reset() { machine = {}; }
const std::vector<std::string>& calls() { return machine.calls; }
const std::vector<std::string>& violations() { return machine.violations; }

const std::vector<std::string>& fault_points() {
  static const std::vector<std::string> names{
      "device", "xclbin", "register_xclbin", "get_uuid", "hw_context", "kernel",  "group_id", "bo",      "map",
      "sync",   "run",    "set_arg",         "start",    "wait2",      "runlist", "add",      "execute", "runlist_wait"};
  return names;
}

int live_objects() {
  int sum = 0;
  for (const auto& [name, count] : machine.live) sum += count;
  return sum;
}

std::string live_names() {
  std::string names;
  for (const auto& [name, count] : machine.live)
    for (int i = 0; i < count; ++i) names += name + " ";
  return names;
}

void fail(const std::string& call, Fault fault, int error, const std::string& text, unsigned nth) {
  machine.faults.push_back({call, fault, error, text, nth});
}
void end_runs_in(ert_cmd_state state) { machine.end_state = state; }
void finish_before_next_state() { machine.finish = true; }
void set_executor(Executor executor) { machine.executor = std::move(executor); }

}  // namespace stub_xrt
