#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "npu/perf/estimate.h"
#include "npu/perf/fit.h"
#include "npu/perf/measured.h"
#include "npu/perf/presets.h"

namespace onebit::npu::perf {
namespace {

Estimate of(const char* design, Shape shape, Condition condition = {}, const Rates& rates = {}) {
  const auto flow = preset(design);
  EXPECT_TRUE(flow.has_value()) << flow.error().message;
  auto e = estimate(*flow, shape, condition, rates);
  EXPECT_TRUE(e.has_value()) << e.error().message;
  return *e;
}

std::string message(const Dataflow& flow, Shape shape, Condition condition = {}) {
  const auto e = estimate(flow, shape, condition);
  return e ? "no error" : e.error().message;
}

TEST(Perf, MeasuredRowsAreReproduced) {
  const auto rows = compare();
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_GE(rows->size(), 80u);
  for (const Comparison& c : *rows)
    EXPECT_LE(std::abs(c.error()), 0.30) << "row " << c.row->row << " " << c.row->design << " " << c.row->label << ": measured "
                                         << c.measured_us << " us, estimated " << c.estimated_us << " us";
  for (const bool all : {true, false}) {
    const Errors e = summarize(*rows, all);
    EXPECT_LE(e.median, 0.05) << all;  // accepted: 0.15
    EXPECT_LE(e.worst, 0.30) << all;
  }
  EXPECT_LT(summarize(*rows, false).rows, summarize(*rows, true).rows);
}

// Published beside the numbered rows: V9's smallest GEMM, alone and in a queue.
TEST(Perf, TheSmallestGemmIsReproduced) {
  EXPECT_NEAR(of("v9-layout0", {512, 64, 512}).total * 1e6, 214, 0.05 * 214);
  EXPECT_NEAR(of("v9-layout0", {512, 64, 512}, {.mode = Mode::chained}).total * 1e6, 167, 0.05 * 167);
}

TEST(Perf, FamiliesLeftOutAreReproduced) {
  const auto left = leave_one_family_out();
  ASSERT_TRUE(left) << left.error().message;
  ASSERT_GE(left->size(), 8u);
  for (const LeftOut& l : *left) {
    EXPECT_GT(l.errors.rows, 0u) << l.family;
    EXPECT_LE(l.errors.median, 0.15) << l.family;
    EXPECT_LE(l.errors.worst, 0.30) << l.family;
  }
}

// The document's table and its summary are what this build says.
TEST(Perf, DocumentShowsTheseFigures) {
  std::ifstream file(std::string(ONEBIT_SOURCE_DIR) + "/docs/npu-performance-model.md");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  ASSERT_FALSE(text.empty());
  const auto rows = compare();
  ASSERT_TRUE(rows);
  for (const Comparison& c : *rows) {
    const std::string label = c.row->label;
    const std::string condition = label + (c.row->variant.calibrates ? (label.empty() ? "sets a constant" : ", sets a constant") : "");
    const Shape& s = c.row->shape;
    const std::string line = fmt::format("| {} | {} | {} x {} x {} | {} | {:.1f} | {:.1f} | {:+.1f} % |\n", c.row->row, c.row->design, s.m, s.k,
                                         s.n, condition, c.measured_us, c.estimated_us, 100 * c.error());
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
  const Errors all = summarize(*rows, true), free = summarize(*rows, false);
  const std::string summary = fmt::format("over {} measured figures the median error is {:.1f} % and the worst {:.1f} %; over the {} that set no\n"
                                          "constant, {:.1f} % and {:.1f} %",
                                          all.rows, 100 * all.median, 100 * all.worst, free.rows, 100 * free.median, 100 * free.worst);
  EXPECT_NE(text.find(summary), std::string::npos) << summary;
  const auto left = leave_one_family_out();
  ASSERT_TRUE(left);
  for (const LeftOut& l : *left) {
    const std::string line = fmt::format("| {} | {} | {:.1f} % | {:.1f} % | {} | {} | {} |\n", l.family, l.errors.rows, 100 * l.errors.median,
                                         100 * l.errors.worst, l.coupling, l.launch_s * 1e6, l.wave_turn_cycles);
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST(Perf, TermsAddUp) {
  for (const Preset& p : presets()) {
    const Estimate e = of(p.name, {512, 640, 1280}, {.fresh_share = 0.5});
    EXPECT_NEAR(e.total, e.dispatch + e.instruction_stream + e.fill + e.array + e.overlap_loss + e.drain, e.total * 1e-9) << p.name;
    EXPECT_GT(e.tops(), 0) << p.name;
    EXPECT_LT(e.tops(), 59) << p.name;  // the array's peak
    EXPECT_GE(e.total, e.compute) << p.name;
    EXPECT_GE(e.total, std::hypot(e.ddr_read, e.ddr_write)) << p.name;
  }
}

// Bytes as the designs' own accounts give them (npu-design 1.3, 1.4, 1.6).
TEST(Perf, BytesFollowTheDataflow) {
  const double kc = 40, mw = 8, nw = 3;
  EXPECT_EQ(of("v8", {4096, 2560, 1280}).read_bytes, 8 * 4096 * kc * 2 * mw * nw);
  const Estimate v9 = of("v9", {4096, 2560, 1280});
  EXPECT_NEAR(v9.read_bytes, 8 * 4096 * kc * (mw * nw + nw), 1);
  EXPECT_EQ(v9.write_bytes, 32 * 8192 * mw * nw);
  EXPECT_EQ(v9.waves, 24u);
  EXPECT_EQ(v9.chunks, 960u);
  const Estimate g80 = of("g80", {4096, 2560, 1280});
  EXPECT_NEAR((g80.read_bytes + g80.write_bytes) / (1 << 20), 18.1, 0.1);
  // V10 reads A once and B once: 8 M waves and 5 N waves of 10 chunks.
  EXPECT_NEAR(of("v10", {4096, 640, 2560}).read_bytes, 8 * 4096 * 10 * (8 + 5), 1);
  EXPECT_NEAR(of("v10-prefix", {4096, 640, 2560}).read_bytes, 8 * 4096 * 10 * (8 + 5), 1);
  // int32 sums of every 128 of K: 40 times the result.
  EXPECT_EQ(of("iu4-epochs", {512, 5120, 3072}).write_bytes, 512.0 * 3072 * 4 * 40);
}

TEST(Perf, TheBindingResourceIsNamed) {
  EXPECT_EQ(of("v8", {4096, 2560, 1280}).bound, Resource::ddr);
  EXPECT_EQ(of("g80", {4096, 2560, 1280}).bound, Resource::compute);
  EXPECT_EQ(of("v9-layout0", {64, 2560, 1280}).bound, Resource::host);
  Rates slow;
  slow.stream_bytes_per_cycle = 1;
  EXPECT_EQ(of("g80", {4096, 2560, 1280}, {}, slow).bound, Resource::stream);
}

// Packed weights: fewer bytes, and more of K fits where they are resident.
TEST(Perf, PackedWeightsMoveLessAndFitDeeper) {
  auto flow = preset("v9-layout0");
  ASSERT_TRUE(flow);
  EXPECT_EQ(message(*flow, {512, 3520, 1280}), "512 x 3520 x 1280: v9-layout0 keeps 450560 bytes in each memory tile, there is room for 442368");
  const Dataflow packed = with_types(*flow, 8, 2, 8);
  EXPECT_EQ(message(packed, {512, 54 * 64 * 4, 1280}), "no error");
  EXPECT_NE(message(packed, {512, 54 * 64 * 4 + 64, 1280}), "no error");
  const double int8_bytes = of("v9-layout0", {512, 2560, 1280}).read_bytes;
  EXPECT_NEAR(estimate(packed, {512, 2560, 1280}, {})->read_bytes, int8_bytes * (1 + 0.25) / 2, 1);
  // Expansion in the core costs cycles.
  Dataflow expanding = packed;
  expanding.kernel.cycles_per_chunk += 1000;
  EXPECT_GT(estimate(expanding, {4096, 2560, 1280}, {})->total, estimate(packed, {4096, 2560, 1280}, {})->total);
}

TEST(Perf, ConditionsOrder) {
  const Shape s{160, 640, 2560};
  const double eager = of("v9-layout0", s).total, prepared = of("v9-layout0", s, {.mode = Mode::prepared, .count = 8}).total;
  const double lean = of("v9-layout0", s, {.mode = Mode::prepared, .count = 8, .lean = true}).total;
  const double grouped = of("v9-layout0", s, {.mode = Mode::grouped, .count = 64}).total;
  EXPECT_LT(prepared, eager);
  EXPECT_LT(lean, prepared);
  EXPECT_LT(grouped, lean);
  EXPECT_GT(of("v9-layout0", s, {.fresh_share = 1}).total, eager + 1.5e-3);
  // A group of one is a single submit with its full stream.
  EXPECT_DOUBLE_EQ(of("v9-layout0", s, {.mode = Mode::grouped, .count = 1}).total, eager);
}

TEST(Perf, Refusals) {
  const auto v9 = preset("v9");
  ASSERT_TRUE(v9);
  EXPECT_EQ(message(*v9, {0, 64, 64}), "M is 0, expected 1 to 1048576");
  EXPECT_EQ(message(*v9, {64, uint64_t{1} << 40, 64}), "K is 1099511627776, expected 1 to 1048576");
  EXPECT_EQ(message(*v9, {8704, 64, 64}), "M is 8704, v9 takes at most 8192");
  EXPECT_EQ(message(*v9, {64, 64, 64}, {.count = 0}), "a command of 0 GEMMs, expected at least 1");
  Dataflow bad = *v9;
  bad.b.channels = 17;
  EXPECT_EQ(message(bad, {64, 64, 64}), "v9: B has 17 shim channels, expected 1 to 16");
  bad = *v9;
  bad.tile.n = 256;
  EXPECT_EQ(message(bad, {64, 64, 64}), "v9: tile m 128 k 64 n 256 takes 204800 bytes of a core, there are 65536");
  bad.tile.n = 0;
  EXPECT_EQ(message(bad, {64, 64, 64}), "v9: tile m 128 k 64 n 0, expected 1 to 65536");
  bad = *v9;
  bad.cores_n = 9;
  EXPECT_EQ(message(bad, {64, 64, 64}), "v9: 4 x 9 cores, expected 1 to 32 in all");
  bad = *v9;
  bad.c.bits = NAN;
  EXPECT_NE(message(bad, {64, 64, 64}), "no error");
  bad = *preset("bn-stock", Tile{65536, 65536, 65536});
  EXPECT_NE(message(bad, {64, 64, 64}), "no error");
  // A tile that leaves no room for a second C is drained in place.
  EXPECT_EQ(message(*preset("bn-stock", Tile{128, 64, 64}), {1024, 2560, 2560}), "no error");
  const auto one = preset("one-core");
  EXPECT_EQ(message(*one, {kMaxDimension, 64, kMaxDimension}),
            "1048576 x 64 x 1048576 takes more than 4194304 waves of 64 x 64");
  EXPECT_EQ(preset("v9", Tile{64, 64, 64}).error().message, "v9 has a fixed tile of m 128 k 64 n 64");
  EXPECT_EQ(preset("v99").error().code, Errc::usage);
}

TEST(Perf, RatesBetweenThePoints) {
  EXPECT_EQ(interpolate(kReadByChannels, 1), 12.8e9);
  EXPECT_EQ(interpolate(kReadByChannels, 3), (24.5e9 + 44.8e9) / 2);
  EXPECT_EQ(interpolate(kReadByChannels, 100), 55.5e9);
  EXPECT_EQ(interpolate(kReadByBurst, 16), 42.8e9);
}

}  // namespace
}  // namespace onebit::npu::perf
