#include "npu/image/pdi.h"

#include <gtest/gtest.h>

#include "npu/image/example_program.h"

namespace onebit::npu {
namespace {

TEST(Pdi, HeadersAreThoseOfBootgen) {
  const Pdi pdi = make_pdi(testing::example_cdo());
  const auto bytes = write_pdi(pdi);
  EXPECT_EQ(load_u32(bytes.data() + 0x10 + 4 * 31), 0x9AC12A78u) << "the checksum of real image header tables";
  EXPECT_EQ(load_u32(bytes.data() + 0x10 + 4 * 10), 0x50504449u);
  EXPECT_EQ(pdi.image_name(), "aie_image");
  const uint32_t words = static_cast<uint32_t>(write_cdo(pdi.cdo).size() / 4);
  EXPECT_EQ(load_u32(bytes.data() + 0xD0), (words + 3) / 4 * 4);
  EXPECT_EQ(load_u32(bytes.data() + 0xD4), words);
  EXPECT_EQ(bytes.size() % 16, 0u);
  EXPECT_EQ(read_pdi(bytes).value().cdo, pdi.cdo);
  EXPECT_EQ(write_pdi(read_pdi(bytes).value()), bytes);
}

TEST(Pdi, FreeWordsSurvive) {
  Pdi pdi = make_pdi(testing::example_cdo());
  pdi.image[image_header::revoke_id] = 0x12345678;
  pdi.image[image_header::measurement] = 0xFFFFFFFF;
  pdi.table[30] = 7;
  const auto bytes = write_pdi(pdi);
  const auto again = read_pdi(bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->image[image_header::revoke_id], 0x12345678u);
  EXPECT_EQ(write_pdi(*again), bytes);
}

TEST(Pdi, EveryHeaderWordIsGuarded) {
  const auto good = write_pdi(make_pdi(testing::example_cdo()));
  for (size_t at = 0; at < kPdiDataOffset + 20; ++at) {
    auto bytes = good;
    bytes[at] ^= 0x40;
    const auto r = read_pdi(bytes);
    ASSERT_FALSE(r) << at;
    EXPECT_NE(r.error().message.find("expected"), std::string::npos) << r.error().message;
  }
}

TEST(Pdi, EveryTruncationIsAnError) {
  const auto good = write_pdi(make_pdi(testing::example_cdo()));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(read_pdi(Bytes(good).first(size))) << size;
  auto longer = good;
  longer.push_back(0);
  EXPECT_FALSE(read_pdi(longer));
}

}  // namespace
}  // namespace onebit::npu
