// The output head: the token and the k best of a full pass in full precision, found from the int8 copy.
#include <algorithm>
#include <cmath>
#include <map>

#include "cpu/float_ops.h"
#include "gpu/emulator/test_launch.h"

namespace onebit::gpu {
namespace {

using emulator::Guarded;

const cpu::FloatOps& ops() { return cpu::float_ops(cpu::Isa::scalar); }

// A head with its memory on the "device".
class Head {
 public:
  Head(std::vector<float> table, uint32_t vocab, uint32_t dim, uint32_t tokens, FloatType type = FloatType::f32)
      : vocab_(vocab),
        dim_(dim),
        tokens_(tokens),
        f32_(table),
        f16_(table.size()),
        h_(size_t{tokens} * dim),
        codes_(size_t{vocab} * head_stride(dim)),
        scale_(vocab),
        error_(vocab),
        norm_(vocab),
        hi_(size_t{tokens} * head_stride(dim)),
        lo_(size_t{tokens} * head_stride(dim)),
        input_(size_t{tokens} * 4),
        upper_(size_t{tokens} * vocab),
        lower_(size_t{tokens} * head_groups(vocab)),
        threshold_(tokens),
        counts_(tokens),
        list_(size_t{tokens} * vocab),
        logits_(size_t{tokens} * vocab),
        parameters_(tokens),
        best_(size_t{tokens} * kMaxTopK),
        chosen_(tokens),
        next_(tokens),
        history_(size_t{tokens} * 4) {
    ops().f32_to_f16(f16_.data(), table.data(), table.size());
    if (type == FloatType::f16) ops().f16_to_f32(f32_.data(), f16_.data(), table.size());
    args_ = {type == FloatType::f16 ? static_cast<void*>(f16_.data()) : f32_.data(),
             type,
             vocab,
             dim,
             h_.data(),
             tokens,
             codes_.data(),
             scale_.data(),
             error_.data(),
             norm_.data(),
             hi_.data(),
             lo_.data(),
             input_.data(),
             upper_.data(),
             lower_.data(),
             threshold_.data(),
             counts_.data(),
             list_.data(),
             logits_.data(),
             parameters_.data(),
             best_.data(),
             chosen_.data(),
             nullptr,
             nullptr,
             0};
    for (uint32_t t = 0; t < tokens; ++t) parameters_[t] = {1, 0.0f, 1.0f, 0.0f, 1};
    run_kernel("head_compress", {(vocab + 7) / 8}, args_);
  }

  void run(const std::vector<float>& h) {
    std::copy(h.begin(), h.end(), h_.data());
    run_kernel("head_prepare", {tokens_}, args_, kBlock, emulator::Order::reverse);
    run_kernel("head_scan", {head_groups(vocab_), (tokens_ + 3) / 4}, args_);
    run_kernel("head_threshold", {tokens_}, args_);
    run_kernel("head_collect", {(vocab_ + kBlock - 1) / kBlock, tokens_}, args_, kBlock, emulator::Order::shuffled);
    run_kernel("head_rescore", {kRescoreBlocks, tokens_}, args_);
    run_kernel("head_select", {tokens_}, args_, kBlock, emulator::Order::reverse);
  }

  std::vector<float> full(uint32_t t) {
    std::vector<float> out(vocab_);
    for (uint32_t r = 0; r < vocab_; ++r)
      out[r] = ops().dot(f32_.data() + size_t{r} * dim_, h_.data() + size_t{t} * dim_, dim_);
    return out;
  }

  // Compares the k best with a full pass.
  void check(uint32_t t) {
    const std::vector<float> logits = full(t);
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < vocab_; ++i)
      if (!std::isnan(logits[i])) order.push_back(i);
    std::sort(order.begin(), order.end(),
              [&](uint32_t x, uint32_t y) { return logits[x] != logits[y] ? logits[x] > logits[y] : x < y; });
    const uint32_t k = std::min(parameters_[t].top_k, vocab_);
    for (uint32_t i = 0; i < k; ++i) {
      const Choice& c = best_[size_t{t} * kMaxTopK + i];
      if (i >= order.size()) {
        ASSERT_EQ(c.token, -1) << "token " << t << ", place " << i;
        continue;
      }
      ASSERT_EQ(c.token, static_cast<int32_t>(order[i]))
          << "token " << t << ", place " << i << ": " << c.logit << ", expected " << logits[order[i]];
      ASSERT_EQ(c.logit, logits[order[i]]);
    }
    if (parameters_[t].temperature == 0.0f && !order.empty() && std::isfinite(logits[order[0]])) {
      ASSERT_EQ(chosen_[t].token, static_cast<int32_t>(order[0]));
    }
  }

  uint32_t candidates(uint32_t t) { return counts_[t]; }
  Guarded<SampleParameters>& parameters() { return parameters_; }
  Guarded<Choice>& chosen() { return chosen_; }
  Guarded<Token>& next() { return next_; }
  Guarded<uint32_t>& history() { return history_; }
  Guarded<float>& error() { return error_; }
  Guarded<int8_t>& codes() { return codes_; }
  Guarded<float>& scale() { return scale_; }
  void keep_history() { args_.next = next_.data(), args_.history = history_.data(), args_.history_size = 3; }

 private:
  uint32_t vocab_, dim_, tokens_;
  Guarded<float> f32_;
  Guarded<uint16_t> f16_;
  Guarded<float> h_;
  Guarded<int8_t> codes_;
  Guarded<float> scale_, error_, norm_;
  Guarded<int8_t> hi_, lo_;
  Guarded<float> input_, upper_, lower_, threshold_;
  Guarded<uint32_t> counts_, list_;
  Guarded<float> logits_;
  Guarded<SampleParameters> parameters_;
  Guarded<Choice> best_, chosen_;
  Guarded<Token> next_;
  Guarded<uint32_t> history_;
  HeadArgs args_;
};

TEST(Head, GreedyIsThatOfAFullPass) {
  for (const uint32_t tokens : {1u, 3u, 6u})
    for (const auto& [vocab, dim] : {std::pair{1u, 1u}, {70u, 33u}, {1000u, 256u}, {2000u, 600u}}) {
      SCOPED_TRACE(fmt::format("{} x {}, {} tokens", vocab, dim, tokens));
      Head head(random_floats(size_t{vocab} * dim, vocab + dim), vocab, dim, tokens, FloatType::f16);
      head.run(random_floats(size_t{tokens} * dim, 5, 3.0f));
      for (uint32_t t = 0; t < tokens; ++t) head.check(t);
    }
}

TEST(Head, FewRowsAreLookedAtAgain) {
  const uint32_t vocab = 3000, dim = 512;
  Head head(random_floats(size_t{vocab} * dim, 1), vocab, dim, 1);
  head.run(random_floats(dim, 2));
  head.check(0);
  EXPECT_LE(head.candidates(0), 30u);
  EXPECT_GE(head.candidates(0), 1u);
}

TEST(Head, TopK) {
  const uint32_t vocab = 3000, dim = 128;
  Head head(random_floats(size_t{vocab} * dim, 1), vocab, dim, 4);
  const uint32_t ks[] = {2, 40, 46, 1024};  // 47 groups of rows; with 1024 every row is looked at again
  for (uint32_t t = 0; t < 4; ++t) head.parameters()[t].top_k = ks[t];
  head.run(random_floats(4 * dim, 2));
  for (uint32_t t = 0; t < 4; ++t) head.check(t);
}

// Rows that differ by less than the copy can tell, and equal rows: the lowest id wins.
TEST(Head, NearAndEqualRows) {
  const uint32_t vocab = 400, dim = 200;
  const auto row = random_floats(dim, 1);
  std::vector<float> table;
  for (uint32_t r = 0; r < vocab; ++r) {
    table.insert(table.end(), row.begin(), row.end());
    if (r % 3) table[size_t{r} * dim + r % dim] *= 1.0f + 1e-6f * static_cast<float>(r % 7);
  }
  Head head(table, vocab, dim, 2);
  head.parameters()[1].top_k = 100;
  auto h = random_floats(2 * dim, 9);
  head.run(h);
  head.check(0);
  head.check(1);
}

TEST(Head, ValuesOutsideTheProof) {
  const uint32_t vocab = 300, dim = 64;
  auto table = random_floats(size_t{vocab} * dim, 1);
  table[5 * dim + 3] = NAN;
  table[7 * dim + 3] = INFINITY;
  table[9 * dim] = 1e35f;
  for (uint32_t i = 0; i < dim; ++i) table[11 * dim + i] = 0.0f, table[12 * dim + i] = 1e-38f;
  Head head(table, vocab, dim, 1);
  head.parameters()[0].top_k = 5;
  for (const float spread : {1.0f, 1e-20f, 1e32f, 0.0f}) {
    SCOPED_TRACE(spread);
    auto h = random_floats(dim, 2, spread);
    head.run(h);
    head.check(0);
  }
  auto h = random_floats(dim, 2);
  h[1] = NAN;
  head.run(h);
  EXPECT_EQ(head.chosen()[0].token, -1);
}

// The bounds of the copy hold in exact arithmetic.
TEST(Head, ErrorOfTheCopyIsBounded) {
  const uint32_t vocab = 200, dim = 300;
  auto table = random_floats(size_t{vocab} * dim, 3);
  for (uint32_t i = 0; i < dim; ++i) table[i] *= 1e-35f;
  Head head(table, vocab, dim, 1);
  for (uint32_t r = 0; r < vocab; ++r) {
    long double squares = 0;
    for (uint32_t i = 0; i < dim; ++i) {
      const long double e = static_cast<long double>(table[r * dim + i]) -
                            static_cast<long double>(head.scale()[r]) * head.codes()[r * head_stride(dim) + i];
      squares += e * e;
    }
    ASSERT_LE(std::sqrt(squares), static_cast<long double>(head.error()[r])) << "row " << r;
    ASSERT_LE(static_cast<long double>(head.error()[r]), std::sqrt(squares) * 1.001L + 1e-19L) << "row " << r;
  }
}

// Draws follow the probabilities that top-p, min-p and the temperature leave, as src/engine/sampler.cpp draws.
TEST(Head, DrawsAsTheSampler) {
  const uint32_t vocab = 64, dim = 8, k = 12;
  Head head(random_floats(vocab * dim, 3), vocab, dim, 1);
  const auto h = random_floats(dim, 4);
  head.parameters()[0] = {42, 0.7f, 0.9f, 0.03f, k};
  uint64_t state = 42;
  std::map<int32_t, int> seen;
  for (int n = 0; n < 200; ++n) {
    head.run(h);
    auto logits = head.full(0);
    std::vector<std::pair<double, int32_t>> sorted;
    for (uint32_t i = 0; i < vocab; ++i) sorted.push_back({static_cast<double>(logits[i]), static_cast<int32_t>(i)});
    std::sort(sorted.rbegin(), sorted.rend());
    sorted.resize(k);
    double total = 0, sum = 0;
    for (auto& [l, id] : sorted) total += std::exp(l - sorted[0].first);
    size_t keep = 0;
    while (keep < k) {
      sum += std::exp(sorted[keep++].first - sorted[0].first);
      if (sum >= static_cast<double>(0.9f) * total) break;
    }
    while (keep > 1 && std::exp(sorted[keep - 1].first - sorted[0].first) < static_cast<double>(0.03f)) --keep;
    total = 0;
    for (size_t i = 0; i < keep; ++i)
      total += std::exp((sorted[i].first - sorted[0].first) / static_cast<double>(0.7f));
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    double u = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53 * total;
    size_t expected = 0;
    for (; expected + 1 < keep; ++expected) {
      u -= std::exp((sorted[expected].first - sorted[0].first) / static_cast<double>(0.7f));
      if (u < 0) break;
    }
    ASSERT_EQ(head.chosen()[0].token, sorted[expected].second) << "draw " << n;
    ++seen[head.chosen()[0].token];
  }
  EXPECT_EQ(head.parameters()[0].random, state);
  EXPECT_GE(seen.size(), 3u);
}

TEST(Head, StateMovesOn) {
  const uint32_t vocab = 100, dim = 16;
  Head head(random_floats(vocab * dim, 3), vocab, dim, 2);
  head.keep_history();
  for (uint32_t t = 0; t < 2; ++t) head.next()[t] = {7, 10 + t, 0, 0}, head.history()[4 * t] = 0;
  std::vector<int32_t> ids;
  for (uint32_t step = 0; step < 4; ++step) {
    head.run(random_floats(2 * dim, 50 + step));
    ids.push_back(head.chosen()[1].token);
    EXPECT_EQ(head.next()[1].id, ids.back());
    EXPECT_EQ(head.next()[1].position, 12 + step);
  }
  EXPECT_EQ(head.history()[4], 4u);
  EXPECT_EQ(head.history()[5], static_cast<uint32_t>(ids[3]));  // the fourth in place of the first
  EXPECT_EQ(head.history()[6], static_cast<uint32_t>(ids[1]));
}

}  // namespace
}  // namespace onebit::gpu
