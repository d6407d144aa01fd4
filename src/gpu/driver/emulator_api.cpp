// The SIMT emulator behind the driver's table. Everything runs when it is asked for; a stream only knows whether its work
// is being recorded, and a graph is the list of what was.
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "gpu/driver/api.h"
#include "gpu/emulator/emulator.h"

namespace onebit::gpu {
namespace {

constexpr int kInvalidValue = 1, kLaunchFailed = 719;
constexpr size_t kDeviceMemory = size_t{64} << 30;  // what it claims to have; the host decides
constexpr size_t kAlignment = 256;                  // of device memory

using Work = std::function<int()>;
using Graph = std::vector<Work>;
struct Stream {
  bool recording = false;
  Graph recorded;
};

// Kernels may fail with a story of several lines; whoever asks for the text of the error gets the latest.
std::mutex g_failure_mutex;
std::string g_failure = "no error";

int failed(std::string why) {
  const std::scoped_lock lock(g_failure_mutex);
  g_failure = std::move(why);
  return kLaunchFailed;
}

int do_or_record(void* stream, Work work) {
  auto* s = static_cast<Stream*>(stream);
  if (!s->recording) return work();
  s->recorded.push_back(std::move(work));
  return 0;
}

// Holds NaN and impossible sizes until something is written.
int allocate(void** out, size_t bytes) {
  const size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  *out = std::aligned_alloc(kAlignment, whole);
  if (!*out) return kOutOfMemory;
  std::memset(*out, 0xff, whole);
  return 0;
}

int copy(void* to, const void* from, size_t bytes, void* stream) {
  return do_or_record(stream, [=] {
    std::memcpy(to, from, bytes);
    return 0;
  });
}

template <class T>
int destroy(void* object) {
  delete static_cast<T*>(object);
  return 0;
}

template <emulator::Matrix kMatrix>
int find_function(void** function, void*, const char* name) {
  *function = const_cast<emulator::Kernel*>(emulator::find_kernel(kMatrix, name));
  return *function ? 0 : kNotFound;
}

int run_kernel(const emulator::Kernel& kernel, emulator::Dim3 grid, const void* arguments) {
  const Status done = emulator::launch(kernel, grid, arguments);
  return done ? 0 : failed(done.error().message);
}

int launch(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
           unsigned shared_bytes, void* stream, void** parameters, void**) {
  const auto& kernel = *static_cast<const emulator::Kernel*>(function);
  if (block_x != kernel.block || block_y != 1 || block_z != 1 || shared_bytes != 0)
    return failed(fmt::format("{}: a block of {} x {} x {} threads with {} bytes, expected {} threads and no bytes", kernel.name, block_x, block_y,
                              block_z, shared_bytes, kernel.block));
  const emulator::Dim3 grid{grid_x, grid_y, grid_z};
  if (!static_cast<Stream*>(stream)->recording) return run_kernel(kernel, grid, parameters[0]);
  // The caller's arguments are gone when the graph runs.
  const std::shared_ptr<void> kept(std::aligned_alloc(kAlignment, (kernel.argument_bytes + kAlignment - 1) / kAlignment * kAlignment), std::free);
  if (!kept) return kOutOfMemory;
  std::memcpy(kept.get(), parameters[0], kernel.argument_bytes);
  return do_or_record(stream, [&kernel, grid, kept] { return run_kernel(kernel, grid, kept.get()); });
}

const char* error_text(int error) {
  if (error == kOutOfMemory) return "out of memory";
  if (error == kNotFound) return "no such kernel";
  const std::scoped_lock lock(g_failure_mutex);
  thread_local std::string text;
  text = g_failure;
  return text.c_str();
}

void fill_memory(Api& api) {
  api.memory_info = [](size_t* free, size_t* total) {
    *free = *total = kDeviceMemory;
    return 0;
  };
  api.alloc = [](void** p, size_t bytes) { return allocate(p, bytes); };
  api.free = [](void* p) {
    std::free(p);
    return 0;
  };
  api.host_alloc = [](void** p, size_t bytes, unsigned) { return allocate(p, bytes); };
  api.host_free = api.free;
  api.host_register = [](void*, size_t, unsigned) { return 0; };
  api.host_unregister = [](void*) { return 0; };
  api.host_address = [](void** address, void* host, unsigned) {
    *address = host;
    return 0;
  };
  api.copy_to_device = copy;
  api.copy_to_host = [](void* to, void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream); };
  api.copy_on_device = api.copy_to_host;
  api.fill = [](void* to, unsigned char value, size_t bytes, void* stream) {
    return do_or_record(stream, [=] {
      std::memset(to, value, bytes);
      return 0;
    });
  };
}

void fill_graphs(Api& api) {
  api.capture_begin = [](void* stream, int) {
    auto* s = static_cast<Stream*>(stream);
    if (s->recording) return kInvalidValue;
    s->recording = true;
    s->recorded.clear();
    return 0;
  };
  api.capture_end = [](void* stream, void** graph) {
    auto* s = static_cast<Stream*>(stream);
    if (!s->recording) return kInvalidValue;
    s->recording = false;
    *graph = new Graph(std::move(s->recorded));
    return 0;
  };
  api.graph_destroy = destroy<Graph>;
  api.graph_instantiate = [](void** executable, void* graph, unsigned long long) {
    *executable = new Graph(*static_cast<Graph*>(graph));
    return 0;
  };
  api.graph_launch = [](void* executable, void*) {
    for (const Work& work : *static_cast<Graph*>(executable))
      if (const int error = work()) return error;
    return 0;
  };
  api.executable_destroy = destroy<Graph>;
}

}  // namespace

Api emulator_api() {
  Api api;
  api.backend = Backend::emulator;
  api.library = "emulator";
  api.init = [](unsigned) { return 0; };
  api.device_count = [](int* count) {
    *count = 1;
    return 0;
  };
  api.device_get = [](int* device, int ordinal) {
    *device = ordinal;
    return 0;
  };
  api.device_name = [](char* text, int length, int) {
    std::strncpy(text, "GPU emulator", static_cast<size_t>(length));
    return 0;
  };
  api.device_memory = [](size_t* bytes, int) {
    *bytes = kDeviceMemory;
    return 0;
  };
  api.device_attribute = [](int* value, int attribute, int) {
    *value = attribute == attribute_number(Backend::emulator, Attribute::warp_size) ? 32 : 1;
    return 0;
  };
  api.set_device = [](int) { return 0; };
  fill_memory(api);
  api.stream_create = [](void** stream, unsigned) {
    *stream = new Stream;
    return 0;
  };
  api.stream_destroy = destroy<Stream>;
  api.stream_wait = [](void*) { return 0; };
  api.event_create = [](void** event, unsigned) {
    *event = new char;
    return 0;
  };
  api.event_destroy = destroy<char>;
  api.event_record = [](void*, void*) { return 0; };
  api.event_wait = [](void*) { return 0; };
  api.event_elapsed = [](float* ms, void*, void*) {
    *ms = 0;
    return 0;
  };
  api.module_load = [](void** module, const void*) {
    *module = new char;
    return 0;
  };
  api.module_unload = destroy<char>;
  api.module_function = find_function<emulator::Matrix::gfx11>;
  api.launch = launch;
  fill_graphs(api);
  api.error_text_hip = error_text;
  return api;
}

}  // namespace onebit::gpu
