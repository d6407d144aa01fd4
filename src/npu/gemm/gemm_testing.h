// Shared by the tests: the program in a simulator, random operands, plain loops as the reference.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "npu/gemm/array_program.h"
#include "npu/gemm/packing.h"
#include "npu/image/transaction.h"
#include "npu/kernels/registry.h"
#include "npu/sim/simulator.h"

namespace onebit::npu::gemm {

inline const ArrayProgram& program() {
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

inline Simulator context(bool timed = false) {
  SimOptions options;
  options.kernels = builtin_kernels();
  options.timed = timed;
  auto s = Simulator::open(program().lowered().program.device(), program().lowered().xclbin, options);
  EXPECT_TRUE(s.has_value()) << s.error().message;
  return std::move(*s);
}

inline std::string name(Shape s) { return fmt::format("{} x {} x {}", s.m, s.n, s.k); }

struct Data {
  Shape shape;
  std::vector<int8_t> x;       // [m][k]
  std::vector<uint8_t> codes;  // [n][k]

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

inline Result<RunReport> multiply(Simulator& sim, const Data& d, std::vector<int32_t>& out) {
  ONEBIT_ASSIGN(const Plan plan, make_plan(d.shape));
  ONEBIT_ASSIGN(const Transaction t, program().stream(plan));
  ONEBIT_ASSIGN(const std::vector<uint8_t> stream, write_transaction(t));
  std::vector<uint8_t> x(plan.x_bytes(), 0xEE), w(plan.w_bytes(), 0xEE), c(plan.c_bytes(), 0xEE);
  std::vector<int32_t> sums(d.shape.m);
  pack_weights(d.shape.n, d.shape.k, [&](uint32_t row, uint8_t* codes) { std::copy_n(&d.codes[size_t{row} * d.shape.k], d.shape.k, codes); }, 0,
               weight_groups(d.shape.n), w);
  pack_activations(plan, d.x.data(), d.shape.k, x, sums, 0, packed_rows(plan));
  std::array<std::span<uint8_t>, 3> buffers{x, w, c};
  ONEBIT_ASSIGN(RunReport report, sim.run(stream, buffers));
  out.assign(size_t{d.shape.m} * d.shape.n, 0x5A5A5A5A);
  const Output all{0, d.shape.n, out.data(), d.shape.n};
  unpack_results(plan, c, sums, {&all, 1}, 0, d.shape.m);
  return report;
}

// One context for many shapes, in turn: nothing of a run is left for the next.
inline void expect_exact(Simulator& sim, Shape shape, uint64_t seed) {
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

}  // namespace onebit::npu::gemm
