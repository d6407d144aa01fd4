// Ternary kernels against the definition: int32 sums exact, epilogues with the bits of src/cpu.
#include <gtest/gtest.h>

#include <memory>

#include "cpu/float_ops.h"
#include "gpu/emulator/emulator.h"
#include "gpu/emulator/test_launch.h"
#include "gpu/kernels/pack.h"

namespace onebit::gpu {
namespace {

using emulator::Dim3;
using emulator::Guarded;
using emulator::Matrix;
using emulator::Order;

enum class Fill { random, all_max, all_min, all_minus_127, zero };
enum class Codes { random, all_two, all_zero };

struct Problem {
  uint32_t rows, cols, tokens;
  std::vector<uint8_t> codes;  // [rows][cols]
  std::vector<int8_t> q;       // [tokens][quant_stride]
  std::vector<int32_t> sum;
  std::vector<float> inv_scale;

  int32_t naive(uint32_t t, uint32_t r) const {
    int32_t s = 0;
    for (uint32_t k = 0; k < cols; ++k) s += (codes[size_t{r} * cols + k] - 1) * q[size_t{t} * quant_stride(cols) + k];
    return s;
  }
};

Problem make(uint32_t rows, uint32_t cols, uint32_t tokens, Fill fill = Fill::random, Codes kind = Codes::random) {
  Problem p{rows, cols, tokens, {}, {}, {}, {}};
  std::mt19937 rng(rows * 7919u + cols * 31u + tokens);
  p.codes.resize(size_t{rows} * cols);
  for (auto& c : p.codes) c = static_cast<uint8_t>(kind == Codes::random ? rng() % 3 : kind == Codes::all_two ? 2 : 0);
  p.q.assign(size_t{tokens} * quant_stride(cols), 0);
  for (uint32_t t = 0; t < tokens; ++t) {
    int32_t sum = 0;
    for (uint32_t k = 0; k < cols; ++k) {
      const int v = fill == Fill::random          ? static_cast<int>(rng() % 256) - 128
                    : fill == Fill::all_max       ? 127
                    : fill == Fill::all_min       ? -128
                    : fill == Fill::all_minus_127 ? -127
                                                  : 0;
      p.q[size_t{t} * quant_stride(cols) + k] = static_cast<int8_t>(v);
      sum += v;
    }
    p.sum.push_back(sum);
    p.inv_scale.push_back(0.01f + 0.001f * static_cast<float>(t));
  }
  return p;
}

uint32_t units_of(uint32_t rows) { return (rows + kUnitRows - 1) / kUnitRows; }

std::vector<uint8_t> pack(const Problem& p, Packing packing, uint32_t first_row, uint32_t rows) {
  std::vector<uint8_t> out(packed_bytes(packing, units_of(rows), p.cols));
  pack_units(
      packing, 0, units_of(rows), p.cols,
      [&](uint32_t unit, uint32_t slot, uint8_t* codes) {
        const uint32_t row = unit * kUnitRows + slot;
        if (row >= rows) return false;
        std::copy_n(p.codes.data() + size_t{first_row + row} * p.cols, p.cols, codes);
        return true;
      },
      out.data());
  return out;
}

// Device copies of a problem's activations.
struct Input {
  Guarded<int8_t> q;
  Guarded<int32_t> sum;
  Guarded<float> inv_scale;
  explicit Input(const Problem& p) : q(p.q), sum(p.sum), inv_scale(p.inv_scale) {}

  LinearArgs args(const Problem& p, Epilogue epilogue, uint32_t split = 1) const {
    LinearArgs a{};
    a.q = const_cast<Input*>(this)->q.data();
    a.sum = const_cast<Input*>(this)->sum.data();
    a.inv_scale = const_cast<Input*>(this)->inv_scale.data();
    a.tokens = p.tokens;
    a.cols = p.cols;
    a.split = split;
    a.epilogue = epilogue;
    return a;
  }
};

void run(const std::string& kernel, Dim3 grid, uint32_t block, LinearArgs& a, Matrix matrix = Matrix::nvidia,
         Order order = Order::forward) {
  void* args[] = {&a};
  const Status status = emulator::launch(matrix, kernel, grid, {block}, 0, args, order);
  ASSERT_TRUE(status) << status.error().message;
}

struct Shape {
  Packing packing;
  uint32_t tokens_of_kernel;
};
std::string gemv_name(Shape s) {
  return fmt::format("ternary_gemv_{}_t{}", s.packing == Packing::p2 ? "p2" : "p16", s.tokens_of_kernel);
}

void check_gemv(const Problem& p, Shape shape, uint32_t split, Matrix matrix, Order order) {
  Input in(p);
  Guarded<uint8_t> weights(pack(p, shape.packing, 0, p.rows));
  const uint32_t ld = p.rows + 3;
  Guarded<float> out(size_t{p.tokens} * ld);
  LinearArgs a = in.args(p, Epilogue::sums, split);
  a.segments[0] = {weights.data(), out.data(), units_of(p.rows), p.rows, ld, 1.0f};
  run(gemv_name(shape), {gemv_blocks(units_of(p.rows), split)}, kBlock, a, matrix, order);
  const auto* const sums = reinterpret_cast<const int32_t*>(out.data());
  for (uint32_t t = 0; t < p.tokens; ++t) {
    for (uint32_t r = 0; r < p.rows; ++r) ASSERT_EQ(sums[t * ld + r], p.naive(t, r)) << "token " << t << ", row " << r;
    for (uint32_t r = p.rows; r < ld; ++r) ASSERT_EQ(sums[t * ld + r], -1) << "wrote past its rows";
  }
}

class Gemv : public testing::TestWithParam<std::tuple<Packing, uint32_t>> {
 protected:
  Shape shape() const { return {std::get<0>(GetParam()), std::get<1>(GetParam())}; }
};

TEST_P(Gemv, SumsAreExactForRaggedShapes) {
  for (const uint32_t rows : {1u, 17u, 70u})
    for (const uint32_t cols : {1u, 100u, 256u, 333u, 2600u})
      for (const uint32_t split : {1u, 4u}) {
        SCOPED_TRACE(fmt::format("{} x {}, split {}", rows, cols, split));
        check_gemv(make(rows, cols, shape().tokens_of_kernel), shape(), split, Matrix::nvidia, Order::forward);
      }
}

TEST_P(Gemv, FewerTokensThanTheKernelTakes) {
  for (const uint32_t tokens : {1u, 3u, 5u, 9u})
    for (const Matrix matrix : {Matrix::nvidia, Matrix::gfx11})
      if (tokens < shape().tokens_of_kernel) check_gemv(make(40, 700, tokens), shape(), 8, matrix, Order::forward);
}

TEST_P(Gemv, LongRowsAndEverySplit) {
  for (const uint32_t split : {1u, 2u, 4u, 8u})
    check_gemv(make(20, 11000, shape().tokens_of_kernel), shape(), split, Matrix::nvidia, Order::reverse);
}

TEST_P(Gemv, AdversarialValues) {
  for (const Fill fill : {Fill::all_max, Fill::all_min, Fill::all_minus_127, Fill::zero})
    for (const Codes codes : {Codes::all_two, Codes::all_zero, Codes::random})
      check_gemv(make(18, 1300, shape().tokens_of_kernel, fill, codes), shape(), 2, Matrix::gfx12, Order::shuffled);
}

INSTANTIATE_TEST_SUITE_P(Every, Gemv,
                         testing::Combine(testing::Values(Packing::p2, Packing::p16), testing::Values(1, 2, 4, 8, 16)),
                         [](const auto& info) {
                           return gemv_name({std::get<0>(info.param), std::get<1>(info.param)});
                         });

void check_gemm(const Problem& p, uint32_t rows_of_kernel, Matrix matrix, Order order) {
  Input in(p);
  Guarded<uint8_t> weights(pack(p, Packing::p2, 0, p.rows));
  const uint32_t ld = p.rows + 3, units = units_of(p.rows), units_of_block = rows_of_kernel / kUnitRows;
  Guarded<float> out(size_t{p.tokens} * ld);
  LinearArgs a = in.args(p, Epilogue::sums);
  a.segments[0] = {weights.data(), out.data(), units, p.rows, ld, 1.0f};
  const Dim3 grid = {(units + units_of_block - 1) / units_of_block, (p.tokens + kGemmTokens - 1) / kGemmTokens};
  run(fmt::format("ternary_gemm_p2_r{}", rows_of_kernel), grid, kGemmBlock, a, matrix, order);
  const auto* const sums = reinterpret_cast<const int32_t*>(out.data());
  for (uint32_t t = 0; t < p.tokens; ++t) {
    for (uint32_t r = 0; r < p.rows; ++r) ASSERT_EQ(sums[t * ld + r], p.naive(t, r)) << "token " << t << ", row " << r;
    for (uint32_t r = p.rows; r < ld; ++r) ASSERT_EQ(sums[t * ld + r], -1) << "wrote past its rows";
  }
}

class Gemm : public testing::TestWithParam<std::tuple<uint32_t, Matrix>> {
 protected:
  void check(const Problem& p, Order order) { check_gemm(p, std::get<0>(GetParam()), std::get<1>(GetParam()), order); }
};

TEST_P(Gemm, SumsAreExactForRaggedShapes) {
  check(make(1, 1, 1), Order::forward);
  check(make(70, 100, 129), Order::forward);
  check(make(130, 333, 5), Order::reverse);
  check(make(144, 1024, 131), Order::shuffled);
}

TEST_P(Gemm, AdversarialValues) {
  for (const Fill fill : {Fill::all_max, Fill::all_min, Fill::all_minus_127, Fill::zero})
    for (const Codes codes : {Codes::all_two, Codes::all_zero}) check(make(33, 520, 17, fill, codes), Order::forward);
}

INSTANTIATE_TEST_SUITE_P(Every, Gemm,
                         testing::Combine(testing::Values(64, 128),
                                          testing::Values(Matrix::nvidia, Matrix::gfx11, Matrix::gfx12)),
                         [](const auto& info) {
                           return fmt::format("r{}_{}", std::get<0>(info.param),
                                              emulator::name(std::get<1>(info.param)));
                         });

// Three matrices of one input, by GEMV and GEMM: float results with the bits of the CPU's epilogue.
struct Segments {
  Problem p = make(90, 300, 7);
  std::vector<uint32_t> first = {0, 40, 57}, rows = {40, 17, 33};
  float scales[3] = {0.03f, 1.7f, 0.4f};
};

template <class Launch>
void check_segments(Packing packing, Epilogue epilogue, Launch launch) {
  Segments s;
  Input in(s.p);
  std::vector<std::unique_ptr<Guarded<uint8_t>>> weights;
  std::vector<std::unique_ptr<Guarded<float>>> outs;
  std::vector<std::vector<float>> expected;
  LinearArgs a = in.args(s.p, epilogue, 2);
  for (uint32_t i = 0; i < 3; ++i) {
    weights.push_back(std::make_unique<Guarded<uint8_t>>(pack(s.p, packing, s.first[i], s.rows[i])));
    expected.push_back(random_floats(size_t{s.p.tokens} * s.rows[i], i));
    outs.push_back(std::make_unique<Guarded<float>>(expected[i]));
    a.segments[i] = {weights[i]->data(), outs[i]->data(), units_of(s.rows[i]), s.rows[i], s.rows[i], s.scales[i]};
    for (uint32_t t = 0; t < s.p.tokens; ++t) {
      std::vector<int32_t> sums;
      for (uint32_t r = 0; r < s.rows[i]; ++r) sums.push_back(s.p.naive(t, s.first[i] + r));
      const auto& ops = cpu::float_ops(cpu::Isa::scalar);
      (epilogue == Epilogue::add ? ops.scale_add : ops.scale_store)(
          expected[i].data() + size_t{t} * s.rows[i], sums.data(), s.rows[i], s.p.inv_scale[t] * s.scales[i]);
    }
  }
  launch(a, units_of(40) + units_of(17) + units_of(33));
  for (uint32_t i = 0; i < 3; ++i) expect_same_bits(outs[i]->span(), expected[i], "out");
}

TEST(Linear, SegmentsStoreAndAdd) {
  for (const Epilogue epilogue : {Epilogue::store, Epilogue::add}) {
    for (const Packing packing : {Packing::p2, Packing::p16})
      check_segments(packing, epilogue, [&](LinearArgs& a, uint32_t units) {
        run(gemv_name({packing, 8}), {gemv_blocks(units, 2)}, kBlock, a);
      });
    for (const Matrix matrix : {Matrix::nvidia, Matrix::gfx11, Matrix::gfx12})
      check_segments(Packing::p2, epilogue, [&](LinearArgs& a, uint32_t units) {
        run("ternary_gemm_p2_r64", {(units + 3) / 4, 1}, kGemmBlock, a, matrix);
      });
  }
}

// Gate and up of 20 rows in one matrix of units.
template <class Launch>
void check_gated(Packing packing, Epilogue epilogue, Launch launch) {
  constexpr uint32_t kRows = 20;
  const Problem p = make(2 * kRows, 600, 3);
  Input in(p);
  const uint32_t units = (kRows + 7) / 8;
  std::vector<uint8_t> bytes(packed_bytes(packing, units, p.cols));
  pack_units(
      packing, 0, units, p.cols,
      [&](uint32_t unit, uint32_t slot, uint8_t* codes) {
        const uint32_t row = unit * 8 + slot % 8;
        if (row >= kRows) return false;
        std::copy_n(p.codes.data() + size_t{slot / 8 * kRows + row} * p.cols, p.cols, codes);
        return true;
      },
      bytes.data());
  Guarded<uint8_t> weights(bytes);
  Guarded<float> out(size_t{p.tokens} * kRows);
  LinearArgs a = in.args(p, epilogue, 1);
  a.up_scale = 0.7f;
  a.segments[0] = {weights.data(), out.data(), units, kRows, kRows, 0.02f};
  launch(a, units);
  std::vector<float> expected(p.tokens * kRows);
  const auto& ops = cpu::float_ops(cpu::Isa::scalar);
  for (uint32_t t = 0; t < p.tokens; ++t) {
    std::vector<int32_t> gate, up;
    for (uint32_t r = 0; r < kRows; ++r) gate.push_back(p.naive(t, r)), up.push_back(p.naive(t, kRows + r));
    (epilogue == Epilogue::gate_silu ? ops.silu_gate : ops.relu2_gate)(
        expected.data() + t * kRows, gate.data(), up.data(), kRows, p.inv_scale[t] * 0.02f, p.inv_scale[t] * 0.7f);
  }
  expect_same_bits(out.span(), expected, "h");
}

TEST(Linear, GatedPairs) {
  for (const Epilogue epilogue : {Epilogue::gate_relu2, Epilogue::gate_silu}) {
    for (const Packing packing : {Packing::p2, Packing::p16})
      check_gated(packing, epilogue, [&](LinearArgs& a, uint32_t units) {
        run(gemv_name({packing, 4}), {gemv_blocks(units, 1)}, kBlock, a);
      });
    for (const Matrix matrix : {Matrix::nvidia, Matrix::gfx11, Matrix::gfx12})
      check_gated(Packing::p2, epilogue, [&](LinearArgs& a, uint32_t units) {
        run("ternary_gemm_p2_r128", {(units + 7) / 8, 1}, kGemmBlock, a, matrix);
      });
  }
}

// The last block of a GEMV normalises and quantises what all blocks wrote.
TEST(Linear, TailIsNormQuantOfTheResult) {
  const Problem p = make(4100, 256, 2);
  Input in(p);
  Guarded<uint8_t> weights(pack(p, Packing::p2, 0, p.rows));
  const auto before = random_floats(size_t{p.tokens} * p.rows, 4);
  for (const uint32_t split : {1u, 8u}) {
    Guarded<float> x(before), norm(random_floats(p.rows, 5)), inv(p.tokens), inv2(p.tokens);
    Guarded<int8_t> q(size_t{p.tokens} * quant_stride(p.rows)), q2(q.size());
    Guarded<int32_t> sum(p.tokens), sum2(p.tokens);
    Guarded<uint32_t> counter(std::vector<uint32_t>{0});
    LinearArgs a = in.args(p, Epilogue::add, split);
    a.segments[0] = {weights.data(), x.data(), units_of(p.rows), p.rows, p.rows, 0.01f};
    a.counter = counter.data();
    a.next = {x.data(), norm.data(), nullptr, q.data(), inv.data(), sum.data(), p.rows, 1e-5f};
    run("ternary_gemv_p2_t2", {gemv_blocks(units_of(p.rows), split)}, kBlock, a);
    EXPECT_EQ(counter[0], 0u);
    NormQuantArgs alone = a.next;
    alone.q = q2.data(), alone.inv_scale = inv2.data(), alone.sum = sum2.data();
    run_kernel("norm_quant", {p.tokens}, alone);
    EXPECT_EQ(std::memcmp(q.data(), q2.data(), q.size()), 0);
    EXPECT_EQ(std::memcmp(inv.data(), inv2.data(), 4 * p.tokens), 0);
    EXPECT_EQ(std::memcmp(sum.data(), sum2.data(), 4 * p.tokens), 0);
  }
}

TEST(Expand, P16BecomesP2) {
  for (const uint32_t cols : {1u, 256u, 700u, 2560u}) {
    const Problem p = make(35, cols, 1);
    Guarded<uint8_t> in(pack(p, Packing::p16, 0, p.rows)), out(packed_bytes(Packing::p2, units_of(p.rows), cols));
    run_kernel("expand_p16", {units_of(p.rows)}, ExpandArgs{in.data(), out.data(), cols});
    const auto expected = pack(p, Packing::p2, 0, p.rows);
    ASSERT_EQ(std::memcmp(out.data(), expected.data(), expected.size()), 0) << cols << " columns";
  }
}

TEST(Pack, RoundTrip) {
  const Problem p = make(37, 777, 1);
  for (const Packing packing : {Packing::p2, Packing::p16}) {
    const auto bytes = pack(p, packing, 0, p.rows);
    const size_t unit = size_t{tiles(packing, p.cols)} * kTileBytes;
    for (uint32_t r = 0; r < p.rows; ++r) {
      std::vector<uint8_t> codes(p.cols, 9);
      unpack_slot(packing, bytes.data() + r / 16 * unit, r % 16, p.cols, codes.data());
      ASSERT_TRUE(std::equal(codes.begin(), codes.end(), p.codes.begin() + r * p.cols)) << "row " << r;
    }
  }
}

}  // namespace
}  // namespace onebit::gpu
