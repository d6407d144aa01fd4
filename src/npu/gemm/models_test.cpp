// Every shape of the supported models: it fits, what it moves, and that its stream breaks no rule of the hardware.
#include <gtest/gtest.h>

#include "npu/gemm/array_program.h"
#include "npu/gemm/dataflow.h"
#include "npu/gemm/model_shapes.h"
#include "npu/image/lint.h"
#include "npu/image/npu_file.h"
#include "npu/perf/estimate.h"

namespace onebit::npu::gemm {
namespace {

const ArrayProgram& program() {
  static const ArrayProgram p = ArrayProgram::make().value();
  return p;
}

TEST(TernaryGemmModels, EveryTileKeepsItsBudgets) {
  for (const design::TileUse& u : program().lowered().use) {
    const TileModel& tile = program().lowered().program.device().tile(u.tile);
    EXPECT_LE(u.data_bytes, tile.data_bytes) << name(u.tile);
    EXPECT_LE(u.bds, tile.dma.bds) << name(u.tile);
    EXPECT_LE(u.locks, tile.locks.count) << name(u.tile);
    if (tile.kind == TileKind::core) {
      EXPECT_LE(u.program_bytes, 2048u) << name(u.tile);  // the record; code has the rest
    }
  }
}

// M from one token to as many as one program takes, in every model; resident operands stay above the low part of the
// memory tiles, descriptors' lengths and locks within their fields (the writer refuses others), tasks within the queues.
TEST(TernaryGemmModels, EveryShapeFits) {
  for (const ModelShapes& model : model_shapes())
    for (const auto& [layer, n, k] : model.linears())
      for (const uint32_t m : {1u, 32u, 33u, 64u, 65u, 128u, 129u, 500u, 512u, 1000u, 1024u, 2048u}) {
        SCOPED_TRACE(fmt::format("{}: {}, {} x {} x {}", model.name, layer, m, n, k));
        if (m > most_tokens(n, k)) {
          EXPECT_GE(most_tokens(n, k), 1024u);
          continue;
        }
        const auto plan = make_plan({m, n, k});
        ASSERT_TRUE(plan.has_value()) << plan.error().message;
        uint32_t covered = 0;
        for (const Phase& p : plan->phases) {
          EXPECT_EQ(p.first, covered);
          EXPECT_EQ(p.groups() * p.group, p.count);
          covered += p.count;
          EXPECT_LE(resident_bytes(plan->waves, p), kResidentBytes);
        }
        EXPECT_EQ(covered, plan->waves.n);
        const auto stream = program().stream(*plan);
        ASSERT_TRUE(stream.has_value()) << stream.error().message;
      }
}

TEST(TernaryGemmModels, TheLinterFindsNothing) {
  const NpuFile image = read_npu_file(program().lowered().xclbin).value();
  for (const ModelShapes& model : model_shapes())
    for (const auto& [layer, n, k] : model.linears())
      for (const uint32_t m : {33u, 128u, 1024u}) {
        const std::vector<uint8_t> bytes = write_transaction(program().stream(make_plan({m, n, k}).value()).value()).value();
        EXPECT_LT(bytes.size(), 64u * 1024) << model.name << " " << layer;
        std::string findings;
        for (const Finding& f : lint(std::vector<NpuFile>{image, read_npu_file(bytes).value()}, program().lowered().program.device()))
          findings += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
        ASSERT_EQ(findings, "") << model.name << ", " << layer << ", M " << m;
      }
}

// Bytes of a prefill as the plan counts them (the simulator counts the same: gemm_test.cpp) against those that no
// program avoids. Of BitNet-2B-4T; with fewer tokens than a half of a wave holds, padding shows.
TEST(TernaryGemmModels, APrefillMovesLittleMoreThanItMust) {
  for (const uint32_t m : {64u, 128u, 192u, 256u, 500u, 512u, 1024u, 2048u}) {
    uint64_t moved = 0, least = 0, weights = 0, int8_weights = 0;
    for (const auto& [layer, n, k] : model_shapes()[0].linears()) {
      const Plan plan = make_plan({m, n, k}).value();
      moved += plan.moved();
      least += least_bytes(plan.shape);
      weights += plan.w_read;
      int8_weights += uint64_t{n} * k;
    }
    EXPECT_LE(static_cast<double>(moved), 1.15 * static_cast<double>(least)) << "M " << m;
    EXPECT_LE(static_cast<double>(weights), static_cast<double>(int8_weights) / 3.9) << "M " << m;
  }
}

// Those whose "down" fits the memory tiles neither whole nor by waves read operands of it again (docs/aie-kernels.md).
TEST(TernaryGemmModels, LargerModelsMoveWhatTheirMemoryAllows) {
  const double most[] = {1.15, 1.15, 1.15, 1.30, 1.30};
  for (size_t i = 0; i < model_shapes().size(); ++i) {
    uint64_t moved = 0, least = 0;
    for (const auto& [layer, n, k] : model_shapes()[i].linears()) {
      const Plan plan = make_plan({512, n, k}).value();
      moved += plan.moved();
      least += least_bytes(plan.shape);
      if (k <= 4096) {
        EXPECT_LE(static_cast<double>(plan.moved()), 1.05 * static_cast<double>(least_bytes(plan.shape))) << model_shapes()[i].name << " " << layer;
      }
    }
    EXPECT_LE(static_cast<double>(moved), most[i] * static_cast<double>(least)) << model_shapes()[i].name;
  }
}

// What the performance model estimates for a prefill's linears, each submitted and waited for by itself.
double estimated_tops(const ModelShapes& model, uint32_t m) {
  double operations = 0, seconds = 0;
  for (const auto& [layer, n, k] : model.linears()) {
    const Plan plan = make_plan({m, n, k}).value();
    const size_t stream = write_transaction(program().stream(plan).value()).value().size();
    const auto e = perf::estimate(dataflow(plan, stream, program().lowered().pdi.size()), {m, k, n}, {});
    EXPECT_TRUE(e.has_value()) << e.error().message;
    operations += e->useful_ops;
    seconds += e->total;
  }
  return operations / seconds * 1e-12;
}

TEST(TernaryGemmModels, EstimatedThroughputPaysFrom128Tokens) {
  const ModelShapes& bitnet = model_shapes()[0];
  EXPECT_GE(estimated_tops(bitnet, 128), 15);
  EXPECT_GE(estimated_tops(bitnet, 512), 25);
  EXPECT_GE(estimated_tops(bitnet, 1024), 25);
}

}  // namespace
}  // namespace onebit::npu::gemm
