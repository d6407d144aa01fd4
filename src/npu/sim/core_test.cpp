// Cores that run records from program memory, and stub cores.
#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

constexpr TileId kShim{0, 0}, kMem{0, 1}, kCore{0, 2}, kNorth{0, 3};
constexpr uint32_t kIn = 0x400, kOut = 0x4000;  // byte addresses of rings in the core tile
constexpr uint32_t kParameter = 0x100;

// out[i] = in[i] + amount
const HostKernel kAddKernel{"add_amount",
                            [](std::span<const KernelArg> a) -> Status {
                              if (a.size() != 3 || !a[0].data || !a[1].data || a[0].bytes != a[1].bytes)
                                return fail(Errc::usage, "expected two buffers of one size and a number");
                              return {};
                            },
                            [](std::span<const KernelArg> a) {
                              for (uint32_t i = 0; i < a[0].bytes; i += 4) {
                                uint32_t v;
                                std::memcpy(&v, a[0].data + i, 4);
                                v += static_cast<uint32_t>(a[2].scalar);
                                std::memcpy(a[1].data + i, &v, 4);
                              }
                            },
                            [](std::span<const KernelArg> a) { return uint64_t{a[0].bytes / 4}; }};

CoreProgram add_program(uint32_t words) {
  CoreProgram p;
  p.kernels = {"add_amount"};
  p.rings = {{{kCoreOwnWindow + kIn, kCoreOwnWindow + kIn + words * 4}, words * 4},
             {{kCoreOwnWindow + kOut, kCoreOwnWindow + kOut + words * 4}, words * 4}};
  StepLoop loop;
  loop.count = {false, -1, 0};
  loop.body = {{StepAcquire{49, 1, false}}, {StepAcquire{50, 1, false}},
               {StepCall{0, {ArgRing{0, 0}, ArgRing{1, 0}, CoreValue{true, 0, kCoreOwnWindow + kParameter}}}},
               {StepRelease{48, 1}}, {StepRelease{51, 1}}, {StepAdvance{0, 1}}, {StepAdvance{1, 1}}};
  p.steps = {{std::move(loop)}};
  return p;
}

// Shim -> core -> shim with double buffers of `words`; the core adds what lies at kParameter.
ConfigBuilder add_design(uint32_t words, const CoreProgram& program) {
  ConfigBuilder c;
  for (const auto& [id, value] : {std::pair{0u, 2u}, {1u, 0u}, {2u, 2u}, {3u, 0u}}) c.lock(kCore, id, value);
  for (const uint32_t k : {0u, 1u}) {
    BufferDescriptor in = locked(linear_bd((kIn + k * words * 4) / 4, words), 0, 1);
    in.use_next = true;
    in.next = 1 - k;
    BufferDescriptor out = locked(linear_bd((kOut + k * words * 4) / 4, words), 3, 2);
    out.use_next = true;
    out.next = 3 - k;
    c.bd(kCore, k, in);
    c.bd(kCore, 2 + k, out);
  }
  c.start(kCore, Direction::s2mm, 0, 0);
  c.start(kCore, Direction::mm2s, 0, 2);
  c.write(kCore, kParameter, 7);
  c.circuit(kShim, {Bundle::south, 3}, {Bundle::north, 0});
  c.circuit(kMem, {Bundle::south, 0}, {Bundle::north, 0});
  c.circuit(kCore, {Bundle::south, 0}, {Bundle::dma, 0});
  c.circuit(kCore, {Bundle::dma, 0}, {Bundle::south, 0});
  c.circuit(kMem, {Bundle::north, 0}, {Bundle::south, 0});
  c.circuit(kShim, {Bundle::north, 0}, {Bundle::south, 2});
  c.shim(0);
  c.program(kCore, program);
  return c;
}

SimOptions with_kernel() {
  SimOptions options;
  options.kernels = {&kAddKernel, 1};
  return options;
}

TEST(SimCore, RunsARecordWithAHostKernel) {
  constexpr uint32_t kWords = 24;
  auto sim = Simulator::open(npu2(), add_design(kWords, add_program(kWords)).bytes(), with_kernel());
  ASSERT_TRUE(sim) << sim.error().message;
  // Odd numbers of buffers leave the rings on the other one.
  for (const uint32_t count : {3u, 1u, 4u}) {
    Buffers b({kWords * count, kWords * count});
    const auto report = sim->run(passthrough_stream(kWords * count).bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    for (size_t i = 0; i < b.data[0].size(); ++i) ASSERT_EQ(b.data[1][i], b.data[0][i] + 7) << i;
    EXPECT_EQ(report->kernel_calls, count);
  }
  // A run-time parameter is a word that the stream writes.
  StreamBuilder s;
  s.add({TxnWrite{address_of(kCore, kParameter), 100}});
  ASSERT_TRUE(sim->run(s.bytes(), {}));
  Buffers b({kWords, kWords});
  ASSERT_TRUE(sim->run(passthrough_stream(kWords).bytes(), b.spans()));
  EXPECT_EQ(b.data[1][5], b.data[0][5] + 100);
}

TEST(SimCore, NamesTheKernelsThereAre) {
  CoreProgram p = add_program(4);
  p.kernels = {"add_amonut"};
  auto sim = Simulator::open(npu2(), add_design(4, p).bytes(), with_kernel());
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({4, 4});
  const auto report = sim->run(passthrough_stream(4).bytes(), b.spans());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "op 7 (TCT): core (0,2): calls kernel 'add_amonut', which has no host build here; there are: add_amount");
}

TEST(SimCore, ReportsWhatAKernelRefuses) {
  CoreProgram p = add_program(4);
  p.rings[1].bytes = 8;
  auto sim = Simulator::open(npu2(), add_design(4, p).bytes(), with_kernel());
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({4, 4});
  const auto report = sim->run(passthrough_stream(4).bytes(), b.spans());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "op 7 (TCT): core (0,2): kernel add_amount: expected two buffers of one size and a number");
}

TEST(SimCore, StopsALoopThatNeverWaits) {
  CoreProgram p;
  StepLoop loop;
  loop.count = {false, -1, 0};
  loop.body = {{StepLoop{{false, 2, 0}, {}}}};
  p.steps = {{std::move(loop)}};
  ConfigBuilder c;
  c.program(kCore, p);
  SimOptions options;
  options.max_steps = 10000;
  const auto sim = Simulator::open(npu2(), c.bytes(), options);
  ASSERT_FALSE(sim);
  EXPECT_NE(sim.error().message.find("the simulation was stopped after 10000 steps, the limit; core (0,2) was running"), std::string::npos)
      << sim.error().message;
}

// Two cores hand a buffer over in the lower one's memory: the upper sees it in its south window.
TEST(SimCore, NeighboursShareMemoryAndLocks) {
  const auto add = [](uint32_t from, uint32_t to, uint8_t wait, uint8_t go) {
    CoreProgram p;
    p.kernels = {"add_amount"};
    p.steps = {{StepAcquire{wait, 1, false}}, {StepCall{0, {ArgBuffer{from, 16}, ArgBuffer{to, 16}, CoreValue{false, 5, 0}}}}, {StepRelease{go, 1}}};
    return p;
  };
  ConfigBuilder c;
  for (uint32_t i = 0; i < 4; ++i) c.write(kCore, 4 * i, 10 * i);
  c.program(kNorth, add(kCoreSouthWindow + 0x40, kCoreOwnWindow + 0x80, 9, 48 + 1));
  c.program(kCore, add(kCoreOwnWindow, kCoreOwnWindow + 0x40, 48 + 8, 48 + 9));
  auto sim = Simulator::open(npu2(), c.bytes(), with_kernel());
  ASSERT_TRUE(sim) << sim.error().message;
  EXPECT_EQ(sim->read(kNorth, 0x1F010).value(), 0u);
  StreamBuilder s;
  s.add({TxnWrite{address_of(kCore, 0x1F080), 1}});
  s.add({TxnMaskPoll{address_of(kNorth, 0x32004), 1u << 20, 1u << 20}});
  const auto report = sim->run(s.bytes(), {});
  ASSERT_TRUE(report) << report.error().message;
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(sim->read(kNorth, 0x80 + 4 * i).value(), 10 * i + 10);
  EXPECT_EQ(sim->read(kNorth, 0x1F010).value(), 1u);
  // A finished core starts again only after a reset.
  StreamBuilder again;
  again.add({TxnWrite{address_of(kCore, 0x1F080), 1}});
  ASSERT_TRUE(sim->run(again.bytes(), {}));
  EXPECT_EQ(sim->read(kCore, 0x1F080).value(), 1u);
  StreamBuilder restart;
  for (const uint32_t value : {kCoreReset, 0u, kCoreEnable}) restart.add({TxnWrite{address_of(kCore, kCoreControl), value}});
  ASSERT_TRUE(sim->run(restart.bytes(), {}));
  EXPECT_EQ(sim->read(kCore, 0x1F080).value(), 0u);
}

TEST(SimCore, RowTwoHasNoMemoryToItsSouth) {
  CoreProgram p;
  p.steps = {{StepAcquire{3, 1, false}}};
  ConfigBuilder c;
  c.program(kCore, p);
  const auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_FALSE(sim);
  EXPECT_EQ(sim.error().message, "core (0,2): uses a lock of its south neighbour, which has no core memory");
}

// Up and down column 0 between the shim's channels and two ports of the core tile.
void column_circuits(ConfigBuilder& c, Port into, Port out_of) {
  c.circuit(kShim, {Bundle::south, 3}, {Bundle::north, 0});
  c.circuit(kMem, {Bundle::south, 0}, {Bundle::north, 0});
  c.circuit(kCore, {Bundle::south, 0}, into);
  c.circuit(kCore, out_of, {Bundle::south, 0});
  c.circuit(kMem, {Bundle::north, 0}, {Bundle::south, 0});
  c.circuit(kShim, {Bundle::north, 0}, {Bundle::south, 2});
  c.shim(0);
}

TEST(SimCore, AStubTakesAndGivesTheWordsOfItsStreams) {
  ConfigBuilder c;
  column_circuits(c, {Bundle::core, 0}, {Bundle::core, 0});
  c.write(kCore, 0x20000, 0x10001);
  c.write(kCore, kCoreControl, kCoreEnable);
  SimOptions options;
  options.stub_cores = true;
  auto sim = Simulator::open(npu2(), c.bytes(), options);
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({100, 100});
  const auto report = sim->run(passthrough_stream(100).bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[1], std::vector<uint32_t>(100, 0));
  EXPECT_EQ(report->still_active, std::vector<std::string>{});
}

// What a stub has no rule for is given when nothing else moves, and said.
TEST(SimCore, AStubGrantsALockAsALastResort) {
  ConfigBuilder c;
  column_circuits(c, {Bundle::dma, 0}, {Bundle::dma, 0});
  c.bd(kCore, 0, locked(linear_bd(0, 8), 5, 6));
  c.bd(kCore, 1, locked(linear_bd(0, 8), 6, 7));
  c.start(kCore, Direction::s2mm, 0, 0);
  c.start(kCore, Direction::mm2s, 0, 1);
  SimOptions options;
  options.stub_cores = true;
  auto sim = Simulator::open(npu2(), c.bytes(), options);
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({8, 8});
  const auto report = sim->run(passthrough_stream(8).bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[1], b.data[0]);
  EXPECT_EQ(report->notices, std::vector<std::string>{"stub cores: lock 5 of (0,2) was given without a rule for it"});
  // With real cores it is a deadlock.
  auto strict = Simulator::open(npu2(), c.bytes(), {});
  EXPECT_FALSE(strict && strict->run(passthrough_stream(8).bytes(), b.spans()));
}

TEST(SimCore, BesideStubsDescriptorsWithoutAPatchUseScratchMemory) {
  ConfigBuilder c = passthrough(4);
  SimOptions options;
  options.stub_cores = true;
  auto sim = Simulator::open(npu2(), c.bytes(), options);
  ASSERT_TRUE(sim) << sim.error().message;
  StreamBuilder s;
  const DmaModel& dma = npu2().tile(TileKind::shim).dma;
  s.add({TxnBlockWrite{dma.bd_offset(0), encode_bd(TileKind::shim, linear_bd(0x1000, 4)).value()}});
  s.add({TxnWrite{dma.queue_offset(Direction::mm2s, 0), 0}});
  s.linear(0, Direction::s2mm, 0, 1, 0, 4, true);
  s.sync(0, Direction::s2mm, 0);
  Buffers b({4});
  const auto report = sim->run(s.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(b.data[0], std::vector<uint32_t>(4, 0xCDCDCDCD));
  EXPECT_EQ(report->notices, std::vector<std::string>{"descriptors without DDR_PATCH use scratch memory"});
}

// In place: what the stream fills, the core hands to the channel that sends it.
TEST(SimCore, AStubHandsBuffersOnByTheirLocks) {
  SimOptions options;
  options.stub_cores = true;
  for (const bool in_place : {false, true}) {
    ConfigBuilder d;
    d.lock(kCore, 0, 1);
    d.lock(kCore, 2, in_place ? 0 : 1);
    d.lock(kCore, 3, 0);
    BufferDescriptor in = locked(linear_bd(0, 8), 0, 1);
    BufferDescriptor out = locked(linear_bd(0, 8), 3, in_place ? 0 : 2);
    in.use_next = out.use_next = true;
    in.next = 0;
    out.next = 1;
    d.bd(kCore, 0, in);
    d.bd(kCore, 1, out);
    d.start(kCore, Direction::s2mm, 0, 0);
    d.start(kCore, Direction::mm2s, 0, 1);
    d.circuit(kShim, {Bundle::south, 3}, {Bundle::north, 0});
    d.circuit(kMem, {Bundle::south, 0}, {Bundle::north, 0});
    d.circuit(kCore, {Bundle::south, 0}, {Bundle::dma, 0});
    d.circuit(kCore, {Bundle::dma, 0}, {Bundle::south, 0});
    d.circuit(kMem, {Bundle::north, 0}, {Bundle::south, 0});
    d.circuit(kShim, {Bundle::north, 0}, {Bundle::south, 2});
    d.shim(0);
    d.write(kCore, 0x20000, 0x10001);
    d.write(kCore, kCoreControl, kCoreEnable);
    auto sim = Simulator::open(npu2(), d.bytes(), options);
    ASSERT_TRUE(sim) << sim.error().message;
    Buffers b({24, 24});
    const auto report = sim->run(passthrough_stream(24).bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    if (in_place) {
      EXPECT_EQ(b.data[1], b.data[0]);
    }
  }
}

}  // namespace
}  // namespace onebit::npu
