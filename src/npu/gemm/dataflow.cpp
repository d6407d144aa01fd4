#include "npu/gemm/dataflow.h"

#include "npu/gemm/tiling.h"
#include "npu/kernels/kernels.h"

namespace onebit::npu::gemm {

// Memory stalls: a hand-scheduled int8 wavefront whose operands lie in different windows took 1335 cycles where its
// bundles are 1127 (the rows of V9 in docs/npu-performance-model.md). That schedule keeps both load slots busy in every
// cycle; this kernel loads 5 vectors in 8 cycles, so its stalls should be fewer. The measured ratio is charged all the
// same.
constexpr double kStall = 1335.0 / 1127;
constexpr double kLockCycles = 4 * 10;  // two acquires, two releases

perf::Dataflow dataflow(const Plan& plan, uint64_t stream_bytes, uint64_t configuration_bytes) {
  const Phase& p = plan.phases.front();
  perf::Dataflow f;
  f.name = "ternary";
  f.summary = "int8 activations, 2-bit weights expanded in the core, int32 out";
  f.tile = {.m = kTileM, .n = kTileN, .k = kChunkK};
  f.cores_m = kRows;
  f.cores_n = kColumns;
  f.a = {.bits = 8, .channels = kRows};
  f.b = {.bits = 2, .channels = kColumns};
  f.inner_m = p.x != HoldX::wave && p.w_resident;  // else all waves of a group along N meet one along M
  f.a.reuse = p.x == HoldX::none ? perf::Reuse::every_wave : p.x == HoldX::wave ? perf::Reuse::every_pass : perf::Reuse::once;
  f.b.reuse = !p.w_resident ? perf::Reuse::every_wave : p.x == HoldX::wave ? perf::Reuse::once : perf::Reuse::every_pass;
  // The model knows a core's tile of C as one piece: it charges the whole way out of the core to every wave, where the
  // strips of this program leave during the first chunk of the next wave.
  f.c = {.bits = 32, .channels = kColumns * kHalves, .own_buffer = false};
  f.kernel.cycles_per_chunk = kStrips * static_cast<double>(gemm_i8_t2_i32_cycles(kTileM, kChunkK, kStripN)) * kStall + kLockCycles;
  f.launch.full_stream_bytes = f.launch.lean_stream_bytes = static_cast<double>(stream_bytes);
  f.launch.configuration_bytes = static_cast<double>(configuration_bytes);
  return f;
}

}  // namespace onebit::npu::gemm
