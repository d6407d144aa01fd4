#include "npu/image/npu_file.h"

#include <random>

#include <gtest/gtest.h>

#include "npu/image/example_program.h"

namespace onebit::npu {
namespace {

using Image = std::vector<uint8_t>;

std::vector<std::pair<const char*, Image>> examples() {
  const Cdo cdo = testing::example_cdo();
  const Image pdi = write_pdi(make_pdi(cdo));
  return {{"xclbin", write_xclbin(make_xclbin(pdi, {}))},
          {"PDI", pdi},
          {"CDO", write_cdo(cdo)},
          {"instruction stream", write_transaction(testing::example_stream()).value()},
          {"instruction stream", write_transaction(testing::example_stream(true)).value()}};
}

void expect_round_trip(const Image& bytes, const char* kind) {
  const auto file = read_npu_file(bytes);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_STREQ(name(*file), kind);
  std::vector<std::string> opaque;
  const auto again = write_npu_file(*file, &opaque);
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, bytes);
  EXPECT_TRUE(opaque.empty()) << opaque.front();
}

TEST(NpuFile, OwnFilesRoundTrip) {
  for (const auto& [kind, bytes] : examples()) expect_round_trip(bytes, kind);
}

TEST(NpuFile, ForeignPairRoundTrips) {
  const auto xclbin = testing::foreign_sample(testing::kForeignXclbin), stream = testing::foreign_sample(testing::kForeignStream);
  if (!xclbin || !stream) GTEST_SKIP() << "no foreign sample on this machine";
  expect_round_trip(*xclbin, "xclbin");
  expect_round_trip(*stream, "instruction stream");
  const Xclbin x = std::get<Xclbin>(read_npu_file(*xclbin).value());
  const Pdi pdi = read_pdi(x.partition()->pdis[0].image).value();
  // What make_pdi and make_xclbin write for this content equals the foreign file, part by part.
  Pdi own = make_pdi(pdi.cdo);
  own.image[image_header::revoke_id] = pdi.image[image_header::revoke_id];
  own.image[image_header::measurement] = pdi.image[image_header::measurement];
  EXPECT_EQ(write_pdi(own), x.partition()->pdis[0].image);
  const Xclbin ours = make_xclbin(x.partition()->pdis[0].image, {});
  for (const SectionKind kind : {SectionKind::mem_topology, SectionKind::ip_layout, SectionKind::connectivity,
                                 SectionKind::embedded_metadata, SectionKind::group_connectivity, SectionKind::group_topology})
    EXPECT_EQ(write_section(*ours.find(kind)), write_section(*x.find(kind))) << name(kind);
  EXPECT_EQ(write_section(*ours.find(SectionKind::aie_partition)).size(), write_section(*x.find(SectionKind::aie_partition)).size());
  EXPECT_EQ(std::get<Transaction>(read_npu_file(*stream).value()).ops.size(), 67u);
}

TEST(NpuFile, EveryTruncationIsAnError) {
  for (const auto& [kind, bytes] : examples())
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto r = read_npu_file(Bytes(bytes).first(size));
      ASSERT_FALSE(r) << kind << " cut to " << size;
      EXPECT_FALSE(r.error().message.empty());
    }
}

// A changed file is either refused or read as something that writes the same bytes again.
TEST(NpuFile, FlippedBytesAreRefusedOrCarried) {
  std::mt19937 random(1);
  size_t refused = 0, carried = 0;
  for (const auto& [kind, bytes] : examples())
    for (int run = 0; run < 3000; ++run) {
      Image changed = bytes;
      for (unsigned flips = 1 + random() % 3; flips > 0; --flips) changed[random() % changed.size()] ^= static_cast<uint8_t>(1u << random() % 8);
      const auto file = read_npu_file(changed);
      if (!file) {
        ++refused;
        continue;
      }
      ++carried;
      const auto again = write_npu_file(*file);
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_EQ(*again, changed) << kind;
    }
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(carried, 1000u);
}

TEST(NpuFile, UnknownBytes) {
  EXPECT_FALSE(read_npu_file({}));
  const Image zeros(64, 0);
  EXPECT_NE(read_npu_file(zeros).error().message.find("not an xclbin, PDI, CDO or instruction stream"), std::string::npos);
}

}  // namespace
}  // namespace onebit::npu
