#include "npu/image/example_program.h"
#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

TEST(Simulator, PassesDataThroughAMemoryTile) {
  auto sim = Simulator::open(npu2(), passthrough(16).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  for (const size_t words : {16u, 48u, 16u}) {
    Buffers b({words, words});
    const auto report = sim->run(passthrough_stream(static_cast<uint32_t>(words)).bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(b.data[1], b.data[0]);
    EXPECT_EQ(report->ddr_read_bytes, words * 4);
    EXPECT_EQ(report->ddr_write_bytes, words * 4);
    EXPECT_EQ(report->array_words, words * 4);
    EXPECT_EQ(report->tokens, 1u);
    EXPECT_TRUE(report->still_active.empty());
    EXPECT_TRUE(report->unwaited.empty());
  }
}

// A transfer that is no multiple of the tile's buffer never ends: the message says who waits for whom.
TEST(Simulator, ExplainsADeadlockWithItsChain) {
  auto sim = Simulator::open(npu2(), passthrough(16).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({24, 24});
  const auto report = sim->run(passthrough_stream(24).bytes(), b.spans());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message,
            "op 7 (TCT): deadlock: waits for a token of (0,0) S2MM 0: (0,0) S2MM 0 (BD 1, 16 of 24 words) waits for stream words <- "
            "(0,1) MM2S 0 (BD 1, 0 of 16 words) waits for lock 1 of (0,1) to be >= 1, it is 0 <- "
            "(0,1) S2MM 0 (BD 0, 8 of 16 words) waits for stream words <- (0,0) MM2S 0 is idle after 1 task");
}

TEST(Simulator, TellsALostTokenFromOneThatNeverCame) {
  constexpr TileId mem{0, 1};
  ConfigBuilder c;
  c.bd(mem, 0, linear_bd(kMemOwn, 4));
  c.bd(mem, 1, linear_bd(kMemOwn, 4));
  c.start(mem, Direction::s2mm, 0, 0);
  c.start(mem, Direction::mm2s, 0, 1);
  c.shim_to_mem(0, 0);
  c.mem_to_shim(0, 0);
  c.shim(0, false);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({4, 4});
  const auto report = sim->run(passthrough_stream(4).bytes(), b.spans());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message,
            "op 7 (TCT): deadlock: waits for a token of (0,0) S2MM 0, which was issued and lost: (0,0) slave TILE_CTRL is not enabled");
}

TEST(Simulator, RunsARealProgramWithStubCores) {
  const auto image = foreign_sample(kForeignXclbin), stream = foreign_sample(kForeignStream);
  if (!image || !stream) GTEST_SKIP() << "no foreign sample beside the checkout";
  auto refused = Simulator::open(npu2(), *image, {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("machine code without a core record"), std::string::npos) << refused.error().message;
  SimOptions options;
  options.stub_cores = true;
  auto sim = Simulator::open(npu2(), *image, options);
  ASSERT_TRUE(sim) << sim.error().message;
  const auto txn = read_transaction(*stream);
  ASSERT_TRUE(txn);
  const auto sizes = buffer_sizes(npu2(), *txn);
  std::vector<std::vector<uint8_t>> data;
  std::vector<std::span<uint8_t>> spans;
  for (const auto& [argument, bytes] : sizes) data.emplace_back(bytes, uint8_t{1});
  for (auto& d : data) spans.emplace_back(d);
  for (int run = 0; run < 3; ++run) {
    const auto report = sim->run(*stream, spans);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->syncs, 8u);
    EXPECT_GT(report->ddr_write_bytes, 0u);
    EXPECT_EQ(report->unwaited, std::vector<std::string>{});
    EXPECT_EQ(report->still_active, std::vector<std::string>{});
    EXPECT_EQ(report->notices, std::vector<std::string>{});
  }
}

}  // namespace
}  // namespace onebit::npu
