#include "gpu/driver/device.h"

#include <atomic>
#include <charconv>

namespace onebit::gpu {
namespace {

constexpr int kNameLength = 256;

constexpr int kFirstOverlapping = 90;

// N of "sm_N", else 0.
int generation(const std::string& architecture) {
  int n = 0;
  if (architecture.starts_with("sm_")) std::from_chars(architecture.data() + 3, architecture.data() + architecture.size(), n);
  return n;
}

std::atomic<uint64_t> g_serial{0};
thread_local uint64_t t_current = 0;  // serial of the device that is this thread's current one

// Failures after which the device is as it was.
bool harmless(int error) {
  return error == kOutOfMemory || error == kNotFound || error == kInvalidImage || error == kNoBinaryForDevice || error == kNoDevice ||
         error == kInvalidDevice;
}

}  // namespace

Memory::~Memory() {
  if (kind_ == Kind::none) return;
  [[maybe_unused]] const Status lost = device_->enter();  // a lost device has its memory given back all the same
  switch (kind_) {
    case Kind::none: break;
    case Kind::device: device_->api_.free(address_); break;
    case Kind::mapped: device_->api_.host_free(host_); break;
    case Kind::registered: device_->api_.host_unregister(host_); break;
  }
}

std::unexpected<Error> Device::failed(int error, const std::string& call) {
  const Errc code = error == kOutOfMemory ? Errc::out_of_memory : Errc::device;
  std::string message = fmt::format("{}: {}: {}", info_.name.empty() ? name(api_.backend) : info_.name, call, error_text(api_, error));
  if (!harmless(error) && lost_.empty()) lost_ = message;
  return std::unexpected(Error{code, std::move(message)});
}

Status Device::check(int error, const char* call) {
  if (error == 0) return {};
  return failed(error, call);
}

Status Device::enter() {
  if (lost()) return fail(Errc::device, "the GPU was lost: {}", lost_);
  if (t_current == serial_) return {};
  ONEBIT_TRY(check(context_ ? api_.context_set(context_) : api_.set_device(ordinal_), "making the device current"));
  t_current = serial_;
  return {};
}

Result<std::unique_ptr<Device>> Device::open(Api api, int ordinal) {
  std::unique_ptr<Device> d(new Device(std::move(api)));
  ONEBIT_TRY(d->start(ordinal));
  return d;
}

Status Device::start(int ordinal) {
  int count = 0;
  ONEBIT_TRY(check(api_.init(0), "initialising"));
  ONEBIT_TRY(check(api_.device_count(&count), "counting devices"));
  if (ordinal < 0 || ordinal >= count) return fail(Errc::device, "{}: there is no GPU {}, {} found", name(api_.backend), ordinal, count);
  ordinal_ = ordinal;
  ONEBIT_TRY(check(api_.device_get(&device_, ordinal), "finding the device"));
  std::array<char, kNameLength> text{};
  ONEBIT_TRY(check(api_.device_name(text.data(), kNameLength - 1, device_), "reading the device's name"));
  ONEBIT_TRY(check(api_.device_memory(&info_.memory, device_), "reading the size of the device's memory"));
  const auto attribute = [&](Attribute which, int& value) {
    return check(api_.device_attribute(&value, attribute_number(api_.backend, which), device_), "reading an attribute of the device");
  };
  int integrated = 0, l2 = 0;
  ONEBIT_TRY(attribute(Attribute::units, info_.units));
  ONEBIT_TRY(attribute(Attribute::warp_size, info_.warp_size));
  ONEBIT_TRY(attribute(Attribute::integrated, integrated));
  ONEBIT_TRY(attribute(Attribute::l2_bytes, l2));
  info_.integrated = integrated != 0;
  info_.l2_bytes = l2 > 0 ? static_cast<size_t>(l2) : 0;
  info_.architecture = architecture(api_, ordinal, device_);
  info_.name = text[0] ? text.data() : name(api_.backend);
  if (info_.architecture.empty()) return fail(Errc::device, "{}: its architecture is not known", info_.name);
  overlapping_ = api_.launch_with_attributes && generation(info_.architecture) >= kFirstOverlapping;
  if (api_.context_retain) ONEBIT_TRY(check(api_.context_retain(&context_, device_), "opening a context"));
  serial_ = ++g_serial;
  ONEBIT_TRY(enter());
  return check(api_.stream_create(&stream_, kStreamNonBlocking), "making a stream");
}

Device::~Device() {
  if (stream_) {
    [[maybe_unused]] const Status lost = enter();
    api_.stream_destroy(stream_);
  }
  if (t_current == serial_) t_current = 0;
  if (context_) api_.context_release(device_);
}

Result<Memory> Device::finish(Memory memory, int error, const char* call, const char* what) {
  if (error != 0) return failed(error, fmt::format("{} {} bytes for {}", call, memory.size_, what));
  return memory;
}

Result<Memory> Device::allocate(size_t bytes, const char* what) {
  ONEBIT_TRY(enter());
  Memory m;
  if (bytes == 0) return m;
  m.device_ = this;
  m.size_ = bytes;
  const int error = api_.alloc(&m.address_, bytes);
  if (error == 0) m.kind_ = Memory::Kind::device;
  if (api_.backend == Backend::emulator) m.host_ = m.address_;
  return finish(std::move(m), error, "allocating", what);
}

Result<Memory> Device::allocate_mapped(size_t bytes, const char* what) {
  ONEBIT_TRY(enter());
  Memory m;
  if (bytes == 0) return m;
  m.device_ = this;
  m.size_ = bytes;
  int error = api_.host_alloc(&m.host_, bytes, kHostMapped);
  if (error == 0) {
    m.kind_ = Memory::Kind::mapped;
    error = api_.host_address(&m.address_, m.host_, 0);
  }
  return finish(std::move(m), error, "allocating page-locked memory,", what);
}

Result<Memory> Device::map(void* host, size_t bytes, const char* what) {
  ONEBIT_TRY(enter());
  Memory m;
  if (bytes == 0) return m;
  m.device_ = this;
  m.size_ = bytes;
  m.host_ = host;
  int error = api_.host_register(host, bytes, kHostMapped);
  if (error == 0) {
    m.kind_ = Memory::Kind::registered;
    error = api_.host_address(&m.address_, host, 0);
  }
  return finish(std::move(m), error, "mapping", what);
}

Result<size_t> Device::free_memory() {
  ONEBIT_TRY(enter());
  size_t free = 0, total = 0;
  ONEBIT_TRY(check(api_.memory_info(&free, &total), "reading free memory"));
  return free;
}

Status Device::copy_to_device(Address to, const void* from, size_t bytes) {
  ONEBIT_TRY(enter());
  counts_.uploaded_bytes += bytes;
  return check(api_.copy_to_device(to, from, bytes, stream_), "copying to the device");
}

Status Device::copy_to_host(void* to, Address from, size_t bytes) {
  ONEBIT_TRY(enter());
  counts_.downloaded_bytes += bytes;
  return check(api_.copy_to_host(to, from, bytes, stream_), "copying from the device");
}

Status Device::copy_on_device(Address to, Address from, size_t bytes) {
  ONEBIT_TRY(enter());
  return check(api_.copy_on_device(to, from, bytes, stream_), "copying on the device");
}

Status Device::fill(Address to, uint8_t value, size_t bytes) {
  ONEBIT_TRY(enter());
  return check(api_.fill(to, value, bytes, stream_), "filling memory");
}

Status Device::wait() {
  ONEBIT_TRY(enter());
  return check(api_.stream_wait(stream_), "waiting for the device");
}

Result<Module> Device::load(const void* image, const std::string& what) {
  ONEBIT_TRY(enter());
  void* module = nullptr;
  if (const int error = api_.module_load(&module, image); error != 0)
    return failed(error, fmt::format("loading the code object {} on {}", what, info_.architecture));
  return Module(&api_, module);
}

Result<Function> Device::function(const Module& module, const char* name) {
  ONEBIT_TRY(enter());
  void* f = nullptr;
  if (const int error = api_.module_function(&f, module.get(), name); error != 0) return failed(error, fmt::format("finding the kernel {}", name));
  return f;
}

Status Device::launch(Function function, const char* name, Grid grid, Grid block, unsigned shared_bytes, void** parameters) {
  ONEBIT_TRY(enter());
  const int error = overlapping_ ? launch_overlapping(api_, function, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared_bytes, stream_, parameters)
                                 : api_.launch(function, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes, stream_, parameters, nullptr);
  if (error != 0) return failed(error, fmt::format("launching {}", name));
  ++(capturing_ ? captured_launches_ : counts_.launches);
  return {};
}

Status Device::begin_capture() {
  ONEBIT_TRY(enter());
  ONEBIT_TRY(check(api_.capture_begin(stream_, kCaptureRelaxed), "recording a graph"));
  capturing_ = true;
  captured_launches_ = 0;
  return {};
}

Result<Graph> Device::end_capture() {
  // The recording ends, and its graph goes, even where the device was lost in between.
  capturing_ = false;
  void *graph = nullptr, *executable = nullptr;
  const int ended = api_.capture_end(stream_, &graph);
  const Status usable = ended == 0 ? enter() : check(ended, "ending a graph");
  const int made = usable ? api_.graph_instantiate(&executable, graph, 0) : 0;
  if (graph) api_.graph_destroy(graph);
  ONEBIT_TRY(usable);
  ONEBIT_TRY(check(made, "making a graph executable"));
  return Graph{{&api_, executable}, captured_launches_};
}

Status Device::launch(const Graph& graph) {
  ONEBIT_TRY(enter());
  ONEBIT_TRY(check(api_.graph_launch(graph.executable.get(), stream_), "launching a graph"));
  ++counts_.graph_launches;
  counts_.launches += graph.launches;
  return {};
}

Result<Event> Device::event() {
  ONEBIT_TRY(enter());
  void* e = nullptr;
  ONEBIT_TRY(check(api_.event_create(&e, 0), "making an event"));
  return Event(&api_, e);
}

Status Device::record(const Event& event) {
  ONEBIT_TRY(enter());
  return check(api_.event_record(event.get(), stream_), "recording an event");
}

Result<float> Device::elapsed(const Event& start, const Event& end) {
  ONEBIT_TRY(enter());
  ONEBIT_TRY(check(api_.event_wait(end.get()), "waiting for an event"));
  float ms = 0;
  ONEBIT_TRY(check(api_.event_elapsed(&ms, start.get(), end.get()), "reading the time between events"));
  return ms;
}

Result<std::unique_ptr<Device>> open_gpu() {
  std::string reasons;
  for (const Backend backend : {Backend::hip, Backend::cuda}) {
    auto api = open_library(backend, default_names(backend));
    if (api) {
      auto device = Device::open(std::move(*api));
      if (device) return device;
      api = std::unexpected(std::move(device).error());
    }
    reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", api.error().message);
  }
  return fail(Errc::device, "no GPU can be used: {}", reasons);
}

}  // namespace onebit::gpu
