// What this program asks of a GPU's driver, as one table of functions: HIP, the CUDA driver API and the SIMT emulator each
// fill it. HIP and CUDA differ in little more than names, so most entries are the library's own functions, called by the
// addresses that dlsym gives; no header of theirs takes part.
//
// Sources of the declarations: hip_runtime_api.h of ROCm 5.2 to 7 (public), cuda.h of CUDA 11.4 to 13. All functions
// return 0 for success. Device addresses are 64-bit values in both (hipDeviceptr_t is a void*, CUdeviceptr an unsigned
// long long) and pass through registers alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace onebit::gpu {

enum class Backend : uint8_t { hip, cuda, emulator };
const char* name(Backend backend);  // "HIP", "CUDA", "emulator"

enum class Attribute : uint8_t { units, warp_size, integrated, l2_bytes };

struct Api {
  Backend backend = Backend::hip;
  std::string library;  // the name it was opened by

  int (*init)(unsigned flags) = nullptr;
  int (*device_count)(int* count) = nullptr;
  int (*device_get)(int* device, int ordinal) = nullptr;
  int (*device_name)(char* name, int length, int device) = nullptr;
  int (*device_memory)(size_t* bytes, int device) = nullptr;
  int (*device_attribute)(int* value, int attribute, int device) = nullptr;

  // The device as the calling thread's current one. HIP knows no contexts: there the context stays null.
  int (*set_device)(int ordinal) = nullptr;                  // HIP, emulator
  int (*context_retain)(void** context, int device) = nullptr;  // CUDA
  int (*context_release)(int device) = nullptr;
  int (*context_set)(void* context) = nullptr;

  int (*memory_info)(size_t* free, size_t* total) = nullptr;
  int (*alloc)(void** address, size_t bytes) = nullptr;
  int (*free)(void* address) = nullptr;
  int (*host_alloc)(void** host, size_t bytes, unsigned flags) = nullptr;
  int (*host_free)(void* host) = nullptr;
  int (*host_register)(void* host, size_t bytes, unsigned flags) = nullptr;
  int (*host_unregister)(void* host) = nullptr;
  int (*host_address)(void** address, void* host, unsigned flags) = nullptr;

  int (*copy_to_device)(void* to, const void* from, size_t bytes, void* stream) = nullptr;
  int (*copy_to_host)(void* to, void* from, size_t bytes, void* stream) = nullptr;
  int (*copy_on_device)(void* to, void* from, size_t bytes, void* stream) = nullptr;
  int (*fill)(void* to, unsigned char value, size_t bytes, void* stream) = nullptr;

  int (*stream_create)(void** stream, unsigned flags) = nullptr;
  int (*stream_destroy)(void* stream) = nullptr;
  int (*stream_wait)(void* stream) = nullptr;
  int (*event_create)(void** event, unsigned flags) = nullptr;
  int (*event_destroy)(void* event) = nullptr;
  int (*event_record)(void* event, void* stream) = nullptr;
  int (*event_wait)(void* event) = nullptr;
  int (*event_elapsed)(float* milliseconds, void* start, void* end) = nullptr;

  int (*module_load)(void** module, const void* image) = nullptr;
  int (*module_unload)(void* module) = nullptr;
  int (*module_function)(void** function, void* module, const char* name) = nullptr;
  int (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                unsigned shared_bytes, void* stream, void** parameters, void** extra) = nullptr;

  // CUDA 11.8 and later: see launch_overlapping(). May be null.
  int (*launch_with_attributes)(const void* configuration, void* function, void** parameters, void** extra) = nullptr;

  int (*capture_begin)(void* stream, int mode) = nullptr;
  int (*capture_end)(void* stream, void** graph) = nullptr;
  int (*graph_destroy)(void* graph) = nullptr;
  int (*graph_instantiate)(void** executable, void* graph, unsigned long long flags) = nullptr;
  int (*graph_launch)(void* executable, void* stream) = nullptr;
  int (*executable_destroy)(void* executable) = nullptr;

  int (*error_text_cuda)(int error, const char** text) = nullptr;
  const char* (*error_text_hip)(int error) = nullptr;
  // Fills a structure whose layout depends on the version; see architecture() in library.cpp. HIP only.
  int (*device_properties_6)(void* properties, int device) = nullptr;  // hipGetDevicePropertiesR0600, ROCm 6 and later
  int (*device_properties_5)(void* properties, int device) = nullptr;  // hipGetDeviceProperties as ROCm 5 had it
};

// Flags and modes that have the same value in HIP and CUDA.
inline constexpr unsigned kStreamNonBlocking = 1;  // hipStreamNonBlocking, CU_STREAM_NON_BLOCKING
inline constexpr unsigned kHostMapped = 2;         // hipHostMallocMapped, CU_MEMHOSTALLOC_DEVICEMAP, and to register
inline constexpr int kCaptureRelaxed = 2;          // hipStreamCaptureModeRelaxed, CU_STREAM_CAPTURE_MODE_RELAXED

// Error numbers that have the same value in HIP and CUDA.
enum : int {
  kOutOfMemory = 2,
  kNoDevice = 100,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kNoBinaryForDevice = 209,
  kNotFound = 500,
};

// As the library numbers it.
int attribute_number(Backend backend, Attribute attribute);
// "out of memory (2)".
std::string error_text(const Api& api, int error);
// "gfx1151" or "sm_90"; "" when the library does not say.
std::string architecture(const Api& api, int ordinal, int device);

// launch() on a device of CUDA generation 9.0 or later, for kernels that call griddepcontrol.wait before they touch what
// earlier launches of the stream write: they may start while those still run, which hides the time between launches.
int launch_overlapping(const Api& api, void* function, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared_bytes, void* stream,
                       void** parameters);

// The names a library is looked for by, best first; each is given to dlopen as it is.
std::string default_names(Backend backend);  // "libamdhip64.so.7:libamdhip64.so.6:libamdhip64.so.5"
// Opens the library and finds every function. It stays open: drivers do not survive being closed and opened again.
// Errors (Errc::device): no such library, with the reasons of the loader; a function that is missing, by its name.
Result<Api> open_library(Backend backend, const std::string& names);

// The SIMT emulator as a device: kernels run on the CPU, device memory is host memory, a graph is a recorded list.
Api emulator_api();

}  // namespace onebit::gpu
