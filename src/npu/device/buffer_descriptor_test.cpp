#include "npu/device/buffer_descriptor.h"

#include <random>

#include <gtest/gtest.h>

namespace onebit::npu {
namespace {

using Words = std::vector<uint32_t>;

// Descriptors of a program that ran on hardware (bf16 GEMM by mlir-aie), with what they mean.
TEST(BufferDescriptor, CoreWordsOfARealProgram) {
  const Words words{0xd500400, 0x0, 0x7e000, 0x2010007, 0x0, 0xe043fe0};
  const BufferDescriptor bd = decode_bd(TileKind::core, words);
  EXPECT_EQ(bd.base, 0x3540u);
  EXPECT_EQ(bd.length, 0x400u);
  EXPECT_EQ(bd.dims[0], (BdDimension{1, 8}));
  EXPECT_EQ(bd.dims[1], (BdDimension{64, 16}));
  EXPECT_EQ(bd.dims[2], (BdDimension{8, 0}));
  EXPECT_TRUE(bd.valid);
  EXPECT_TRUE(bd.use_next);
  EXPECT_EQ(bd.next, 1u);
  EXPECT_TRUE(bd.acquire);
  EXPECT_EQ(bd.acquire_lock, 0u);
  EXPECT_EQ(bd.acquire_value, -1);
  EXPECT_EQ(bd.release_lock, 1u);
  EXPECT_EQ(bd.release_value, 1);
  EXPECT_EQ(encode_bd(TileKind::core, bd).value(), words);
}

TEST(BufferDescriptor, MemoryTileWordsOfARealProgram) {
  const Words words{0x8000, 0x3a0000, 0x80000, 0x40001f, 0x100003, 0x3ff, 0x0, 0x8140ff41};
  const BufferDescriptor bd = decode_bd(TileKind::mem, words);
  EXPECT_EQ(bd.length, 0x8000u);
  EXPECT_EQ(bd.base * 4, 0x80000u) << "the own window";
  EXPECT_EQ(bd.next, 3u);
  EXPECT_EQ(bd.dims[0], (BdDimension{1, 4}));
  EXPECT_EQ(bd.dims[1], (BdDimension{32, 32}));
  EXPECT_EQ(bd.dims[2], (BdDimension{4, 8}));
  EXPECT_EQ(bd.dims[3], (BdDimension{1024, 0}));
  EXPECT_EQ(bd.acquire_lock, 65u);
  EXPECT_EQ(bd.acquire_value, -1);
  EXPECT_EQ(bd.release_lock, 64u);
  EXPECT_EQ(bd.release_value, 1);
  EXPECT_EQ(encode_bd(TileKind::mem, bd).value(), words);
  EXPECT_EQ(bd_extent(TileKind::mem, bd).first, 0x20000u);
  EXPECT_EQ(bd_extent(TileKind::mem, bd).last, 0x27FFFu) << "a transpose of 32768 words touches each once";
}

TEST(BufferDescriptor, ShimWordsOfARealStream) {
  const Words words{0x30000, 0, 0, 0x10000000, 0xC80005FF, 0x020000FF, 0, 0x02000000};
  const BufferDescriptor bd = decode_bd(TileKind::shim, words);
  EXPECT_EQ(bd.length, 196608u);
  EXPECT_EQ(bd.dims[0], (BdDimension{1, 256}));
  EXPECT_EQ(bd.dims[1], (BdDimension{0x600, 128}));
  EXPECT_EQ(bd.dims[2], (BdDimension{0x100, 0}));
  EXPECT_EQ(bd.burst, kAxiBurst);
  EXPECT_EQ(bd.cache, kAxiCache);
  EXPECT_EQ(bd.qos, kAxiQos);
  EXPECT_FALSE(bd.acquire);
  EXPECT_EQ(encode_bd(TileKind::shim, bd).value(), words);
}

// Any words survive decode and encode, apart from the bits that no field owns.
TEST(BufferDescriptor, EveryFieldRoundTrips) {
  std::mt19937 random(7);
  for (const TileKind kind : {TileKind::shim, TileKind::mem, TileKind::core})
    for (int run = 0; run < 2000; ++run) {
      Words words(device(Generation::aie2p).tile(kind).dma.bd_words);
      for (size_t i = 0; i < words.size(); ++i) words[i] = random() & bd_field_mask(kind, static_cast<unsigned>(i));
      const auto again = encode_bd(kind, decode_bd(kind, words));
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(*again, words);
    }
}

TEST(BufferDescriptor, RangesAreNamed) {
  const auto message = [](TileKind kind, auto change) {
    BufferDescriptor bd;
    bd.length = 16;
    change(bd);
    const auto r = encode_bd(kind, bd);
    return r ? std::string("accepted") : r.error().message;
  };
  EXPECT_EQ(message(TileKind::core, [](auto& bd) { bd.dims[0].wrap = 256; }),
            "core tile buffer descriptor: dims[0].wrap is 256, expected 0 to 255");
  EXPECT_EQ(message(TileKind::core, [](auto& bd) { bd.dims[1].step = 8193; }),
            "core tile buffer descriptor: dims[1].step is 8193, expected 1 to 8192");
  EXPECT_EQ(message(TileKind::core, [](auto& bd) { bd.dims[1].step = 0; }),
            "core tile buffer descriptor: dims[1].step is 0, expected 1 to 8192");
  EXPECT_EQ(message(TileKind::mem, [](auto& bd) { bd.length = 1 << 17; }),
            "mem tile buffer descriptor: length is 131072, expected 0 to 131071");
  EXPECT_EQ(message(TileKind::mem, [](auto& bd) { bd.iteration_wrap = 65; }),
            "mem tile buffer descriptor: iteration_wrap is 65, expected 1 to 64");
  EXPECT_EQ(message(TileKind::mem, [](auto& bd) { bd.release_value = 64; }),
            "mem tile buffer descriptor: release_value is 64, expected -64 to 63");
  EXPECT_EQ(message(TileKind::shim, [](auto& bd) { bd.base = 2; }),
            "shim tile buffer descriptor: base is 0x2, expected a multiple of 4 below 2^48");
  EXPECT_EQ(message(TileKind::shim, [](auto& bd) { bd.dims[1].step = (1 << 20) + 1; }),
            "shim tile buffer descriptor: dims[1].step is 1048577, expected 1 to 1048576");
  EXPECT_EQ(message(TileKind::core, [](auto& bd) { bd.pad_before[0] = 1; }),
            "core tile buffer descriptor: padding does not exist");
  EXPECT_EQ(message(TileKind::mem, [](auto& bd) { bd.qos = 1; }),
            "mem tile buffer descriptor: an AXI attribute does not exist");
}

}  // namespace
}  // namespace onebit::npu
