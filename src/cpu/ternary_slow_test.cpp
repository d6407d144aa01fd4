// The full cross product of shapes, token counts, inputs, instruction sets and layouts. Tokens are
// independent of each other, so the oracle computes 129 of them once per shape and serves every count.
#include "cpu/ternary.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "cpu/ternary_problem.h"

namespace onebit::cpu {
namespace {

constexpr uint32_t kTokens[] = {129, 64, 31, 8, 7, 3, 2, 1};
constexpr uint32_t kRows[] = {1, 15, 16, 17, 63, 64, 65, 100, 333, 640, 2560, 6912};
// Odd multiples of both tile widths (16 * 7, 20 * 7), ragged tails, and the widths of real models.
constexpr uint32_t kCols[] = {64, 65, 100, 112, 140, 333, 500, 640, 2560, 6912};

class TernaryShapes : public testing::TestWithParam<uint32_t> {};

void compare_all(Problem p) {
  p.tokens = kTokens[0];
  const TernaryMatrix matrices[] = {pack(p, TernaryLayout::p2), pack(p, TernaryLayout::p16)};
  const std::vector<int32_t> expected = run_gemv(ternary_kernels(Isa::scalar), matrices[0], p);
  for (const TernaryMatrix& w : matrices)
    for (const Isa isa : available_isas()) {
      if (isa == Isa::scalar && w.layout == TernaryLayout::p2) continue;
      const TernaryKernels& k = ternary_kernels(isa);
      for (const uint32_t tokens : kTokens) {
        // The scalar GEMM is its GEMV; the GEMV does not know about tokens.
        if (isa == Isa::scalar && tokens > 1) continue;
        p.tokens = tokens;
        SCOPED_TRACE(testing::Message() << isa_name(isa) << " layout " << int(w.layout) << ' ' << p.rows << 'x' << p.cols
                                        << " tokens " << tokens);
        const auto gemm = run_gemm(k, w, p, w.groups);
        ASSERT_TRUE(std::equal(gemm.begin(), gemm.end(), expected.begin())) << "GEMM";
        if (tokens > 8) continue;
        const auto gemv = run_gemv(k, w, p);
        ASSERT_TRUE(std::equal(gemv.begin(), gemv.end(), expected.begin())) << "GEMV";
      }
    }
}

TEST_P(TernaryShapes, EveryIsaIsScalar) {
  for (const uint32_t rows : kRows) compare_all(make(rows, GetParam(), kTokens[0], Fill::random, Codes::random));
}

TEST_P(TernaryShapes, EveryIsaIsScalarOnExtremes) {
  for (const Codes codes : {Codes::all_two, Codes::all_zero})
    for (const Fill fill : {Fill::all_max, Fill::all_min, Fill::all_minus_127, Fill::zero})
      compare_all(make(65, GetParam(), kTokens[0], fill, codes));
}

INSTANTIATE_TEST_SUITE_P(Columns, TernaryShapes, testing::ValuesIn(kCols));

}  // namespace
}  // namespace onebit::cpu
