// A libamdhip64 whose device is the SIMT emulator: the program's whole way to a GPU runs on a machine that has none.
// ONEBIT_STUB_LAUNCHES=N: the device faults at the Nth launch (of a kernel or a graph) and stays so.
#include <cstdlib>
#include <cstring>

#include "gpu/driver/api.h"

namespace {

const onebit::gpu::Api& emulator() {
  static const onebit::gpu::Api api = onebit::gpu::emulator_api();
  return api;
}

constexpr int kFault = 719;
bool g_faulted = false;

// 0, or the fault, for a call that is not a launch.
int fault() { return g_faulted ? kFault : 0; }

int launch_fault() {
  static long left = std::getenv("ONEBIT_STUB_LAUNCHES") ? std::atol(std::getenv("ONEBIT_STUB_LAUNCHES")) : -1;
  if (left > 0 && --left == 0) g_faulted = true;
  return fault();
}

}  // namespace

extern "C" {
int hipInit(unsigned) { return 0; }
int hipGetDeviceCount(int* count) { return emulator().device_count(count); }
int hipDeviceGet(int* device, int ordinal) { return emulator().device_get(device, ordinal); }
int hipDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "Emulated GPU", static_cast<size_t>(length));
  return 0;
}
int hipDeviceTotalMem(size_t* bytes, int device) { return emulator().device_memory(bytes, device); }
int hipDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 63 ? 4 : attribute == 87 ? 32 : attribute == 16 ? 1 : 1 << 20;
  return 0;
}
int hipSetDevice(int) { return fault(); }
int hipMemGetInfo(size_t* free, size_t* total) { return emulator().memory_info(free, total); }
int hipMalloc(void** p, size_t bytes) { return g_faulted ? kFault : emulator().alloc(p, bytes); }
int hipFree(void* p) { return emulator().free(p); }
int hipHostMalloc(void** p, size_t bytes, unsigned flags) { return g_faulted ? kFault : emulator().host_alloc(p, bytes, flags); }
int hipHostFree(void* p) { return emulator().host_free(p); }
int hipHostRegister(void*, size_t, unsigned) { return fault(); }
int hipHostUnregister(void*) { return fault(); }
int hipHostGetDevicePointer(void** address, void* host, unsigned flags) { return emulator().host_address(address, host, flags); }
int hipMemcpyHtoDAsync(void* to, const void* from, size_t bytes, void* stream) { return g_faulted ? kFault : emulator().copy_to_device(to, from, bytes, stream); }
int hipMemcpyDtoHAsync(void* to, void* from, size_t bytes, void* stream) { return g_faulted ? kFault : emulator().copy_to_host(to, from, bytes, stream); }
int hipMemcpyDtoDAsync(void* to, void* from, size_t bytes, void* stream) { return g_faulted ? kFault : emulator().copy_on_device(to, from, bytes, stream); }
int hipMemsetD8Async(void* to, unsigned char value, size_t bytes, void* stream) { return g_faulted ? kFault : emulator().fill(to, value, bytes, stream); }
int hipStreamCreateWithFlags(void** stream, unsigned flags) { return emulator().stream_create(stream, flags); }
int hipStreamDestroy(void* stream) { return emulator().stream_destroy(stream); }
int hipStreamSynchronize(void*) { return fault(); }
int hipEventCreateWithFlags(void** event, unsigned flags) { return emulator().event_create(event, flags); }
int hipEventDestroy(void* event) { return emulator().event_destroy(event); }
int hipEventRecord(void*, void*) { return fault(); }
int hipEventSynchronize(void*) { return fault(); }
int hipEventElapsedTime(float* ms, void* start, void* end) { return emulator().event_elapsed(ms, start, end); }
// A code object is an ELF file; what it holds is for a GPU.
int hipModuleLoadData(void** module, const void* image) { return std::memcmp(image, "\x7f" "ELF", 4) == 0 ? emulator().module_load(module, image) : 200; }
int hipModuleUnload(void* module) { return emulator().module_unload(module); }
int hipModuleGetFunction(void** function, void* module, const char* name) { return emulator().module_function(function, module, name); }
int hipModuleLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream,
                          void** parameters, void** extra) {
  if (const int e = launch_fault()) return e;
  return emulator().launch(f, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
}
int hipStreamBeginCapture(void* stream, int mode) { return g_faulted ? kFault : emulator().capture_begin(stream, mode); }
int hipStreamEndCapture(void* stream, void** graph) { return emulator().capture_end(stream, graph); }
int hipGraphDestroy(void* graph) { return emulator().graph_destroy(graph); }
int hipGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) { return emulator().graph_instantiate(executable, graph, flags); }
int hipGraphLaunch(void* executable, void* stream) {
  if (const int e = launch_fault()) return e;
  return emulator().graph_launch(executable, stream);
}
int hipGraphExecDestroy(void* executable) { return emulator().executable_destroy(executable); }
const char* hipGetErrorString(int error) { return error == kFault ? "unspecified launch failure" : emulator().error_text_hip(error); }
int hipGetDevicePropertiesR0600(void* properties, int) {
  std::strcpy(static_cast<char*>(properties) + 1160, "gfx1151");
  return 0;
}
}
