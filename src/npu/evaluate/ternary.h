// Ternary products on the evaluated device, through the linear layers the engine uses.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "npu/evaluate/plan.h"
#include "npu/gemm/npu_linear.h"

namespace onebit::npu::evaluate {

// Whether the products of all layers with so many tokens run on the device: always on an NPU; in the simulator where that
// takes seconds, in a full plan minutes.
bool worth_running(const Context& c, uint32_t tokens);

class TernaryBench {
 public:
  // Errors: no device, or no machine code for it.
  static Result<std::unique_ptr<TernaryBench>> open(const Context& c);

  // Seconds of one product. The first time a layer is run with so many tokens its results are held against the scalar
  // oracle.
  Result<double> run(Context& c, uint32_t tokens, const Layer& layer);
  const gemm::ArrayProgram& program() const { return linear_->program(); }
  std::string how(const Context& c) const;

 private:
  struct Weights {
    uint32_t set = 0;
    std::vector<uint8_t> codes{};  // [n][k]
  };
  Result<const Weights*> weights(const Layer& layer);
  void check(const Weights& w, const Layer& layer, uint32_t tokens, Checks& checks) const;

  std::unique_ptr<NpuDevice> device_;
  std::optional<gemm::NpuLinear> linear_;
  std::map<std::pair<uint32_t, uint32_t>, Weights> weights_;  // by n, k
  std::vector<int8_t> x_;
  std::vector<int32_t> out_;
};

}  // namespace onebit::npu::evaluate
