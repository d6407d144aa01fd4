#include "npu/device/registers.h"

#include <set>

#include <gtest/gtest.h>

#include "npu/device/buffer_descriptor.h"

namespace onebit::npu {
namespace {

const Device& xdna2() { return device(Generation::aie2p); }

std::string name_at(TileKind kind, uint32_t offset, const Device& d = xdna2()) {
  const auto r = find_register(d, kind, offset);
  return r ? r->name : "none";
}

TEST(Registers, NamesOfTheRegisterMap) {
  EXPECT_EQ(name_at(TileKind::core, 0x1D054), "MEMORY.DMA_BD2_5");
  EXPECT_EQ(name_at(TileKind::core, 0x1DE1C), "MEMORY.DMA_MM2S_1_START_QUEUE");
  EXPECT_EQ(name_at(TileKind::core, 0x1F0F0), "MEMORY.LOCK15_VALUE");
  EXPECT_EQ(name_at(TileKind::core, 0x32000), "CORE.CORE_CONTROL");
  EXPECT_EQ(name_at(TileKind::core, 0x3F00C), "CORE.STREAM_SWITCH_MASTER_CONFIG_TILE_CTRL");
  EXPECT_EQ(name_at(TileKind::core, 0x3F160), "CORE.STREAM_SWITCH_SLAVE_CONFIG_MEM_TRACE");
  EXPECT_EQ(name_at(TileKind::core, 0x3F200), "CORE.STREAM_SWITCH_SLAVE_AIE_CORE0_SLOT0");
  EXPECT_EQ(name_at(TileKind::mem, 0xA06F4), "MEM_TILE.DMA_MM2S_5_CONSTANT_PAD_VALUE");
  EXPECT_EQ(name_at(TileKind::mem, 0xB0144), "MEM_TILE.STREAM_SWITCH_SLAVE_CONFIG_TRACE");
  EXPECT_EQ(name_at(TileKind::mem, 0xB002C), "MEM_TILE.STREAM_SWITCH_MASTER_CONFIG_NORTH0");
  EXPECT_EQ(name_at(TileKind::shim, 0x3F110), "PL.STREAM_SWITCH_SLAVE_CONFIG_SOUTH_2");
  EXPECT_EQ(name_at(TileKind::shim, 0x1D21C), "NOC.DMA_MM2S_1_TASK_QUEUE");
  EXPECT_EQ(name_at(TileKind::shim, 0x1F004), "NOC.DEMUX_CONFIG");
  EXPECT_EQ(name_at(TileKind::shim, 0x1D018), "NOC.DMA_BD0_6");
  EXPECT_EQ(name_at(TileKind::core, 0x1D018), "none");
  EXPECT_EQ(name_at(TileKind::core, 0x32002), "none");
  EXPECT_EQ(name_at(TileKind::mem, 0xFFFFC), "none");
}

TEST(Registers, GenerationsDifferWhereTheMapsDo) {
  const Device& xdna1 = device(Generation::aie2);
  EXPECT_EQ(name_at(TileKind::core, 0x60020), "CORE.TILE_CONTROL");
  EXPECT_EQ(name_at(TileKind::core, 0x60020, xdna1), "none");
  EXPECT_EQ(name_at(TileKind::core, 0x36030, xdna1), "CORE.TILE_CONTROL");
  EXPECT_EQ(name_at(TileKind::mem, 0x96030, xdna1), "MEM_TILE.TILE_CONTROL");
  EXPECT_EQ(name_at(TileKind::mem, 0xA06E0, xdna1), "none");
  EXPECT_EQ(name_at(TileKind::shim, 0xFFF40), "PL.TILE_CONTROL");
}

TEST(Registers, EveryOffsetHasOneNameAndDisjointFields) {
  for (const TileKind kind : {TileKind::shim, TileKind::mem, TileKind::core}) {
    std::set<std::string> names;
    for (uint32_t offset = 0; offset < kTileBytes; offset += 4) {
      const auto r = find_register(xdna2(), kind, offset);
      if (!r) continue;
      EXPECT_TRUE(names.insert(r->name).second) << r->name;
      EXPECT_EQ(region_of(xdna2().tile(kind), offset), Region::registers) << r->name;
      uint32_t seen = 0;
      for (const Field& f : r->fields) {
        EXPECT_EQ(seen & f.mask(), 0u) << r->name << " " << f.name;
        seen |= f.mask();
      }
    }
    EXPECT_GT(names.size(), 250u);
  }
}

// The field table of inspect and the typed descriptor are written separately and must agree.
TEST(Registers, DescriptorFieldsMatchTheTypedForm) {
  for (const TileKind kind : {TileKind::shim, TileKind::mem, TileKind::core}) {
    const DmaModel& dma = xdna2().tile(kind).dma;
    for (unsigned word = 0; word < dma.bd_words; ++word) {
      const auto r = find_register(xdna2(), kind, dma.bd_offset(3) + 4 * word);
      ASSERT_TRUE(r);
      EXPECT_EQ(r->mask(), bd_field_mask(kind, word)) << r->name;
    }
  }
}

TEST(Registers, Descriptions) {
  const auto r = find_register(xdna2(), TileKind::core, 0x3F004);
  ASSERT_TRUE(r);
  EXPECT_EQ(describe_fields(*r, 0x80000006), "master_enable=1, configuration=6");
  EXPECT_EQ(describe_fields(*r, 0), "0");
  EXPECT_EQ(describe_fields(*r, 0x100), "reserved=0x100");
}

}  // namespace
}  // namespace onebit::npu
