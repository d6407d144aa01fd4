#include "npu/perf/measured.h"

#include <algorithm>
#include <cmath>

#include "npu/perf/presets.h"

namespace onebit::npu::perf {
namespace {

constexpr Condition kFresh{.fresh_share = 1};
constexpr Condition kThreeSubmits{.fresh_share = 1.0 / 3};
constexpr Condition kNoCompute{.compute = 0};
constexpr Condition kPrepared{.mode = Mode::prepared, .count = 8};
constexpr Condition kPreparedLean{.mode = Mode::prepared, .count = 8, .lean = true};
constexpr Condition kRing{.mode = Mode::ring, .lean = true};
constexpr Condition kGrouped{.mode = Mode::grouped, .count = 64, .lean = true};

// M, K, N. "gate_up" has N 1280 and K 2560, "down" N 2560 and K 640.
constexpr Shape up(uint64_t m) { return {m, 2560, 1280}; }
constexpr Shape down(uint64_t m) { return {m, 640, 2560}; }
constexpr Shape cube(uint64_t n) { return {n, n, n}; }
constexpr Shape wide(uint64_t m, uint64_t k) { return {m, k, 2560}; }

const Measured kRows[] = {
    {1, "one core, fresh context", "one-core", cube(64), 144.4, 0, kFresh},
    {2, "one core, fresh context", "one-core", cube(128), 204.7, 0, kFresh},
    {3, "one core, fresh context", "one-core", cube(256), 486.9, 0, kFresh},
    {4, "", "v6-serial", {512, 64, 512}, 264.9},
    {5, "", "v6-serial", up(4096), 29008, 0, {}, {.calibrates = true}},
    {6, "", "v6-serial", down(4096), 13163},
    {7, "", "v6", up(4096), 1536},
    {7, "", "v6", down(4096), 1215},
    {8, "mean of 3 submits, the first in a fresh context", "v8-i32", up(4096), 2182, 0, kThreeSubmits},
    {8, "mean of 3 submits, the first in a fresh context", "v8-i32", down(4096), 1864, 0, kThreeSubmits},
    {9, "", "v8", up(4096), 1367},
    {9, "", "v8", down(4096), 708},
    {10, "no compute", "v8", up(4096), 1364, 0, kNoCompute},
    {10, "no compute", "v8", down(4096), 711, 0, kNoCompute},
    {11, "", "v8", {4096, 640, 1280}, 507},
    {11, "", "v8", {4096, 1280, 1280}, 783},
    {12, "", "v8", {4096, 2560, 2560}, 2112},
    {13, "", "v8", up(8192), 2466},
    {13, "", "v8", up(2048), 776},
    {13, "", "v8", {4096, 2560, 640}, 979},
    {15, "int8 out", "v8-layout0", {4096, 5120, 4096}, 6378},
    {15, "int32 out", "v8-layout0", {4096, 5120, 4096}, 6469, 0, {}, {.c_bits = 32}},
    {17, "", "v9", up(4096), 1183},
    {17, "", "v9", down(4096), 622},
    {18, "", "v9-layout0", up(4096), 1059},
    {18, "", "v9-layout0", down(4096), 561},
    {22, "no compute", "v9-layout0", up(4096), 859, 0, kNoCompute},
    {22, "no compute", "v9-layout0", down(4096), 531.5, 0, kNoCompute},
    {23, "kernel twice per chunk", "v9-layout0", up(4096), 2008, 0, {.compute = 2}},
    {23, "kernel three times per chunk", "v9-layout0", up(4096), 2450, 0, {.compute = 3}, {.calibrates = true}},
    {24, "", "v9-layout0", up(64), 361},
    {24, "", "v9-layout0", up(128), 361},
    {24, "", "v9-layout0", up(160), 361},
    {24, "", "v9-layout0", up(256), 360},
    {24, "", "v9-layout0", up(512), 362},
    {26, "no compute", "v9-layout0", wide(4096, 64), 401, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(4096, 128), 410, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(4096, 320), 465, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(4096, 640), 534, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(2048, 64), 308, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(2048, 128), 315, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(2048, 320), 341, 0, kNoCompute},
    {26, "no compute", "v9-layout0", wide(2048, 640), 397, 0, kNoCompute},
    {27, "prepared x8, full stream", "v9-layout0", up(4096), 997, 0, kPrepared},
    {27, "prepared x8, lean stream", "v9-layout0", up(4096), 889, 0, kPreparedLean},
    {28, "prepared x8, full stream", "v9-layout0", down(4096), 518, 0, kPrepared},
    {28, "prepared x8, lean stream", "v9-layout0", down(4096), 408, 0, kPreparedLean},
    {29, "ring, lean stream", "v9-layout0", up(4096), 897, 0, kRing},
    {29, "ring, lean stream", "v9-layout0", down(4096), 421, 0, kRing},
    {30, "64 GEMMs per command", "v9-layout0", up(64), 201, 0, kGrouped},
    {30, "64 GEMMs per command", "v9-layout0", up(512), 201, 0, kGrouped},
    {31, "64 GEMMs per command", "v9-layout0", down(64), 116, 0, kGrouped},
    {31, "64 GEMMs per command", "v9-layout0", down(512), 116, 0, kGrouped},
    {32, "", "v10", down(4096), 583, 0, {}, {.calibrates = true}},
    {32, "", "v10", down(8192), 913, 0, {}, {.calibrates = true}},
    {33, "full stream", "v10-prefix", down(4096), 556},
    {33, "prepared x8, lean stream", "v10-prefix", down(4096), 412, 0, kPreparedLean},
    {34, "no compute", "v10", down(4096), 454.7, 0, kNoCompute},
    {35, "prepared x8, lean stream", "v9-layout0", down(160), 132, 0, kPreparedLean},
    {35, "prepared x8, lean stream", "v10", down(160), 149, 0, kPreparedLean},
    {35, "prepared x8, lean stream", "v10-prefix", down(160), 131, 0, kPreparedLean},
    {36, "", "g80", up(4096), 935, 0, {}, {.calibrates = true}},
    {36, "no compute", "g80", up(4096), 516.7, 0, kNoCompute},
    {39, "int32 sums of every K 128", "iu4-epochs", {512, 5120, 3072}, 4808},
    {40, "", "ief15", {8192, 17408, 1024}, 13020, 0, {}, {.calibrates = true}},
    {42, "", "bn-stock", {512, 2560, 2560}, 803},
    {42, "", "bn-stock", {2048, 2560, 2560}, 2957},
    {43, "tile n 16", "bn-stock", {2048, 2560, 640}, 2363, 0, {}, {.tile = {64, 16, 64}}},
    {45, "", "bn-stock", {512, 6912, 2560}, 1951},
    {45, "", "bn-stock", {2048, 6912, 2560}, 7751},
    {46, "tile 128x64x64", "bn-tuned", {1024, 2560, 2560}, 1082.7},
    {47, "tile 64x128x64", "bn-tuned", {1024, 2560, 2560}, 1043.4, 0, {}, {.tile = {64, 64, 128}}},
    {49, "tile 64x128x32, single run", "bn-tuned", {1024, 2560, 2560}, 0, 10.43, {}, {.tile = {64, 32, 128}}},
    {49, "tile 64x64x64, single run", "bn-tuned", {1024, 2560, 2560}, 0, 10.31, {}, {.tile = {64, 64, 64}}},
    {52, "", "iron-stock", {1024, 512, 1024}, 0, 3.2},
    {52, "7 to 8.4 TOPS, the middle", "iron-stock", cube(2048), 0, 7.7},
    {52, "", "iron-stock", cube(4096), 0, 7.8},
    {53, "int8 weights, tile assumed", "iron-i8", {1024, 4096, 1024}, 0, 10.9},
    {53, "int4 weights, tile assumed", "iron-i4", {1024, 4096, 1024}, 0, 14.4},
    {54, "", "bf16-stock", cube(2048), 24679, 0, {}, {.calibrates = true}},
};

const NotCovered kNotCovered[] = {
    {"51", "the cost of one kernel call with dispatch removed: it is the compiled kernels' constant, not a GEMM on the array"},
    {"55, 56", "the best of many designs whose shapes, tiles and data flows are not given"},
    {"57, 58", "synthetic loops without data movement (51 to 56 of the array's 59 TOPS)"},
    {"59", "a vendor stack's whole network; its programs are not known"},
    {"60", "int16 matrix times vector on another operating system; not a GEMM dataflow"},
};

Result<Comparison> compare_row(const Measured& row, const Rates& rates) {
  const auto tile = row.variant.tile.m ? std::optional(row.variant.tile) : std::nullopt;
  ONEBIT_ASSIGN(Dataflow flow, preset(row.design, tile));
  if (row.variant.c_bits > 0) flow = with_types(flow, flow.a.bits, flow.b.bits, row.variant.c_bits);
  ONEBIT_ASSIGN(const Estimate e, estimate(flow, row.shape, row.condition, rates));
  const double measured = row.us > 0 ? row.us : e.useful_ops / row.tops * 1e-6;
  return Comparison{&row, measured, e.total * 1e6};
}

}  // namespace

std::span<const Measured> measured_rows() { return kRows; }
std::span<const NotCovered> rows_not_covered() { return kNotCovered; }

Result<std::vector<Comparison>> compare(const Rates& rates) {
  std::vector<Comparison> all;
  for (const Measured& row : kRows) {
    auto one = compare_row(row, rates);
    if (!one) return with_context(std::move(one).error(), fmt::format("row {}", row.row));
    all.push_back(*one);
  }
  return all;
}

Errors summarize(std::span<const Comparison> comparisons, bool with_calibration_rows) {
  std::vector<double> errors;
  for (const Comparison& c : comparisons)
    if (with_calibration_rows || !c.row->variant.calibrates) errors.push_back(std::abs(c.error()));
  if (errors.empty()) return {};
  std::sort(errors.begin(), errors.end());
  const size_t n = errors.size();
  return {(errors[(n - 1) / 2] + errors[n / 2]) / 2, errors.back(), n};
}

}  // namespace onebit::npu::perf
