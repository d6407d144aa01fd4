// The whole way: weights packed once, a plan per shape, its instruction stream run in the simulator, int32 results equal
// to plain loops.
#include <gtest/gtest.h>

#include <random>

#include "npu/gemm/array_program.h"
#include "npu/gemm/packing.h"
#include "npu/image/transaction.h"
#include "npu/kernels/registry.h"
#include "npu/sim/simulator.h"

namespace onebit::npu::gemm {
namespace {

const ArrayProgram& program() {
  static const ArrayProgram p = [] {
    auto made = ArrayProgram::make();
    if (!made) {
      ADD_FAILURE() << made.error().message;
      std::abort();
    }
    return std::move(*made);
  }();
  return p;
}

Simulator context(bool timed = false) {
  SimOptions options;
  options.kernels = builtin_kernels();
  options.timed = timed;
  auto s = Simulator::open(program().lowered().program.device(), program().lowered().xclbin, options);
  EXPECT_TRUE(s.has_value()) << s.error().message;
  return std::move(*s);
}

std::string name(Shape s) { return fmt::format("{} x {} x {}", s.m, s.n, s.k); }

struct Data {
  Shape shape;
  std::vector<int8_t> x;      // [m][k]
  std::vector<uint8_t> codes; // [n][k]

  Data(Shape s, uint64_t seed) : shape(s), x(size_t{s.m} * s.k), codes(size_t{s.n} * s.k) {
    std::mt19937_64 random(seed);
    for (int8_t& v : x) v = static_cast<int8_t>(random());
    for (uint8_t& c : codes) c = static_cast<uint8_t>(random() % 3);
  }
  std::vector<int32_t> product() const {
    std::vector<int32_t> c(size_t{shape.m} * shape.n);
    for (size_t m = 0; m < shape.m; ++m)
      for (size_t n = 0; n < shape.n; ++n) {
        const int8_t* a = &x[m * shape.k];
        const uint8_t* w = &codes[n * shape.k];
        int32_t sum = 0;
        for (size_t k = 0; k < shape.k; ++k) sum += a[k] * (w[k] - 1);
        c[m * shape.n + n] = sum;
      }
    return c;
  }
};

Result<RunReport> multiply(Simulator& sim, const Data& d, std::vector<int32_t>& out) {
  ONEBIT_ASSIGN(const Plan plan, make_plan(d.shape));
  ONEBIT_ASSIGN(const Transaction t, program().stream(plan));
  ONEBIT_ASSIGN(const std::vector<uint8_t> stream, write_transaction(t));
  std::vector<uint8_t> x(plan.x_bytes()), w(plan.w_bytes()), c(plan.c_bytes(), 0xEE);
  std::vector<int32_t> sums(d.shape.m);
  pack_weights(d.shape.n, d.shape.k, [&](uint32_t row, uint8_t* codes) { std::copy_n(&d.codes[size_t{row} * d.shape.k], d.shape.k, codes); }, 0,
               weight_groups(d.shape.n), w);
  pack_activations(plan, d.x.data(), d.shape.k, x, sums);
  std::array<std::span<uint8_t>, 3> buffers{x, w, c};
  ONEBIT_ASSIGN(RunReport report, sim.run(stream, buffers));
  out.assign(size_t{d.shape.m} * d.shape.n, 0x5A5A5A5A);
  const Output all{0, d.shape.n, out.data(), d.shape.n};
  unpack_results(plan, c, sums, {&all, 1}, 0, d.shape.m);
  return report;
}

// One context for many shapes, in turn: nothing of a run is left for the next.
void expect_exact(Simulator& sim, Shape shape, uint64_t seed) {
  const Data d(shape, seed);
  std::vector<int32_t> out;
  const auto report = multiply(sim, d, out);
  ASSERT_TRUE(report.has_value()) << name(shape) << ": " << report.error().message;
  const std::vector<int32_t> want = d.product();
  for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(out[i], want[i]) << name(shape) << " at row " << i / shape.n << ", column " << i % shape.n;
  const Plan plan = make_plan(shape).value();
  EXPECT_EQ(report->ddr_read_bytes, plan.x_read + plan.w_read) << name(shape);
  EXPECT_EQ(report->ddr_write_bytes, plan.c_written) << name(shape);
  EXPECT_TRUE(report->still_active.empty()) << report->still_active[0];
  EXPECT_TRUE(report->unwaited.empty()) << report->unwaited[0];
}

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
  check({100, 2600, 600}, {{0, 3, 3, true, false}});                              // one wave along M: weights stream
  check({200, 2600, 600}, {{0, 3, 3, true, true}});                               // all weights resident
  check({130, 6300, 2600}, {{0, 3, 3, true, true}, {3, 2, 2, true, true}});       // in groups, the last one smaller
  check({130, 2600, 6500}, {{0, 3, 1, false, true}});                             // weights resident, activations stream
  check({70, 1300, 12700}, {{0, 2, 2, false, false}});                           // too deep for either
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
