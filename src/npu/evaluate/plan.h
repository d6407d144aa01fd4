// What is tried: a model's linear layers, and the numbers of tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "cpu/isa.h"
#include "npu/evaluate/report.h"
#include "npu/runtime/device.h"

namespace onebit::npu::evaluate {

// n rows of k weights; matrices that read the same input are stacked.
struct Layer {
  std::string name;
  uint32_t n = 0, k = 0;
};

struct ModelShape {
  std::string name;
  uint32_t layers = 0;
  std::vector<Layer> linears{};

  double macs_per_token() const {
    double macs = 0;
    for (const Layer& l : linears) macs += static_cast<double>(l.n) * l.k;
    return macs * layers;
  }
};

inline constexpr uint32_t kGemmTokens[] = {128, 512, 1024};
inline constexpr uint32_t kTernaryTokens[] = {128, 512, 1024, 2048};  // with those of the prefills
inline constexpr uint32_t kPrefillTokens[] = {128, 512, 2048};

// Seconds of one prompt of so many tokens through the whole model; 0 where that is longer than its context.
using WholePrefill = std::function<Result<double>(uint32_t tokens)>;

struct Options {
  NpuOptions device{};
  bool quick = false;
  std::string powercap = "/sys/class/powercap";
  cpu::Isa isa = cpu::Isa::scalar;
  WholePrefill whole_cpu{}, whole_npu{};  // null: no model, or nothing to measure on
};

struct Context {
  const Options& options;
  const ModelShape& model;
  ThreadPool& pool;
  Report& report;

  bool simulated() const { return options.device.kind == DeviceKind::sim; }
  // Of what the device's clock says.
  Label device_label() const { return simulated() ? Label::simulated : Label::measured; }
};

// What ends here is a failure of the evaluation itself; what a device or a build does not have becomes a note.
Result<Report> evaluate(const Options& options, const ModelShape& model, ThreadPool& pool);

// The parts, in order; each adds sections.
Status evaluate_programs(Context& c);  // dispatch, pass-through, hello-world GEMM
Status evaluate_bf16(Context& c);
Status evaluate_gemm(Context& c);      // int8 and ternary, GEMV
Status evaluate_prefill(Context& c);   // against the CPU; energy

// The criteria, on what the report holds.
Verdict decide(const Report& report);

}  // namespace onebit::npu::evaluate
