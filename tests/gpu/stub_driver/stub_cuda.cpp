// A libcuda for tests.
#include <utility>

#include "stub_driver.inl"

#define N __func__
extern "C" {
int cuInit(unsigned) { return called(N); }
int cuDeviceGetCount(int* count) { return count_devices(count, N); }
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal + 10;  // a device is not its ordinal
  return called(N);
}
int cuDeviceGetName(char* name, int length, int) { return get_name(name, length, N); }
int cuDeviceTotalMem_v2(size_t* bytes, int) {
  *bytes = machine().memory;
  return called(N);
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (device != 10) machine().violations.emplace_back("asks an ordinal for an attribute");
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : attribute == 10 ? 32 : attribute == 18 ? 0 : attribute == 38 ? 50 << 20 : -1;
  return called(N);
}
int cuDevicePrimaryCtxRetain(void** context, int) { return create(context, N, "context"); }
int cuDevicePrimaryCtxRelease_v2(int) {
  called(N);
  for (const auto& [p, kind] : machine().live)
    if (kind == "context") return destroy(p, kind);
  return kInvalidValue;
}
int cuCtxSetCurrent(void* context) {
  if (const int e = called(N)) return e;
  return alive(context, "context") ? 0 : kInvalidValue;
}
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = *total = machine().memory;
  return called(N);
}
int cuMemAlloc_v2(void** p, size_t bytes) { return allocate(p, bytes, N, "memory"); }
int cuMemFree_v2(void* p) { return destroyed(p, N, "memory"); }
int cuMemHostAlloc(void** p, size_t bytes, unsigned) { return allocate(p, bytes, N, "host memory"); }
int cuMemFreeHost(void* p) { return destroyed(p, N, "host memory"); }
int cuMemHostRegister_v2(void* p, size_t, unsigned) { return register_host(p, N); }
int cuMemHostUnregister(void* p) { return unregister_host(p, N); }
int cuMemHostGetDevicePointer_v2(void** device, void* host, unsigned) {
  *device = host;
  return called(N);
}
int cuMemcpyHtoDAsync_v2(void* to, const void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int cuMemcpyDtoHAsync_v2(void* to, void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int cuMemcpyDtoDAsync_v2(void* to, void* from, size_t bytes, void* stream) { return copy(to, from, bytes, stream, N); }
int cuMemsetD8Async(void* to, unsigned char value, size_t bytes, void*) {
  if (const int e = called(N)) return e;
  std::memset(to, value, bytes);
  return 0;
}
int cuStreamCreate(void** stream, unsigned) { return create(stream, N, "stream"); }
int cuStreamDestroy_v2(void* stream) { return destroyed(stream, N, "stream"); }
int cuStreamSynchronize(void*) { return called(N); }
int cuEventCreate(void** event, unsigned) { return create(event, N, "event"); }
int cuEventDestroy_v2(void* event) { return destroyed(event, N, "event"); }
int cuEventRecord(void*, void*) { return called(N); }
int cuEventSynchronize(void*) { return called(N); }
int cuEventElapsedTime(float* ms, void*, void*) {
  *ms = 1.5f;
  return called(N);
}
int cuModuleLoadData(void** module, const void* image) { return load_module(module, image, N); }
int cuModuleUnload(void* module) { return destroyed(module, N, "module"); }
int cuModuleGetFunction(void** function, void* module, const char* name) { return find_function(function, module, name, N); }
int cuLaunchKernel(void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream,
                   void** parameters, void**) {
  const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
  return launch_kernel(f, grid, block, shared, stream, parameters, N);
}
int cuLaunchKernelEx(const void* configuration, void* f, void** parameters, void**) {
  const auto* c = static_cast<const unsigned*>(configuration);
  void* const* stream = reinterpret_cast<void* const*>(c + 8);
  const int* attribute = *reinterpret_cast<const int* const*>(c + 10);
  if (c[12] != 1 || attribute[0] != 6 || attribute[2] != 1) machine().violations.emplace_back("launches with other attributes");
  return launch_kernel(f, c, c + 3, c[6], *stream, parameters, N);
}
int cuStreamBeginCapture_v2(void* stream, int mode) { return begin(stream, mode, N); }
int cuStreamEndCapture(void* stream, void** graph) { return end(stream, graph, N); }
int cuGraphDestroy(void* graph) { return destroyed(graph, N, "graph"); }
int cuGraphInstantiateWithFlags(void** executable, void*, unsigned long long) { return create(executable, N, "executable"); }
#ifndef STUB_CUDA_OLD  // a driver that lacks a function
int cuGraphLaunch(void*, void*) { return called(N); }
#endif
int cuGraphExecDestroy(void* executable) { return destroyed(executable, N, "executable"); }
int cuGetErrorString(int error, const char** text) {
  *text = text_of(error);
  return 0;
}
}
