// A ternary product with all its data, and the ways to compute it: what ternary_test.cpp and
// ternary_slow_test.cpp share.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "cpu/isa.h"
#include "cpu/ternary.h"

namespace onebit::cpu {
namespace {

enum class Fill { random, all_max, all_min, all_minus_127, zero };
enum class Codes { random, all_two, all_zero };

struct Problem {
  uint32_t rows, cols, tokens;
  std::vector<uint8_t> codes;  // [rows][cols]
  std::vector<int8_t> q;       // [tokens][stride]
  std::vector<int32_t> sum;    // [tokens]
  size_t stride;

  int32_t naive(uint32_t m, uint32_t r) const {
    int32_t s = 0;
    for (uint32_t k = 0; k < cols; ++k) s += (codes[size_t{r} * cols + k] - 1) * q[m * stride + k];
    return s;
  }
};

Problem make(uint32_t rows, uint32_t cols, uint32_t tokens, Fill fill, Codes kind) {
  Problem p{rows, cols, tokens, {}, {}, {}, quant_stride(cols)};
  std::mt19937 rng(rows * 7919u + cols * 31u + tokens);
  p.codes.resize(size_t{rows} * cols);
  for (auto& c : p.codes) c = kind == Codes::random ? rng() % 3 : kind == Codes::all_two ? 2 : 0;
  p.q.assign(tokens * p.stride, 0);
  p.sum.assign(tokens, 0);
  for (uint32_t m = 0; m < tokens; ++m)
    for (uint32_t k = 0; k < cols; ++k) {
      int v = 0;
      switch (fill) {
        case Fill::random: v = static_cast<int>(rng() % 256) - 128; break;
        case Fill::all_max: v = 127; break;
        case Fill::all_min: v = -128; break;
        case Fill::all_minus_127: v = -127; break;
        case Fill::zero: break;
      }
      p.q[m * p.stride + k] = static_cast<int8_t>(v);
      p.sum[m] += v;
    }
  return p;
}

ThreadPool& pool() {
  static ThreadPool p(2);
  return p;
}

TernaryMatrix pack(const Problem& p, TernaryLayout layout) {
  auto m = pack_ternary(p.rows, p.cols, layout, pool(), [&](uint32_t row, uint8_t* out) {
    std::copy_n(p.codes.data() + size_t{row} * p.cols, p.cols, out);
  });
  EXPECT_TRUE(m) << (m ? "" : m.error().message);
  return std::move(*m);
}

constexpr int32_t kPoison = 0x5a5a5a5a;

std::vector<int32_t> run_gemv(const TernaryKernels& k, const TernaryMatrix& w, const Problem& p) {
  const size_t ld = w.groups * 16;
  std::vector<int32_t> acc(p.tokens * ld, kPoison);
  for (uint32_t m = 0; m < p.tokens; ++m)
    k.gemv(w, 0, w.groups, p.q.data() + m * p.stride, p.sum[m], acc.data() + m * ld);
  return acc;
}

// The row groups in pieces of `split`, each into its place; columns between rows + padding and ld must
// stay untouched.
std::vector<int32_t> run_gemm(const TernaryKernels& k, const TernaryMatrix& w, const Problem& p, uint32_t split) {
  const size_t ld = w.groups * 16 + 16;
  std::vector<int32_t> acc(p.tokens * ld, kPoison);
  auto scratch = Buffer::allocate(gemm_scratch_bytes(w), "scratch");
  EXPECT_TRUE(scratch);
  std::fill_n(scratch->data(), scratch->size(), 0xa5);
  const QuantActs x{p.tokens, p.cols, p.stride, p.q.data(), p.sum.data(), nullptr};
  for (uint32_t g = 0; g < w.groups; g += split)
    k.gemm(w, g, std::min(w.groups, g + split), x, acc.data() + g * 16, ld, scratch->data());
  std::vector<int32_t> out;
  for (uint32_t m = 0; m < p.tokens; ++m) {
    for (size_t r = w.groups * 16; r < ld; ++r) EXPECT_EQ(acc[m * ld + r], kPoison) << "wrote past its rows";
    out.insert(out.end(), acc.begin() + m * ld, acc.begin() + m * ld + w.groups * 16);
  }
  return out;
}

}  // namespace
}  // namespace onebit::cpu
