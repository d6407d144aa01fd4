// A plan as the performance model sees it.
#pragma once

#include "npu/gemm/plan.h"
#include "npu/perf/dataflow.h"

namespace onebit::npu::gemm {

// `stream_bytes`: of the plan's instruction stream. `configuration_bytes`: of the PDI.
perf::Dataflow dataflow(const Plan& plan, uint64_t stream_bytes, uint64_t configuration_bytes);

}  // namespace onebit::npu::gemm
