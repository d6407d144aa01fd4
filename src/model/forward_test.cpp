// The forward pass against a second one written here in double, straight from the model's definition,
// and against itself: batch splits, threads, instruction sets, several sequences, cache types.
#include "model/model.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "model/tiny_model.h"

namespace onebit {
namespace {

using onebit::testing::TinyModel;
using onebit::testing::TinyShape;
namespace fs = std::filesystem;

struct Loaded {
  ThreadPool pool;
  Gguf gguf;
  std::optional<cpu::Compute> compute;
  std::optional<Model> model;
  explicit Loaded(unsigned threads) : pool(threads) {}
};

class Forward : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("onebit_forward_" + std::to_string(getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string file(const TinyShape& shape, std::vector<std::pair<std::string, GgufValue>> keys = {}) {
    const std::string path = (dir_ / fmt::format("m{}.gguf", count_++)).string();
    const Status s = TinyModel(shape).write(path, std::move(keys));
    EXPECT_TRUE(s) << s.error().message;
    return path;
  }

  std::unique_ptr<Loaded> load(const std::string& path, unsigned threads = 1, cpu::Isa isa = cpu::best_isa()) {
    auto l = std::make_unique<Loaded>(threads);
    auto gguf = Gguf::open(path);
    EXPECT_TRUE(gguf) << gguf.error().message;
    l->gguf = std::move(*gguf);
    l->compute = std::move(*cpu::Compute::create(isa, l->pool));
    auto model = Model::load(l->gguf, I2sLayout::automatic, *l->compute, {});
    EXPECT_TRUE(model) << model.error().message;
    l->model = std::move(*model);
    return l;
  }

  // Hidden states of every token, in batches of `batch`.
  std::vector<float> hidden(Loaded& l, std::span<const int32_t> tokens, size_t batch, cpu::KvType type = cpu::KvType::f16) {
    const uint32_t dim = l.model->config().dim;
    KvCache kv(l.model->config(), type, l.model->config().context);
    Activations act;
    std::vector<float> out(tokens.size() * dim, NAN);
    for (size_t at = 0; at < tokens.size(); at += batch) {
      std::vector<BatchToken> b;
      for (size_t i = at; i < std::min(tokens.size(), at + batch); ++i) b.push_back({tokens[i], &kv, true});
      const Status s = l.model->forward(b, act, *l.compute, out.data() + at * dim);
      EXPECT_TRUE(s) << s.error().message;
    }
    return out;
  }

  fs::path dir_;
  int count_ = 0;
};

std::vector<int32_t> some_tokens(size_t n, uint32_t vocab) {
  std::vector<int32_t> t(n);
  for (size_t i = 0; i < n; ++i) t[i] = static_cast<int32_t>((i * 37 + i * i * 11 + 5) % vocab);
  return t;
}

// --- the reference ---------------------------------------------------------------------------------

using Vec = std::vector<double>;

class Reference {
 public:
  explicit Reference(const Gguf& gguf) : g_(gguf), c_(*ModelConfig::read(gguf)) {}

  std::vector<Vec> run(std::span<const int32_t> tokens) {
    std::vector<Vec> out;
    keys_.assign(c_.layers, {});
    values_.assign(c_.layers, {});
    for (size_t p = 0; p < tokens.size(); ++p) out.push_back(token(tokens[p], p));
    return out;
  }

 private:
  Vec tensor(const std::string& name) const {
    const GgufTensor& t = *g_.find_tensor(name);
    std::vector<float> x(t.elements());
    decode(t, I2sLayout::block128, 0, t.elements(), x.data());
    return Vec(x.begin(), x.end());
  }

  Vec norm(const Vec& x, const std::string& name) const {
    const Vec w = tensor(name);
    double ss = 0;
    for (double v : x) ss += v * v;
    const double r = 1 / std::sqrt(ss / static_cast<double>(x.size()) + static_cast<double>(c_.norm_eps));
    Vec y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * r * w[i];
    return y;
  }

  Vec linear(const Vec& x, const std::string& name) const {
    const GgufTensor& t = *g_.find_tensor(name);
    const Vec w = tensor(name);
    Vec in = x;
    if (tensor_type_info(t.type).ternary) {
      double most = 0;
      for (double v : x) most = std::max(most, std::abs(v));
      const double s = 127 / std::max(most, 1e-5);
      for (double& v : in) v = std::clamp(std::nearbyint(v * s), -128.0, 127.0) / s;
    }
    Vec y(t.rows(), 0);
    for (size_t r = 0; r < y.size(); ++r)
      for (size_t k = 0; k < in.size(); ++k) y[r] += w[r * in.size() + k] * in[k];
    return y;
  }

  void rope(Vec& v, size_t heads, size_t p) const {
    const size_t half = c_.rope_dim / 2;
    for (size_t h = 0; h < heads; ++h)
      for (size_t i = 0; i < half; ++i) {
        const double a = static_cast<double>(p) * std::pow(static_cast<double>(c_.rope_theta), -2.0 * static_cast<double>(i) / c_.rope_dim);
        double& x = v[h * c_.head_dim + (c_.rope_neox ? i : 2 * i)];
        double& y = v[h * c_.head_dim + (c_.rope_neox ? i + half : 2 * i + 1)];
        const double x0 = x;
        x = x0 * std::cos(a) - y * std::sin(a);
        y = x0 * std::sin(a) + y * std::cos(a);
      }
  }

  Vec attention(const Vec& q, size_t layer) const {
    const auto& keys = keys_[layer];
    const auto& values = values_[layer];
    Vec out(q.size(), 0);
    for (size_t h = 0; h < c_.heads; ++h) {
      const size_t kv = h / (c_.heads / c_.kv_heads) * c_.head_dim;
      Vec score(keys.size(), 0);
      double total = 0, most = -1e300;
      for (size_t p = 0; p < keys.size(); ++p) {
        for (size_t i = 0; i < c_.head_dim; ++i) score[p] += q[h * c_.head_dim + i] * keys[p][kv + i];
        score[p] /= std::sqrt(static_cast<double>(c_.head_dim));
        most = std::max(most, score[p]);
      }
      for (double& s : score) total += s = std::exp(s - most);
      for (size_t p = 0; p < keys.size(); ++p)
        for (size_t i = 0; i < c_.head_dim; ++i) out[h * c_.head_dim + i] += score[p] / total * values[p][kv + i];
    }
    return out;
  }

  Vec token(int32_t id, size_t p) {
    const Vec e = tensor("token_embd.weight");
    Vec x(e.begin() + static_cast<ptrdiff_t>(id) * c_.dim, e.begin() + static_cast<ptrdiff_t>(id + 1) * c_.dim);
    for (size_t l = 0; l < c_.layers; ++l) {
      const std::string b = "blk." + std::to_string(l) + ".";
      Vec n = norm(x, b + "attn_norm.weight");
      Vec q = linear(n, b + "attn_q.weight"), k = linear(n, b + "attn_k.weight");
      rope(q, c_.heads, p);
      rope(k, c_.kv_heads, p);
      keys_[l].push_back(k);
      values_[l].push_back(linear(n, b + "attn_v.weight"));
      Vec a = attention(q, l);
      if (c_.sub_norms) a = norm(a, b + "attn_sub_norm.weight");
      const Vec o = linear(a, b + "attn_output.weight");
      for (size_t i = 0; i < x.size(); ++i) x[i] += o[i];
      n = norm(x, b + "ffn_norm.weight");
      const Vec g = linear(n, b + "ffn_gate.weight");
      Vec h = linear(n, b + "ffn_up.weight");
      for (size_t i = 0; i < h.size(); ++i)
        h[i] *= c_.gate == cpu::Gate::relu2 ? std::pow(std::max(g[i], 0.0), 2) : g[i] / (1 + std::exp(-g[i]));
      if (c_.sub_norms) h = norm(h, b + "ffn_sub_norm.weight");
      const Vec d = linear(h, b + "ffn_down.weight");
      for (size_t i = 0; i < x.size(); ++i) x[i] += d[i];
    }
    return norm(x, "output_norm.weight");
  }

  const Gguf& g_;
  ModelConfig c_;
  std::vector<std::vector<Vec>> keys_, values_;
};

double relative_error(std::span<const float> got, const std::vector<Vec>& expected) {
  double worst = 0;
  for (size_t t = 0; t < expected.size(); ++t) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < expected[t].size(); ++i) {
      difference += std::pow(static_cast<double>(got[t * expected[t].size() + i]) - expected[t][i], 2);
      size += expected[t][i] * expected[t][i];
    }
    worst = std::max(worst, std::sqrt(difference / size));
  }
  return worst;
}

// --- tests -----------------------------------------------------------------------------------------

TEST_F(Forward, FloatWeightsMatchTheDefinition) {
  for (const char* arch : {"bitnet-b1.58", "bitnet", "llama"}) {
    TinyShape shape{.arch = arch, .type = TensorType::f32};
    const auto l = load(file(shape));
    const auto tokens = some_tokens(40, shape.vocab);
    // Each of about 8 dependent sums of n = 512 terms is off by at most sqrt(n) eps of its norm on average.
    const double tolerance = 8 * std::sqrt(512.0) * 0x1p-23;
    EXPECT_LT(relative_error(hidden(*l, tokens, 16, cpu::KvType::f32), Reference(l->gguf).run(tokens)), tolerance) << arch;
  }
}

TEST_F(Forward, TernaryWeightsMatchTheDefinition) {
  for (const char* arch : {"bitnet-b1.58", "bitnet", "llama"}) {
    TinyShape shape{.arch = arch};
    const auto l = load(file(shape));
    const auto tokens = some_tokens(40, shape.vocab);
    // Where float and double differ in the last bit an activation may round to the neighbouring int8: one
    // step of 1/127 of the largest in a few of the 256 entries.
    EXPECT_LT(relative_error(hidden(*l, tokens, 16, cpu::KvType::f32), Reference(l->gguf).run(tokens)), 1e-2) << arch;
  }
}

TEST_F(Forward, SameBitsForEveryTypeBatchThreadAndIsa) {
  const auto tokens = some_tokens(70, 96);
  TinyShape shape;
  const std::string path = file(shape);
  const auto expected = hidden(*load(path), tokens, 1);
  const auto same = [&](Loaded& l, size_t batch) {
    const auto got = hidden(l, tokens, batch);
    return std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0;
  };
  for (size_t batch : {2, 7, 64, 70}) EXPECT_TRUE(same(*load(path), batch)) << batch;
  EXPECT_TRUE(same(*load(path, 3), 7));
  for (const cpu::Isa isa : cpu::available_isas()) EXPECT_TRUE(same(*load(path, 2, isa), 32)) << cpu::isa_name(isa);
  for (const TensorType type : {TensorType::tq1_0, TensorType::tq2_0}) {
    shape.type = type;
    EXPECT_TRUE(same(*load(file(shape)), 16)) << tensor_type_info(type).name;
  }
}

TEST_F(Forward, SequencesInOneBatchDoNotTouchEachOther) {
  TinyShape shape;
  const auto l = load(file(shape), 2);
  const auto a = some_tokens(30, 96);
  std::vector<int32_t> b(a.rbegin(), a.rend());
  const auto alone_a = hidden(*l, a, 30);
  const auto alone_b = hidden(*l, b, 30);
  const uint32_t dim = l->model->config().dim;
  KvCache ka(l->model->config(), cpu::KvType::f16, 300), kb(l->model->config(), cpu::KvType::f16, 300);
  Activations act;
  std::vector<float> out(60 * dim, NAN), row(2 * dim);
  for (size_t i = 0; i < 30; ++i) {
    const BatchToken batch[] = {{a[i], &ka, true}, {b[i], &kb, true}};
    ASSERT_TRUE(l->model->forward(batch, act, *l->compute, row.data()));
    EXPECT_EQ(std::memcmp(row.data(), alone_a.data() + i * dim, dim * 4), 0) << i;
    EXPECT_EQ(std::memcmp(row.data() + dim, alone_b.data() + i * dim, dim * 4), 0) << i;
  }
}

TEST_F(Forward, OnlyWantedTokensAreReturned) {
  TinyShape shape;
  const auto l = load(file(shape));
  const auto tokens = some_tokens(20, 96);
  const auto all = hidden(*l, tokens, 20);
  const uint32_t dim = l->model->config().dim;
  KvCache kv(l->model->config(), cpu::KvType::f16, 300);
  Activations act;
  std::vector<BatchToken> batch;
  for (size_t i = 0; i < tokens.size(); ++i) batch.push_back({tokens[i], &kv, i == 3 || i == 19});
  std::vector<float> out(3 * dim, -7);
  ASSERT_TRUE(l->model->forward(batch, act, *l->compute, out.data()));
  EXPECT_EQ(std::memcmp(out.data(), all.data() + 3 * dim, dim * 4), 0);
  EXPECT_EQ(std::memcmp(out.data() + dim, all.data() + 19 * dim, dim * 4), 0);
  EXPECT_EQ(out[2 * dim], -7);
}

TEST_F(Forward, CacheTypesStayNear) {
  TinyShape shape{.type = TensorType::f32};
  const auto l = load(file(shape));
  const auto tokens = some_tokens(280, 96);  // past the first growth of the cache
  const auto reference = Reference(l->gguf).run(tokens);
  EXPECT_LT(relative_error(hidden(*l, tokens, 64, cpu::KvType::f32), reference), 1e-4);
  EXPECT_LT(relative_error(hidden(*l, tokens, 64, cpu::KvType::f16), reference), 4e-3);
  EXPECT_LT(relative_error(hidden(*l, tokens, 64, cpu::KvType::q8), reference), 4e-2);
}

TEST_F(Forward, FullContextAndBadTokensAreErrorsAndChangeNothing) {
  TinyShape shape{.context = 10};
  const auto l = load(file(shape));
  KvCache kv(l->model->config(), cpu::KvType::f16, 10);
  Activations act;
  std::vector<float> out(l->model->config().dim * 12);
  std::vector<BatchToken> batch(11, {1, &kv, true});
  auto s = l->model->forward(batch, act, *l->compute, out.data());
  ASSERT_FALSE(s);
  EXPECT_EQ(s.error().message, "the context is full: 11 positions asked for, the context has 10");
  EXPECT_EQ(kv.length, 0u);
  for (const int32_t bad : {-1, 96, INT32_MAX}) {
    const BatchToken one[] = {{1, &kv, true}, {bad, &kv, true}};
    s = l->model->forward(one, act, *l->compute, out.data());
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().message, fmt::format("token id {} is outside the vocabulary of 96", bad));
    EXPECT_EQ(kv.length, 0u);
  }
  batch.resize(10);
  EXPECT_TRUE(l->model->forward(batch, act, *l->compute, out.data()));
  EXPECT_EQ(kv.length, 10u);
}

}  // namespace
}  // namespace onebit
