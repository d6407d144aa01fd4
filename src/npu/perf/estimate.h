// Time of a GEMM program on the array, from its dataflow: estimated, never measured.
#pragma once

#include "base/result.h"
#include "npu/perf/dataflow.h"
#include "npu/perf/rates.h"

namespace onebit::npu::perf {

enum class Resource { compute, stream, ddr, host };
const char* name(Resource resource);

// Seconds. The first group adds up to `total`.
struct Estimate {
  double dispatch = 0;            // host, driver and firmware round trip, fresh context included
  double instruction_stream = 0;
  double fill = 0;                // until the first core has its first chunk
  double array = 0;               // the longer of compute and transfer, wave by wave
  double overlap_loss = 0;        // what the two cost each other
  double drain = 0;               // results of the last wave
  double total = 0;

  // What each resource would need alone.
  double ddr_read = 0, ddr_write = 0;
  double stream = 0;              // the busiest stream into a core
  double compute = 0;             // of one core, epilogues included

  uint64_t waves = 0, chunks = 0; // chunks per core
  double read_bytes = 0, write_bytes = 0;
  double useful_ops = 0;          // 2 M N K
  Resource bound = Resource::host;

  double tops() const { return useful_ops / total * 1e-12; }
};

inline constexpr uint64_t kMaxDimension = uint64_t{1} << 20;

// Errc::out_of_range for a dimension of 0 or above kMaxDimension, K or M beyond the program's limits, a description
// that makes no sense, more waves than the model walks through.
Result<Estimate> estimate(const Dataflow& flow, const Shape& shape, const Condition& condition, const Rates& rates = {});

}  // namespace onebit::npu::perf
