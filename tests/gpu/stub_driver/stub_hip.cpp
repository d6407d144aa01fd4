// A libamdhip64 for tests, with the names and the properties structure of ROCm 6 (see src/gpu/driver/library.cpp).
#include <utility>

#include "stub_driver.inl"

#define N __func__
extern "C" {
int hipInit(unsigned) { return called(N); }
int hipGetDeviceCount(int* count) { return count_devices(count, N); }
int hipDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return called(N);
}
int hipDeviceGetName(char* name, int length, int) { return get_name(name, length, N); }
int hipDeviceTotalMem(size_t* bytes, int) {
  *bytes = machine().memory;
  return called(N);
}
int hipDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 63 ? 40 : attribute == 87 ? 32 : attribute == 16 ? machine().integrated : attribute == 19 ? 2 << 20 : -1;
  return called(N);
}
int hipSetDevice(int) { return called(N); }
int hipMemGetInfo(size_t* free, size_t* total) {
  *free = *total = machine().memory;
  return called(N);
}
int hipMalloc(void** p, size_t bytes) { return allocate(p, bytes, N, "memory"); }
int hipFree(void* p) { return destroyed(p, N, "memory"); }
int hipHostMalloc(void** p, size_t bytes, unsigned) { return allocate(p, bytes, N, "host memory"); }
int hipHostFree(void* p) { return destroyed(p, N, "host memory"); }
int hipHostRegister(void* p, size_t, unsigned) { return register_host(p, N); }
int hipHostUnregister(void* p) { return unregister_host(p, N); }
int hipHostGetDevicePointer(void** device, void* host, unsigned) {
  *device = host;
  return called(N);
}
int hipMemcpyHtoDAsync(void* to, const void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int hipMemcpyDtoHAsync(void* to, void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int hipMemcpyDtoDAsync(void* to, void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int hipMemsetD8Async(void* to, unsigned char value, size_t bytes, void*) {
  if (const int e = called(N)) return e;
  std::memset(to, value, bytes);
  return 0;
}
int hipStreamCreateWithFlags(void** stream, unsigned) { return create(stream, N, "stream"); }
int hipStreamDestroy(void* stream) { return destroyed(stream, N, "stream"); }
int hipStreamSynchronize(void*) { return called(N); }
int hipEventCreateWithFlags(void** event, unsigned) { return create(event, N, "event"); }
int hipEventDestroy(void* event) { return destroyed(event, N, "event"); }
int hipEventRecord(void*, void*) { return called(N); }
int hipEventSynchronize(void*) { return called(N); }
int hipEventElapsedTime(float* ms, void*, void*) {
  *ms = 1.5f;
  return called(N);
}
int hipModuleLoadData(void** module, const void* image) { return load_module(module, image, N); }
int hipModuleUnload(void* module) { return destroyed(module, N, "module"); }
int hipModuleGetFunction(void** function, void* module, const char* name) { return find_function(function, module, name, N); }
int hipModuleLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream,
                          void** parameters, void**) {
  const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
  return launch_kernel(f, grid, block, shared, stream, parameters, N);
}
int hipStreamBeginCapture(void* stream, int mode) { return begin(stream, mode, N); }
int hipStreamEndCapture(void* stream, void** graph) { return end(stream, graph, N); }
int hipGraphDestroy(void* graph) { return destroyed(graph, N, "graph"); }
int hipGraphInstantiateWithFlags(void** executable, void*, unsigned long long) { return create(executable, N, "executable"); }
int hipGraphLaunch(void*, void*) { return called(N); }
int hipGraphExecDestroy(void* executable) { return destroyed(executable, N, "executable"); }
const char* hipGetErrorString(int error) { return text_of(error); }
#ifdef STUB_HIP_5
int hipGetDeviceProperties(void* properties, int) {
  std::strcpy(static_cast<char*>(properties) + 396, machine().architecture.c_str());
#else
int hipGetDevicePropertiesR0600(void* properties, int) {
  std::strcpy(static_cast<char*>(properties) + 1160, machine().architecture.c_str());
#endif
  return called(N);
}
}
