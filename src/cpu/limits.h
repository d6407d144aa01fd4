// What this machine can do at most, measured: the rate at which memory is read and the rate of int8
// multiply-adds of an instruction set. Kernels and whole runs are reported as shares of these.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/buffer.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "cpu/isa.h"

namespace onebit::cpu {

// On a shared machine the limits move from second to second: call the probes between the measurements
// they are compared with, and take the best.
class LimitProbe {
 public:
  // `bytes` of memory are written once and read by every read_bandwidth(); they should be several times
  // the last-level cache. Errors: no memory.
  static Result<LimitProbe> create(Isa isa, ThreadPool& pool, size_t bytes = size_t{512} << 20);

  // Bytes per second of one pass over the memory by all threads of the pool.
  double read_bandwidth() const;
  // int8 operations per second (a multiply-add is two) of all threads of the pool, from registers.
  double int8_peak() const;

 private:
  Isa isa_ = Isa::scalar;
  ThreadPool* pool_ = nullptr;
  Buffer memory_;
};

}  // namespace onebit::cpu
