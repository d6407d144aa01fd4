// Every instruction set, layout, GEMV and GEMM against the scalar oracle, and the oracle against the
// definition, exactly. Outputs are poisoned before every call.
#include "cpu/ternary.h"

#include <gtest/gtest.h>

#include "cpu/ternary_problem.h"

namespace onebit::cpu {
namespace {

void compare(const Problem& p, const char* what) {
  const TernaryKernels& scalar = ternary_kernels(Isa::scalar);
  const TernaryMatrix p2 = pack(p, TernaryLayout::p2), p16 = pack(p, TernaryLayout::p16);
  const std::vector<int32_t> expected = run_gemv(scalar, p2, p);
  for (const TernaryMatrix* w : {&p2, &p16})
    for (const Isa isa : available_isas()) {
      SCOPED_TRACE(testing::Message() << what << ' ' << isa_name(isa) << (w == &p2 ? " p2 " : " p16 ") << p.rows << 'x'
                                      << p.cols << " tokens " << p.tokens);
      const TernaryKernels& k = ternary_kernels(isa);
      ASSERT_EQ(k.isa, isa);
      ASSERT_EQ(run_gemv(k, *w, p), expected);
      ASSERT_EQ(run_gemm(k, *w, p, w->groups), expected);
      ASSERT_EQ(run_gemm(k, *w, p, 3), expected);
    }
}

TEST(Ternary, ScalarIsTheDefinition) {
  for (const auto& [rows, cols] : {std::pair{1u, 1u}, {3u, 64u}, {16u, 65u}, {17u, 100u}, {33u, 333u}, {5u, 6912u}})
    for (const Codes kind : {Codes::random, Codes::all_two, Codes::all_zero})
      for (const Fill fill : {Fill::random, Fill::all_max, Fill::all_min, Fill::all_minus_127, Fill::zero}) {
        const Problem p = make(rows, cols, 2, fill, kind);
        for (const TernaryLayout layout : {TernaryLayout::p2, TernaryLayout::p16}) {
          const TernaryMatrix w = pack(p, layout);
          const auto acc = run_gemv(ternary_kernels(Isa::scalar), w, p);
          for (uint32_t m = 0; m < p.tokens; ++m)
            for (uint32_t r = 0; r < rows; ++r) ASSERT_EQ(acc[m * w.groups * 16 + r], p.naive(m, r));
        }
      }
}

constexpr uint32_t kTokens[] = {1, 2, 3, 7, 8, 31, 64, 129};
constexpr uint32_t kRows[] = {1, 15, 16, 17, 63, 64, 65, 100, 333, 640};
constexpr uint32_t kCols[] = {1, 15, 16, 17, 20, 60, 64, 65, 80, 100, 112, 140, 333, 480, 496, 500, 640, 960, 1600, 2560, 6912};

// Every row count, column count and token count at least once with each neighbour in the lists.
TEST(Ternary, EveryIsaIsScalar) {
  size_t i = 0;
  for (const uint32_t cols : kCols)
    for (int n = 0; n < 3; ++n, ++i) {
      const uint32_t tokens = kTokens[i % std::size(kTokens)];
      uint32_t rows = kRows[(i * 3 + i / 8) % std::size(kRows)];
      if (size_t{rows} * cols * tokens > 8u << 20) rows = rows % 2 ? 17 : 16;
      compare(make(rows, cols, tokens, Fill::random, Codes::random), "random");
    }
  compare(make(6912, 64, 2, Fill::random, Codes::random), "random");
  compare(make(2560, 112, 3, Fill::random, Codes::random), "random");
}

// Small batches are cut into blocks of their own, odd groups left over.
TEST(Ternary, EveryFewTokens) {
  for (uint32_t tokens = 1; tokens <= 26; ++tokens) compare(make(33 + tokens % 3 * 16, 333, tokens, Fill::random, Codes::random), "few");
}

TEST(Ternary, AdversarialInputs) {
  for (const uint32_t cols : {65u, 480u, 1600u, 6912u})
    for (const uint32_t tokens : {1u, 7u})
      for (const Codes kind : {Codes::random, Codes::all_two, Codes::all_zero})
        for (const Fill fill : {Fill::all_max, Fill::all_min, Fill::all_minus_127, Fill::zero})
          compare(make(33, cols, tokens, fill, kind), "adversarial");
}

// The widest matrix that is accepted does not overflow any partial sum.
TEST(Ternary, WidestMatrix) {
  compare(make(17, kMaxColumns, 2, Fill::all_min, Codes::all_two), "widest");
  compare(make(17, kMaxColumns, 2, Fill::all_max, Codes::all_two), "widest");
}

// Columns past the activations may hold any code: a matrix cut off inside its last tile, whose rest is
// random, gives what the padded one does.
TEST(Ternary, PaddingColumnsDoNotMatter) {
  const Problem wide = make(20, 80, 3, Fill::random, Codes::random);
  Problem narrow = wide;
  narrow.cols = 70;
  narrow.codes.clear();
  for (uint32_t r = 0; r < wide.rows; ++r)
    narrow.codes.insert(narrow.codes.end(), wide.codes.begin() + r * 80, wide.codes.begin() + r * 80 + 70);
  for (uint32_t m = 0; m < narrow.tokens; ++m)
    for (uint32_t k = 70; k < 80; ++k) {
      narrow.sum[m] -= narrow.q[m * narrow.stride + k];
      narrow.q[m * narrow.stride + k] = 0;
    }
  for (const TernaryLayout layout : {TernaryLayout::p2, TernaryLayout::p16}) {
    const TernaryMatrix padded = pack(narrow, layout), cut = pack(wide, layout);
    for (const Isa isa : available_isas()) {
      const TernaryKernels& k = ternary_kernels(isa);
      ASSERT_EQ(run_gemm(k, cut, narrow, 1), run_gemm(k, padded, narrow, 1)) << isa_name(isa);
      ASSERT_EQ(run_gemv(k, cut, narrow), run_gemv(k, padded, narrow)) << isa_name(isa);
    }
  }
}

TEST(Ternary, UnpackIsTheReverse) {
  ThreadPool pool(1);
  for (const TernaryLayout layout : {TernaryLayout::p2, TernaryLayout::p16})
    for (const uint32_t cols : {1u, 16u, 20u, 61u, 333u}) {
      const uint32_t rows = 35;
      const auto code = [&](uint32_t r, uint32_t c) { return static_cast<uint8_t>((r * 7 + c * c + c / 5) % 3); };
      const auto m = pack_ternary(rows, cols, layout, pool, [&](uint32_t r, uint8_t* out) {
        for (uint32_t c = 0; c < cols; ++c) out[c] = code(r, c);
      });
      ASSERT_TRUE(m);
      std::vector<uint8_t> row(cols + 1, 0xEE);
      for (uint32_t r = 0; r < rows; ++r) {
        unpack_ternary_row(*m, r, row.data());
        for (uint32_t c = 0; c < cols; ++c) ASSERT_EQ(row[c], code(r, c)) << "row " << r << " column " << c;
        ASSERT_EQ(row[cols], 0xEE);
      }
    }
}

TEST(Ternary, RefusesShapesOutOfRange) {
  const RowCodes none = [](uint32_t, uint8_t*) { FAIL() << "asked for a row"; };
  EXPECT_FALSE(pack_ternary(0, 64, TernaryLayout::p2, pool(), none));
  EXPECT_FALSE(pack_ternary(64, 0, TernaryLayout::p2, pool(), none));
  const auto wide = pack_ternary(64, kMaxColumns + 1, TernaryLayout::p2, pool(), none);
  ASSERT_FALSE(wide);
  EXPECT_EQ(wide.error().code, Errc::out_of_range);
  EXPECT_NE(wide.error().message.find("262145"), std::string::npos);
}

TEST(Isa, NamesRoundTrip) {
  ASSERT_EQ(available_isas().front(), Isa::scalar);
  for (const Isa isa : available_isas()) EXPECT_EQ(parse_isa(isa_name(isa)).value(), isa);
  EXPECT_EQ(parse_isa("auto").value(), best_isa());
  const auto bad = parse_isa("mmx");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::usage);
  EXPECT_NE(bad.error().message.find("scalar"), std::string::npos);
}

}  // namespace
}  // namespace onebit::cpu
