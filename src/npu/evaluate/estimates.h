// Times from the performance model: of the ternary array program and of the int8 example program.
#pragma once

#include "npu/evaluate/plan.h"
#include "npu/gemm/array_program.h"
#include "npu/perf/estimate.h"

namespace onebit::npu::evaluate {

// Sums over the products of a prefill.
struct GemmTime {
  double seconds = 0, ops = 0;  // ops: useful ones
  double bytes = 0, least_bytes = 0;

  double tops() const { return seconds > 0 ? ops / seconds * 1e-12 : 0; }
  void add(const GemmTime& other, double times = 1) {
    seconds += other.seconds * times, ops += other.ops * times;
    bytes += other.bytes * times, least_bytes += other.least_bytes * times;
  }
};

// One product, submitted and waited for by itself, in slices where one program cannot take all tokens.
Result<GemmTime> estimate_ternary(const gemm::ArrayProgram& program, uint32_t tokens, const Layer& layer);
// The int8 program on 32 cores (src/npu/programs/gemm.h), also beyond the sizes it takes.
Result<GemmTime> estimate_int8(uint32_t tokens, const Layer& layer);
// The programs gemv_ternary and gemm_bf16_8x4, also beyond the sizes they take.
Result<GemmTime> estimate_gemv(const Layer& layer);
Result<GemmTime> estimate_bf16(uint32_t m, uint32_t n, uint32_t k);

}  // namespace onebit::npu::evaluate
