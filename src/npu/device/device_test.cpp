#include "npu/device/device.h"

#include <gtest/gtest.h>

namespace onebit::npu {
namespace {

const Device& xdna2() { return device(Generation::aie2p); }

TEST(Device, GridsOfBothGenerations) {
  EXPECT_EQ(xdna2().columns, 8);
  EXPECT_EQ(xdna2().rows, 6);
  EXPECT_EQ(xdna2().first_column, 0);
  EXPECT_EQ(xdna2().stream_generation, 4);
  const Device& xdna1 = device(Generation::aie2);
  EXPECT_EQ(xdna1.columns, 5);
  EXPECT_EQ(xdna1.first_column, 1);
  EXPECT_EQ(xdna1.stream_generation, 3);
  EXPECT_EQ(device_for_stream(3), &xdna1);
  EXPECT_EQ(device_for_stream(5), nullptr);
  EXPECT_EQ(xdna2().kind(0), TileKind::shim);
  EXPECT_EQ(xdna2().kind(1), TileKind::mem);
  EXPECT_EQ(xdna2().kind(5), TileKind::core);
}

TEST(Device, ResourcesPerTileKind) {
  const TileModel& core = xdna2().tile(TileKind::core);
  EXPECT_EQ(core.data_bytes, 65536u);
  EXPECT_EQ(core.program_bytes, 16384u);
  EXPECT_EQ(core.dma.bd_words, 6);
  const TileModel& mem = xdna2().tile(TileKind::mem);
  EXPECT_EQ(mem.data_bytes, 524288u);
  EXPECT_EQ(mem.dma.channels, 6);
  EXPECT_EQ(mem.dma.bds, 48);
  EXPECT_EQ(mem.locks.count, 64);
  EXPECT_EQ(xdna2().tile(TileKind::shim).dma.bds, 16);
}

TEST(Device, AddressesSplitAndJoin) {
  for (uint8_t column = 0; column < 8; ++column)
    for (uint8_t row = 0; row < 6; ++row) {
      const auto at = xdna2().locate(address_of({column, row}, 0xABCDC));
      ASSERT_TRUE(at);
      EXPECT_EQ(at->tile, (TileId{column, row}));
      EXPECT_EQ(at->offset, 0xABCDCu);
    }
  EXPECT_FALSE(xdna2().locate(address_of({8, 0}, 0)));
  EXPECT_FALSE(xdna2().locate(address_of({0, 6}, 0)));
  EXPECT_FALSE(xdna2().locate(uint64_t{1} << 32));
  EXPECT_FALSE(xdna2().locate(~uint64_t{0}));
  EXPECT_FALSE(device(Generation::aie2).locate(address_of({5, 0}, 0)));
}

TEST(Device, ChannelBdAndLockRegisters) {
  const TileModel& mem = xdna2().tile(TileKind::mem);
  EXPECT_EQ(mem.dma.queue_offset(Direction::mm2s, 5), 0xA065Cu);
  const auto queue = find_channel_register(mem, 0xA065C);
  ASSERT_TRUE(queue);
  EXPECT_EQ(queue->direction, Direction::mm2s);
  EXPECT_EQ(queue->channel, 5);
  EXPECT_TRUE(queue->queue);
  EXPECT_FALSE(find_channel_register(mem, 0xA0660));

  const auto bd = find_bd_register(mem, 0xA0000 + 47 * 0x20 + 0x1C);
  ASSERT_TRUE(bd);
  EXPECT_EQ(bd->bd, 47);
  EXPECT_EQ(bd->word, 7);
  EXPECT_FALSE(find_bd_register(mem, 0xA0600));
  EXPECT_FALSE(find_bd_register(xdna2().tile(TileKind::core), 0x1D018)) << "a core descriptor has six words";

  EXPECT_EQ(find_lock_register(mem, 0xC03F0), 63);
  EXPECT_FALSE(find_lock_register(mem, 0xC0400));
  EXPECT_FALSE(find_lock_register(mem, 0xC0004));
}

TEST(Device, MemoryTileParity) {
  EXPECT_TRUE(mem_bd_reachable(0, 23));
  EXPECT_FALSE(mem_bd_reachable(0, 24));
  EXPECT_TRUE(mem_bd_reachable(5, 47));
  EXPECT_FALSE(mem_bd_reachable(5, 0));
}

}  // namespace
}  // namespace onebit::npu
