// An int8 GEMM of NVIDIA's own library, opened where it is installed: what the GPU benchmark compares its prompt with.
// Declarations follow cublasLt.h of CUDA 11 to 13.
#pragma once

#include <cstddef>

#include "gpu/driver/device.h"

namespace onebit::bench {

class CublasLt {
 public:
  // Errors: no library, one without the functions needed.
  static Result<CublasLt> open();
  // Seconds of one product [n][k] x [k][m] of int8 into int32, on the device's stream, the best algorithm by the library's
  // own heuristic; the mean of `runs` after one that warms up.
  Result<double> gemm_seconds(gpu::Device& device, size_t m, size_t n, size_t k, int runs);

 private:
  int (*create_)(void** handle) = nullptr;
  int (*destroy_)(void* handle) = nullptr;
  int (*description_create_)(void** description, int compute, int scale) = nullptr;
  int (*description_destroy_)(void* description) = nullptr;
  int (*description_set_)(void* description, int attribute, const void* value, size_t bytes) = nullptr;
  int (*layout_create_)(void** layout, int type, unsigned long rows, unsigned long cols, long ld) = nullptr;
  int (*layout_destroy_)(void* layout) = nullptr;
  int (*preference_create_)(void** preference) = nullptr;
  int (*preference_destroy_)(void* preference) = nullptr;
  int (*preference_set_)(void* preference, int attribute, const void* value, size_t bytes) = nullptr;
  int (*heuristic_)(void* handle, void* description, void* a, void* b, void* c, void* d, void* preference, int wanted, void* results, int* found) = nullptr;
  int (*matmul_)(void* handle, void* description, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout, const void* beta,
                 const void* c, void* c_layout, void* d, void* d_layout, const void* algorithm, void* workspace, size_t workspace_bytes,
                 void* stream) = nullptr;
};

}  // namespace onebit::bench
