#include "cublaslt.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>

namespace onebit::bench {
namespace {

constexpr int kInt8 = 3, kInt32 = 10;                // CUDA_R_8I, CUDA_R_32I
constexpr int kComputeInt32 = 72;                    // CUBLAS_COMPUTE_32I
constexpr int kTransposeA = 3, kTranspose = 1;       // CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T
constexpr int kMaxWorkspace = 1;                     // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
constexpr size_t kWorkspace = size_t{32} << 20;

struct Heuristic {  // cublasLtMatmulHeuristicResult_t
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

using Object = std::unique_ptr<void, std::function<void(void*)>>;

Status check(int status, const char* call) {
  if (status == 0) return {};
  return fail(Errc::device, "cuBLASLt: {} gave {}", call, status);
}

}  // namespace

Result<CublasLt> CublasLt::open() {
  void* library = nullptr;
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11", "libcublasLt.so"}) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library) break;
  }
  if (!library) return fail(Errc::device, "no libcublasLt.so");
  CublasLt c;
  const std::pair<void*, const char*> names[] = {{&c.create_, "cublasLtCreate"},
                                                 {&c.destroy_, "cublasLtDestroy"},
                                                 {&c.description_create_, "cublasLtMatmulDescCreate"},
                                                 {&c.description_destroy_, "cublasLtMatmulDescDestroy"},
                                                 {&c.description_set_, "cublasLtMatmulDescSetAttribute"},
                                                 {&c.layout_create_, "cublasLtMatrixLayoutCreate"},
                                                 {&c.layout_destroy_, "cublasLtMatrixLayoutDestroy"},
                                                 {&c.preference_create_, "cublasLtMatmulPreferenceCreate"},
                                                 {&c.preference_destroy_, "cublasLtMatmulPreferenceDestroy"},
                                                 {&c.preference_set_, "cublasLtMatmulPreferenceSetAttribute"},
                                                 {&c.heuristic_, "cublasLtMatmulAlgoGetHeuristic"},
                                                 {&c.matmul_, "cublasLtMatmul"}};
  for (const auto& [slot, name] : names) {
    void* symbol = dlsym(library, name);
    if (!symbol) return fail(Errc::device, "libcublasLt.so has no function {}", name);
    std::memcpy(slot, &symbol, sizeof symbol);
  }
  return c;
}

Result<double> CublasLt::gemm_seconds(gpu::Device& device, size_t m, size_t n, size_t k, int runs) {
  ONEBIT_ASSIGN(const gpu::Memory a, device.allocate(m * k, "cuBLASLt"));
  ONEBIT_ASSIGN(const gpu::Memory b, device.allocate(n * k, "cuBLASLt"));
  ONEBIT_ASSIGN(const gpu::Memory c, device.allocate(m * n * 4, "cuBLASLt"));
  ONEBIT_ASSIGN(const gpu::Memory workspace, device.allocate(kWorkspace, "cuBLASLt"));
  ONEBIT_TRY(device.fill(a.address(), 1, m * k));
  ONEBIT_TRY(device.fill(b.address(), 1, n * k));
  void *handle = nullptr, *description = nullptr, *preference = nullptr, *layouts[3] = {};
  ONEBIT_TRY(check(create_(&handle), "cublasLtCreate"));
  const Object own_handle(handle, destroy_);
  ONEBIT_TRY(check(description_create_(&description, kComputeInt32, kInt32), "cublasLtMatmulDescCreate"));
  const Object own_description(description, description_destroy_);
  ONEBIT_TRY(check(description_set_(description, kTransposeA, &kTranspose, sizeof kTranspose), "cublasLtMatmulDescSetAttribute"));
  // Column major: A is [m][k] in rows of k, so its transpose is what the library sees; B is k x n, C m x n.
  ONEBIT_TRY(check(layout_create_(&layouts[0], kInt8, k, m, static_cast<long>(k)), "cublasLtMatrixLayoutCreate"));
  const Object own_a(layouts[0], layout_destroy_);
  ONEBIT_TRY(check(layout_create_(&layouts[1], kInt8, k, n, static_cast<long>(k)), "cublasLtMatrixLayoutCreate"));
  const Object own_b(layouts[1], layout_destroy_);
  ONEBIT_TRY(check(layout_create_(&layouts[2], kInt32, m, n, static_cast<long>(m)), "cublasLtMatrixLayoutCreate"));
  const Object own_c(layouts[2], layout_destroy_);
  ONEBIT_TRY(check(preference_create_(&preference), "cublasLtMatmulPreferenceCreate"));
  const Object own_preference(preference, preference_destroy_);
  ONEBIT_TRY(check(preference_set_(preference, kMaxWorkspace, &kWorkspace, sizeof kWorkspace), "cublasLtMatmulPreferenceSetAttribute"));
  Heuristic best{};
  int found = 0;
  ONEBIT_TRY(check(heuristic_(handle, description, layouts[0], layouts[1], layouts[2], layouts[2], preference, 1, &best, &found),
                   "cublasLtMatmulAlgoGetHeuristic"));
  if (found == 0) return fail(Errc::device, "cuBLASLt has no int8 algorithm for {} x {} x {}", m, n, k);
  const int32_t one = 1, zero = 0;
  ONEBIT_ASSIGN(const gpu::Event start, device.event());
  ONEBIT_ASSIGN(const gpu::Event end, device.event());
  for (int i = 0; i <= runs; ++i) {
    if (i == 1) ONEBIT_TRY(device.record(start));
    ONEBIT_TRY(check(matmul_(handle, description, &one, a.address(), layouts[0], b.address(), layouts[1], &zero, c.address(), layouts[2], c.address(),
                             layouts[2], best.algorithm, workspace.address(), kWorkspace, device.stream()),
                     "cublasLtMatmul"));
  }
  ONEBIT_TRY(device.record(end));
  ONEBIT_ASSIGN(const float ms, device.elapsed(start, end));
  return static_cast<double>(ms) * 1e-3 / runs;
}

}  // namespace onebit::bench
