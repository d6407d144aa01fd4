#include "npu/evaluate/estimates.h"

#include <algorithm>

#include "npu/gemm/dataflow.h"
#include "npu/kernels/kernels.h"
#include "npu/programs/gemm.h"

namespace onebit::npu::evaluate {

Result<GemmTime> estimate_ternary(const gemm::ArrayProgram& program, uint32_t tokens, const Layer& layer) {
  const uint32_t slice = gemm::most_tokens(layer.n, layer.k);
  if (slice == 0) return fail(Errc::out_of_range, "{}: {} x {} is too large for one product", layer.name, layer.n, layer.k);
  GemmTime sum;
  for (uint32_t first = 0; first < tokens; first += slice) {
    const gemm::Shape shape{std::min(slice, tokens - first), layer.n, layer.k};
    ONEBIT_ASSIGN(const gemm::Plan plan, gemm::make_plan(shape));
    ONEBIT_ASSIGN(const Transaction stream, program.stream(plan));
    ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, write_transaction(stream));
    const perf::Dataflow flow = gemm::dataflow(plan, bytes.size(), program.lowered().pdi.size());
    ONEBIT_ASSIGN(const perf::Estimate e, perf::estimate(flow, {shape.m, shape.k, shape.n}, {}));
    sum.add({.seconds = e.total, .ops = e.useful_ops, .bytes = static_cast<double>(plan.x_read + plan.w_read + plan.c_written), .least_bytes = 0});
  }
  sum.least_bytes = static_cast<double>(gemm::least_bytes({tokens, layer.n, layer.k}));
  return sum;
}

Result<GemmTime> estimate_int8(uint32_t tokens, const Layer& layer) {
  // As docs/npu-performance-model.md has it for a schedule whose operands lie in different windows: 1335 cycles were
  // measured for 1127 bundles.
  constexpr double kStall = 1335.0 / 1127, kLockCycles = 4 * 10;
  perf::Dataflow f;
  f.name = "gemm_8x4";
  f.tile = {.m = kGemmTile, .n = kGemmTile, .k = kGemmTile};
  f.a.channels = 4;
  f.b.channels = 8;
  f.c = {.bits = 32, .channels = 8};
  f.kernel = {.cycles_per_chunk = static_cast<double>(gemm_i8_i32_cycles(kGemmTile, kGemmTile, kGemmTile)) * kStall + kLockCycles,
              .cycles_per_wave = static_cast<double>(zero_i32_cycles(uint64_t{kGemmTile} * kGemmTile))};
  // Two parameters and a signal for each of 32 cores, a descriptor, an address and a task for 20 channels.
  f.launch.full_stream_bytes = f.launch.lean_stream_bytes = 32 * 3 * 24 + 20 * 120;
  ONEBIT_ASSIGN(const perf::Estimate e, perf::estimate(f, {tokens, layer.k, layer.n}, {}));
  return GemmTime{.seconds = e.total, .ops = e.useful_ops, .bytes = e.read_bytes + e.write_bytes, .least_bytes = 0};
}

}  // namespace onebit::npu::evaluate
