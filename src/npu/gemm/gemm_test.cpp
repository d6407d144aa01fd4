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
  unpack_results(plan, c, sums, out.data(), d.shape.n);
  return report;
}

TEST(TernaryGemm, OneWave) {
  Simulator sim = context();
  for (uint64_t run = 0; run < 3; ++run) {
    const Data d({128, 1280, 512}, run);
    std::vector<int32_t> out;
    auto report = multiply(sim, d, out);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    ASSERT_EQ(out, d.product());
  }
}

}  // namespace
}  // namespace onebit::npu::gemm
