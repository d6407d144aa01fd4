// The k best of the candidates, and a draw among them as Sampler::draw of src/engine does it: top-p and min-p on
// probabilities before temperature, one number of SplitMix64 a draw. Where the draw falls within 1e-15 of a boundary
// between two tokens, it may choose another than the CPU, whose exp() is the C library's.
#pragma once

#include "gpu/kernels/head.h"

namespace onebit::gpu {
namespace {

constexpr uint32_t kSortKeys = 2048;

struct SelectShared {
  CountShared count;
  uint32_t kept;
  uint64_t keys[kSortKeys];  // logit, then id: larger is better
  double p[kMaxTopK];
};

// Unique, larger is better; 0 for NaN, which is none.
ONEBIT_DEVICE uint64_t candidate_key(const HeadArgs& a, uint32_t t, uint32_t i) {
  const float logit = a.logits[uint64_t{t} * a.vocab + i];
  if (logit != logit) return 0;
  return uint64_t{ordered(logit == 0.0f ? 0.0f : logit)} << 32 | (0xffffffffu - a.list[uint64_t{t} * a.vocab + i]);
}

// The least key of the k best: bit by bit.
ONEBIT_DEVICE uint64_t kth_key(const HeadArgs& a, uint32_t t, uint32_t count, uint32_t k, SelectShared& s) {
  uint64_t key = 0;
  for (uint32_t bit = 64; bit-- > 0;) {
    const uint64_t wanted = key | uint64_t{1} << bit;
    uint32_t n = 0;
    for (uint32_t i = thread_x(); i < count; i += kBlock) n += candidate_key(a, t, i) >= wanted;
    if (block_count(n, s.count) >= k) key = wanted;
  }
  return key;
}

// s.keys[0, kSortKeys): the candidates, or the k best of too many; 0 after them. In any order.
ONEBIT_DEVICE void gather(const HeadArgs& a, uint32_t t, uint32_t count, uint32_t k, SelectShared& s) {
  const uint64_t least_key = count > kSortKeys ? kth_key(a, t, count, k, s) : 0;
  for (uint32_t i = thread_x(); i < kSortKeys; i += kBlock) s.keys[i] = 0;
  if (thread_x() == 0) s.kept = 0;
  barrier();
  for (uint32_t i = thread_x(); i < count; i += kBlock) {
    const uint64_t key = candidate_key(a, t, i);
    if (key != 0 && key >= least_key) s.keys[atomic_add_shared(&s.kept, 1)] = key;
  }
  barrier();
}

// Bitonic, best first; n: a power of two.
ONEBIT_DEVICE void sort_keys(uint32_t n, SelectShared& s) {
  for (uint32_t size = 2; size <= n; size *= 2) {
    for (uint32_t step = size / 2; step > 0; step /= 2) {
      for (uint32_t i = thread_x(); i < n / 2; i += kBlock) {
        const uint32_t low = i / step * 2 * step + i % step, high = low + step;
        const uint64_t x = s.keys[low], y = s.keys[high];
        const bool descending = (low & size) == 0;
        if ((x < y) == descending) {
          s.keys[low] = y;
          s.keys[high] = x;
        }
      }
      barrier();
    }
  }
}

// e^x for x <= 0, relative error about 2^-52: x = n ln 2 + r, Taylor to r^13.
ONEBIT_DEVICE double exp_double(double x) {
  if (!(x > -700.0)) return 0.0;
  constexpr double kShift = 0x1.8p52;
  const double shifted = fma(x, 0x1.71547652b82fep+0, kShift), n = shifted - kShift;
  double r = fma(-n, 0x1.62e42fefa39efp-1, x);
  r = fma(-n, 0x1.abc9e3b39803fp-56, r);
  constexpr double kFactors[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                 1.0 / 40320,      1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,
                                 1.0 / 6,          0.5,             1.0,            1.0};
  double y = kFactors[0];
  ONEBIT_UNROLL
  for (int i = 1; i < 14; ++i) y = fma(y, r, kFactors[i]);
  const uint64_t exponent = __builtin_bit_cast(uint64_t, shifted) & 0xfff;  // n mod 2^12
  return y * __builtin_bit_cast(double, ((exponent + 1023) & 0x7ff) << 52);
}

ONEBIT_DEVICE Choice choice_of(uint64_t key) {
  return {static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(key)), from_ordered(static_cast<uint32_t>(key >> 32))};
}

ONEBIT_DEVICE double uniform(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

// s.p[i] = exp((logit i - best) / temperature) for i < n.
ONEBIT_DEVICE void weigh(uint32_t n, double temperature, SelectShared& s) {
  const double best = static_cast<double>(choice_of(s.keys[0]).logit);
  for (uint32_t i = thread_x(); i < n; i += kBlock)
    s.p[i] = exp_double((static_cast<double>(choice_of(s.keys[i]).logit) - best) / temperature);
  barrier();
}

// Index of the chosen one of the n in s.keys; the same in every thread. Thread 0 adds, in order.
ONEBIT_DEVICE uint32_t draw(SampleParameters& parameters, uint32_t n, SelectShared& s) {
  weigh(n, 1.0, s);
  if (thread_x() == 0) {
    double total = 0, sum = 0;
    for (uint32_t i = 0; i < n; ++i) total += s.p[i];
    uint32_t keep = n;
    if (parameters.top_p < 1.0f) {
      for (keep = 0; keep < n;) {
        sum += s.p[keep++];
        if (sum >= static_cast<double>(parameters.top_p) * total) break;
      }
    }
    while (keep > 1 && s.p[keep - 1] < static_cast<double>(parameters.min_p)) --keep;
    s.kept = keep;
  }
  barrier();
  const uint32_t keep = s.kept;
  barrier();
  weigh(keep, static_cast<double>(parameters.temperature), s);
  if (thread_x() == 0) {
    double total = 0;
    for (uint32_t i = 0; i < keep; ++i) total += s.p[i];
    double u = uniform(parameters.random) * total;
    uint32_t i = 0;
    for (; i + 1 < keep; ++i) {
      u -= s.p[i];
      if (u < 0) break;
    }
    s.kept = i;
  }
  barrier();
  return s.kept;
}

ONEBIT_DEVICE void finish_token(const HeadArgs& a, uint32_t t, const Choice& choice) {
  a.chosen[t] = choice;
  if (!a.next || choice.token < 0) return;
  a.next[t].id = choice.token;
  a.next[t].position += 1;
  if (a.history_size == 0) return;
  uint32_t* const history = a.history + uint64_t{t} * (1 + a.history_size);
  history[1 + history[0] % a.history_size] = static_cast<uint32_t>(choice.token);
  history[0] += 1;
}

ONEBIT_DEVICE void select_token(const HeadArgs& a, uint32_t t, SelectShared& s) {
  const uint32_t k = wanted_rows(a, t), count = a.counts[t];
  gather(a, t, count, k, s);
  const uint32_t found = s.kept;
  uint32_t n = 1;
  while (n < found) n *= 2;
  barrier();
  sort_keys(n, s);
  const uint32_t kept = least(found, k);
  if (a.best) {
    for (uint32_t i = thread_x(); i < k; i += kBlock)
      a.best[uint64_t{t} * kMaxTopK + i] = i < kept ? choice_of(s.keys[i]) : Choice{-1, 0.0f};
  }
  const float top = kept > 0 ? choice_of(s.keys[0]).logit : kInfinity;
  if (!(__builtin_fabsf(top) < kInfinity)) {
    if (thread_x() == 0) finish_token(a, t, {-1, top});
    return;
  }
  uint32_t chosen = 0;
  if (a.parameters[t].temperature > 0.0f) chosen = draw(a.parameters[t], kept, s);
  if (thread_x() == 0) finish_token(a, t, choice_of(s.keys[chosen]));
}

}  // namespace
}  // namespace onebit::gpu
