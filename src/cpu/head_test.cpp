#include "cpu/head.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace onebit::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr uint32_t kVocab = 8213, kDim = 520;  // large enough for a copy; multiples of nothing

std::vector<float> gaussian(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> gauss;
  std::vector<float> x(n);
  for (float& v : x) v = gauss(rng);
  return x;
}

// A matrix in memory with its head and the machinery to run it on one ISA.
struct Fixture {
  Fixture(Isa isa, uint32_t vocab, uint32_t dim, const std::vector<float>& values, unsigned threads = 2,
          TensorType type = TensorType::f16)
      : pool(threads) {
    data.resize(tensor_bytes(type, dim, vocab).value());
    if (!encode(type, values.data(), values.size(), data.data())) std::abort();
    tensor = {"token_embd.weight", type, 2, {dim, vocab, 1, 1}, data.size(), 0, 0, data.data()};
    compute = std::make_unique<Compute>(Compute::create(isa, pool).value());
    head = std::make_unique<OutputHead>(OutputHead::create(nullptr, tensor, *compute).value());
  }
  // The definition: every row decoded and multiplied in full precision.
  std::vector<float> full(const float* h) const {
    std::vector<float> out(head->vocab()), row(head->dim());
    for (uint32_t i = 0; i < head->vocab(); ++i) {
      decode(tensor, I2sLayout::block128, uint64_t{i} * head->dim(), head->dim(), row.data());
      out[i] = compute->ops->dot(row.data(), h, head->dim());
    }
    return out;
  }

  ThreadPool pool;
  std::vector<uint8_t> data;
  GgufTensor tensor;
  std::unique_ptr<Compute> compute;
  std::unique_ptr<OutputHead> head;
};

std::vector<TokenLogit> best_of(const std::vector<float>& logits, uint32_t k) {
  std::vector<TokenLogit> all;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(logits[i])) all.push_back({static_cast<int32_t>(i), logits[i]});
  }
  std::sort(all.begin(), all.end(), [](const TokenLogit& a, const TokenLogit& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
  all.resize(std::min<size_t>(k, all.size()));
  return all;
}

// argmax and top against the full pass, to the bit.
void expect_exact(Fixture& f, const float* h) {
  const auto logits = f.full(h);
  const TokenLogit got = f.head->argmax(*f.compute, h);
  const auto first = best_of(logits, 1);
  if (first.empty()) {
    EXPECT_TRUE(std::isnan(got.logit));
  } else {
    EXPECT_EQ(got.token, first[0].token) << got.logit << " against " << first[0].logit;
    EXPECT_EQ(std::bit_cast<uint32_t>(got.logit), std::bit_cast<uint32_t>(first[0].logit));
  }
  for (uint32_t k : {1u, 2u, 40u, 700u, f.head->vocab(), f.head->vocab() + 1}) {
    const auto expected = best_of(logits, k);
    std::vector<TokenLogit> top;
    f.head->top(*f.compute, h, k, top);
    ASSERT_EQ(top.size(), expected.size()) << k;
    for (size_t i = 0; i < top.size(); ++i) {
      ASSERT_EQ(top[i].token, expected[i].token) << "rank " << i << " of " << k;
      ASSERT_EQ(std::bit_cast<uint32_t>(top[i].logit), std::bit_cast<uint32_t>(expected[i].logit));
    }
  }
}

TEST(HeadKernels, CopyIsWhatTheHeaderSaysAndItsNormsAreBounds) {
  for (uint32_t cols : {1u, 64u, 127u, 128u, 300u}) {
    auto rows = gaussian(16 * cols, cols);
    for (uint32_t i = 0; i < cols; ++i) {
      rows[2 * cols + i] *= 1e-15f;
      rows[3 * cols + i] *= 1e15f;
      rows[4 * cols + i] = 0;
      rows[5 * cols + i] *= 1e-33f;  // below what is compressed
    }
    rows[6 * cols] = 1000;  // an outlier
    rows[7 * cols] = kNan;
    rows[8 * cols] = -kInf;
    rows[9 * cols] = 1e35f;
    const auto x = gaussian(cols, 99);

    std::vector<uint8_t> first_codes;
    std::vector<float> first_out;
    for (Isa isa : available_isas()) {
      HeadCopy copy;
      copy.cols = cols;
      copy.groups = 1;
      copy.blocks = (cols + 127) / 128;
      copy.group_bytes = (copy.blocks * (kHeadBlockBytes + 16) + 63) / 64 * 64;
      std::vector<uint8_t> codes(copy.group_bytes, 0), temp(16 * 128 * copy.blocks, 0xee);
      std::vector<float> info(48, -1), out(16, -1);
      copy.codes = codes.data(), copy.scale = info.data(), copy.error = info.data() + 16, copy.norm = info.data() + 32;
      head_kernels(isa).compress(copy, 0, rows.data(), cols, 15, temp.data());

      std::vector<int8_t> hi(128 * copy.blocks), lo(hi);
      std::vector<int32_t> offset(copy.blocks);
      std::mt19937 rng(5);
      for (uint32_t i = 0; i < cols; ++i) {
        hi[i] = static_cast<int8_t>(rng() % 3 ? rng() % 255 - 127 : rng() % 2 ? 127 : -127);
        lo[i] = static_cast<int8_t>(rng() % 3 ? rng() % 128 - 64 : rng() % 2 ? 63 : -64);
        offset[i / 128] += 32 * (128 * hi[i] + lo[i]);
      }
      const HeadInput input{hi.data(), lo.data(), offset.data(), 0.25f};
      float* const result = out.data();
      head_kernels(isa).multiply(copy, 0, 1, &input, 1, &result);

      for (uint32_t r = 0; r < 16; ++r) {
        double error = 0, norm = 0, dot = 0, magnitude = 0;
        for (uint32_t i = 0; i < cols; ++i) {
          const uint8_t* tile = codes.data() + i / 16 * 192;
          const uint32_t part = i % 16 / 4, at = 4 * r + i % 4;
          const int code = (tile[part / 2 * 64 + at] >> (part % 2 * 4) & 15) | (tile[128 + at] >> (2 * part) & 3) << 4;
          const int m = static_cast<int8_t>(codes[copy.blocks * kHeadBlockBytes + i / 128 * 16 + r]) + 129;
          const double copied = double(copy.scale[r]) * m * (code - 32), w = r < 15 ? rows[r * cols + i] : 0;
          error += (w - copied) * (w - copied);
          norm += w * w;
          dot += copied * 0.25 * (128 * hi[i] + lo[i]);
          magnitude += std::abs(copied * 0.25 * (128 * hi[i] + lo[i]));
        }
        if (r >= 7 && r <= 9) {
          EXPECT_EQ(copy.error[r], kInf);
          EXPECT_EQ(out[r], 0);
          continue;
        }
        EXPECT_GE(copy.error[r], std::sqrt(error));
        EXPECT_GE(copy.norm[r], std::sqrt(norm));
        EXPECT_LE(copy.error[r], std::sqrt(error) * 1.0001 + 5e-20);
        EXPECT_LE(copy.norm[r], std::sqrt(norm) * 1.0001 + 5e-20);
        // A block of 128 gaussians reaches about 3: steps of 3 / 31.5, an error of step / sqrt(12) each.
        if (r < 4) { EXPECT_LE(copy.error[r], 0.05 * copy.norm[r]); }
        EXPECT_NEAR(out[r], dot, (copy.blocks + 5) * 0x1p-24 * 1.01 * magnitude);
      }
      if (isa == Isa::scalar) first_codes = codes, first_out = out;
      EXPECT_EQ(codes, first_codes) << isa_name(isa);
      EXPECT_EQ(out, first_out) << isa_name(isa);
    }
  }
}

// Any number of groups and tokens at once gives the bits of one of each.
TEST(HeadKernels, GroupsAndTokensDoNotChangeTheResult) {
  constexpr uint32_t kGroups = 7, kCols = 300, kTokens = 15;  // 8 + 4 + 2 + 1: every block size
  for (Isa isa : available_isas()) {
    HeadCopy copy;
    copy.cols = kCols;
    copy.groups = kGroups;
    copy.blocks = 3;
    copy.group_bytes = (copy.blocks * (kHeadBlockBytes + kHeadGroup) + 63) / 64 * 64;
    std::vector<uint8_t> codes(kGroups * copy.group_bytes), temp(16 * 128 * copy.blocks);
    std::vector<float> info(3 * 16 * kGroups);
    copy.codes = codes.data(), copy.scale = info.data(), copy.error = info.data() + 16 * kGroups, copy.norm = info.data() + 32 * kGroups;
    const auto rows = gaussian(16 * kGroups * kCols, 3);
    for (uint32_t g = 0; g < kGroups; ++g) head_kernels(isa).compress(copy, g, rows.data() + g * 16 * kCols, kCols, 16, temp.data());

    std::vector<int8_t> planes(kTokens * 2 * 384);
    std::mt19937 rng(11);
    for (int8_t& v : planes) v = static_cast<int8_t>(rng() % 127 - 63);
    const std::vector<int32_t> offset{77, -1000, 5};
    std::vector<HeadInput> x;
    for (uint32_t t = 0; t < kTokens; ++t) x.push_back({&planes[t * 768], &planes[t * 768 + 384], offset.data(), 0.5f + static_cast<float>(t)});
    std::vector<float> one(kTokens * 16 * kGroups, kNan);
    for (uint32_t t = 0; t < kTokens; ++t)
      for (uint32_t g = 0; g < kGroups; ++g) {
        float* const out = &one[t * 16 * kGroups];
        head_kernels(isa).multiply(copy, g, g + 1, &x[t], 1, &out);
      }
    for (uint32_t first : {0u, 1u, 2u, 5u}) {
      std::vector<float> all(one.size(), kNan);
      float* out[kTokens];
      for (uint32_t t = 0; t < kTokens; ++t) out[t] = &all[t * 16 * kGroups];
      head_kernels(isa).multiply(copy, first, kGroups, x.data(), kTokens, out);
      for (size_t i = 0; i < all.size(); ++i) {
        if (i % (16 * kGroups) < 16 * first)
          ASSERT_TRUE(std::isnan(all[i])) << isa_name(isa) << " wrote " << i;
        else
          ASSERT_EQ(std::bit_cast<uint32_t>(all[i]), std::bit_cast<uint32_t>(one[i])) << isa_name(isa) << " from group " << first << ", " << i;
      }
    }
  }
}

TEST(HeadKernels, CandidatesKeepNaNAndTies) {
  const float approx[20] = {1, 2, 3, 0, 5, kNan, 0, 2, 2};
  const float error[20] = {0, 1, 0, kInf, 0, 0, 0, 0, 0.5f};
  const float norm[20] = {};
  for (Isa isa : available_isas()) {
    uint32_t out[20];
    const size_t n = head_kernels(isa).candidates(approx, error, norm, 19, 2, 1, 3, out);
    EXPECT_EQ(std::vector<uint32_t>(out, out + n), (std::vector<uint32_t>{1, 2, 3, 4, 5, 8}));
    EXPECT_EQ(head_kernels(isa).candidates(approx, error, norm, 19, 0, 1, 100, out), 2u);  // inf * 0 and NaN
    EXPECT_EQ(head_kernels(isa).candidates(approx, error, norm, 19, 2, 1, -kInf, out), 19u);
  }
}

TEST(OutputHead, ExactOnGaussianRowsAndFewRowsAreRescored) {
  const auto e = gaussian(size_t{kVocab} * kDim, 1);
  for (Isa isa : available_isas()) {
    Fixture f(isa, kVocab, kDim, e);
    EXPECT_GT(f.head->first_pass_bytes(), 0u);
    EXPECT_LT(f.head->first_pass_bytes(), size_t{kVocab} * kDim);
    for (uint32_t seed : {2, 3}) {
      const auto h = gaussian(kDim, seed);
      expect_exact(f, h.data());
      f.head->argmax(*f.compute, h.data());
      EXPECT_LT(f.head->last_rescored(), kVocab / 20);
      EXPECT_GE(f.head->last_rescored(), 2u);
    }
  }
}

TEST(OutputHead, ExactOnNearTies) {
  // All rows are one direction plus noise at the level of one unit in the last place of f16, so that the
  // copy cannot tell them apart; and the best row stands twice more, later.
  auto e = gaussian(size_t{kVocab} * kDim, 1);
  const auto base = gaussian(kDim, 7), h = gaussian(kDim, 8);
  for (size_t i = 0; i < e.size(); ++i) e[i] = base[i % kDim] * (1 + e[i] * 0x1p-11f);
  Fixture probe(best_isa(), kVocab, kDim, e);
  const int32_t winner = best_of(probe.full(h.data()), 1)[0].token;
  for (uint32_t copy : {kVocab - 1, kVocab / 2}) {
    std::copy_n(e.begin() + size_t(winner) * kDim, kDim, e.begin() + size_t{copy} * kDim);
  }
  for (unsigned threads : {1u, 3u}) {
    Fixture f(best_isa(), kVocab, kDim, e, threads);
    expect_exact(f, h.data());
    EXPECT_GT(f.head->last_rescored(), 3u);
  }
}

TEST(OutputHead, ExactOnOutliersAndRowsThatAreNotFinite) {
  auto e = gaussian(size_t{kVocab} * kDim, 1);
  for (uint32_t i = 0; i < kVocab; ++i) e[size_t{i} * kDim + 77] *= 50;  // an outlier dimension
  for (uint32_t i = 0; i < kDim; ++i) {
    e[size_t{100} * kDim + i] = 0;
    e[size_t{200} * kDim + i] *= 1e-4f;
    e[size_t{300} * kDim + i] *= 1e3f;
  }
  e[size_t{400} * kDim + 3] = kNan;
  e[size_t{500} * kDim + 4] = kInf;
  e[size_t{600} * kDim + 5] = kInf;
  e[size_t{600} * kDim + 6] = -kInf;
  for (Isa isa : available_isas()) {
    Fixture f(isa, kVocab, kDim, e);
    for (uint32_t seed : {2, 3}) {
      auto h = gaussian(kDim, seed);
      expect_exact(f, h.data());
      h[4] = -std::abs(h[4]);  // the infinite logit is the smallest
      expect_exact(f, h.data());
    }
  }
}

TEST(OutputHead, ExactOnExtremeInputs) {
  const auto e = gaussian(size_t{kVocab} * kDim, 1);
  Fixture f(best_isa(), kVocab, kDim, e);
  for (float factor : {0.0f, 1e-38f, 1e-18f, 1e-14f, 1e29f, 1e36f, 3e38f}) {
    auto h = gaussian(kDim, 2);
    for (float& v : h) v *= factor / 4;
    expect_exact(f, h.data());
  }
  std::vector<float> spike(kDim);
  spike[300] = -1;
  expect_exact(f, spike.data());
  for (float bad : {kNan, kInf}) {
    auto h = gaussian(kDim, 2);
    h[5] = bad;
    expect_exact(f, h.data());
  }
}

TEST(OutputHead, EachOfSeveralTokensGetsWhatItGetsAlone) {
  for (const uint32_t vocab : {100u, kVocab}) {
    Fixture f(available_isas().back(), vocab, kDim, gaussian(size_t{vocab} * kDim, 1));
    for (const uint32_t tokens : {1u, 2u, 9u, 3u}) {
      auto h = gaussian(size_t{tokens} * kDim, tokens);
      if (tokens == 9) h[4 * kDim + 7] = kNan;
      std::vector<uint32_t> k(tokens);
      for (uint32_t t = 0; t < tokens; ++t) k[t] = t % 3 == 2 ? 0 : 1 + 20 * t;
      std::vector<std::vector<TokenLogit>> each(tokens, std::vector<TokenLogit>{{-1, 0.0f}});
      ASSERT_TRUE(f.head->top_each(*f.compute, h.data(), k, each));
      for (uint32_t t = 0; t < tokens; ++t) {
        std::vector<TokenLogit> alone;
        f.head->top(*f.compute, &h[size_t{t} * kDim], k[t], alone);
        ASSERT_EQ(each[t].size(), alone.size()) << "token " << t << " of " << tokens;
        for (size_t i = 0; i < alone.size(); ++i) {
          EXPECT_EQ(each[t][i].token, alone[i].token);
          EXPECT_EQ(std::bit_cast<uint32_t>(each[t][i].logit), std::bit_cast<uint32_t>(alone[i].logit));
        }
      }
    }
  }
}

TEST(OutputHead, SmallHeadsTakeTheFullPass) {
  for (const auto& [vocab, dim] : {std::pair{1u, 64u}, {50u, 64u}, {1000u, 32u}}) {
    for (TensorType type : {TensorType::f32, TensorType::f16, TensorType::q8_0}) {
      Fixture f(best_isa(), vocab, dim, gaussian(size_t{vocab} * dim, 1), 2, type);
      EXPECT_EQ(f.head->first_pass_bytes(), 0u);
      expect_exact(f, gaussian(dim, 2).data());
    }
  }
}

TEST(OutputHead, OtherTypesAreCopiedToo) {
  Fixture f(best_isa(), 8200, 544, gaussian(size_t{8200} * 544, 1), 2, TensorType::q8_0);
  EXPECT_GT(f.head->first_pass_bytes(), 0u);
  expect_exact(f, gaussian(544, 2).data());
}

TEST(OutputHead, ServesATensorOfAMappedFile) {
  const auto e = gaussian(size_t{kVocab} * kDim, 1);
  const std::string path = testing::TempDir() + "onebit_head_test.gguf";
  {
    std::vector<uint8_t> data(e.size() * 2);
    ASSERT_TRUE(encode(TensorType::f16, e.data(), e.size(), data.data()));
    GgufWriter writer;
    ASSERT_TRUE(writer.add_tensor("token_embd.weight", TensorType::f16, kDim, kVocab));
    ASSERT_TRUE(writer.begin(path));
    ASSERT_TRUE(writer.write(data.data(), data.size()));
    ASSERT_TRUE(writer.finish());
  }
  const Gguf file = Gguf::open(path).value();
  Fixture f(best_isa(), kVocab, kDim, e);
  OutputHead head = OutputHead::create(file, *file.find_tensor("token_embd.weight"), *f.compute).value();
  const auto h = gaussian(kDim, 2);
  const TokenLogit got = head.argmax(*f.compute, h.data()), expected = f.head->argmax(*f.compute, h.data());
  EXPECT_EQ(got.token, expected.token);
  EXPECT_EQ(got.logit, expected.logit);
  std::remove(path.c_str());
}

TEST(OutputHead, LogitsAreFullPrecisionForEveryToken) {
  Fixture f(best_isa(), kVocab, kDim, gaussian(size_t{kVocab} * kDim, 1));
  const uint32_t tokens = 51;
  const auto h = gaussian(tokens * kDim, 2);
  std::vector<float> out(size_t{tokens} * kVocab, 777.0f);
  f.head->logits(*f.compute, h.data(), tokens, out.data());
  for (uint32_t t : {0u, 1u, 47u, 48u, 50u}) {
    const auto expected = f.full(h.data() + t * kDim);
    for (uint32_t i = 0; i < kVocab; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(out[size_t{t} * kVocab + i]), std::bit_cast<uint32_t>(expected[i]));
    }
  }
}

TEST(OutputHead, ApproximateIsCloseToTheLogits) {
  Fixture f(best_isa(), kVocab, kDim, gaussian(size_t{kVocab} * kDim, 1));
  const auto h = gaussian(kDim, 2);
  std::vector<float> out(kVocab, 777.0f);
  f.head->approximate(*f.compute, h.data(), out.data());
  const auto expected = f.full(h.data());
  // Errors of columns are independent: about step / sqrt(12) times |h|, with steps of 2 * 3.5 / 63.
  for (uint32_t i = 0; i < kVocab; ++i) ASSERT_NEAR(out[i], expected[i], 6 * 0.035 * std::sqrt(kDim));
}

// A row with a single 1 copies as 31 / 31.5 there (m = 256, the largest code) and shows one element of h:
// both of its planes must arrive, to half a unit of 15 bits.
TEST(OutputHead, FirstPassSeesFifteenBitsOfTheInput) {
  std::vector<float> e(size_t{kVocab} * kDim);
  for (uint32_t i = 0; i < kVocab; ++i) e[size_t{i} * kDim + i % kDim] = 1;
  Fixture f(best_isa(), kVocab, kDim, e);
  const auto h = gaussian(kDim, 2);
  double top = 0;
  for (float v : h) top = std::max(top, std::abs(double{v}));
  std::vector<float> out(kVocab, 777.0f);
  f.head->approximate(*f.compute, h.data(), out.data());
  // The scale is rounded up to 16 bits.
  for (uint32_t i = 0; i < kVocab; ++i) ASSERT_NEAR(out[i] * 31.5 / 31, h[i % kDim], top / 16319 / 2 + top * 0x1p-15);
}

TEST(OutputHead, RefusesShapesOutOfRange) {
  ThreadPool pool(1);
  auto compute = Compute::create(Isa::scalar, pool).value();
  GgufTensor tensor{"output.weight", TensorType::f16, 2, {0, 10, 1, 1}, 0, 0, 0, nullptr};
  const auto head = OutputHead::create(nullptr, tensor, compute);
  ASSERT_FALSE(head);
  EXPECT_NE(head.error().message.find("output.weight"), std::string::npos);
}

}  // namespace
}  // namespace onebit::cpu
