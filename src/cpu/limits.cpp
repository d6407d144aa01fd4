#include "cpu/limits.h"

#include <atomic>
#include <chrono>
#include <cstring>

#include "cpu/limits_kernel.h"

namespace onebit::cpu {
namespace {

const LimitLoops& loops(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return kLimitsAvx2;
    case Isa::avxvnni: return kLimitsAvxVnni;
    case Isa::avx512vnni: return kLimitsAvx512;
#elif defined(__aarch64__)
    case Isa::neon: return kLimitsNeon;
#endif
    default: return kLimitsScalar;
  }
}

// Small enough that threads which are held up leave work to the others.
constexpr size_t kReadUnit = size_t{4} << 20;
constexpr uint64_t kInt8Iterations = 100000;
constexpr size_t kInt8Units = 64;  // per thread

template <class F>
double seconds(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<LimitProbe> LimitProbe::create(Isa isa, ThreadPool& pool, size_t bytes) {
  LimitProbe p;
  p.isa_ = isa;
  p.pool_ = &pool;
  const size_t units = bytes / kReadUnit + 1;
  ONEBIT_ASSIGN(p.memory_, Buffer::allocate(units * kReadUnit, "the bandwidth probe"));
  // Written so that every page exists; unwritten pages would all be one page of zeros.
  pool.parallel_for(units, [&](size_t i, unsigned) { std::memset(p.memory_.data() + i * kReadUnit, 0x5a, kReadUnit); });
  return p;
}

double LimitProbe::read_bandwidth() const {
  std::atomic<uint64_t> sink{0};
  const auto read = loops(isa_).read;
  const double s = seconds([&] {
    pool_->parallel_for(memory_.size() / kReadUnit, [&](size_t i, unsigned) {
      sink.fetch_xor(read(memory_.data() + i * kReadUnit, kReadUnit), std::memory_order_relaxed);
    });
  });
  return static_cast<double>(memory_.size()) / s;
}

double LimitProbe::int8_peak() const {
  std::atomic<uint64_t> sink{0};
  const LimitLoops& l = loops(isa_);
  const size_t units = kInt8Units * pool_->size();
  const double s = seconds([&] {
    pool_->parallel_for(units, [&](size_t, unsigned) {
      sink.fetch_xor(l.int8(kInt8Iterations), std::memory_order_relaxed);
    });
  });
  return static_cast<double>(units * kInt8Iterations * l.int8_ops) / s;
}

}  // namespace onebit::cpu
