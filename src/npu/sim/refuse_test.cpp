// What the simulator refuses, and how it says so.
#include <functional>

#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

constexpr TileId kShim{0, 0}, kMem{0, 1}, kCore{0, 2};

struct Refusal {
  const char* message;
  std::function<void(ConfigBuilder&)> configure;
};

// A memory-tile task on S2MM 0 with this descriptor.
void start_with(ConfigBuilder& c, const std::function<void(BufferDescriptor&)>& change) {
  BufferDescriptor bd = linear_bd(kMemOwn, 8);
  change(bd);
  c.bd(kMem, 0, bd);
  c.start(kMem, Direction::s2mm, 0, 0);
}

const Refusal kRefusals[] = {
    {"CDO WRITE at 0x14: (0,1): the mem tile has no register at 0x96000", [](ConfigBuilder& c) { c.write(kMem, 0x96000, 1); }},
    {"CDO WRITE at 0x14: address 0x20000000 lies outside the 8 x 6 array",
     [](ConfigBuilder& c) {
       c.write({16, 0}, 0, 1);
     }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.LOCK2_VALUE = 0x40: sets bits 0x40 that belong to no field",
     [](ConfigBuilder& c) { c.write(kMem, 0xC0020, 0x40); }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.DMA_S2MM_STATUS_0 = 0x0: the register is read-only", [](ConfigBuilder& c) { c.write(kMem, 0xA0660, 0); }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.DMA_S2MM_0_CTRL = 0x8: enable_out_of_order is 1, expected 0 (out-of-order descriptors are not modelled)",
     [](ConfigBuilder& c) { c.write(kMem, 0xA0600, 8); }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.DMA_S2MM_0_CTRL = 0x10000: fot_mode is 1, expected 0 (finish on TLAST is not modelled)",
     [](ConfigBuilder& c) { c.write(kMem, 0xA0600, 0x10000); }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.DMA_MM2S_0_CTRL = 0x10: compression_enable is 1, expected 0 (compression is not modelled)",
     [](ConfigBuilder& c) { c.write(kMem, 0xA0630, 0x10); }},
    {"CDO WRITE at 0x14: (0,0) NOC.DMA_MM2S_0_CTRL = 0x2: pause bits are 0x2, expected 0 (pausing is not modelled)",
     [](ConfigBuilder& c) { c.write(kShim, 0x1D210, 2); }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.DMA_S2MM_0_START_QUEUE = 0x30: (0,1) S2MM 0: task starts with BD 48, expected below 48",
     [](ConfigBuilder& c) { c.start(kMem, Direction::s2mm, 0, 48); }},
    {"CDO WRITE at 0x20: (0,1) MEM_TILE.DMA_S2MM_0_START_QUEUE = 0x0: the channel is held in reset",
     [](ConfigBuilder& c) {
       c.write(kMem, 0xA0600, 2);
       c.start(kMem, Direction::s2mm, 0, 0);
     }},
    {"(0,1) S2MM 0 BD 0: word 0 was never written", [](ConfigBuilder& c) { c.start(kMem, Direction::s2mm, 0, 0); }},
    {"(0,1) S2MM 0 BD 24: is out of reach: even channels use 0 to 23, odd ones 24 to 47",
     [](ConfigBuilder& c) {
       c.bd(kMem, 24, linear_bd(kMemOwn, 8));
       c.start(kMem, Direction::s2mm, 0, 24);
     }},
    {"(0,1) S2MM 0 BD 0: valid_bd is 0, expected 1", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.valid = false; }); }},
    {"(0,1) S2MM 0 BD 0: buffer_length is 0, expected 1 or more", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.length = 0; }); }},
    {"(0,1) S2MM 0 BD 0: enable_compression is 1, expected 0 (compression is not modelled)",
     [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.compression = true; }); }},
    {"(0,1) S2MM 0 BD 0: iteration_current is 3, expected below the iteration wrap 2",
     [](ConfigBuilder& c) {
       start_with(c, [](auto& b) {
         b.iteration_wrap = 2;
         b.iteration_current = 3;
       });
     }},
    {"(0,1) S2MM 0 BD 0: lock_acq_id is 64 without lock_acq_enable", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.acquire_lock = 64; }); }},
    {"(0,1) S2MM 0 BD 0: lock_rel_id is 64 with lock_rel_value 0", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.release_lock = 64; }); }},
    {"(0,1) S2MM 0 BD 0: next_bd is 3 without use_next_bd", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.next = 3; }); }},
    {"(0,1) S2MM 0 BD 0: iteration_stepsize is 8 with iteration_wrap 1", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.iteration_step = 8; }); }},
    {"(0,1) S2MM 0 BD 0: enable_packet is 1 on an S2MM channel", [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.packet = true; }); }},
    {"(0,1) S2MM 0 BD 0: the step or wrap of a dimension is 4 behind one without a wrap",
     [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.dims[1].step = 4; }); }},
    {"(0,1) S2MM 0 BD 0: reaches the memory of its west neighbour, which does not exist",
     [](ConfigBuilder& c) { start_with(c, [](auto& b) { b.base = 0; }); }},
    {"(7,1) S2MM 4 BD 0: reaches a neighbour's memory, expected the own tile's on channels 4 and 5",
     [](ConfigBuilder& c) {
       c.bd({7, 1}, 0, linear_bd(2 * kMemOwn - 4, 8));
       c.start({7, 1}, Direction::s2mm, 4, 0);
     }},
    {"(0,1) S2MM 0 BD 0 uses lock 200, expected below 192",
     [](ConfigBuilder& c) {
       start_with(c, [](auto& b) {
         b.acquire = true;
         b.acquire_lock = 200;
       });
     }},
    {"(0,2) S2MM 0 BD 0: reaches byte 0x10000, expected below 0x10000",
     [](ConfigBuilder& c) {
       c.bd(kCore, 0, linear_bd(0x3FFC, 5));
       c.start(kCore, Direction::s2mm, 0, 0);
     }},
    {"(0,0) MM2S 0 BD 0: points to host address 0x0, which no buffer argument holds (DDR_PATCH puts one there)",
     [](ConfigBuilder& c) {
       c.bd(kShim, 0, linear_bd(0, 4));
       c.start(kShim, Direction::mm2s, 0, 0);
     }},
    {"(0,0) MM2S 0 BD 0: axqos is 15, expected 0 (others have wedged the fabric)",
     [](ConfigBuilder& c) {
       BufferDescriptor bd = linear_bd(0, 4);
       bd.qos = 15;
       c.bd(kShim, 0, bd);
       c.start(kShim, Direction::mm2s, 0, 0);
     }},
    {"CDO WRITE at 0x14: (0,1) MEM_TILE.STREAM_SWITCH_MASTER_CONFIG_NORTH4 = 0x80000007: selects SOUTH0, and the switch has no wires from there",
     [](ConfigBuilder& c) {
       c.circuit(kMem, {Bundle::south, 0}, {Bundle::north, 4});
     }},
    {"CDO WRITE at 0x14: (0,2) CORE.CORE_CONTROL = 0x1: the core is enabled and its program memory was never written",
     [](ConfigBuilder& c) { c.write(kCore, kCoreControl, 1); }},
    {"(0,1) S2MM 0 BD 0: releases lock 4 of (0,1) by +63, from 1 to 64, expected 0 to 63",
     [](ConfigBuilder& c) {
       c.lock(kMem, 4, 1);
       c.write(kMem, 0, 1);
       c.circuit(kMem, {Bundle::dma, 0}, {Bundle::dma, 0});
       c.bd(kMem, 1, linear_bd(kMemOwn, 8));
       c.start(kMem, Direction::mm2s, 0, 1);
       start_with(c, [](auto& b) {
         b.release_lock = kMemOwnLock + 4;
         b.release_value = 63;
       });
     }},
    {"(0,2) master TILE_CTRL: a stream reaches it, and control packets are not modelled",
     [](ConfigBuilder& c) {
       c.circuit(kMem, {Bundle::dma, 0}, {Bundle::north, 0});
       c.circuit(kCore, {Bundle::south, 0}, {Bundle::control, 0});
       c.bd(kMem, 0, linear_bd(kMemOwn, 8));
       c.start(kMem, Direction::mm2s, 0, 0);
     }},
};

TEST(SimRefuses, EachWithItsMessage) {
  for (const Refusal& r : kRefusals) {
    ConfigBuilder c;
    r.configure(c);
    const auto sim = Simulator::open(npu2(), c.bytes(), {});
    ASSERT_FALSE(sim) << r.message;
    EXPECT_EQ(sim.error().message, r.message);
  }
}

TEST(SimRefuses, AQueueThatCanNeverDrain) {
  ConfigBuilder c;
  c.bd(kMem, 0, linear_bd(kMemOwn, 8));
  for (int i = 0; i < 6; ++i) c.start(kMem, Direction::s2mm, 0, 0);
  const auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_FALSE(sim);
  EXPECT_NE(sim.error().message.find("(0,1) S2MM 0: task queue overflow, 4 tasks wait and BD 0 was pushed"), std::string::npos)
      << sim.error().message;
}

TEST(SimRefuses, OperationsOfAStream) {
  const auto run = [](TxnOp op) -> std::string {
    auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
    if (!sim) return sim.error().message;
    StreamBuilder s;
    s.add(std::move(op));
    Buffers b({4});
    const auto report = sim->run(s.bytes(), b.spans());
    return report ? "ran" : report.error().message;
  };
  EXPECT_EQ(run({TxnLoadPdi{3, 16, 0}}), "op 0 (LOADPDI): loading PDI 3 is not modelled");
  EXPECT_EQ(run({TxnDdrPatch{0x1D008, 0, 0}}), "op 0 (DDR_PATCH): patches 0x1d008 of (0,0), expected word 1 of a shim descriptor");
  EXPECT_EQ(run({TxnDdrPatch{0x1D004, 1, 0}}), "op 0 (DDR_PATCH): names bo1, there are 1 buffers");
  EXPECT_EQ(run({TxnDdrPatch{0x1D004, 0, 20}}), "op 0 (DDR_PATCH): offset 0x14 of bo0 is not a multiple of 4 inside its 0x10 bytes");
  EXPECT_EQ(run({TxnSync{9, 0, Direction::s2mm, 0, 1, 1}}), "op 0 (TCT): waits for tile (9,0), which lies outside the 8 x 6 array");
  EXPECT_EQ(run({TxnSync{0, 0, Direction::s2mm, 5, 1, 1}}), "op 0 (TCT): waits for S2MM channel 5 of (0,0), expected below 2");
  EXPECT_EQ(run({TxnSync{0, 0, Direction::s2mm, 0, 1, 1}}), "op 0 (TCT): deadlock: waits for a token of (0,0) S2MM 0: (0,0) S2MM 0 has no task");
}

TEST(SimRefuses, ATransferBeyondItsBuffer) {
  auto sim = Simulator::open(npu2(), passthrough(4).bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({3, 4});
  const auto report = sim->run(passthrough_stream(4).bytes(), b.spans());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().message, "op 7 (TCT): (0,0) MM2S 0 BD 0: reaches byte 0xf of bo0, which has 0xc");
}

// Beside stubs, foreign registers are noted instead.
TEST(SimRefuses, NotTheUnknownRegistersOfForeignImages) {
  ConfigBuilder c = passthrough(4);
  c.write(kMem, 0x96000, 1);
  c.write(kMem, 0x94010, 1);
  SimOptions options;
  options.stub_cores = true;
  auto sim = Simulator::open(npu2(), c.bytes(), options);
  ASSERT_TRUE(sim) << sim.error().message;
  Buffers b({4, 4});
  const auto report = sim->run(passthrough_stream(4).bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->notices, (std::vector<std::string>{"MEM_TILE.EVENT_BROADCAST0 has no effect in the simulator",
                                                       "the mem tile has no register at 0x96000; the write has no effect"}));
}

}  // namespace
}  // namespace onebit::npu
