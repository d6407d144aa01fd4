#include "npu/device/stream_switch.h"

#include <gtest/gtest.h>

namespace onebit::npu {
namespace {

constexpr Port south(int c) { return {Bundle::south, static_cast<uint8_t>(c)}; }
constexpr Port north(int c) { return {Bundle::north, static_cast<uint8_t>(c)}; }
constexpr Port dma(int c) { return {Bundle::dma, static_cast<uint8_t>(c)}; }

TEST(StreamSwitch, IndicesOfRealCircuits) {
  // Master words of a program that ran on hardware: the configuration is the slave's index.
  EXPECT_EQ(encode(MasterConfig{true, false, false, *slave_index(TileKind::shim, south(3))}), 0x80000005u);
  EXPECT_EQ(encode(MasterConfig{true, false, false, *slave_index(TileKind::shim, south(7))}), 0x80000009u);
  EXPECT_EQ(encode(MasterConfig{true, false, false, *slave_index(TileKind::shim, north(2))}), 0x80000010u);
  EXPECT_EQ(encode(MasterConfig{true, false, false, *slave_index(TileKind::mem, south(5))}), 0x8000000cu);
  EXPECT_EQ(encode(MasterConfig{true, false, false, *slave_index(TileKind::core, south(5))}), 0x8000000au);
  // The token route: slot, slave, master.
  EXPECT_EQ(encode(PacketSlot{15, 0x1F, true, 3, 5}), 0x0F1F0135u);
  EXPECT_EQ(encode(SlaveConfig{true, true}), 0xC0000000u);
  const MasterConfig token = decode_master(0xC0000045);
  EXPECT_EQ(token.arbiter(), 5u);
  EXPECT_EQ(token.msel_enables(), 8u);
  EXPECT_EQ(encode(token), 0xC0000045u);
}

TEST(StreamSwitch, RegistersAndPortsAgree) {
  for (const TileKind kind : {TileKind::shim, TileKind::mem, TileKind::core}) {
    const TileModel& tile = device(Generation::aie2p).tile(kind);
    for (const Port p : master_ports(kind)) {
      const auto r = find_switch_register(tile, tile.stream_switch.master_offset(*master_index(kind, p)));
      ASSERT_TRUE(r);
      EXPECT_EQ(r->kind, SwitchRegister::Kind::master);
      EXPECT_EQ(r->port, p);
    }
    for (const Port p : slave_ports(kind))
      for (unsigned slot = 0; slot < kSlotsPerSlave; ++slot) {
        const auto r = find_switch_register(tile, tile.stream_switch.slot_offset(*slave_index(kind, p), slot));
        ASSERT_TRUE(r);
        EXPECT_EQ(r->kind, SwitchRegister::Kind::slot);
        EXPECT_EQ(r->port, p);
        EXPECT_EQ(r->slot, slot);
      }
  }
}

TEST(StreamSwitch, Legality) {
  EXPECT_TRUE(connection_legal(TileKind::mem, south(1), north(1)));
  EXPECT_FALSE(connection_legal(TileKind::mem, south(0), north(4))) << "lanes keep their number";
  EXPECT_TRUE(connection_legal(TileKind::mem, south(3), dma(0)));
  EXPECT_TRUE(connection_legal(TileKind::mem, dma(1), north(5)));
  EXPECT_FALSE(connection_legal(TileKind::mem, dma(1), dma(2)));
  EXPECT_FALSE(connection_legal(TileKind::mem, {Bundle::trace, 0}, north(0)));
  EXPECT_TRUE(connection_legal(TileKind::core, south(1), {Bundle::east, 2}));
  EXPECT_TRUE(connection_legal(TileKind::core, {Bundle::west, 1}, {Bundle::west, 1}));
  EXPECT_FALSE(connection_legal(TileKind::core, {Bundle::west, 1}, {Bundle::west, 2}));
  EXPECT_FALSE(connection_legal(TileKind::core, {Bundle::core, 0}, {Bundle::core, 0}));
  EXPECT_FALSE(connection_legal(TileKind::core, {Bundle::control, 0}, dma(0)));
  EXPECT_TRUE(connection_legal(TileKind::shim, {Bundle::control, 0}, south(0)));
  EXPECT_FALSE(connection_legal(TileKind::shim, {Bundle::trace, 0}, north(0)));
  EXPECT_TRUE(connection_legal(TileKind::shim, south(3), north(5)));
}

TEST(StreamSwitch, BothEndsOfAWire) {
  for (const Generation g : {Generation::aie2, Generation::aie2p}) {
    const Device& d = device(g);
    for (uint8_t column = 0; column < d.columns; ++column)
      for (uint8_t row = 0; row < d.rows; ++row)
        for (const Port master : master_ports(d.kind(row))) {
          const auto far = slave_driven_by(d, {column, row}, master);
          if (!far) continue;
          EXPECT_TRUE(slave_index(d.kind(far->tile.row), far->port)) << name(far->tile) << name(far->port);
          const auto back = master_driving(d, far->tile, far->port);
          ASSERT_TRUE(back);
          EXPECT_EQ(*back, (PortAt{{column, row}, master}));
        }
    EXPECT_FALSE(slave_driven_by(d, {0, 2}, {Bundle::west, 0}));
    EXPECT_FALSE(slave_driven_by(d, {0, 0}, south(0)));
  }
}

}  // namespace
}  // namespace onebit::npu
