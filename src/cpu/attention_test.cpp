#include "cpu/attention.h"

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "cpu/isa.h"

namespace onebit::cpu {
namespace {

struct Shape {
  uint32_t heads, kv_heads, head_dim;
};

// The cache of one sequence; what has not been stored is poison (NaN in every type).
class Cache {
 public:
  Cache(KvType type, Shape shape, uint32_t capacity) {
    const size_t n = size_t{shape.kv_heads} * capacity;
    for (auto* bytes : {&k_, &v_}) bytes->assign(n * shape.head_dim * kv_element_bytes(type), 0xff);
    for (auto* scales : {&k_scale_, &v_scale_}) scales->assign(n, std::numeric_limits<float>::quiet_NaN());
    layer = {type, capacity, shape.kv_heads, shape.head_dim, k_.data(), v_.data(), k_scale_.data(), v_scale_.data()};
  }

  // What the cache holds, decoded by the definition of its type.
  double value(bool key, uint32_t head, uint32_t position, uint32_t d) const {
    const size_t row = size_t{head} * layer.capacity + position, at = row * layer.head_dim + d;
    const uint8_t* bytes = (key ? k_ : v_).data();
    if (layer.type == KvType::f32) return reinterpret_cast<const float*>(bytes)[at];
    if (layer.type == KvType::q8) {
      return reinterpret_cast<const int8_t*>(bytes)[at] * (key ? k_scale_ : v_scale_)[row];
    }
    const uint16_t h = reinterpret_cast<const uint16_t*>(bytes)[at];
    const int exponent = (h >> 10) & 31, fraction = h & 1023;
    const double m = exponent ? std::ldexp(1024.0 + fraction, exponent - 25) : std::ldexp(double(fraction), -24);
    return h & 0x8000 ? -m : m;
  }

  KvLayer layer;

 private:
  std::vector<uint8_t> k_, v_;
  std::vector<float> k_scale_, v_scale_;
};

std::vector<float> gaussian(size_t n, uint32_t seed, float sigma = 1) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> gauss(0, sigma);
  std::vector<float> x(n);
  for (float& v : x) v = gauss(rng);
  return x;
}

struct Sequence {
  Sequence(KvType type, Shape s, uint32_t tokens, uint32_t seed, float sigma = 1)
      : shape(s),
        length(tokens),
        cache(type, s, tokens),
        q(gaussian(size_t{tokens} * s.heads * s.head_dim, seed, sigma)) {
    const size_t width = size_t{s.kv_heads} * s.head_dim;
    const auto k = gaussian(tokens * width, seed + 1), v = gaussian(tokens * width, seed + 2);
    for (uint32_t p = 0; p < tokens; ++p) {
      kv_store(float_ops(Isa::scalar), cache.layer, p, k.data() + p * width, v.data() + p * width);
    }
  }
  AttentionQuery query(uint32_t position, std::vector<float>& out) {
    const size_t width = size_t{shape.heads} * shape.head_dim;
    return {q.data() + position * width, out.data() + position * width, cache.layer, position};
  }
  // Outputs of positions [first, length), computed `batch` tokens at a time; the rest is poison.
  std::vector<float> run(Isa isa, unsigned threads, uint32_t batch, uint32_t first = 0) {
    ThreadPool pool(threads);
    AttentionScratch scratch;
    std::vector<float> out(q.size(), 777.0f);
    for (uint32_t p = first; p < length; p += batch) {
      std::vector<AttentionQuery> queries;
      for (uint32_t t = p; t < std::min(length, p + batch); ++t) queries.push_back(query(t, out));
      const Status status = attention(float_ops(isa), pool, queries, shape.heads, scale(), scratch);
      EXPECT_TRUE(status) << status.error().message;
    }
    return out;
  }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(shape.head_dim)); }

  Shape shape;
  uint32_t length;
  Cache cache;
  std::vector<float> q;
};

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i])) << i << ": " << a[i] << " " << b[i];
  }
}

// Compares the outputs of one token with the definition in double, on the decoded cache.
//
// With u the unit roundoff, a score's error is at most ds = gamma(d + 2) |q||k| scale (d fused steps, the
// product q * scale). Weights are exp(s - m) up to ds + 2 roundings of exp and s - m, each rescaling of
// l and o adds one exp and one product per block of 64 keys, and sums of n terms add gamma(n). The same
// factor stands in l, hence the 2.
void expect_close(Sequence& seq, const std::vector<float>& out, uint32_t position) {
  constexpr double u = FLT_EPSILON / 2;
  const uint32_t dim = seq.shape.head_dim, group = seq.shape.heads / seq.shape.kv_heads, n = position + 1;
  for (uint32_t h = 0; h < seq.shape.heads; ++h) {
    const float* q = seq.q.data() + (size_t{position} * seq.shape.heads + h) * dim;
    std::vector<double> s(n), o(dim), largest(dim);
    double top = -HUGE_VAL, magnitude = 0, sum = 0;
    for (uint32_t p = 0; p < n; ++p) {
      double mass = 0;
      for (uint32_t d = 0; d < dim; ++d) {
        const double term = q[d] * seq.cache.value(true, h / group, p, d) * seq.scale();
        s[p] += term;
        mass += std::abs(term);
      }
      magnitude = std::max(magnitude, mass);
      top = std::max(top, s[p]);
    }
    for (uint32_t p = 0; p < n; ++p) {
      const double w = std::exp(s[p] - top);
      sum += w;
      for (uint32_t d = 0; d < dim; ++d) {
        const double v = seq.cache.value(false, h / group, p, d);
        o[d] += w * v;
        largest[d] = std::max(largest[d], std::abs(v));
      }
    }
    const double ds = (dim + 2) * u * magnitude;
    const double relative = 2 * (ds + 2 * u * (std::abs(top) + 1) + (n + 6.0 * (n / 64 + 2)) * u);
    for (uint32_t d = 0; d < dim; ++d) {
      const float got = out[(size_t{position} * seq.shape.heads + h) * dim + d];
      ASSERT_NEAR(got, o[d] / sum, relative * largest[d]) << "position " << position << " head " << h << " d " << d;
    }
  }
}

constexpr KvType kTypes[] = {KvType::f32, KvType::f16, KvType::q8};

TEST(Attention, MatchesTheDefinition) {
  for (const Shape shape : {Shape{1, 1, 2}, Shape{4, 2, 6}, Shape{20, 5, 128}, Shape{3, 3, 80}, Shape{6, 1, 256}}) {
    for (KvType type : kTypes) {
      Sequence seq(type, shape, 150, 10);
      for (Isa isa : available_isas()) {
        const auto out = seq.run(isa, 2, 150);
        for (uint32_t p : {0, 1, 15, 62, 63, 64, 65, 127, 128, 149}) expect_close(seq, out, p);
      }
    }
  }
}

TEST(Attention, ResultsDoNotDependOnBatchThreadsOrIsa) {
  for (const Shape shape : {Shape{8, 2, 16}, Shape{3, 3, 8}, Shape{71, 1, 4}}) {
    for (KvType type : kTypes) {
      Sequence seq(type, shape, 140, 20);
      const auto expected = seq.run(Isa::scalar, 1, 1);
      for (Isa isa : available_isas()) {
        for (unsigned threads : {1u, 3u}) {
          for (uint32_t batch : {1u, 7u, 200u}) expect_same_bits(seq.run(isa, threads, batch), expected);
        }
      }
    }
  }
}

// Past 1024 keys: chunks side by side (few rows) or in turn (many), and tiles that cross a chunk.
TEST(Attention, LongContext) {
  Sequence seq(KvType::f16, {4, 1, 16}, 2120, 30);
  const uint32_t first = 1000;
  const auto expected = seq.run(best_isa(), 1, 1, first);
  for (uint32_t p : {1023u, 1024u, 1025u, 2047u, 2048u, 2119u}) expect_close(seq, expected, p);
  for (unsigned threads : {1u, 2u, 5u}) {
    for (uint32_t batch : {1u, 7u, 50u, 1120u}) {
      if (batch > 1 || threads > 1) expect_same_bits(seq.run(best_isa(), threads, batch, first), expected);
    }
  }
  for (Isa isa : available_isas()) {
    const auto out = seq.run(isa, 2, 64, 2090), tail = seq.run(Isa::scalar, 1, 30, 2090);
    expect_same_bits(out, tail);
    EXPECT_EQ(out[size_t{2119} * 64], expected[size_t{2119} * 64]);
  }
}

TEST(Attention, SequencesInOneCallAreIndependent) {
  const Shape shape{4, 2, 32};
  Sequence a(KvType::f16, shape, 90, 1), b(KvType::f16, shape, 1100, 2), c(KvType::f16, shape, 3, 3);
  std::vector<float> oa(a.q.size()), ob(b.q.size()), oc(c.q.size());
  std::vector<AttentionQuery> queries;
  for (uint32_t p = 0; p < 90; ++p) queries.push_back(a.query(p, oa));
  queries.push_back(b.query(1099, ob));
  queries.push_back(c.query(2, oc));
  ThreadPool pool(2);
  AttentionScratch scratch;
  ASSERT_TRUE(attention(float_ops(best_isa()), pool, queries, shape.heads, a.scale(), scratch));
  const size_t width = size_t{shape.heads} * shape.head_dim;
  expect_same_bits(oa, a.run(best_isa(), 1, 1));
  const auto alone_b = b.run(best_isa(), 1, 1, 1099), alone_c = c.run(best_isa(), 1, 1, 2);
  for (size_t i = 0; i < width; ++i) {
    ASSERT_EQ(ob[1099 * width + i], alone_b[1099 * width + i]);
    ASSERT_EQ(oc[2 * width + i], alone_c[2 * width + i]);
  }
}

TEST(Attention, LargeScoresSaturateToOneKey) {
  Sequence seq(KvType::f32, {2, 1, 8}, 100, 40, 1e6f);
  for (Isa isa : available_isas()) {
    const auto out = seq.run(isa, 1, 100);
    for (uint32_t p : {0, 50, 99}) expect_close(seq, out, p);
    for (float v : out) EXPECT_TRUE(std::isfinite(v));
  }
}

TEST(Attention, ScoresThatOverflowGiveNaN) {
  for (float sign : {1.0f, -1.0f}) {
    Sequence seq(KvType::f32, {1, 1, 4}, 1, 50);
    for (int d = 0; d < 4; ++d) static_cast<float*>(seq.cache.layer.k)[d] = 3e38f;
    for (float& v : seq.q) v = sign * 3e38f;
    for (Isa isa : available_isas()) {
      for (float v : seq.run(isa, 1, 1)) EXPECT_TRUE(std::isnan(v));
    }
  }
}

TEST(Attention, ANaNInTheQueryOrTheCacheReachesTheOutput) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  for (Isa isa : available_isas()) {
    Sequence query(KvType::f16, {1, 1, 16}, 70, 60);
    query.q[69 * 16 + 3] = nan;
    const auto out = query.run(isa, 1, 70);
    EXPECT_TRUE(std::isfinite(out[68 * 16]));
    EXPECT_TRUE(std::isnan(out[69 * 16]));
    for (KvType type : kTypes) {
      Sequence key(type, {1, 1, 16}, 70, 70);
      std::vector<float> bad(16, 1.0f);
      bad[5] = nan;
      kv_store(float_ops(isa), key.cache.layer, 30, bad.data(), bad.data());
      const auto after = key.run(isa, 1, 1);
      EXPECT_TRUE(std::isfinite(after[29 * 16 + 5]));
      EXPECT_TRUE(std::isnan(after[30 * 16 + 5]));
      EXPECT_TRUE(std::isnan(after[69 * 16 + 5]));
    }
  }
}

TEST(Attention, RefusesShapesOutOfRange) {
  Sequence seq(KvType::f32, {4, 2, 8}, 4, 80);
  std::vector<float> out(seq.q.size());
  ThreadPool pool(1);
  AttentionScratch scratch;
  auto query = seq.query(3, out);
  const auto run = [&](AttentionQuery q, uint32_t heads) {
    return attention(float_ops(Isa::scalar), pool, std::span(&q, 1), heads, 1, scratch);
  };
  EXPECT_TRUE(run(query, 4));
  EXPECT_FALSE(run(query, 5));
  query.position = 4;
  EXPECT_FALSE(run(query, 4));
  query.position = 3;
  query.kv.head_dim = 258;
  EXPECT_FALSE(run(query, 4));
}

}  // namespace
}  // namespace onebit::cpu
