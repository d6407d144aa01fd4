#include "npu/image/cdo.h"

#include <gtest/gtest.h>

#include "npu/image/example_program.h"

namespace onebit::npu {
namespace {

std::vector<uint8_t> cdo_bytes(std::vector<uint32_t> body) {
  ByteWriter out;
  const uint32_t n = static_cast<uint32_t>(body.size());
  for (const uint32_t w : {4u, kCdoMagic, kCdoVersion, n, ~(4 + kCdoMagic + kCdoVersion + n)}) out.u32(w);
  for (const uint32_t w : body) out.u32(w);
  return out.take();
}

TEST(Cdo, GoldenWords) {
  const auto bytes = cdo_bytes({0x00000111, 0x00020103, 0x0001F000, 2, 0x00030102, 0x00032000, 1, 1,  //
                                0x00040105, 0, 0x0001D000, 7, 8, 0x00040108, 1, 0x5000, 3, 0x00010199});
  // The last WRITE64 has one word too many and 0x199 is no command: both are kept.
  auto broken = bytes;
  const auto cdo = read_cdo(cdo_bytes({0x00000111, 0x00020103, 0x0001F000, 2, 0x00030102, 0x00032000, 1, 1,  //
                                       0x00040105, 0, 0x0001D000, 7, 8, 0x00030108, 1, 0x5000, 3, 0x00010199, 0xAA}));
  ASSERT_TRUE(cdo) << cdo.error().message;
  ASSERT_EQ(cdo->commands.size(), 6u);
  EXPECT_EQ(std::get<CdoNop>(cdo->commands[0].body), CdoNop{0});
  EXPECT_EQ(std::get<CdoWrite>(cdo->commands[1].body), (CdoWrite{0x1F000, 2}));
  EXPECT_EQ(std::get<CdoMaskWrite>(cdo->commands[2].body), (CdoMaskWrite{0x32000, 1, 1}));
  EXPECT_EQ(std::get<CdoDmaWrite>(cdo->commands[3].body), (CdoDmaWrite{0x1D000, {7, 8}}));
  EXPECT_EQ(std::get<CdoWrite>(cdo->commands[4].body), (CdoWrite{0x100005000, 3}));
  EXPECT_TRUE(cdo->commands[4].wide);
  EXPECT_EQ(std::get<CdoOther>(cdo->commands[5].body), (CdoOther{0x199, {0xAA}}));
  EXPECT_EQ(cdo->commands[1].offset, 24u);
}

// Every shape of command, documented or not, comes back as the same bytes.
TEST(Cdo, AnyCommandRoundTrips) {
  std::vector<uint32_t> long_data{0x00FF0105, 260, 0, 0x20000};
  for (uint32_t i = 0; i < 258; ++i) long_data.push_back(i * 0x01010101);
  const std::vector<std::vector<uint32_t>> bodies{
      {},
      {0x00000111},
      {0x00030111, 0, 0, 0},
      {0x00020111, 0, 5},                     // a NOP with something in it
      {0x00FF0111, 2, 0, 0},                  // long form although short
      {0x00FF0103, 2, 0x1000, 1},
      {0x01020103, 0x1000, 1},                // a reserved bit
      {0x00030103, 0x1000, 1, 2},             // a WRITE with three words
      {0x00040107, 0, 0x1000, 1, 1},
      {0x00050106, 0, 0x1000, 1, 1, 1000},
      {0x00040101, 0x1000, 1, 1, 1000},
      {0x00000104},                           // DELAY without payload
      {0x000202FF, 1, 2},
      long_data,
  };
  for (const auto& body : bodies) {
    const auto bytes = cdo_bytes(body);
    const auto cdo = read_cdo(bytes);
    ASSERT_TRUE(cdo) << cdo.error().message;
    EXPECT_EQ(write_cdo(*cdo), bytes);
    EXPECT_EQ(read_cdo(write_cdo(*cdo)).value(), *cdo);
  }
}

TEST(Cdo, BuilderAlignsDataAsBootgenDoes) {
  const auto bytes = write_cdo(testing::example_cdo());
  const auto cdo = read_cdo(bytes);
  ASSERT_TRUE(cdo);
  int blocks = 0;
  for (const CdoCommand& c : cdo->commands)
    if (std::holds_alternative<CdoDmaWrite>(c.body)) {
      ++blocks;
      EXPECT_EQ((c.offset + 12) % 16, 0u);
    }
  EXPECT_EQ(blocks, 16);
  EXPECT_EQ(write_cdo(*cdo), bytes);

  CdoBuilder long_block;
  long_block.nop();
  long_block.block_write(0x20000, std::vector<uint32_t>(1000, 1));
  const Cdo built = long_block.take();
  EXPECT_EQ((built.commands.back().offset + 16) % 16, 0u);
  EXPECT_EQ(read_cdo(write_cdo(built)).value(), built);
}

TEST(Cdo, ErrorsNameOffsetFieldAndExpectation) {
  const auto message = [](std::vector<uint8_t> bytes) {
    const auto r = read_cdo(bytes);
    return r ? std::string("accepted") : r.error().message;
  };
  EXPECT_EQ(message({1, 2, 3}), "CDO: size is 3 bytes, expected a multiple of 4 of at least 20");
  auto bytes = cdo_bytes({0x00020103, 1, 2});
  bytes[16] ^= 1;
  EXPECT_NE(message(bytes).find("CDO: checksum at offset 0x10 is "), std::string::npos);
  bytes = cdo_bytes({0x00020103, 1, 2});
  bytes.resize(bytes.size() - 4);
  EXPECT_EQ(message(bytes), "CDO: body length at offset 0xc is 3 words, expected 2");
  EXPECT_EQ(message(cdo_bytes({0x00050103, 1, 2})),
            "CDO: payload length of command 0x103 at offset 0x14 is 5 words, expected at most 2");
  EXPECT_EQ(message(cdo_bytes({0x00FF0105, 0xFFFFFFFF, 2})),
            "CDO: payload length of command 0x105 at offset 0x14 is 4294967295 words, expected at most 1");
  EXPECT_EQ(message(cdo_bytes({0x00FF0105})), "CDO: long length at offset 0x18 is missing, expected one more word");
}

}  // namespace
}  // namespace onebit::npu
