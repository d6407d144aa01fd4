#include "npu/image/xclbin.h"

#include <gtest/gtest.h>

#include "npu/image/example_program.h"
#include "npu/image/pdi.h"

namespace onebit::npu {
namespace {

std::vector<uint8_t> example() { return write_xclbin(make_xclbin(write_pdi(make_pdi(testing::example_cdo())), {})); }

TEST(Xclbin, SectionsInTheOrderOfRealFiles) {
  const auto bytes = example();
  const auto x = read_xclbin(bytes);
  ASSERT_TRUE(x) << x.error().message;
  std::vector<uint32_t> kinds;
  for (const Section& s : x->sections) {
    kinds.push_back(static_cast<uint32_t>(s.kind));
    EXPECT_EQ(s.offset % 8, 0u);
    EXPECT_TRUE(s.verbatim.empty());
    EXPECT_FALSE(s.unusual_gap);
  }
  EXPECT_EQ(kinds, (std::vector<uint32_t>{6, 32, 2, 8, 7, 27, 26}));
  EXPECT_EQ(write_xclbin(*x), bytes);
}

TEST(Xclbin, SizesAndWordsOfRealSections) {
  const Xclbin x = make_xclbin(write_pdi(make_pdi(testing::example_cdo())), {});
  const auto payload = [&x](SectionKind kind) { return write_section(*x.find(kind)); };
  EXPECT_EQ(payload(SectionKind::mem_topology).size(), 88u);
  EXPECT_EQ(payload(SectionKind::ip_layout).size(), 88u);
  EXPECT_EQ(payload(SectionKind::connectivity).size(), 76u);
  EXPECT_EQ(payload(SectionKind::group_connectivity).size(), 148u);
  EXPECT_EQ(payload(SectionKind::embedded_metadata).size(), 1352u);
  EXPECT_EQ(load_u32(payload(SectionKind::ip_layout).data() + 12), 0x09010001u);
  const auto connections = std::get<Connectivity>(x.find(SectionKind::connectivity)->body).connections;
  EXPECT_EQ(connections, (std::vector<Connection>{{1, 0, 1}, {3, 0, 0}, {4, 0, 0}, {5, 0, 0}, {6, 0, 0}, {7, 0, 0}}));
  const AiePartition* p = x.partition();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->pdis[0].groups[0].kernel_ids, std::vector<uint64_t>{0x901});
  EXPECT_EQ(load_u32(payload(SectionKind::aie_partition).data() + 4), 0xB8u) << "heap order: the name comes first";
}

TEST(Xclbin, SameContentSameBytesAndOtherContentOtherUuid) {
  EXPECT_EQ(example(), example());
  Cdo other = testing::example_cdo();
  std::get<CdoMaskWrite>(other.commands.back().body).value = 0;
  const Xclbin a = read_xclbin(example()).value();
  const Xclbin b = make_xclbin(write_pdi(make_pdi(other)), {});
  EXPECT_NE(a.uuid, b.uuid);
  EXPECT_NE(a.time_stamp, b.time_stamp);
  EXPECT_NE(a.partition()->pdis[0].uuid, b.partition()->pdis[0].uuid);
}

TEST(Xclbin, KernelMetadataRoundTrips) {
  const auto kernels = read_kernel_xml(write_kernel_xml(default_kernel()));
  ASSERT_TRUE(kernels) << kernels.error().message;
  ASSERT_EQ(kernels->size(), 1u);
  EXPECT_EQ((*kernels)[0].name, "MLIR_AIE");
  EXPECT_EQ((*kernels)[0].instance, "MLIRAIE");
  EXPECT_EQ((*kernels)[0].kernel_id, 0x901u);
  ASSERT_EQ((*kernels)[0].arguments.size(), 8u);
  EXPECT_EQ((*kernels)[0].arguments[7].offset, 0x34u);
  EXPECT_FALSE(read_kernel_xml("<kernel name"));
  EXPECT_FALSE(read_kernel_xml("<kernel name=>"));
  EXPECT_FALSE(read_kernel_xml("<kernel name='a'><arg id='4294967296'/></kernel>"));
}

TEST(Xclbin, PartitionWithManyPdisAndGroups) {
  AiePartition p{.name = "two", .column_width = 4, .start_columns = {0, 4, 1}, .kernel_commit_id = "abc"};
  for (uint8_t i = 0; i < 3; ++i)
    p.pdis.push_back({Uuid{i}, std::vector<uint8_t>(13 + i, i), {{.name = "DPU", .kernel_ids = {1, 2}, .pre_groups = {1, 2, 3}},
                                                                  {.name = "LITE group", .type = 2, .pdi_id = i}}});
  EXPECT_EQ(read_partition(write_partition(p)).value(), p);
}

TEST(Xclbin, OddLayoutsAreCarried) {
  Xclbin x = read_xclbin(example()).value();
  x.trailer = {'X', 0, 'Y'};
  x.padding = 5;
  x.sections[2].gap = {1, 2, 3};
  x.sections[2].unusual_gap = true;
  x.sections[3].reserved = 9;
  Section unknown;
  unknown.kind = static_cast<SectionKind>(77);
  unknown.body = Opaque{{9, 8, 7}};
  x.sections.push_back(unknown);
  const auto bytes = write_xclbin(x);
  const auto again = read_xclbin(bytes);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(write_xclbin(*again), bytes);
  EXPECT_EQ(std::get<Opaque>(again->sections.back().body).bytes, (std::vector<uint8_t>{9, 8, 7}));
}

TEST(Xclbin, SharedPayloadDoesNotMultiplyMemory) {
  // 20,000 PDI entries that all name the same 1 MB image.
  AiePartition p;
  p.pdis.push_back({{}, std::vector<uint8_t>(1 << 20, 1), {}});
  auto bytes = write_partition(p);
  const std::vector<uint8_t> entry(bytes.end() - 96, bytes.end());
  for (int i = 0; i < 20000; ++i) bytes.insert(bytes.end(), entry.begin(), entry.end());
  for (size_t i = 0; i < 4; ++i) bytes[0x78 + i] = static_cast<uint8_t>(20001u >> (8 * i));
  const auto r = read_partition(bytes);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("pdi_image of 1048576 bytes overlaps other data"), std::string::npos) << r.error().message;
}

TEST(Xclbin, Errors) {
  const auto good = example();
  const auto message = [&good](size_t at, uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    const auto r = read_xclbin(bytes);
    return r ? std::string("accepted") : r.error().message;
  };
  EXPECT_EQ(message(0, 'y'), "xclbin: magic at offset 0x0 is not \"xclbin2\"");
  EXPECT_EQ(message(0x132, 0xFF).substr(0, 33), "xclbin: file length at offset 0x1");
  EXPECT_EQ(message(0x1C3, 0xFF).substr(0, 30), "xclbin: section table at offse");
  EXPECT_NE(message(0x1C8 + 24, 0).find("offset of section 0 (kind 6)"), std::string::npos);
}

}  // namespace
}  // namespace onebit::npu
