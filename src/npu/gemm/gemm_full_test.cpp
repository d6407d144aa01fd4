// Whole layers of BitNet-2B-4T: exact, and at what rate the timed simulation runs them.
#include "npu/gemm/gemm_testing.h"
#include "npu/gemm/model_shapes.h"

namespace onebit::npu::gemm {
namespace {

TEST(TernaryGemmFull, EveryLinearOfBitNet2B) {
  Simulator sim = context();
  for (const auto& [layer, n, k] : model_shapes()[0].linears())
    for (const uint32_t m : {64u, 128u, 512u}) {
      SCOPED_TRACE(layer);
      expect_exact(sim, {m, n, k}, m + n);
    }
}

// Simulated, each product submitted alone. The kernel's cycles have no memory stalls in them.
TEST(TernaryGemmFull, TimedPrefillOf128Tokens) {
  Simulator sim = context(true);
  std::vector<int32_t> out;
  const Data first({1, 1, 1}, 1);
  ASSERT_TRUE(multiply(sim, first, out));  // a fresh context costs more
  double operations = 0, seconds = 0;
  for (const auto& [layer, n, k] : model_shapes()[0].linears()) {
    const Data d({128, n, k}, n);
    const auto report = multiply(sim, d, out);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    operations += 2.0 * 128 * n * k;
    seconds += report->seconds;
  }
  RecordProperty("simulated_tops", fmt::format("{:.2f}", operations / seconds * 1e-12));
  EXPECT_GE(operations / seconds * 1e-12, 15);
}

}  // namespace
}  // namespace onebit::npu::gemm
