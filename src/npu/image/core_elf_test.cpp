#include "npu/image/core_elf.h"

#include <gtest/gtest.h>

#include <random>

namespace onebit::npu {
namespace {

struct Segment {
  uint32_t type = 1, address = 0;
  std::vector<uint8_t> bytes;
  uint32_t extra = 0;  // bytes in memory beyond the file's
};

// Header, program headers, contents: byte by byte as the ELF specification lays them out.
std::vector<uint8_t> make_elf(const std::vector<Segment>& segments, uint32_t entry = 0) {
  ByteWriter out;
  out.bytes(std::vector<uint8_t>{0x7F, 'E', 'L', 'F', 1, 1, 1});
  out.zeros(9);
  out.u16(2);    // e_type
  out.u16(264);  // e_machine
  out.u32(1);    // e_version
  out.u32(entry);
  out.u32(52);  // e_phoff
  out.u32(0);   // e_shoff
  out.u32(3);   // e_flags
  out.u16(52);  // e_ehsize
  out.u16(32);  // e_phentsize
  out.u16(static_cast<uint16_t>(segments.size()));
  out.u16(40);
  out.u16(0);
  out.u16(0);
  uint32_t offset = 52 + 32 * static_cast<uint32_t>(segments.size());
  for (const Segment& s : segments) {
    const auto size = static_cast<uint32_t>(s.bytes.size());
    for (const uint32_t word : {s.type, offset, s.address + 0x1000, s.address, size, size + s.extra, 5u, 16u}) out.u32(word);
    offset += size;
  }
  for (const Segment& s : segments) out.bytes(s.bytes);
  return out.take();
}

std::string message(const std::vector<uint8_t>& file, uint32_t program_bytes = 16 * 1024) {
  const auto elf = read_core_elf(file, program_bytes);
  return elf ? std::string() : elf.error().message;
}

const std::vector<uint8_t> kCode{1, 2, 3, 4, 5, 6, 7, 8};

TEST(CoreElf, ReadsProgramAndData) {
  const auto elf = read_core_elf(make_elf({{1, 0, kCode, 0}, {6, 0, kCode, 0}, {1, 0x70400, {9, 8, 7}, 2}, {1, 0x60000, {}, 0}, {1, 0x71000, {}, 6}}, 4));
  ASSERT_TRUE(elf.has_value()) << elf.error().message;
  EXPECT_EQ(elf->entry, 4u);
  ASSERT_EQ(elf->segments.size(), 3u);
  EXPECT_EQ(elf->segments[0], (ElfSegment{0, kCode}));
  EXPECT_EQ(elf->segments[1], (ElfSegment{0x70400, {9, 8, 7, 0, 0, 0, 0, 0}}));
  EXPECT_EQ(elf->segments[2], (ElfSegment{0x71000, std::vector<uint8_t>(8, 0)}));
  EXPECT_TRUE(elf->segments[0].program());
  EXPECT_FALSE(elf->segments[1].program());
}

TEST(CoreElf, RefusesOtherFiles) {
  auto elf = make_elf({{1, 0, kCode, 0}});
  elf[0] = 0;
  EXPECT_EQ(message(elf), "core ELF: magic at offset 0 is 0x00, expected 0x7f");
  elf = make_elf({{1, 0, kCode, 0}});
  elf[4] = 2;
  EXPECT_EQ(message(elf), "core ELF: class at offset 4 is 0x02, expected 0x01");
  elf = make_elf({{1, 0, kCode, 0}});
  elf[5] = 2;
  EXPECT_EQ(message(elf), "core ELF: data encoding at offset 5 is 0x02, expected 0x01");
  elf = make_elf({{1, 0, kCode, 0}});
  elf[16] = 1;
  EXPECT_EQ(message(elf), "core ELF: type is 1, expected 2 (executable)");
  elf = make_elf({{1, 0, kCode, 0}});
  elf[18] = 62;
  elf[19] = 0;
  EXPECT_EQ(message(elf), "core ELF: machine is 62, expected 264 (AI Engine)");
  elf = make_elf({{1, 0, kCode, 0}});
  elf[42] = 56;
  EXPECT_EQ(message(elf), "core ELF: program header size is 56, expected 32");
}

TEST(CoreElf, RefusesPlacesThatAreNone) {
  EXPECT_EQ(message(make_elf({{1, 0, std::vector<uint8_t>(16 * 1024 + 4), 0}})),
            "core ELF: segment 0 ends at 0x4004 of program memory, expected at most 0x4000");
  EXPECT_EQ(message(make_elf({{1, 0, kCode, 0}}), 4), "core ELF: segment 0 ends at 0x8 of program memory, expected at most 0x4");
  EXPECT_EQ(message(make_elf({{1, 2, kCode, 0}})), "core ELF: segment 0 starts at 0x2, expected a multiple of 4");
  EXPECT_EQ(message(make_elf({{1, 0x6FFFC, kCode, 0}})),
            "core ELF: segment 0 of 8 bytes at 0x6fffc, expected within one of the 64 KiB windows of data from 0x40000 to 0x80000");
  EXPECT_EQ(message(make_elf({{1, 0xFFFFFFFC, kCode, 0}})),
            "core ELF: segment 0 of 8 bytes at 0xfffffffc, expected within one of the 64 KiB windows of data from 0x40000 to 0x80000");
  EXPECT_EQ(message(make_elf({{1, 0x70000, kCode, 0xFFFFFFF0}})),
            "core ELF: segment 0 of 4294967288 bytes at 0x70000, expected within one of the 64 KiB windows of data from 0x40000 to 0x80000");
  EXPECT_EQ(message(make_elf({{1, 0x70000, kCode, 0}, {1, 0x70004, kCode, 0}})), "core ELF: segment 1 of 8 bytes at 0x70004 overlaps another");
  EXPECT_EQ(message(make_elf({{1, 0x70004, kCode, 0}, {1, 0x70000, kCode, 0}})), "core ELF: segment 1 of 8 bytes at 0x70000 overlaps another");
  EXPECT_EQ(message(make_elf({{1, 0, kCode, 0}}, 8)), "core ELF: entry 0x8 is in no segment of program memory");
  EXPECT_EQ(message(make_elf({})), "core ELF: entry 0x0 is in no segment of program memory");
}

TEST(CoreElf, EveryTruncationIsRefused) {
  const auto whole = make_elf({{1, 0, kCode, 0}, {1, 0x70000, kCode, 0}});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read_core_elf(Bytes(whole).first(size))) << size;
}

TEST(CoreElf, AnyBytesGiveAnAnswer) {
  std::mt19937 random(6);
  const auto whole = make_elf({{1, 0, kCode, 0}, {1, 0x70000, kCode, 4}, {1, 0x71000, {}, 64}});
  for (int i = 0; i < 20000; ++i) {
    auto bad = whole;
    for (unsigned n = 0; n < 1 + random() % 4; ++n) bad[random() % bad.size()] = static_cast<uint8_t>(random());
    if (const auto elf = read_core_elf(bad))
      for (const ElfSegment& s : elf->segments) EXPECT_LE(s.bytes.size(), 64u * 1024);
    else
      EXPECT_TRUE(elf.error().message.starts_with("core ELF: "));
  }
}

}  // namespace
}  // namespace onebit::npu
