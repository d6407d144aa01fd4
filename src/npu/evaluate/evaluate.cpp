#include "npu/evaluate/plan.h"

namespace onebit::npu::evaluate {

Result<Report> evaluate(const Options& options, const ModelShape& model, ThreadPool& pool) {
  Report report;
  {
    ONEBIT_ASSIGN(const std::unique_ptr<NpuDevice> device, NpuDevice::open(options.device));
    report.device = device->description();
    if (options.device.kind == DeviceKind::sim) report.device += ", nothing here is measured on an NPU";
  }
  report.model = model.name;
  report.machine = fmt::format("{} threads, {}", pool.size(), cpu::isa_name(options.isa));
  report.quick = options.quick;
  Options own = options;
  own.device.sim.timed = true;
  Context c{own, model, pool, report};
  ONEBIT_TRY(evaluate_programs(c));
  ONEBIT_TRY(evaluate_bf16(c));
  ONEBIT_TRY(evaluate_gemm(c));
  ONEBIT_TRY(evaluate_prefill(c));
  report.verdict = decide(report);
  return report;
}

}  // namespace onebit::npu::evaluate
