#include "npu/evaluate/estimates.h"

#include <algorithm>

#include "npu/gemm/dataflow.h"
#include "npu/kernels/kernels.h"
#include "npu/programs/gemm.h"
#include "npu/programs/ternary.h"

namespace onebit::npu::evaluate {
namespace {

// As docs/npu-performance-model.md has it for a schedule whose operands lie in different windows: 1335 cycles were
// measured for 1127 bundles. Two acquires and two releases per chunk.
constexpr double kStall = 1335.0 / 1127, kLockCycles = 4 * 10;
// Two parameters and a signal for each of 32 cores; a descriptor, an address and a task for 20 channels.
constexpr double kStreamBytes = 32 * 3 * 24 + 20 * 120;

double chunk_cycles(uint64_t kernel) { return static_cast<double>(kernel) * kStall + kLockCycles; }

Result<GemmTime> product(perf::Dataflow f, const char* name, uint64_t m, uint64_t n, uint64_t k) {
  f.name = name;
  f.launch.full_stream_bytes = f.launch.lean_stream_bytes = kStreamBytes;
  ONEBIT_ASSIGN(const perf::Estimate e, perf::estimate(f, {m, k, n}, {}));
  return GemmTime{.seconds = e.total, .ops = e.useful_ops, .bytes = e.read_bytes + e.write_bytes, .least_bytes = 0};
}

// 8 x 4 cores with a square tile each.
perf::Dataflow square(double bits, bool own_buffer) {
  perf::Dataflow f;
  f.tile = {.m = kGemmTile, .n = kGemmTile, .k = kGemmTile};
  f.a.bits = f.b.bits = bits;
  f.a.channels = 4;
  f.c = {.bits = 32, .channels = 8, .own_buffer = own_buffer};
  return f;
}

}  // namespace

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
  perf::Dataflow f = square(8, true);
  f.kernel = {.cycles_per_chunk = chunk_cycles(gemm_i8_i32_cycles(kGemmTile, kGemmTile, kGemmTile)),
              .cycles_per_wave = static_cast<double>(zero_i32_cycles(uint64_t{kGemmTile} * kGemmTile))};
  return product(std::move(f), "gemm_8x4", tokens, layer.n, layer.k);
}

Result<GemmTime> estimate_bf16(uint32_t m, uint32_t n, uint32_t k) {
  perf::Dataflow f = square(16, false);
  f.kernel.cycles_per_chunk = chunk_cycles(gemm_bf16_cycles(kGemmTile, kGemmTile, kGemmTile));
  return product(std::move(f), "gemm_bf16_8x4", m, n, k);
}

Result<GemmTime> estimate_gemv(const Layer& layer) {
  // Every column reads the activations for itself, which the model does not count.
  perf::Dataflow f;
  f.tile = {.m = 1, .n = kGemvRows, .k = kGemvChunk};
  f.cores_m = 1;
  f.cores_n = 32;
  f.a.bits = 16;  // the kernel reads every activation twice
  f.a.channels = 8;
  f.b.bits = 2;
  f.b.channels = 8;
  f.c = {.bits = 32, .channels = 8};
  f.kernel.cycles_per_chunk = chunk_cycles(gemv_t2_i32_cycles(kGemvChunk, kGemvRows));
  return product(std::move(f), "gemv_ternary", 1, layer.n, layer.k);
}

}  // namespace onebit::npu::evaluate
