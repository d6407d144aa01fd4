#include "cpu/float_ops.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace onebit::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kEps = FLT_EPSILON / 2;  // one rounding to nearest

const std::vector<size_t> kSizes = {1, 2, 15, 16, 17, 31, 63, 64, 65, 79, 100, 128, 192, 1000, 2560};

enum class Kind { normal, tiny, huge, bits, broken };

std::vector<float> make(Kind kind, size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> gauss;
  std::vector<float> x(n);
  for (float& v : x) {
    switch (kind) {
      case Kind::normal: v = gauss(rng) * 3; break;
      case Kind::tiny: v = gauss(rng) * 1e-39f; break;
      case Kind::huge: v = gauss(rng) * 1e37f; break;
      case Kind::bits:
        do v = std::bit_cast<float>(uint32_t(rng()));
        while (!std::isfinite(v));
        break;
      case Kind::broken: v = rng() % 8 == 0 ? (rng() % 2 ? kNan : rng() % 2 ? kInf : -kInf) : gauss(rng); break;
    }
  }
  return x;
}
constexpr Kind kKinds[] = {Kind::normal, Kind::tiny, Kind::huge, Kind::bits, Kind::broken};

std::vector<int32_t> make_ints(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<int32_t> x(n);
  for (auto& v : x) v = static_cast<int32_t>(rng()) >> (rng() % 24);
  return x;
}

// NaN of any sign and payload counts as equal.
void expect_same(const std::vector<float>& a, const std::vector<float>& b, const char* what, Isa isa) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]))
        << what << " on " << isa_name(isa) << " differs from scalar at " << i << " of " << a.size() << ": " << a[i]
        << " and " << b[i];
  }
}

// Everything an ISA computes from one set of inputs, as one vector; outputs start poisoned, and carry
// one guard element that no operation may touch.
std::vector<float> run_all(const FloatOps& f, Kind kind, size_t n) {
  const auto x = make(kind, 2 * n, 1), w = make(kind, 2 * n, 2), z = make(Kind::normal, 2 * n, 3);
  const auto gi = make_ints(n, 4), ui = make_ints(n, 5);
  std::vector<float> all;
  std::vector<float> y(n + 1);
  const auto keep = [&] {
    EXPECT_EQ(y[n], 12345.0f) << "wrote past the end";
    all.insert(all.end(), y.begin(), y.end());
    std::fill(y.begin(), y.end(), 12345.0f);
  };
  std::fill(y.begin(), y.end(), 12345.0f);
  f.rms_norm(y.data(), x.data(), w.data(), n, 1e-5f), keep();
  f.scale_store(y.data(), gi.data(), n, 0.37f), keep();
  std::copy_n(x.begin(), n, y.begin());
  f.scale_add(y.data(), gi.data(), n, 0.37f), keep();
  f.relu2_gate(y.data(), gi.data(), ui.data(), n, 1e-4f, 3e-3f), keep();
  f.silu_gate(y.data(), gi.data(), ui.data(), n, 1e-8f, 3e-3f), keep();
  f.relu2_gate_f(y.data(), x.data(), w.data(), n), keep();
  f.silu_gate_f(y.data(), x.data(), w.data(), n), keep();
  std::copy_n(x.begin(), n, y.begin());
  f.add(y.data(), w.data(), n), keep();
  for (bool neox : {false, true}) {
    std::vector<float> v(x);
    f.rope(v.data(), w.data(), z.data(), n, neox);
    all.insert(all.end(), v.begin(), v.end());
  }
  all.push_back(f.dot(x.data(), w.data(), n));
  all.push_back(f.dot(x.data(), z.data(), n));
  std::vector<uint16_t> h(n);
  f.f32_to_f16(h.data(), x.data(), n);
  f.f16_to_f32(y.data(), h.data(), n), keep();
  for (uint16_t v : h) all.push_back(v);
  std::vector<int8_t> q(n + 7, 99);
  float scale = 12345;
  int32_t sum = 12345;
  f.quantize(q.data(), n + 5, x.data(), n, &scale, &sum);
  for (int8_t v : q) all.push_back(v);
  all.push_back(scale);
  all.push_back(static_cast<float>(sum));
  all.push_back(f.quantize_q8(q.data(), x.data(), n));
  for (int8_t v : q) all.push_back(v);
  all.push_back(static_cast<float>(f.argmax(x.data(), n)));
  return all;
}

TEST(FloatOps, EveryIsaReturnsTheBitsOfScalar) {
  for (Kind kind : kKinds) {
    for (size_t n : kSizes) {
      const auto expected = run_all(float_ops(Isa::scalar), kind, n);
      for (Isa isa : available_isas()) {
        EXPECT_EQ(float_ops(isa).isa, isa);
        expect_same(run_all(float_ops(isa), kind, n), expected, "results", isa);
      }
    }
  }
}

TEST(FloatOps, DotsAreDots) {
  for (Isa isa : available_isas()) {
    const FloatOps& f = float_ops(isa);
    for (size_t n : {1, 17, 70, 256}) {
      for (size_t rows : {1, 2, 5}) {
        for (size_t tokens : {1, 2, 3, 7}) {
          const size_t ldr = n + 3, ldx = n + 1, ldo = rows + 2;
          const auto w = make(Kind::normal, rows * ldr, 1), x = make(Kind::normal, tokens * ldx, 2);
          std::vector<float> out(tokens * ldo, -77);
          f.dots(out.data(), ldo, w.data(), ldr, rows, x.data(), ldx, tokens, n);
          for (size_t t = 0; t < tokens; ++t) {
            for (size_t r = 0; r < ldo; ++r) {
              const float expected = r < rows ? f.dot(w.data() + r * ldr, x.data() + t * ldx, n) : -77;
              ASSERT_EQ(std::bit_cast<uint32_t>(out[t * ldo + r]), std::bit_cast<uint32_t>(expected));
            }
          }
        }
      }
    }
  }
}

// |fl(a . b) - a . b| <= gamma_m |a| . |b|, where m is the longest chain of roundings of one product:
// one per block of 64 in its lane, and six to combine accumulators and lanes.
TEST(FloatOps, DotIsWithinItsErrorBound) {
  for (Isa isa : available_isas()) {
    for (size_t n : kSizes) {
      const auto a = make(Kind::normal, n, 1), b = make(Kind::normal, n, 2);
      double exact = 0, magnitude = 0;
      for (size_t i = 0; i < n; ++i) {
        exact += double(a[i]) * b[i];
        magnitude += std::abs(double(a[i]) * b[i]);
      }
      const double m = double((n + 63) / 64 + 6);
      EXPECT_NEAR(float_ops(isa).dot(a.data(), b.data(), n), exact, m * kEps / (1 - m * kEps) * magnitude);
    }
  }
}

TEST(FloatOps, RmsNormMatchesTheDefinition) {
  for (Isa isa : available_isas()) {
    for (size_t n : kSizes) {
      const auto x = make(Kind::normal, n, 1), w = make(Kind::normal, n, 2);
      std::vector<float> y(n);
      float_ops(isa).rms_norm(y.data(), x.data(), w.data(), n, 1e-5f);
      double squares = 0;
      for (float v : x) squares += double(v) * v;
      // Half the relative error of the sum, and one rounding each for /n, +eps, sqrt, 1/, and two products.
      const double bound = (double((n + 63) / 64 + 6) / 2 + 6) * kEps * 1.01;
      for (size_t i = 0; i < n; ++i) {
        const double expected = x[i] / std::sqrt(squares / double(n) + 1e-5f) * w[i];
        ASSERT_NEAR(y[i], expected, bound * std::abs(expected)) << n;
      }
    }
  }
}

TEST(FloatOps, RmsNormOfAnOverflowingRowIsNaN) {
  for (Isa isa : available_isas()) {
    const std::vector<float> x(20, 1e30f), w(20, 1.0f);
    std::vector<float> y(20);
    float_ops(isa).rms_norm(y.data(), x.data(), w.data(), 20, 1e-5f);
    for (float v : y) EXPECT_TRUE(std::isnan(v));
  }
}

TEST(FloatOps, QuantizeMatchesTheDefinition) {
  for (Isa isa : available_isas()) {
    for (Kind kind : {Kind::normal, Kind::tiny, Kind::huge, Kind::bits}) {
      for (size_t n : kSizes) {
        const auto x = make(kind, n, 7);
        std::vector<int8_t> q(n + 9, 55);
        float inv_scale;
        int32_t sum;
        float_ops(isa).quantize(q.data(), n + 8, x.data(), n, &inv_scale, &sum);
        float top = 0;
        for (float v : x) top = std::max(top, std::abs(v));
        const float s = 127.0f / std::max(top, 1e-5f);
        int32_t total = 0;
        for (size_t i = 0; i < n; ++i) {
          const float product = x[i] * s;
          ASSERT_EQ(q[i], std::nearbyint(product)) << x[i] << " * " << s;
          total += q[i];
        }
        for (size_t i = n; i < n + 8; ++i) ASSERT_EQ(q[i], 0);
        ASSERT_EQ(q[n + 8], 55);
        EXPECT_EQ(inv_scale, 1.0f / s);
        EXPECT_EQ(sum, total);
      }
    }
  }
}

TEST(FloatOps, QuantizeRoundsHalfToEven) {
  // absmax 127 makes s exactly 1.
  const std::vector<float> x = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f, 125.5f, -126.5f};
  const std::vector<int8_t> expected = {127, -127, 0, 2, 2, 0, -2, -2, 126, 126, -126};
  for (Isa isa : available_isas()) {
    std::vector<int8_t> q(x.size());
    float inv_scale;
    int32_t sum;
    float_ops(isa).quantize(q.data(), q.size(), x.data(), x.size(), &inv_scale, &sum);
    EXPECT_EQ(q, expected);
    EXPECT_EQ(inv_scale, 1.0f);
    std::vector<int8_t> q8(x.size());
    EXPECT_EQ(float_ops(isa).quantize_q8(q8.data(), x.data(), x.size()), 1.0f);
    EXPECT_EQ(q8, expected);
  }
}

TEST(FloatOps, BrokenActivationsQuantizeToZeroWithANaNScale) {
  for (Isa isa : available_isas()) {
    for (float bad : {kNan, kInf, -kInf}) {
      for (size_t at : {0, 16, 36}) {
        std::vector<float> x(37, 1.0f);
        x[at] = bad;
        std::vector<int8_t> q(40, 55);
        float inv_scale = 0;
        int32_t sum = 5;
        float_ops(isa).quantize(q.data(), 40, x.data(), 37, &inv_scale, &sum);
        EXPECT_TRUE(std::isnan(inv_scale));
        EXPECT_EQ(sum, 0);
        for (int8_t v : q) EXPECT_EQ(v, 0);
        EXPECT_TRUE(std::isnan(float_ops(isa).quantize_q8(q.data(), x.data(), 37)));
      }
    }
  }
}

TEST(FloatOps, SiluIsCloseToTheDefinition) {
  for (Isa isa : available_isas()) {
    std::vector<float> g, u, h;
    for (double v = -87; v < 200; v += 0.0137) g.push_back(float(v));
    u.assign(g.size(), 1.0f);
    h.resize(g.size());
    float_ops(isa).silu_gate_f(h.data(), g.data(), u.data(), g.size());
    for (size_t i = 0; i < g.size(); ++i) {
      const double expected = g[i] / (1 + std::exp(-double(g[i])));
      // exp within 2 eps-units of FLT_EPSILON (its polynomial and two roundings), one rounding each for
      // the sum, the quotient and the product with u.
      ASSERT_NEAR(h[i], expected, 4 * FLT_EPSILON * std::abs(expected)) << g[i];
    }
    const std::vector<float> ends = {-1000, 1000, -0.0f, 0.0f}, one(4, 1.0f);
    std::vector<float> r(4);
    float_ops(isa).silu_gate_f(r.data(), ends.data(), one.data(), 4);
    EXPECT_EQ(r, (std::vector<float>{0, 1000, 0, 0}));
  }
}

TEST(FloatOps, ReluKeepsNaN) {
  for (Isa isa : available_isas()) {
    const float g[3] = {kNan, -2, 3}, u[3] = {1, 5, 2};
    float h[3];
    float_ops(isa).relu2_gate_f(h, g, u, 3);
    EXPECT_TRUE(std::isnan(h[0]));
    EXPECT_EQ(h[1], 0);
    EXPECT_EQ(h[2], 18);
  }
}

TEST(FloatOps, RopeRotatesPairs) {
  for (Isa isa : available_isas()) {
    for (bool neox : {false, true}) {
      for (size_t half : {1, 5, 16, 64}) {
        const auto v = make(Kind::normal, 2 * half, 1);
        std::vector<float> cos(half), sin(half), r(v);
        for (size_t i = 0; i < half; ++i) cos[i] = std::cos(0.3f * i), sin[i] = std::sin(0.3f * i);
        float_ops(isa).rope(r.data(), cos.data(), sin.data(), half, neox);
        for (size_t i = 0; i < half; ++i) {
          const size_t ia = neox ? i : 2 * i, ib = neox ? i + half : 2 * i + 1;
          const double a = v[ia], b = v[ib], c = cos[i], s = sin[i];
          ASSERT_NEAR(r[ia], a * c - b * s, 2 * kEps * (std::abs(a * c) + std::abs(b * s)) * 1.01);
          ASSERT_NEAR(r[ib], a * s + b * c, 2 * kEps * (std::abs(a * s) + std::abs(b * c)) * 1.01);
        }
      }
    }
  }
}

TEST(FloatOps, HalvesAreIeee) {
  std::vector<uint16_t> all(65536), back(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> x(65536);
  for (Isa isa : available_isas()) {
    const FloatOps& f = float_ops(isa);
    f.f16_to_f32(x.data(), all.data(), all.size());
    f.f32_to_f16(back.data(), x.data(), x.size());
    for (size_t i = 0; i < all.size(); ++i) {
      const uint32_t exponent = (i >> 10) & 31, fraction = i & 1023;
      if (exponent == 31 && fraction != 0) {
        ASSERT_TRUE(std::isnan(x[i])) << i;
        ASSERT_EQ(back[i], i | 0x200) << i;
        continue;
      }
      const double magnitude = exponent == 31  ? double(kInf)
                               : exponent == 0 ? std::ldexp(double(fraction), -24)
                                               : std::ldexp(1024.0 + fraction, int(exponent) - 25);
      ASSERT_EQ(x[i], i & 0x8000 ? -magnitude : magnitude) << i;
      ASSERT_EQ(back[i], i);
    }
    // The midpoint between neighbours goes to the even one, and the floats beside it to their side.
    for (uint16_t i = 0; i < 0x7bff; ++i) {
      const float mid = (x[i] + x[i + 1]) / 2;  // exact
      const float in[3] = {mid, std::nextafter(mid, -kInf), std::nextafter(mid, kInf)};
      uint16_t out[3];
      f.f32_to_f16(out, in, 3);
      ASSERT_EQ(out[0], i % 2 ? i + 1 : i);
      ASSERT_EQ(out[1], i);
      ASSERT_EQ(out[2], i + 1);
    }
    const float big[4] = {65519.996f, 65520.0f, -65520.0f, FLT_MAX};
    uint16_t out[4];
    f.f32_to_f16(out, big, 4);
    EXPECT_EQ(out[0], 0x7bff);
    EXPECT_EQ(out[1], 0x7c00);
    EXPECT_EQ(out[2], 0xfc00);
    EXPECT_EQ(out[3], 0x7c00);
  }
}

TEST(FloatOps, ArgmaxTakesTheFirstOfEqualsAndNeverNaN) {
  for (Isa isa : available_isas()) {
    const auto& f = float_ops(isa);
    std::vector<float> x(100, -3.0f);
    EXPECT_EQ(f.argmax(x.data(), x.size()), 0u);
    x[98] = 5, x[70] = 5, x[71] = kNan, x[3] = kNan;
    EXPECT_EQ(f.argmax(x.data(), x.size()), 70u);
    x[40] = kInf;
    EXPECT_EQ(f.argmax(x.data(), x.size()), 40u);
    std::fill(x.begin(), x.end(), kNan);
    EXPECT_EQ(f.argmax(x.data(), x.size()), 0u);
    x[55] = -kInf;
    EXPECT_EQ(f.argmax(x.data(), x.size()), 55u);
    const float zeros[2] = {-0.0f, 0.0f};
    EXPECT_EQ(f.argmax(zeros, 2), 0u);
  }
}

}  // namespace
}  // namespace onebit::cpu
