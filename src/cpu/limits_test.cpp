// The probes run on every instruction set and return something a machine could do.
#include "cpu/limits.h"

#include <gtest/gtest.h>

namespace onebit::cpu {
namespace {

TEST(Limits, EveryInstructionSetIsMeasured) {
  ThreadPool pool(2);
  for (const Isa isa : available_isas()) {
    const auto probe = LimitProbe::create(isa, pool, size_t{16} << 20);
    ASSERT_TRUE(probe) << probe.error().message;
    // Between a byte a microsecond and a petabyte (peta-operation) a second.
    EXPECT_GT(probe->read_bandwidth(), 1e6) << isa_name(isa);
    EXPECT_LT(probe->read_bandwidth(), 1e15) << isa_name(isa);
    EXPECT_GT(probe->int8_peak(), 1e6) << isa_name(isa);
    EXPECT_LT(probe->int8_peak(), 1e15) << isa_name(isa);
  }
}

}  // namespace
}  // namespace onebit::cpu
