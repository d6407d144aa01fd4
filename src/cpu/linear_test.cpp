// Linear layers: against products in double precision, and bit for bit the same for any number of
// threads, split into batches, instruction set and packed layout.
#include "cpu/linear.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace onebit::cpu {
namespace {

struct Layer {
  uint32_t rows, cols;
  std::vector<uint8_t> codes;
  std::vector<float> values;  // the same weights as floats, for the path that is not ternary
  GgufTensor tensor;
  Linear linear;
};

std::unique_ptr<Layer> make_layer(uint32_t rows, uint32_t cols, TernaryLayout layout, ThreadPool& pool, float scale,
                                  bool ternary) {
  auto l = std::make_unique<Layer>();
  l->rows = rows;
  l->cols = cols;
  std::mt19937 rng(rows + cols);
  l->codes.resize(size_t{rows} * cols);
  for (auto& c : l->codes) c = rng() % 3;
  l->linear.rows = rows;
  l->linear.cols = cols;
  l->linear.scale = scale;
  if (ternary) {
    auto packed = pack_ternary(rows, cols, layout, pool, [&](uint32_t row, uint8_t* out) {
      std::memcpy(out, l->codes.data() + size_t{row} * cols, cols);
    });
    EXPECT_TRUE(packed);
    l->linear.ternary = std::move(*packed);
  } else {
    for (const uint8_t c : l->codes) l->values.push_back(static_cast<float>(c) - 1);
    l->tensor = GgufTensor{"w", TensorType::f32, 2, {cols, rows, 1, 1}, l->values.size() * 4, 0, 0,
                           reinterpret_cast<const uint8_t*>(l->values.data())};
    l->linear.tensor = &l->tensor;
  }
  return l;
}

struct Input {
  uint32_t tokens, cols;
  std::vector<float> x;
  Buffer q;
  std::vector<int32_t> sum;
  std::vector<float> inv_scale;

  Input(uint32_t tokens_, uint32_t cols_, const FloatOps& ops) : tokens(tokens_), cols(cols_) {
    std::mt19937 rng(cols);
    std::normal_distribution<float> normal;
    x.resize(size_t{tokens} * cols);
    for (float& v : x) v = normal(rng);
    q = std::move(*Buffer::allocate(tokens * quant_stride(cols), "q"));
    sum.resize(tokens);
    inv_scale.resize(tokens);
    for (uint32_t t = 0; t < tokens; ++t)
      ops.quantize(q.as<int8_t>() + t * quant_stride(cols), quant_stride(cols), x.data() + size_t{t} * cols, cols,
                   &inv_scale[t], &sum[t]);
  }
  // Tokens [t0, t0 + n) as a layer's input.
  LinearInput part(uint32_t t0, uint32_t n) const {
    const size_t stride = quant_stride(cols);
    return {x.data() + size_t{t0} * cols, {n, cols, stride, q.as<int8_t>() + t0 * stride, sum.data() + t0, inv_scale.data() + t0},
            n, cols};
  }
};

// Multiplies from the unpacked codes, when asked for the result. Fails at the n-th start or finish, if told so.
struct FakeDevice : TernaryDevice {
  std::vector<const Layer*> matrices;
  int fail_start = -1, fail_finish = -1, starts = 0, finishes = 0;
  QuantActs x;
  std::vector<Product> products;

  // Gives the device row groups [0, groups) of a layer.
  void take(Layer& l, uint32_t groups) {
    if (!l.linear.is_ternary()) return;
    l.linear.device_groups = std::min(groups, l.linear.ternary.groups);
    l.linear.device_matrix = static_cast<uint32_t>(matrices.size());
    matrices.push_back(&l);
  }
  Status start(const QuantActs& input, std::span<const Product> wanted) override {
    if (starts++ == fail_start) return fail(Errc::device, "no start");
    x = input;
    products.assign(wanted.begin(), wanted.end());
    return {};
  }
  Status finish() override {
    for (const Product& p : products) {
      const Layer& l = *matrices[p.matrix];
      std::vector<uint8_t> codes(l.cols);
      for (uint32_t r = 0; r < std::min(l.rows, l.linear.device_groups * kGroupRows); ++r) {
        unpack_ternary_row(l.linear.ternary, r, codes.data());
        for (uint32_t t = 0; t < x.tokens; ++t) {
          int32_t sum = 0;
          for (uint32_t k = 0; k < l.cols; ++k) sum += (codes[k] - 1) * x.q[t * x.stride + k];
          p.sums[t * p.ld + r] = sum;
        }
      }
    }
    if (finishes++ == fail_finish) return fail(Errc::device, "no finish");
    return {};
  }
};

struct Case {
  Isa isa;
  unsigned threads;
  uint32_t batch;
  TernaryLayout layout;
  FakeDevice* device = nullptr;
  uint32_t device_groups = 0;
};

// All outputs of three products of one input and of a gated pair, in batches.
std::vector<float> run(const Case& c, uint32_t tokens, uint32_t cols, bool ternary) {
  ThreadPool pool(c.threads);
  auto compute = Compute::create(c.isa, pool);
  EXPECT_TRUE(compute);
  EXPECT_TRUE(compute->reserve(1, cols));
  EXPECT_TRUE(compute->reserve(c.batch, 1));
  const Input in(tokens, cols, *compute->ops);
  const auto a = make_layer(70, cols, c.layout, pool, 0.7f, ternary), b = make_layer(16, cols, c.layout, pool, 1.3f, ternary),
             d = make_layer(90, cols, c.layout, pool, 0.01f, ternary), e = make_layer(90, cols, c.layout, pool, 0.02f, true);
  if (c.device) {
    compute->device = c.device;
    compute->device_tokens = 2;
    c.device->matrices.clear();
    for (Layer* l : {a.get(), b.get(), d.get(), e.get()}) c.device->take(*l, c.device_groups);
  }
  std::vector<float> ya(size_t{tokens} * 70, NAN), yb(size_t{tokens} * 16, 1.5f), h(size_t{tokens} * 90, NAN), s = h;
  for (uint32_t t = 0; t < tokens; t += c.batch) {
    const LinearInput x = in.part(t, std::min(c.batch, tokens - t));
    const LinearOutput outs[] = {{&a->linear, ya.data() + size_t{t} * 70, Into::store},
                                 {&b->linear, yb.data() + size_t{t} * 16, Into::add}};
    linear(*compute, x, outs);
    linear_gated(*compute, x, d->linear, e->linear, Gate::relu2, h.data() + size_t{t} * 90);
    linear_gated(*compute, x, d->linear, d->linear, Gate::silu, s.data() + size_t{t} * 90);
  }
  ya.insert(ya.end(), yb.begin(), yb.end());
  ya.insert(ya.end(), h.begin(), h.end());
  ya.insert(ya.end(), s.begin(), s.end());
  return ya;
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * 4), 0);
}

class LinearBits : public testing::TestWithParam<bool> {};

TEST_P(LinearBits, DoNotDependOnThreadsBatchIsaOrLayout) {
  const bool ternary = GetParam();
  // More tokens than one block has, once with activations that the cache holds and once with more.
  for (const auto& [cols, tokens] : {std::pair{60u, ternary ? 520u : 9u}, {640u, 9u}, {3200u, ternary ? 520u : 3u}}) {
    const bool large = cols == 3200;
    const Isa reference = large ? best_isa() : Isa::scalar;
    const auto expected = run({reference, 1, large ? 1 : tokens, TernaryLayout::p2}, tokens, cols, ternary);
    for (const float v : expected) ASSERT_TRUE(std::isfinite(v)) << "an output was never written";
    for (const Isa isa : available_isas())
      for (const uint32_t batch : {1u, 2u, 7u, tokens}) {
        if (large && (isa == Isa::scalar || batch < tokens)) continue;
        SCOPED_TRACE(testing::Message() << isa_name(isa) << " batch " << batch << " cols " << cols);
        const TernaryLayout layout = batch % 2 ? TernaryLayout::p16 : TernaryLayout::p2;
        expect_same_bits(run({isa, 1 + batch % 3, batch, layout}, tokens, cols, ternary), expected);
      }
  }
}
INSTANTIATE_TEST_SUITE_P(All, LinearBits, testing::Bool(), [](const auto& i) { return i.param ? "ternary" : "float"; });

TEST(Linear, ADeviceChangesNothing) {
  const uint32_t tokens = 9, cols = 100;
  for (const bool ternary : {true, false}) {
    const auto expected = run({best_isa(), 2, tokens, TernaryLayout::p16}, tokens, cols, ternary);
    for (const uint32_t groups : {0u, 1u, 3u, 100u})
      for (const uint32_t batch : {1u, 4u, tokens}) {
        SCOPED_TRACE(testing::Message() << groups << " groups, batch " << batch);
        FakeDevice device;
        expect_same_bits(run({best_isa(), 2, batch, TernaryLayout::p16, &device, groups}, tokens, cols, ternary), expected);
        EXPECT_EQ(device.starts > 0, ternary && groups > 0 && batch > 1);
        EXPECT_EQ(device.starts, device.finishes);
      }
    for (int n = 0; n < 3; ++n) {
      FakeDevice starts, finishes;
      starts.fail_start = finishes.fail_finish = n;
      expect_same_bits(run({best_isa(), 2, tokens, TernaryLayout::p2, &starts, 2}, tokens, cols, ternary), expected);
      expect_same_bits(run({best_isa(), 2, tokens, TernaryLayout::p2, &finishes, 2}, tokens, cols, ternary), expected);
    }
  }
}

TEST(Linear, AFailedDeviceIsCountedAndItsFirstErrorKept) {
  ThreadPool pool(2);
  auto compute = Compute::create(best_isa(), pool);
  ASSERT_TRUE(compute);
  const uint32_t tokens = 4, cols = 64;
  ASSERT_TRUE(compute->reserve(tokens, cols));
  const Input in(tokens, cols, *compute->ops);
  const auto l = make_layer(48, cols, TernaryLayout::p2, pool, 0.5f, true);
  FakeDevice device;
  device.take(*l, 2);
  device.fail_start = 1;
  compute->device = &device;
  compute->device_tokens = tokens;
  std::vector<LinearRuns> runs(1);
  compute->runs = &runs;
  std::vector<float> y(tokens * 48);
  const LinearOutput out{&l->linear, y.data(), Into::store};
  for (int i = 0; i < 3; ++i) linear(*compute, in.part(0, tokens), {&out, 1});
  linear(*compute, in.part(0, tokens - 1), {&out, 1});  // too few tokens for the device
  EXPECT_EQ(runs[0].device, 2u);
  EXPECT_EQ(runs[0].failed, 1u);
  EXPECT_EQ(runs[0].cpu, 4u);  // 16 of the 48 rows, and all of them in the failed and the small call
  EXPECT_EQ(compute->device_failures, 1u);
  ASSERT_TRUE(compute->device_error);
  EXPECT_EQ(compute->device_error->message, "no start");
}

// y = W x with x as quantised: the only rounding is that of two float products.
TEST(Linear, IsTheProduct) {
  ThreadPool pool(2);
  auto compute = Compute::create(best_isa(), pool);
  ASSERT_TRUE(compute);
  const uint32_t tokens = 5, cols = 100, rows = 40;
  ASSERT_TRUE(compute->reserve(tokens, cols));
  const Input in(tokens, cols, *compute->ops);
  for (const bool ternary : {true, false}) {
    const auto l = make_layer(rows, cols, TernaryLayout::p2, pool, 0.5f, ternary);
    std::vector<float> y(tokens * rows, 3.f);
    const LinearOutput out{&l->linear, y.data(), Into::add};
    linear(*compute, in.part(0, tokens), {&out, 1});
    for (uint32_t t = 0; t < tokens; ++t)
      for (uint32_t r = 0; r < rows; ++r) {
        double sum = 0, magnitude = 0;
        for (uint32_t k = 0; k < cols; ++k) {
          const double x = ternary ? double{in.inv_scale[t]} * in.q.as<int8_t>()[t * quant_stride(cols) + k]
                                   : double{in.x[t * cols + k]};
          sum += (l->codes[r * cols + k] - 1) * x * 0.5;
          magnitude += std::fabs(x);
        }
        // cols roundings of the dot product, each at most half an ulp of the sum of magnitudes.
        ASSERT_NEAR(y[t * rows + r], 3 + sum, (cols * magnitude + 8) * 0x1p-24) << "token " << t << " row " << r;
      }
  }
}

}  // namespace
}  // namespace onebit::cpu
