// The kernels of src/gpu/kernels on an open device, launched by name with one struct of arguments each.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "gpu/driver/device.h"
#include "gpu/kernels/kernels.h"

namespace onebit::gpu {

// Names in the code objects; Kernel indexes kernel_names.
#define ONEBIT_GPU_KERNELS(X)                                                                                       \
  X(embed) X(norm_quant) X(expand_p16) X(rope_kv) X(linear_float) X(gate_float)                                     \
  X(ternary_gemv_p2_t1) X(ternary_gemv_p2_t2) X(ternary_gemv_p2_t4) X(ternary_gemv_p2_t8) X(ternary_gemv_p2_t16)    \
  X(ternary_gemv_p16_t1) X(ternary_gemv_p16_t2) X(ternary_gemv_p16_t4) X(ternary_gemv_p16_t8) X(ternary_gemv_p16_t16) \
  X(ternary_gemm_p2_r64) X(ternary_gemm_p2_r128)                                                                    \
  X(attention_scores) X(attention_values) X(attention_combine)                                                      \
  X(attention_prefill_d64) X(attention_prefill_d128) X(attention_prefill_d256)                                      \
  X(head_compress) X(head_prepare) X(head_scan) X(head_threshold) X(head_collect) X(head_rescore) X(head_select)
enum class Kernel : uint8_t {
#define ONEBIT_GPU_KERNEL_ID(name) name,
  ONEBIT_GPU_KERNELS(ONEBIT_GPU_KERNEL_ID)
#undef ONEBIT_GPU_KERNEL_ID
};
const char* name(Kernel kernel);

class KernelSet {
 public:
  // Loads the code object for the device's architecture. Errors: built without code objects; none for this
  // architecture (names those there are); one that the driver refuses; a kernel that it lacks.
  static Result<KernelSet> load(Device& device);

  template <class Args>
  Status launch(Kernel kernel, Grid grid, const Args& args, unsigned block = kBlock) {
    Args copy = args;
    void* parameters[] = {&copy};
    const auto i = static_cast<size_t>(kernel);
    return device_->launch(functions_[i], name(kernel), grid, {block}, 0, parameters);
  }
  Device& device() { return *device_; }
  const std::string& code_object() const { return code_object_; }

 private:
  Device* device_ = nullptr;
  std::string code_object_;  // the architecture it was built for
  Module module_;
  std::vector<Function> functions_;
};

// What was embedded: architectures in the order of the table, "gfx1151, sm_90"; "" without any.
std::string embedded_architectures();
// The code object that a device of `architecture` runs, from `architectures`: its own, else the generic one of its
// family (gfx11-generic for gfx1100 to gfx1153), else the highest sm_N of the same or an older generation (as PTX).
// Returns an index or -1.
int pick_code_object(const std::string& architecture, const std::vector<std::string>& architectures);

}  // namespace onebit::gpu
