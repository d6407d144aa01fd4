// HIP and CUDA behind the table: their names for its functions.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "gpu/driver/api.h"

namespace onebit::gpu {
namespace {

struct Names {
  template <class Function>
  Names(Function** function, const char* in_hip, const char* in_cuda) : slot(static_cast<void*>(function)), hip(in_hip), cuda(in_cuda) {}

  void* slot;
  const char* hip;   // null: not a function of that library
  const char* cuda;
};

// A pointer to function and a pointer to object are of one size wherever dlsym exists (POSIX).
void put(void* slot, void* symbol) { std::memcpy(slot, static_cast<const void*>(&symbol), sizeof symbol); }

auto names_of(Api& api) {
  return std::to_array<Names>({
      {&api.init, "hipInit", "cuInit"},
      {&api.device_count, "hipGetDeviceCount", "cuDeviceGetCount"},
      {&api.device_get, "hipDeviceGet", "cuDeviceGet"},
      {&api.device_name, "hipDeviceGetName", "cuDeviceGetName"},
      {&api.device_memory, "hipDeviceTotalMem", "cuDeviceTotalMem_v2"},
      {&api.device_attribute, "hipDeviceGetAttribute", "cuDeviceGetAttribute"},
      {&api.set_device, "hipSetDevice", nullptr},
      {&api.context_retain, nullptr, "cuDevicePrimaryCtxRetain"},
      {&api.context_release, nullptr, "cuDevicePrimaryCtxRelease_v2"},
      {&api.context_set, nullptr, "cuCtxSetCurrent"},
      {&api.memory_info, "hipMemGetInfo", "cuMemGetInfo_v2"},
      {&api.alloc, "hipMalloc", "cuMemAlloc_v2"},
      {&api.free, "hipFree", "cuMemFree_v2"},
      {&api.host_alloc, "hipHostMalloc", "cuMemHostAlloc"},
      {&api.host_free, "hipHostFree", "cuMemFreeHost"},
      {&api.host_register, "hipHostRegister", "cuMemHostRegister_v2"},
      {&api.host_unregister, "hipHostUnregister", "cuMemHostUnregister"},
      {&api.host_address, "hipHostGetDevicePointer", "cuMemHostGetDevicePointer_v2"},
      {&api.copy_to_device, "hipMemcpyHtoDAsync", "cuMemcpyHtoDAsync_v2"},
      {&api.copy_to_host, "hipMemcpyDtoHAsync", "cuMemcpyDtoHAsync_v2"},
      {&api.copy_on_device, "hipMemcpyDtoDAsync", "cuMemcpyDtoDAsync_v2"},
      {&api.fill, "hipMemsetD8Async", "cuMemsetD8Async"},
      {&api.stream_create, "hipStreamCreateWithFlags", "cuStreamCreate"},
      {&api.stream_destroy, "hipStreamDestroy", "cuStreamDestroy_v2"},
      {&api.stream_wait, "hipStreamSynchronize", "cuStreamSynchronize"},
      {&api.event_create, "hipEventCreateWithFlags", "cuEventCreate"},
      {&api.event_destroy, "hipEventDestroy", "cuEventDestroy_v2"},
      {&api.event_record, "hipEventRecord", "cuEventRecord"},
      {&api.event_wait, "hipEventSynchronize", "cuEventSynchronize"},
      {&api.event_elapsed, "hipEventElapsedTime", "cuEventElapsedTime"},
      {&api.module_load, "hipModuleLoadData", "cuModuleLoadData"},
      {&api.module_unload, "hipModuleUnload", "cuModuleUnload"},
      {&api.module_function, "hipModuleGetFunction", "cuModuleGetFunction"},
      {&api.launch, "hipModuleLaunchKernel", "cuLaunchKernel"},
      {&api.capture_begin, "hipStreamBeginCapture", "cuStreamBeginCapture_v2"},
      {&api.capture_end, "hipStreamEndCapture", "cuStreamEndCapture"},
      {&api.graph_destroy, "hipGraphDestroy", "cuGraphDestroy"},
      {&api.graph_instantiate, "hipGraphInstantiateWithFlags", "cuGraphInstantiateWithFlags"},
      {&api.graph_launch, "hipGraphLaunch", "cuGraphLaunch"},
      {&api.executable_destroy, "hipGraphExecDestroy", "cuGraphExecDestroy"},
      {&api.error_text_cuda, nullptr, "cuGetErrorString"},
      {&api.error_text_hip, "hipGetErrorString", nullptr},
  });
}

// gcnArchName in hipDeviceProp_t: of ROCm 6 and later (1472 bytes), and of ROCm 5 (792 bytes).
constexpr size_t kPropertiesRoom = 8192, kArchAt6 = 1160, kArchAt5 = 396, kArchLength = 256;

// "gfx1151:sramecc+:xnack-" is gfx1151 with features.
std::string target_of(const char* text) {
  const std::string_view all(text, strnlen(text, kArchLength));
  const std::string_view target = all.substr(0, all.find(':'));
  if (!target.starts_with("gfx")) return {};
  for (const char c : target)
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return {};
  return std::string(target);
}

}  // namespace

const char* name(Backend backend) {
  switch (backend) {
    case Backend::hip: return "HIP";
    case Backend::cuda: return "CUDA";
    case Backend::emulator: break;
  }
  return "emulator";
}

int attribute_number(Backend backend, Attribute attribute) {
  const bool cuda = backend == Backend::cuda;
  switch (attribute) {
    case Attribute::units: return cuda ? 16 : 63;       // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
    case Attribute::warp_size: return cuda ? 10 : 87;   // CU_DEVICE_ATTRIBUTE_WARP_SIZE
    case Attribute::integrated: return cuda ? 18 : 16;  // CU_DEVICE_ATTRIBUTE_INTEGRATED
    case Attribute::l2_bytes: break;
  }
  return cuda ? 38 : 19;  // CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE
}

std::string error_text(const Api& api, int error) {
  const char* text = nullptr;
  if (api.error_text_hip) text = api.error_text_hip(error);
  if (api.error_text_cuda && api.error_text_cuda(error, &text) != 0) text = nullptr;
  return fmt::format("{} ({})", text ? text : "unknown error", error);
}

std::string architecture(const Api& api, int ordinal, int device) {
  if (api.backend == Backend::emulator) return "emulator";
  if (api.backend == Backend::cuda) {
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
    int major = 0, minor = 0;
    if (api.device_attribute(&major, kMajor, device) != 0 || api.device_attribute(&minor, kMinor, device) != 0) return {};
    return fmt::format("sm_{}{}", major, minor);
  }
  alignas(8) std::array<char, kPropertiesRoom> properties{};
  const auto fill = api.device_properties_6 ? api.device_properties_6 : api.device_properties_5;
  if (!fill || fill(properties.data(), ordinal) != 0) return {};
  return target_of(properties.data() + (api.device_properties_6 ? kArchAt6 : kArchAt5));
}

namespace {

// CUlaunchAttribute and CUlaunchConfig of cuda.h.
struct LaunchAttribute {
  int id;
  int pad;
  union {
    int flag;
    char bytes[64];
  } value;
};
struct LaunchConfiguration {
  unsigned grid[3], block[3], shared_bytes;
  void* stream;
  LaunchAttribute* attributes;
  unsigned count;
};
static_assert(sizeof(LaunchAttribute) == 72 && offsetof(LaunchConfiguration, stream) == 32 && sizeof(LaunchConfiguration) == 56);
constexpr int kProgrammaticStreamSerialization = 6;  // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION

}  // namespace

int launch_overlapping(const Api& api, void* function, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared_bytes, void* stream,
                       void** parameters) {
  LaunchAttribute overlap{kProgrammaticStreamSerialization, 0, {1}};
  const LaunchConfiguration configuration{{grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, shared_bytes, stream, &overlap, 1};
  return api.launch_with_attributes(&configuration, function, parameters, nullptr);
}

std::string default_names(Backend backend) {
  return backend == Backend::hip ? "libamdhip64.so.7:libamdhip64.so.6:libamdhip64.so.5" : "libcuda.so.1";
}

Result<Api> open_library(Backend backend, const std::string& names) {
  void* library = nullptr;
  Api api;
  api.backend = backend;
  std::string reasons;
  for (size_t at = 0; !library && at <= names.size();) {
    const size_t end = std::min(names.find(':', at), names.size());
    api.library = names.substr(at, end - at);
    library = dlopen(api.library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      const char* why = dlerror();
      const bool absent = !why || std::string_view(why).starts_with(api.library + ": cannot open shared object file");
      const std::string text = absent ? api.library + " not found" : std::string(why);
      reasons += (reasons.empty() ? "" : "; ") + text;
    }
    at = end + 1;
  }
  if (!library) return fail(Errc::device, "no {} library: {}", name(backend), reasons);
  for (const Names& n : names_of(api)) {
    const char* symbol = backend == Backend::cuda ? n.cuda : n.hip;
    if (!symbol) continue;
    void* address = dlsym(library, symbol);
    if (!address) return fail(Errc::device, "{} has no function {}, which this program needs", api.library, symbol);
    put(n.slot, address);
  }
  if (backend == Backend::hip) {
    put(static_cast<void*>(&api.device_properties_6), dlsym(library, "hipGetDevicePropertiesR0600"));
    put(static_cast<void*>(&api.device_properties_5), dlsym(library, "hipGetDeviceProperties"));
  } else {
    put(static_cast<void*>(&api.launch_with_attributes), dlsym(library, "cuLaunchKernelEx"));
  }
  return api;
}

}  // namespace onebit::gpu
