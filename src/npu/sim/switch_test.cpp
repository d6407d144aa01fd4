// Circuits, broadcast, packets and neighbours between tiles.
#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

constexpr TileId kShim{0, 0}, kMem{0, 1};

// Core tiles of column 0, row 2 up, each take a copy; each sends its copy back through the memory tile.
TEST(SimSwitch, ABroadcastGoesAsFastAsItsSlowestSink) {
  constexpr uint32_t kWords = 200;
  constexpr TileId low{0, 2}, high{0, 3};
  ConfigBuilder c;
  c.circuit(kShim, {Bundle::south, 3}, {Bundle::north, 0});
  c.circuit(kMem, {Bundle::south, 0}, {Bundle::north, 0});
  c.circuit(low, {Bundle::south, 0}, {Bundle::dma, 0});
  c.circuit(low, {Bundle::south, 0}, {Bundle::north, 0});
  c.circuit(high, {Bundle::south, 0}, {Bundle::dma, 0});
  c.circuit(low, {Bundle::dma, 0}, {Bundle::south, 0});
  c.circuit(kMem, {Bundle::north, 0}, {Bundle::dma, 0});
  c.circuit(kMem, {Bundle::dma, 0}, {Bundle::south, 0});
  c.circuit(kShim, {Bundle::north, 0}, {Bundle::south, 2});
  c.shim(0);
  // The lower core's DMA takes all; the upper one's waits for a lock of its own.
  c.bd(low, 0, linear_bd(0, kWords));
  BufferDescriptor slow = linear_bd(0, kWords);
  slow.acquire = true;
  slow.acquire_lock = 2;
  slow.acquire_value = -1;
  slow.release_lock = 3;
  slow.release_value = 1;
  c.bd(high, 0, slow);
  c.start(low, Direction::s2mm, 0, 0);
  c.start(high, Direction::s2mm, 0, 0);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;

  Buffers b({kWords});
  StreamBuilder feed;
  feed.linear(0, Direction::mm2s, 0, 0, 0, kWords, true);
  const auto held = sim->run(feed.bytes(), b.spans());
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_EQ(held->still_active, std::vector<std::string>{"(0,0) MM2S 0 (BD 0, 32 of 200 words)"});
  EXPECT_EQ(sim->read(low, 31 * 4).value(), 1031u);
  EXPECT_EQ(sim->read(low, 32 * 4).value(), 0xCDCDCDCDu);
  EXPECT_EQ(sim->read(high, 0).value(), 0xCDCDCDCDu);

  StreamBuilder open;
  open.add({TxnWrite{address_of(high, 0x1F020), 1}});
  open.sync(0, Direction::mm2s, 0);
  const auto report = sim->run(open.bytes(), b.spans());
  ASSERT_TRUE(report) << report.error().message;
  for (const TileId tile : {low, high}) EXPECT_EQ(sim->read(tile, (kWords - 1) * 4).value(), 1000 + kWords - 1);
  EXPECT_EQ(sim->read(high, 0x1F030).value(), 1u);
}

// Two memory-tile channels send packets into one shim channel; headers stay or go.
TEST(SimSwitch, MergesPacketsAndDropsHeaders) {
  for (const bool drop : {true, false}) {
    ConfigBuilder c;
    for (uint32_t i = 0; i < 6; ++i) c.write(kMem, 4 * i, 100 + i);
    for (const uint8_t source : {0, 1}) {
      BufferDescriptor bd = linear_bd(kMemOwn + 3 * source, 3);
      bd.packet = true;
      bd.packet_id = 4 + source;
      bd.packet_type = 1;
      c.bd(kMem, source ? 24 : 0, bd);
      c.start(kMem, Direction::mm2s, source, source ? 24 : 0);
      c.packet_slave(kMem, {Bundle::dma, source}, 0, static_cast<uint8_t>(4 + source), 0x1F, 0, 1);
    }
    c.packet_master(kMem, {Bundle::south, 0}, 1, 1, drop);
    c.circuit(kShim, {Bundle::north, 0}, {Bundle::south, 2});
    c.shim(0);
    auto sim = Simulator::open(npu2(), c.bytes(), {});
    ASSERT_TRUE(sim) << sim.error().message;
    const uint32_t words = drop ? 6 : 8;
    Buffers b({1, words});
    StreamBuilder s;
    s.linear(0, Direction::s2mm, 0, 1, 1, words, true);
    s.sync(0, Direction::s2mm, 0);
    const auto report = sim->run(s.bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    // Source row 1, type 1, id; bit 31 makes the parity odd.
    std::vector<uint32_t> expected{100, 101, 102, 103, 104, 105};
    if (!drop) expected = {0x00011004, 100, 101, 102, 0x80011005, 103, 104, 105};
    EXPECT_EQ(b.data[1], expected);
  }
}

// One stream is dealt to two core tiles by packet id.
TEST(SimSwitch, DistributesByPacketId) {
  constexpr TileId core{0, 2};
  ConfigBuilder c;
  for (uint32_t i = 0; i < 8; ++i) c.write(kMem, 4 * i, 100 + i);
  for (const uint32_t k : {0u, 1u}) {
    BufferDescriptor bd = linear_bd(kMemOwn + 4 * k, 4);
    bd.packet = true;
    bd.packet_id = 8 + k;
    bd.use_next = k == 0;
    bd.next = k == 0 ? 1 : 0;
    c.bd(kMem, k, bd);
    c.packet_slave(core, {Bundle::south, 0}, k, static_cast<uint8_t>(8 + k), 0x1F, static_cast<uint8_t>(k), 2);
    c.packet_master(core, {Bundle::dma, static_cast<uint8_t>(k)}, 2, static_cast<uint8_t>(1 << k), true);
    c.bd(core, k, linear_bd(64 * k, 4));
    c.start(core, Direction::s2mm, k, k);
  }
  c.circuit(kMem, {Bundle::dma, 0}, {Bundle::north, 0});
  c.start(kMem, Direction::mm2s, 0, 0);
  auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_TRUE(sim) << sim.error().message;
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sim->read(core, 4 * i).value(), 100 + i);
    EXPECT_EQ(sim->read(core, 256 + 4 * i).value(), 104 + i);
  }
}

TEST(SimSwitch, RefusesAPacketThatNoSlotTakes) {
  ConfigBuilder c;
  BufferDescriptor bd = linear_bd(kMemOwn, 4);
  bd.packet = true;
  bd.packet_id = 9;
  c.bd(kMem, 0, bd);
  c.packet_slave(kMem, {Bundle::dma, 0}, 0, 8, 0x1F, 0, 1);
  c.packet_master(kMem, {Bundle::south, 0}, 1, 1, true);
  c.start(kMem, Direction::mm2s, 0, 0);
  const auto sim = Simulator::open(npu2(), c.bytes(), {});
  ASSERT_FALSE(sim);
  EXPECT_EQ(sim.error().message, "(0,1) slave DMA0: no slot takes packet id 9");
}

// A token of a memory-tile task finds its way through the switches below.
TEST(SimSwitch, TokensOfOtherTilesNeedARouteToo) {
  for (const bool routed : {true, false}) {
    ConfigBuilder c = passthrough(4);
    if (routed) {
      c.packet_slave(kMem, {Bundle::control, 0}, 0, 15, 0x1F, 0, 2);
      c.packet_master(kMem, {Bundle::south, 3}, 2, 1, false);
      c.packet_slave(kShim, {Bundle::north, 3}, 0, 15, 0x1F, 3, 5);
    }
    c.bd(kMem, 2, linear_bd(kMemOwn + 64, 1));
    auto sim = Simulator::open(npu2(), c.bytes(), {});
    ASSERT_TRUE(sim) << sim.error().message;
    StreamBuilder s;
    s.add({TxnWrite{address_of(kMem, 0xA0640), 15u << 8}});
    s.add({TxnWrite{address_of(kMem, 0xA0644), 2 | kQueueToken}});
    s.add({TxnSync{0, 1, Direction::mm2s, 2, 1, 1}});
    const auto report = sim->run(s.bytes(), {});
    ASSERT_FALSE(report);  // the stream port is not connected: the task cannot end
    EXPECT_NE(report.error().message.find("connected to nothing"), std::string::npos) << report.error().message;
    StreamBuilder connect;
    connect.add({TxnWrite{address_of(kMem, 0xB0008), encode(MasterConfig{true, false, false, 2})}});
    connect.add({TxnWrite{address_of(kMem, 0xB0108), encode(SlaveConfig{true, false})}});
    connect.add({TxnSync{0, 1, Direction::mm2s, 2, 1, 1}});
    const auto second = sim->run(connect.bytes(), {});
    EXPECT_EQ(second.has_value(), routed);
    if (!routed) {
      EXPECT_EQ(second.error().message,
                "op 2 (TCT): deadlock: waits for a token of (0,1) MM2S 2, which was issued and lost: (0,1) slave TILE_CTRL is not enabled");
    }
  }
}

}  // namespace
}  // namespace onebit::npu
