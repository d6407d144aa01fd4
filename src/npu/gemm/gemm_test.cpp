// The whole way: weights packed once, a plan per shape, its instruction stream run in the simulator, int32 results equal
// to plain loops.
#include "npu/gemm/gemm_testing.h"

namespace onebit::npu::gemm {
namespace {

TEST(TernaryGemm, ThreeRunsPerContext) {
  for (const Shape shape : {Shape{128, 1280, 512}, {64, 640, 2560}, {1, 1, 1}, {129, 1281, 513}}) {
    Simulator sim = context();
    for (uint64_t run = 0; run < 3; ++run) expect_exact(sim, shape, run);
  }
}

// Every way of keeping operands in the memory tiles, and phases of different groups.
TEST(TernaryGemm, EveryKindOfPlan) {
  Simulator sim = context();
  const auto check = [&](Shape shape, std::vector<Phase> phases) {
    EXPECT_EQ(make_plan(shape).value().phases, phases) << name(shape);
    expect_exact(sim, shape, 5);
  };
  check({100, 2600, 600}, {{0, 3, 3, HoldX::wave, false}});  // one wave along M: weights stream
  check({200, 2600, 600}, {{0, 3, 3, HoldX::wave, true}});  // all weights resident
  check({130, 6300, 2600}, {{0, 5, 1, HoldX::all, true}});  // activations resident, weights one wave at a time
  check({130, 2500, 6500}, {{0, 2, 1, HoldX::none, true}});  // weights resident, activations stream
  check({200, 4000, 2600}, {{0, 3, 1, HoldX::all, true}, {3, 1, 1, HoldX::kept, true}});  // the same, columns rest in the last wave
  check({129, 1290, 12700}, {{0, 2, 2, HoldX::wave, false}});  // too deep for weights
  check({33, 1300, 25700}, {{0, 2, 2, HoldX::none, false}});  // too deep for either
}

// Extremes, where a sum in fewer than 32 bits or a wrong sign would show.
TEST(TernaryGemm, ExtremeValues) {
  Simulator sim = context();
  Data d({40, 300, 6912}, 3);
  for (size_t i = 0; i < d.x.size(); ++i) d.x[i] = i / 6912 % 2 ? int8_t{-128} : int8_t{127};
  for (size_t i = 0; i < d.codes.size(); ++i) d.codes[i] = i / 6912 % 3 ? static_cast<uint8_t>(i / 6912 % 2 * 2) : d.codes[i];
  std::vector<int32_t> out;
  const auto report = multiply(sim, d, out);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  ASSERT_EQ(out, d.product());
}

// 200 ragged shapes in contexts of 25.
class Ragged : public testing::TestWithParam<uint64_t> {};
TEST_P(Ragged, EqualsPlainLoops) {
  Simulator sim = context();
  std::mt19937_64 random(GetParam());
  for (uint64_t i = 0; i < 25; ++i) {
    const auto upto = [&random](uint64_t most) { return static_cast<uint32_t>(1 + random() % most); };
    expect_exact(sim, {upto(i % 5 ? 140 : 300), upto(i % 7 ? 700 : 2700), upto(i % 6 ? 520 : 1300)}, random());
  }
}
INSTANTIATE_TEST_SUITE_P(TernaryGemm, Ragged, testing::Range<uint64_t>(1, 9));

TEST(TernaryGemmPlan, RefusesWhatItCannotHold) {
  EXPECT_EQ(make_plan({0, 1, 1}).error().message, "GEMM: M is 0, expected 1 to 2048");
  EXPECT_EQ(make_plan({2049, 1, 1}).error().message, "GEMM: M is 2049, expected 1 to 2048");
  EXPECT_EQ(make_plan({1, 1, 131073}).error().message, "GEMM: K is 131073, expected 1 to 131072");
}

}  // namespace
}  // namespace onebit::npu::gemm
