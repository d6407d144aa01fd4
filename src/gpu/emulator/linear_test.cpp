// Ternary kernels against the definition: int32 sums exact, epilogues with the bits of src/cpu.
#include <gtest/gtest.h>

#include <random>

#include "cpu/float_ops.h"
#include "gpu/emulator/emulator.h"
#include "gpu/emulator/guarded.h"
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
  pack_units(packing, 0, units_of(rows), p.cols, [&](uint32_t unit, uint32_t slot, uint8_t* codes) {
    const uint32_t row = unit * kUnitRows + slot;
    if (row >= rows) return false;
    std::copy_n(p.codes.data() + size_t{first_row + row} * p.cols, p.cols, codes);
    return true;
  }, out.data());
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
    if (tokens < shape().tokens_of_kernel) check_gemv(make(40, 700, tokens), shape(), 8, Matrix::gfx11, Order::forward);
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
