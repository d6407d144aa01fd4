// Every backward pass against finite differences of its forward pass, and the straight-through estimator
// against its definition.
#include "ops.h"

#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "model.h"
#include "random.h"

namespace onebit::train {
namespace {

using Array = std::vector<float>;

Array random_array(size_t count, uint64_t seed, float deviation = 1) {
  Random random(seed);
  Array a(count);
  for (auto& x : a) x = deviation * random.normal();
  return a;
}

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// Compares the slope of f along several directions at x with gradient . direction. Each element of the
// gradient is weighted at random, so that errors in single elements do not cancel.
void expect_gradient(const char* what, Array& x, const Array& gradient, const std::function<double()>& f,
                     double step = 1e-2, double tolerance = 1e-2) {
  double norm = std::sqrt(dot(gradient, gradient));
  ASSERT_GT(norm, 1e-4) << what << ": the check would be empty";
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Random random(seed);
    Array direction(x.size());
    for (size_t i = 0; i < x.size(); ++i) direction[i] = gradient[i] * static_cast<float>(2 * random.uniform());
    const double length = std::sqrt(dot(direction, direction));
    for (auto& d : direction) d = static_cast<float>(d / length);
    const Array saved = x;
    const auto at = [&](double t) {
      for (size_t i = 0; i < x.size(); ++i) x[i] = saved[i] + static_cast<float>(t) * direction[i];
      return f();
    };
    const double slope = (at(step) - at(-step)) / (2 * step);
    x = saved;
    EXPECT_NEAR(slope, dot(gradient, direction), tolerance * norm) << what << ", direction " << seed;
  }
}

TEST(Gradient, Norm) {
  const int n = 3, d = 12;
  Array x = random_array(n * d, 1), w = random_array(d, 2), out = random_array(n * d, 3);
  Array q(n * d), s(n), rstd(n), dx(n * d), dw(d);
  const auto f = [&] {
    norm_forward(x.data(), w.data(), n, d, 1e-5f, Quantise::off, q.data(), s.data(), rstd.data());
    return dot(q, out);
  };
  f();
  norm_backward(x.data(), w.data(), rstd.data(), out.data(), n, d, dx.data(), dw.data());
  expect_gradient("x", x, dx, f);
  expect_gradient("weight", w, dw, f);
}

TEST(Gradient, Linear) {
  const int n = 5, in = 7, out = 4;
  Array x = random_array(n * in, 1), w = random_array(out * in, 2), dy = random_array(n * out, 3);
  Array s(n, 1), y(n * out), dx(n * in), dw(out * in), scratch(n * out);
  const auto f = [&] {
    linear_forward(x.data(), s.data(), w.data(), 1, n, in, out, y.data());
    return dot(y, dy);
  };
  linear_backward(dy.data(), x.data(), s.data(), w.data(), 1, n, in, out, false, dx.data(), dw.data(), scratch.data());
  expect_gradient("x", x, dx, f);
  expect_gradient("w", w, dw, f);
}

// Integers are exact in bf16, so the two products agree to the last bit; shapes off the tile grid too.
TEST(GemmBf16, AgreesOnIntegers) {
  if (!bf16_available()) GTEST_SKIP() << "no AMX";
  Random random(1);
  for (const auto& [m, n, k] : {std::array{5, 7, 9}, std::array{64, 70, 64}, std::array{33, 48, 100}})
    for (const char op_a : {'n', 't'})
      for (const char op_b : {'n', 't'}) {
        Array a(m * k), b(k * n), c = random_array(m * n, 2), d = c;
        for (auto& x : a) x = std::rint(40 * random.normal());
        for (auto& x : b) x = std::rint(random.normal());
        const int lda = op_a == 't' ? m : k, ldb = op_b == 't' ? k : n;
        gemm(op_a, op_b, m, n, k, 0.5f, a.data(), lda, b.data(), ldb, 1, c.data(), n);
        gemm_bf16(op_a, op_b, m, n, k, 0.5f, a.data(), lda, b.data(), ldb, 1, d.data(), n);
        EXPECT_EQ(c, d) << m << ' ' << n << ' ' << k << ' ' << op_a << op_b;
      }
}

TEST(Gradient, Rope) {
  const int n = 6, seq = 3, heads = 2, d = 4;
  Array x = random_array(n * heads * d, 1), out = random_array(n * heads * d, 2), table(seq * d);
  rope_table(seq, d, 10000, table.data());
  const auto f = [&] {
    Array y = x;
    rope(y.data(), n, seq, heads, d, table.data(), 1);
    return dot(y, out);
  };
  Array dx = out;
  rope(dx.data(), n, seq, heads, d, table.data(), -1);
  expect_gradient("x", x, dx, f);
}

TEST(Rope, TurnsPairsHalfAHeadApart) {
  const int seq = 2, d = 4;
  Array table(seq * d), x = {0, 0, 0, 0, 1, 2, 3, 4};
  rope_table(seq, d, 10000, table.data());
  rope(x.data(), 2, seq, 1, d, table.data(), 1);
  // Position 1: pair (0, 2) by 1 radian, pair (1, 3) by 10000^(-1/2) = 0.01 radian.
  EXPECT_NEAR(x[4], std::cos(1.0) - 3 * std::sin(1.0), 1e-6);
  EXPECT_NEAR(x[6], 3 * std::cos(1.0) + std::sin(1.0), 1e-6);
  EXPECT_NEAR(x[5], 2 * std::cos(0.01) - 4 * std::sin(0.01), 1e-6);
  EXPECT_NEAR(x[7], 4 * std::cos(0.01) + 2 * std::sin(0.01), 1e-6);
}

// The sequence is longer than a block of queries, so that blocks meet.
TEST(Gradient, Attention) {
  const AttentionShape a{2, 70, 4, 2, 4};
  const size_t n = static_cast<size_t>(a.batch) * a.seq;
  Array q = random_array(n * a.dim(), 1), k = random_array(n * a.kv_dim(), 2), v = random_array(n * a.kv_dim(), 3);
  Array dout = random_array(n * a.dim(), 4), p(n * a.seq * a.heads, NAN), out(n * a.dim());
  Array dq(q.size(), NAN), dk(k.size(), NAN), dv(v.size(), NAN), scratch(64 * a.seq);
  const auto f = [&] {
    attention_forward(a, q.data(), k.data(), v.data(), p.data(), out.data());
    return dot(out, dout);
  };
  f();
  attention_backward(a, q.data(), k.data(), v.data(), p.data(), dout.data(), dq.data(), dk.data(), dv.data(),
                     scratch.data());
  expect_gradient("q", q, dq, f);
  expect_gradient("k", k, dk, f);
  expect_gradient("v", v, dv, f);
}

TEST(Attention, IsCausal) {
  const AttentionShape a{1, 70, 2, 1, 4};
  Array q = random_array(a.seq * a.dim(), 1), k = random_array(a.seq * a.kv_dim(), 2);
  Array v = random_array(a.seq * a.kv_dim(), 3);
  Array p(a.seq * a.seq * a.heads), before(q.size()), after(q.size());
  attention_forward(a, q.data(), k.data(), v.data(), p.data(), before.data());
  const int changed = 40;
  for (size_t i = static_cast<size_t>(changed) * a.kv_dim(); i < k.size(); ++i) k[i] += 1, v[i] -= 1;
  attention_forward(a, q.data(), k.data(), v.data(), p.data(), after.data());
  for (int i = 0; i < changed * a.dim(); ++i) ASSERT_EQ(before[i], after[i]) << i;
  EXPECT_NE(before[changed * a.dim()], after[changed * a.dim()]);
}

TEST(Gradient, Gate) {
  Array gate = random_array(50, 1), up = random_array(50, 2), out = random_array(50, 3), h(50), dgate(50), dup(50);
  const auto f = [&] {
    gate_forward(gate.data(), up.data(), 50, h.data());
    return dot(h, out);
  };
  gate_backward(gate.data(), up.data(), out.data(), 50, dgate.data(), dup.data());
  expect_gradient("gate", gate, dgate, f);
  expect_gradient("up", up, dup, f);
}

TEST(Gradient, CrossEntropy) {
  const int n = 4, vocab = 9;
  Array logits = random_array(n * vocab, 1, 3);
  const std::vector<int32_t> targets = {3, -1, 8, 0};
  const auto f = [&] {
    Array copy = logits;
    return 0.5 * cross_entropy(copy.data(), targets.data(), n, vocab, 0);
  };
  Array gradient = logits;
  cross_entropy(gradient.data(), targets.data(), n, vocab, 0.5f);
  for (int i = 0; i < vocab; ++i) EXPECT_EQ(gradient[vocab + i], 0) << "the row without a target";
  expect_gradient("logits", logits, gradient, f);
}

TEST(CrossEntropy, OfEqualLogitsIsLogOfVocabulary) {
  Array logits(2 * 100, 7.0f);
  const std::vector<int32_t> targets = {0, 99};
  EXPECT_NEAR(cross_entropy(logits.data(), targets.data(), 2, 100, 0), 2 * std::log(100.0), 1e-5);
}

// Every tensor of a whole network, quantisers off.
TEST(Gradient, WholeNetwork) {
  const Config config{.vocab = 40, .dim = 16, .layers = 2, .heads = 4, .kv_heads = 2, .ffn = 24, .context = 6};
  const int batch = 2, n = batch * config.context;
  Model model(config, Quantise::off);
  model.init(5);
  Random random(6);
  for (const auto& t : model.tensors())
    for (size_t i = 0; i < t.size(); ++i)
      if (t.kind == Tensor::norm) model.parameters[t.offset + i] += 0.3f * random.normal();
      else if (t.kind == Tensor::embedding) model.parameters[t.offset + i] *= 20;  // a curved loss, of order 1
  model.update_codes();
  std::vector<int32_t> tokens(n), targets(n);
  for (auto* list : {&tokens, &targets})
    for (auto& t : *list) t = static_cast<int32_t>(random.below(config.vocab));
  targets[3] = -1;
  Pass pass(config, batch, config.context);
  Array gradients(model.size());
  pass.forward(model, tokens.data());
  const double loss = pass.backward(model, tokens.data(), targets.data(), 0.25f, gradients.data());
  pass.forward(model, tokens.data());
  EXPECT_EQ(loss, pass.loss(targets.data()));

  for (const auto& t : model.tensors()) {
    Array x(model.parameters.begin() + t.offset, model.parameters.begin() + t.offset + t.size());
    const Array gradient(gradients.begin() + t.offset, gradients.begin() + t.offset + t.size());
    expect_gradient(t.name.c_str(), x, gradient, [&] {
      std::copy(x.begin(), x.end(), model.parameters.begin() + t.offset);
      model.update_codes();
      pass.forward(model, tokens.data());
      return 0.25 * pass.loss(targets.data());
    }, 3e-3, 1e-2);
    std::copy(x.begin(), x.end(), model.parameters.begin() + t.offset);
    model.update_codes();
  }
}

TEST(Quantise, ActivationsAreAbsmaxInt8RoundedHalfToEven) {
  // Norm weights that undo the norm: rstd of {3, -4} is 1/sqrt(12.5).
  Array x = {3, -4}, w(2, std::sqrt(12.5f)), q(2), s(1), rstd(1);
  norm_forward(x.data(), w.data(), 1, 2, 0, Quantise::on, q.data(), s.data(), rstd.data());
  EXPECT_NEAR(s[0], 127.0 / 4, 1e-4);
  EXPECT_EQ(q[0], 95);   // 95.25
  EXPECT_EQ(q[1], -127);
}

TEST(Quantise, WeightsAreAbsmeanTernary) {
  const Array w = {1.0f, -0.26f, 0.24f, -1.0f, 0.0f, 0.5f};   // mean |w| = 0.5: {2, -0.52, 0.48, -2, 0, 1}
  Array codes(6);
  EXPECT_NEAR(ternarise(w.data(), 6, Quantise::on, codes.data()), 0.5, 1e-3);
  EXPECT_EQ(codes, (Array{1, -1, 0, -1, 0, 1}));
}

TEST(StraightThrough, LinearGradientsUseQuantisedOperands) {
  const int n = 3, in = 8, out = 4;
  Random random(1);
  Array q(n * in), s = {2, 5, 0.5f};
  for (auto& x : q) x = std::rint(40 * random.normal());
  const Array w = random_array(out * in, 2), dy = random_array(n * out, 3);
  Array codes(w.size()), dx(n * in, NAN), dw(w.size()), scratch(n * out);
  const float scale = ternarise(w.data(), w.size(), Quantise::on, codes.data());
  linear_backward(dy.data(), q.data(), s.data(), codes.data(), scale, n, in, out, false, dx.data(), dw.data(),
                  scratch.data());
  for (int i = 0; i < in; ++i) {
    for (int t = 0; t < n; ++t) {
      double sum = 0;
      for (int o = 0; o < out; ++o) sum += dy[t * out + o] * codes[o * in + i] * scale;
      EXPECT_NEAR(dx[t * in + i], sum, 1e-4);
    }
    for (int o = 0; o < out; ++o) {
      double sum = 0;
      for (int t = 0; t < n; ++t) sum += dy[t * out + o] * q[t * in + i] / s[t];
      EXPECT_NEAR(dw[o * in + i], sum, 1e-3);
    }
  }
}

// Where the weights already lie on a grid {-a, a}, quantising weights is the identity, and the gradients
// of the two networks differ only by the rounding of activations to 8 bits.
TEST(StraightThrough, IsTheIdentityOnTheGrid) {
  const Config config{.vocab = 40, .dim = 64, .layers = 1, .heads = 4, .kv_heads = 2, .ffn = 64, .context = 8};
  Model plain(config, Quantise::off), ternary(config, Quantise::on);
  plain.init(3);
  for (const auto& t : plain.tensors())
    for (size_t i = 0; i < t.size(); ++i)
      if (float& w = plain.parameters[t.offset + i]; t.kind == Tensor::linear) w = w > 0 ? 0.125f : -0.125f;
  ternary.parameters = plain.parameters;
  plain.update_codes();
  ternary.update_codes();
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8}, targets = {2, 3, 4, 5, 6, 7, 8, 9};
  Pass pass(config, 1, config.context);
  Array a(plain.size()), b(plain.size());
  pass.forward(plain, tokens.data());
  pass.backward(plain, tokens.data(), targets.data(), 1, a.data());
  pass.forward(ternary, tokens.data());
  pass.backward(ternary, tokens.data(), targets.data(), 1, b.data());
  for (const auto& t : plain.tensors()) {
    const auto part = [&](const Array& from) {
      return Array(from.begin() + t.offset, from.begin() + t.offset + t.size());
    };
    const Array x = part(a), y = part(b);
    const double cosine = dot(x, y) / std::sqrt(dot(x, x) * dot(y, y));
    EXPECT_GT(cosine, 0.99) << t.name;
  }
}

}  // namespace
}  // namespace onebit::train
