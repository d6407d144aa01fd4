// The output head: an int8 copy of the output matrix gives each row an approximate logit and a bound on its error; rows
// that could be among the k best are computed in full precision. src/cpu/head.h derives the bound
//
//   |fl(w.x) - approx| <= |w - w^| a + |w| c,   a = (|x| + |x - x^|)(1 + g),   c = |x - x^| + g (|x| + |x - x^|)
//
// for any copy w^ and any 15-bit x^ = unit * (128 hi + lo). Here w^ = scale * code with one scale a row, and
// approx = (128 H + L) * (scale * unit) with H, L exact int32 products of codes with hi and lo. |128 hi| <= 2 |128 hi + lo|
// and |lo| <= |128 hi + lo| for each element, so that the five roundings of approx are below 8 u |w^||x^|, which the 40
// units in g cover along with those of the full-precision dot (ceil(dim / 64) + 6) and of the bound itself.
//
// The copy is read once: vocab * dim bytes, 2 dot4 for 4 of them. Memory bound everywhere.
#pragma once

#include "gpu/kernels/float_math.h"

namespace onebit::gpu {
namespace {

constexpr uint32_t kHeadWarps = kBlock / kWarp;
constexpr float kSmallestWeight = 1e-30f, kLargestWeight = 1e30f;
constexpr float kSmallestInput = 1e-15f, kLargestInput = 1e30f, kLargestLogit = 1e37f;
constexpr int32_t kInputSteps = 127 * 128 + 63;

// A Euclidean norm from a sum of squares that took at most `additions` roundings, rounded up; squares that underflow
// lose at most 2^18 * 2^-149 of the sum.
ONEBIT_DEVICE float norm_above(float squares, float additions) {
  return sqrt_exact(squares) * (1.0f + (additions + 8.0f) * 0x1p-23f) + 4e-20f;
}

ONEBIT_DEVICE float warp_sum_ordered(float x) {
  for (uint32_t m = kWarp / 2; m > 0; m /= 2) x = x + shuffle_xor(x, m);
  return x;
}

// ---- At load: a warp a row ---------------------------------------------------------------------------------------
ONEBIT_DEVICE void compress_row(const HeadArgs& a, uint32_t row) {
  if (row >= a.vocab) return;
  const uint32_t stride = head_stride(a.dim);
  const uint64_t first = uint64_t{row} * a.dim;
  float top = 0.0f, bad = 0.0f;
  for (uint32_t i = lane(); i < a.dim; i += kWarp) {
    const float w = load_float(a.table, a.type, first + i);
    top = max_or(__builtin_fabsf(w), top);
    bad = fma(w, 0.0f, bad);
  }
  top = warp_max(top);
  bad = warp_sum_ordered(bad);
  const bool useless = bad != bad || top > kLargestWeight;
  const float scale = useless || top < kSmallestWeight ? 0.0f : top / 127.0f;
  float squares = 0.0f, error = 0.0f;
  for (uint32_t i = lane(); i < stride; i += kWarp) {
    int32_t code = 0;
    if (i < a.dim && !useless) {
      const float w = load_float(a.table, a.type, first + i);
      if (scale > 0.0f) code = round_to_int(min_or(127.0f, max_or(-127.0f, w / scale)));
      const float e = fma(-static_cast<float>(code), scale, w);
      squares = fma(w, w, squares);
      error = fma(e, e, error);
    }
    a.codes[uint64_t{row} * stride + i] = static_cast<int8_t>(code);
  }
  squares = warp_sum_ordered(squares);
  error = warp_sum_ordered(error);
  if (lane() != 0) return;
  const float additions = static_cast<float>(a.dim) / 32.0f + 8.0f;
  a.scale[row] = scale;
  a.error[row] = useless ? kInfinity : norm_above(error, additions);
  a.norm[row] = useless ? kInfinity : norm_above(squares, additions);
}

// ---- Per token: h as two planes of int8, and the constants of the bound -------------------------------------------
struct HeadShared {
  float values[4][kHeadWarps];
};

ONEBIT_DEVICE void prepare_token(const HeadArgs& a, uint32_t t, HeadShared& s) {
  const float* const h = a.h + uint64_t{t} * a.dim;
  float top = 0.0f, bad = 0.0f, squares = 0.0f;
  for (uint32_t i = thread_x(); i < a.dim; i += kBlock) {
    top = max_or(__builtin_fabsf(h[i]), top);
    bad = fma(h[i], 0.0f, bad);
    squares = fma(h[i], h[i], squares);
  }
  top = warp_max(top);
  bad = warp_sum_ordered(bad);
  squares = warp_sum_ordered(squares);
  if (lane() == 0) {
    s.values[0][warp()] = top;
    s.values[1][warp()] = bad;
    s.values[2][warp()] = squares;
  }
  barrier();
  squares = 0.0f;
  for (uint32_t i = 0; i < kHeadWarps; ++i) {
    top = max_or(s.values[0][i], top);
    bad = bad + s.values[1][i];
    squares = squares + s.values[2][i];
  }
  const bool usable = bad == bad && top >= kSmallestInput && top <= kLargestInput && squares < kInfinity;
  const float unit = usable ? top / static_cast<float>(kInputSteps) : 1.0f;

  const uint32_t stride = head_stride(a.dim);
  float error = 0.0f;
  for (uint32_t i = thread_x(); i < stride; i += kBlock) {
    int32_t q = 0;
    if (i < a.dim && usable) {
      q = round_to_int(h[i] / unit);
      q = q > kInputSteps ? kInputSteps : q < -kInputSteps ? -kInputSteps : q;
      const float e = fma(-static_cast<float>(q), unit, h[i]);
      error = fma(e, e, error);
    }
    const int32_t upper = (q + 64) >> 7;
    a.hi[uint64_t{t} * stride + i] = static_cast<int8_t>(upper);
    a.lo[uint64_t{t} * stride + i] = static_cast<int8_t>(q - 128 * upper);
  }
  error = warp_sum_ordered(error);
  if (lane() == 0) s.values[3][warp()] = error;
  barrier();
  if (thread_x() != 0) return;
  error = 0.0f;
  for (uint32_t i = 0; i < kHeadWarps; ++i) error = error + s.values[3][i];
  const float additions = static_cast<float>(a.dim) / 256.0f + 16.0f;
  const float norm = norm_above(squares, additions), lost = norm_above(error, additions);
  const uint32_t roundings = (a.dim + 63) / 64 + 40;
  const float g = 0x1p-24f * 1.01f * static_cast<float>(roundings);
  constexpr float kUp = 1.0f + 2e-6f;
  float* const input = a.input + 4 * t;
  input[0] = unit;
  input[1] = (norm + lost) * (1.0f + g) * kUp;
  input[2] = (lost + g * (norm + lost)) * kUp;
  input[3] = usable ? 1.0f : 0.0f;
}

// ---- Scan: kRows rows at a time by a warp, kTokens tokens of one read ----------------------------------------------
template <int kTokens, int kRows>
ONEBIT_DEVICE void scan_rows(const HeadArgs& a, uint32_t first, uint32_t t0, uint32_t tokens, float (&lowest)[kTokens]) {
  const uint32_t stride = head_stride(a.dim);
  int32_t hi[kTokens][kRows] = {}, lo[kTokens][kRows] = {};
  for (uint32_t c = lane() * 16; c < stride; c += kWarp * 16) {
    U4 w[kRows];
    ONEBIT_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const uint32_t row = least(first + r, a.vocab - 1);
      w[r] = load_once<U4>(a.codes + uint64_t{row} * stride + c);
    }
    ONEBIT_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const uint64_t at = uint64_t{t0 + least(t, tokens - 1)} * stride + c;
      const U4 x = *reinterpret_cast<const U4*>(a.hi + at), y = *reinterpret_cast<const U4*>(a.lo + at);
      ONEBIT_UNROLL
      for (int r = 0; r < kRows; ++r) {
        ONEBIT_UNROLL
        for (int i = 0; i < 4; ++i) {
          hi[t][r] = dot4_signed(w[r].v[i], x.v[i], hi[t][r]);
          lo[t][r] = dot4_signed(w[r].v[i], y.v[i], lo[t][r]);
        }
        settle(hi[t][r]);
        settle(lo[t][r]);
      }
    }
  }
  ONEBIT_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    int32_t h = 0, l = 0;
    ONEBIT_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int32_t hs = warp_sum(hi[t][r]), ls = warp_sum(lo[t][r]);
      h = lane() == static_cast<uint32_t>(r) ? hs : h;
      l = lane() == static_cast<uint32_t>(r) ? ls : l;
    }
    const uint32_t row = first + lane();
    if (lane() >= kRows || row >= a.vocab || static_cast<uint32_t>(t) >= tokens) continue;
    const float* const input = a.input + 4 * (t0 + t);
    const float error = a.error[row], norm = a.norm[row];
    const float approx = (static_cast<float>(h) * 128.0f + static_cast<float>(l)) * (a.scale[row] * input[0]);
    float upper = fma(error, input[1], fma(norm, input[2], approx));
    float lower = fma(-error, input[1], fma(-norm, input[2], approx));
    if (!(input[3] != 0.0f && norm * input[1] < kLargestLogit)) {
      upper = kInfinity;
      lower = -kInfinity;
    }
    a.upper[uint64_t{t0 + t} * a.vocab + row] = upper;
    lowest[t] = max_or(lower, lowest[t]);
  }
}

struct ScanShared {
  float lower[4][kHeadWarps];
};

template <int kTokens, int kRows>
ONEBIT_DEVICE void scan_group(const HeadArgs& a, uint32_t t0, uint32_t tokens, ScanShared& s) {
  float best[kTokens];
  ONEBIT_UNROLL
  for (int t = 0; t < kTokens; ++t) best[t] = -kInfinity;
  constexpr uint32_t kWarpRows = kHeadRows / kHeadWarps;
  for (uint32_t r = 0; r < kWarpRows; r += kRows) {
    const uint32_t first = block_x() * kHeadRows + warp() * kWarpRows + r;
    if (first < a.vocab) scan_rows<kTokens, kRows>(a, first, t0, tokens, best);
  }
  ONEBIT_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const float x = warp_max(best[t]);
    if (lane() == 0) s.lower[t][warp()] = x;
  }
  barrier();
  if (thread_x() >= tokens) return;
  float top = -kInfinity;
  for (uint32_t i = 0; i < kHeadWarps; ++i) top = max_or(s.lower[thread_x()][i], top);
  a.lower[uint64_t{t0 + thread_x()} * head_groups(a.vocab) + block_x()] = top;
}

ONEBIT_DEVICE void scan_block(const HeadArgs& a, ScanShared& s) {
  const uint32_t t0 = block_y() * 4, tokens = least(4, a.tokens - t0);
  if (tokens == 1) {
    scan_group<1, 8>(a, t0, tokens, s);
  } else {
    scan_group<4, 4>(a, t0, tokens, s);
  }
}

// ---- Threshold, candidates, their logits --------------------------------------------------------------------------
// An order of floats as unsigned integers.
ONEBIT_DEVICE uint32_t ordered(float x) {
  const uint32_t b = as_bits(x);
  return b ^ (b >> 31 ? 0xffffffffu : 0x80000000u);
}
ONEBIT_DEVICE float from_ordered(uint32_t key) { return as_float(key ^ (key >> 31 ? 0x80000000u : 0xffffffffu)); }

ONEBIT_DEVICE uint32_t wanted_rows(const HeadArgs& a, uint32_t t) {
  const uint32_t k = a.parameters[t].top_k, most = least(a.vocab, kMaxTopK);
  return k < 1 ? 1 : least(k, most);
}

struct CountShared {
  int32_t counts[kHeadWarps];
};
ONEBIT_DEVICE uint32_t block_count(uint32_t x, CountShared& s) {
  const int32_t sum = warp_sum(static_cast<int32_t>(x));
  barrier();
  if (lane() == 0) s.counts[warp()] = sum;
  barrier();
  uint32_t total = 0;
  for (uint32_t i = 0; i < kHeadWarps; ++i) total += static_cast<uint32_t>(s.counts[i]);
  return total;
}

// At least k rows have a logit of the threshold or more: k groups have a row whose lower bound reaches it. The upper 16
// bits of the k-th largest are enough.
ONEBIT_DEVICE void threshold_token(const HeadArgs& a, uint32_t t, CountShared& s) {
  const uint32_t groups = head_groups(a.vocab), k = wanted_rows(a, t);
  const float* const lower = a.lower + uint64_t{t} * groups;
  uint32_t key = 0;
  for (uint32_t bit = 31; k <= groups && bit >= 16; --bit) {
    const uint32_t wanted = key | 1u << bit;
    uint32_t count = 0;
    for (uint32_t i = thread_x(); i < groups; i += kBlock) count += ordered(lower[i]) >= wanted;
    if (block_count(count, s) >= k) key = wanted;
  }
  if (thread_x() != 0) return;
  const float threshold = from_ordered(key);
  a.threshold[t] = threshold >= -kLargestLogit ? threshold : -kInfinity;
  a.counts[t] = 0;
}

ONEBIT_DEVICE void collect_row(const HeadArgs& a, uint32_t row, uint32_t t) {
  if (row >= a.vocab) return;
  const uint64_t first = uint64_t{t} * a.vocab;
  if (!(a.upper[first + row] < a.threshold[t])) a.list[first + atomic_add(a.counts + t, 1)] = row;
}

ONEBIT_DEVICE void rescore_rows(const HeadArgs& a, uint32_t block, uint32_t t) {
  const uint32_t count = a.counts[t];
  for (uint32_t i = block * kHeadWarps + warp(); i < count; i += kRescoreBlocks * kHeadWarps) {
    const uint32_t row = a.list[uint64_t{t} * a.vocab + i];
    const float logit = warp_dot(a.table, a.type, uint64_t{row} * a.dim, a.h + uint64_t{t} * a.dim, a.dim);
    if (lane() == 0) a.logits[uint64_t{t} * a.vocab + i] = logit;
  }
}

}  // namespace
}  // namespace onebit::gpu
