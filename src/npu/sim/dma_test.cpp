// Descriptors, tasks and locks through the whole simulator.
#include <algorithm>

#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

constexpr TileId kMem{0, 1};

// Runs one pass shim -> memory tile -> shim; `out` reads what `in` wrote. Both tasks end.
Result<RunReport> through_memory(const BufferDescriptor& in, const BufferDescriptor& out, Buffers& b, uint32_t in_words, uint32_t out_words,
                                 uint32_t pad_value = 0) {
  ConfigBuilder c;
  c.lock(kMem, 0, 0);
  BufferDescriptor fill = in, drain = out;
  fill.release_lock = kMemOwnLock;
  fill.release_value = 1;
  drain.acquire = true;
  drain.acquire_lock = kMemOwnLock;
  drain.acquire_value = -1;
  c.bd(kMem, 0, fill);
  c.bd(kMem, 1, drain);
  if (pad_value) c.write(kMem, 0xA06E0, pad_value);
  c.start(kMem, Direction::s2mm, 0, 0);
  c.start(kMem, Direction::mm2s, 0, 1);
  c.shim_to_mem(0, 0);
  c.mem_to_shim(0, 0);
  c.shim(0);
  ONEBIT_ASSIGN(Simulator sim, Simulator::open(npu2(), c.bytes(), {}));
  StreamBuilder s;
  s.linear(0, Direction::mm2s, 0, 0, 0, in_words, false);
  s.linear(0, Direction::s2mm, 0, 1, 1, out_words, true);
  s.sync(0, Direction::s2mm, 0);
  return sim.run(s.bytes(), b.spans());
}

TEST(SimDma, TransposesByTheAccessPatternOfAMemoryTile) {
  for (const auto& [rows, columns] : {std::pair{3u, 5u}, {8u, 8u}, {1u, 7u}, {16u, 33u}}) {
    const uint32_t words = rows * columns;
    BufferDescriptor out = linear_bd(kMemOwn, words);
    out.dims[0] = {columns, rows};
    out.dims[1] = {1, columns};
    Buffers b({words, words});
    const auto report = through_memory(linear_bd(kMemOwn, words), out, b, words, words);
    ASSERT_TRUE(report) << report.error().message;
    for (uint32_t r = 0; r < rows; ++r)
      for (uint32_t c = 0; c < columns; ++c) ASSERT_EQ(b.data[1][c * rows + r], b.data[0][r * columns + c]) << rows << "x" << columns;
  }
}

TEST(SimDma, WritesByAnAccessPatternToo) {
  BufferDescriptor in = linear_bd(kMemOwn + 100, 12);
  in.dims[0] = {4, 3};
  in.dims[1] = {1, 4};
  Buffers b({12, 12});
  const auto report = through_memory(in, linear_bd(kMemOwn + 100, 12), b, 12, 12);
  ASSERT_TRUE(report) << report.error().message;
  for (uint32_t i = 0; i < 3; ++i)
    for (uint32_t j = 0; j < 4; ++j) EXPECT_EQ(b.data[1][i * 4 + j], b.data[0][j * 3 + i]);
}

// A 2 x 3 block with a frame: one row above, two below, one column left, two right.
TEST(SimDma, PadsWithTheConstantOfTheChannel) {
  BufferDescriptor out = linear_bd(kMemOwn, 5 * 6);
  out.dims[0] = {1, 3};
  out.dims[1] = {3, 2};
  out.pad_before = {1, 1, 0};
  out.pad_after = {2, 2, 0};
  Buffers b({6, 30});
  const auto report = through_memory(linear_bd(kMemOwn, 6), out, b, 6, 30, 0xABCD1234);
  ASSERT_TRUE(report) << report.error().message;
  for (uint32_t r = 0; r < 5; ++r)
    for (uint32_t c = 0; c < 6; ++c) {
      const bool inside = r >= 1 && r < 3 && c >= 1 && c < 4;
      EXPECT_EQ(b.data[1][r * 6 + c], inside ? b.data[0][(r - 1) * 3 + c - 1] : 0xABCD1234u) << r << "," << c;
    }
}

TEST(SimDma, IterationStaysInTheDescriptorFromRunToRun) {
  ConfigBuilder c;
  BufferDescriptor out = linear_bd(kMemOwn, 4);
  out.iteration_step = 4;
  out.iteration_wrap = 3;
  out.use_next = true;
  out.next = 1;
  out.acquire = true;
  out.acquire_lock = kMemOwnLock + 1;
  out.acquire_value = -1;
  out.release_lock = kMemOwnLock;
  out.release_value = 1;
  BufferDescriptor in = linear_bd(kMemOwn, 12);
  in.release_lock = kMemOwnLock + 1;
  in.release_value = 6;
  c.bd(kMem, 0, in);
  c.bd(kMem, 1, out);
  c.start(kMem, Direction::s2mm, 0, 0);
  c.start(kMem, Direction::mm2s, 0, 1);
  c.shim_to_mem(0, 0);
  c.mem_to_shim(0, 0);
  c.shim(0);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({12, 8});
  StreamBuilder first;
  first.linear(0, Direction::mm2s, 0, 0, 0, 12, false);
  first.linear(0, Direction::s2mm, 0, 1, 1, 8, true);
  first.sync(0, Direction::s2mm, 0);
  ASSERT_TRUE(sim->run(first.bytes(), b.spans()));
  EXPECT_EQ(b.data[1], std::vector<uint32_t>(b.data[0].begin(), b.data[0].begin() + 8));
  // The channel ran on: executions 2 to 5 lie in its fifo, at steps 2, 0, 1, 2. It reads them in order.
  StreamBuilder second;
  second.linear(0, Direction::s2mm, 0, 1, 1, 8, true);
  second.sync(0, Direction::s2mm, 0);
  ASSERT_TRUE(sim->run(second.bytes(), b.spans()));
  EXPECT_EQ(b.data[1], (std::vector<uint32_t>{1008, 1009, 1010, 1011, 1000, 1001, 1002, 1003}));
  EXPECT_EQ(sim->read(kMem, 0xA0018 + 0x20).value() >> 23 & 0x3F, 0u);  // six executions of three
}

TEST(SimDma, RepeatsATaskAndThenIssuesOneToken) {
  auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({4, 12});
  StreamBuilder s;
  s.transfer(0, Direction::mm2s, 0, 0, 0, linear_bd(0, 4), false, 3);
  s.linear(0, Direction::s2mm, 0, 1, 1, 12, true);
  s.sync(0, Direction::s2mm, 0);
  const auto report = sim->run(s.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(b.data[1][i], b.data[0][i % 4]);
  EXPECT_EQ(report->tokens, 1u);
}

TEST(SimDma, FollowsChainsOfDescriptors) {
  auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({12, 12});
  StreamBuilder s;
  BufferDescriptor second = linear_bd(4 * 4, 4), first = linear_bd(8 * 4, 8);
  first.length = 4;
  first.use_next = true;
  first.next = 5;
  // Descriptor 5 is written by a queue entry of its own before the chain that names it.
  s.transfer(0, Direction::mm2s, 0, 5, 0, second, false);
  s.transfer(0, Direction::mm2s, 0, 0, 0, first, false);
  s.linear(0, Direction::s2mm, 0, 1, 1, 12, true);
  s.sync(0, Direction::s2mm, 0);
  const auto report = sim->run(s.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[1], (std::vector<uint32_t>{1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1004, 1005, 1006, 1007}));
}

// Equal waits for the very value; greater-equal lets more pass.
TEST(SimDma, AcquiresGreaterEqualOrEqual) {
  for (const bool equal : {false, true}) {
    ConfigBuilder c;
    c.lock(kMem, 3, 2);
    BufferDescriptor in = linear_bd(kMemOwn, 4);
    in.acquire = true;
    in.acquire_lock = kMemOwnLock + 3;
    in.acquire_value = equal ? 1 : -1;
    c.bd(kMem, 0, in);
    c.start(kMem, Direction::s2mm, 0, 0);
    auto sim = Simulator::open(npu2(), c.bytes(), {});
    ASSERT_TRUE(sim) << sim.error().message;
    EXPECT_EQ(sim->read(kMem, 0xC0030).value(), equal ? 2u : 1u);
    // A new value from the host lets the equal acquire through.
    StreamBuilder s;
    s.add({TxnWrite{address_of(kMem, 0xC0030), 1}});
    ASSERT_TRUE(sim->run(s.bytes(), {}));
    EXPECT_EQ(sim->read(kMem, 0xC0030).value(), equal ? 0u : 1u);
  }
}

TEST(SimDma, ReachesTheNeighboursOfAMemoryTile) {
  constexpr TileId west{1, 1}, own{2, 1}, east{3, 1};
  constexpr uint64_t kWest = 0, kEast = 2 * kMemOwn;
  ConfigBuilder c;
  // Into the west neighbour's memory with its lock, out of there into the east neighbour's, and out again.
  BufferDescriptor in = linear_bd(kWest + 10, 8);
  in.release_lock = 5;
  in.release_value = 1;
  BufferDescriptor middle_out = linear_bd(kWest + 10, 8);
  middle_out.acquire = true;
  middle_out.acquire_lock = 5;
  middle_out.acquire_value = -1;
  BufferDescriptor middle_in = linear_bd(kEast + 20, 8);
  middle_in.release_lock = 2 * kMemLocks + 7;
  middle_in.release_value = 1;
  BufferDescriptor out = linear_bd(kEast + 20, 8);
  out.acquire = true;
  out.acquire_lock = 2 * kMemLocks + 7;
  out.acquire_value = -1;
  c.bd(own, 0, in);
  c.bd(own, 1, middle_out);
  c.bd(own, 2, middle_in);
  c.bd(own, 3, out);
  c.start(own, Direction::s2mm, 0, 0);
  c.start(own, Direction::mm2s, 2, 1);
  c.start(own, Direction::s2mm, 2, 2);
  c.start(own, Direction::mm2s, 0, 3);
  c.shim_to_mem(2, 0);
  c.circuit(own, {Bundle::dma, 2}, {Bundle::dma, 2});
  c.mem_to_shim(2, 0);
  c.shim(2);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({8, 8});
  StreamBuilder s;
  s.linear(2, Direction::mm2s, 0, 0, 0, 8, false);
  s.linear(2, Direction::s2mm, 0, 1, 1, 8, true);
  s.sync(2, Direction::s2mm, 0);
  const auto report = sim->run(s.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[1], b.data[0]);
  EXPECT_EQ(sim->read(west, 40).value(), 1000u);
  EXPECT_EQ(sim->read(east, 80).value(), 1000u);
  EXPECT_EQ(sim->read(own, 40).value(), 0xCDCDCDCDu);
}

// An endless source into a finite sink leaves words on the way: the next run gets them first.
TEST(SimDma, WordsLeftInTheFifosReachTheNextRun) {
  ConfigBuilder c;
  BufferDescriptor out = linear_bd(kMemOwn, 5);
  out.use_next = true;
  out.next = 1;
  for (uint32_t i = 0; i < 5; ++i) c.write(kMem, 4 * i, 100 + i);
  c.bd(kMem, 1, out);
  c.start(kMem, Direction::mm2s, 0, 1);
  c.mem_to_shim(0, 0);
  c.shim(0);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  for (const uint32_t first : {0u, 2u, 4u}) {
    Buffers b({1, 7});
    StreamBuilder s;
    s.linear(0, Direction::s2mm, 0, 1, 1, 7, true);
    s.sync(0, Direction::s2mm, 0);
    const auto report = sim->run(s.bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    for (uint32_t i = 0; i < 7; ++i) EXPECT_EQ(b.data[1][i], 100 + (first + i) % 5) << first;
  }
}

TEST(SimDma, ReportsWhatNobodyWaitedFor) {
  auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({8, 8});
  StreamBuilder s;
  s.linear(0, Direction::mm2s, 0, 0, 0, 4, false);
  s.linear(0, Direction::s2mm, 0, 1, 1, 8, false);
  const auto report = sim->run(s.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->still_active, std::vector<std::string>{"(0,0) S2MM 0 (BD 1, 4 of 8 words)"});
  EXPECT_EQ(report->unwaited, std::vector<std::string>{"(0,0) S2MM 0: no wait covers the last 1 of 1 tasks"});
  // The rest arrives in the next run, wherever its buffers lie.
  const std::vector<uint32_t> first_half(b.data[1].begin(), b.data[1].begin() + 4);
  b = Buffers({8, 8});
  StreamBuilder rest;
  rest.linear(0, Direction::mm2s, 0, 0, 0, 4, false);
  const auto second = sim->run(rest.bytes(), b.spans());
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE(second->still_active.empty());
  EXPECT_EQ(b.data[1][7], 1003u);
  EXPECT_EQ(first_half[3], 1003u);
  EXPECT_EQ(b.data[1][3], 0xCDCDCDCDu);
}

// Traffic inside the array that never ends does not keep a run from ending.
TEST(SimDma, EndlessTrafficBesideARunDoesNotHoldIt) {
  ConfigBuilder c = passthrough(4);
  BufferDescriptor endless = linear_bd(kMemOwn + 4096, 64);
  endless.use_next = true;
  for (const unsigned id : {4u, 5u}) {
    endless.next = id;
    c.bd(kMem, id, endless);
  }
  c.circuit(kMem, {Bundle::dma, 2}, {Bundle::dma, 2});
  c.start(kMem, Direction::mm2s, 2, 4);
  c.start(kMem, Direction::s2mm, 2, 5);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({8, 8});
  const auto report = sim->run(passthrough_stream(8).bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[1], b.data[0]);
}

TEST(SimDma, ResetsAChannelAndPollsItsStatus) {
  auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  constexpr uint32_t kControl = 0xA0600, kStatus = 0xA0660, kRunning = 1u << 19;
  StreamBuilder s;
  s.add({TxnMaskPoll{address_of(kMem, kStatus), kRunning, kRunning}});
  s.add({TxnMaskWrite{address_of(kMem, kControl), 2, 2}});
  s.add({TxnMaskPoll{address_of(kMem, kStatus), 0, kRunning}});
  s.add({TxnMaskWrite{address_of(kMem, kControl), 0, 2}});
  const auto report = sim->run(s.bytes(), {});
  ASSERT_TRUE(report) << report.error().message;
  StreamBuilder never;
  never.add({TxnMaskPoll{address_of(kMem, kStatus), kRunning, kRunning}});
  const auto stuck = sim->run(never.bytes(), {});
  ASSERT_FALSE(stuck);
  EXPECT_EQ(stuck.error().message,
            "op 0 (MASKPOLL): deadlock: waits for (0,1) MEM_TILE.DMA_S2MM_STATUS_0 & 0x80000 to be 0x80000, it is 0x0: "
            "(0,1) MM2S 0 (BD 1, 0 of 4 words) waits for lock 1 of (0,1) to be >= 1, it is 0 <- (0,1) S2MM 0 has no task");
}

}  // namespace
}  // namespace onebit::npu
