#include "roofline/roofline.h"

#include <cmath>

#include <gtest/gtest.h>

namespace onebit::roofline {
namespace {

const TokenCost& two_b() {
  static const TokenCost cost = token_cost(*find_shape("bitnet-2b-4t"));
  return cost;
}

// Published of BitNet-b1.58-2B-4T: 2.084e9 weights in the linear layers (521 MB at 2 bits, 417 MB at 1.6), 328.3e6 in
// the embedding (656.7 MB in F16), 4.168 GOP per token.
TEST(TokenCost, PublishedFiguresOf2B4T) {
  const TokenCost& c = two_b();
  EXPECT_EQ(c.linear_weights, 30u * (2560ull * 2560 * 2 + 2 * 2560ull * 640 + 3 * 2560ull * 6912));
  EXPECT_NEAR(2e-9 * static_cast<double>(c.linear_weights), 4.168, 0.002);
  EXPECT_NEAR(decode_bytes(c, kPackings[0], 0), 521e6, 0.5e6);
  EXPECT_NEAR(0.8 * decode_bytes(c, kPackings[0], 0), 417e6, 0.5e6);
  EXPECT_EQ(c.head_weights, 328335360u);
  EXPECT_TRUE(c.head_tied);
  uint64_t weights = 0;
  for (const LinearShape& l : c.linears) weights += l.k * l.n * l.count;
  EXPECT_EQ(weights, c.linear_weights);
  uint64_t stacked = 0;
  for (const LinearShape& l : c.stacked) stacked += l.k * l.n * l.count;
  EXPECT_EQ(stacked, c.linear_weights);
  EXPECT_EQ(c.stacked.size(), 4u);
}

TEST(TokenCost, NamesOfLinearLayers) {
  EXPECT_TRUE(is_linear_weight("blk.0.attn_q.weight"));
  EXPECT_TRUE(is_linear_weight("blk.29.ffn_down.weight"));
  EXPECT_FALSE(is_linear_weight("blk.0.attn_norm.weight"));
  EXPECT_FALSE(is_linear_weight("blk.0.ffn_down.scale"));
  EXPECT_FALSE(is_linear_weight("output.weight"));
  EXPECT_FALSE(is_linear_weight("blk.weight"));
}

TEST(Roofline, FieldsArithmetic) {
  EXPECT_NEAR(scale(kSeen, kQuotedBandwidth), 77.9, 0.05);
  const double linears = decode_bytes(two_b(), kPackings[0], 0);
  EXPECT_NEAR(45e9 / linears, 86.4, 0.1);
  EXPECT_NEAR(56e9 / linears, 107.5, 0.1);
  const auto prefill = [](double tops) { return tops * 1e12 / (2.0 * static_cast<double>(two_b().linear_weights)); };
  EXPECT_NEAR(prefill(12.9), 3095, 2);
  EXPECT_NEAR(prefill(25.3), 6070, 3);
}

TEST(Roofline, ContextCostsItsKeysAndValues) {
  // 30 layers, 5 heads of 128, keys and values, 2 bytes each: 76,800 bytes a position.
  EXPECT_EQ(decode_bytes(two_b(), kPackings[1], 4096) - decode_bytes(two_b(), kPackings[1], 0), 4096.0 * 76800);
  EXPECT_EQ(decode_bytes(two_b(), kPackings[0], 4096), decode_bytes(two_b(), kPackings[0], 0));
}

TEST(Roofline, EveryFigureHasALabelAndASource) {
  for (const char* name : machine_names()) {
    const Machine m = *machine(name);
    const Roofline r = roofline(two_b(), m, {});
    EXPECT_EQ(r.decode.size(), m.bandwidths.size());
    EXPECT_EQ(r.prefill.size(), m.rates.size());
    bool units[3] = {};
    for (const Figure& f : m.bandwidths) {
      EXPECT_FALSE(f.source.empty());
      EXPECT_NE(f.label, Label::measured) << "a figure of another machine";
      EXPECT_LE(f.value, m.nominal_bandwidth) << f.what;
      units[static_cast<int>(f.unit)] = true;
    }
    for (const Figure& f : m.rates) EXPECT_FALSE(f.source.empty());
    EXPECT_TRUE(units[0] && units[1] && units[2]) << name;
    for (const Decode& d : r.decode)
      for (size_t i = 1; i < d.tokens_per_s.size(); ++i) EXPECT_LT(d.tokens_per_s[i], d.tokens_per_s[0]);
  }
  EXPECT_FALSE(machine("abacus"));
}

// A prompt of one token is a decode step: bound by reading the weights. A long one is bound by compute.
TEST(Roofline, ShortPromptsAreBoundByMemory) {
  const Machine m = *machine("strix-halo");
  for (const Prefill& p : roofline(two_b(), m, {.prompt = 1}).prefill) {
    EXPECT_TRUE(p.memory_bound);
    EXPECT_LT(p.tokens_per_s, 1000);
  }
  for (const Prefill& p : roofline(two_b(), m, {.prompt = 2048}).prefill) EXPECT_FALSE(p.memory_bound);
}

// No estimate of a design passes the array's peak.
TEST(Roofline, ModelStaysUnderThePeak) {
  for (const uint32_t prompt : {1u, 128u, 512u, 4096u})
    for (const Modelled& d : roofline(two_b(), *machine("strix-halo"), {.prompt = prompt}).modelled) {
      if (!d.not_covered.empty()) continue;
      EXPECT_GT(d.tops, 0);
      EXPECT_LT(d.tops, 59);
      EXPECT_NEAR(d.tokens_per_s * 2e-12 * static_cast<double>(two_b().linear_weights), d.tops, 1e-6 * d.tops);
    }
}

TEST(Roofline, NothingToMultiply) {
  const Roofline r = roofline({}, *machine("krackan"), {});
  for (const Prefill& p : r.prefill) EXPECT_EQ(p.tokens_per_s, 0);
  for (const Modelled& d : r.modelled) EXPECT_FALSE(d.not_covered.empty());
}

TEST(Machines, ThisIsMeasured) {
  const auto m = measure_this(size_t{16} << 20);
  ASSERT_TRUE(m);
  EXPECT_EQ(m->bandwidths.at(0).label, Label::measured);
  EXPECT_GT(m->bandwidths[0].value, 0);
  EXPECT_GT(m->rates.at(0).value, 0);
}

}  // namespace
}  // namespace onebit::roofline
