#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/buffer.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/result.h"

namespace onebit {
namespace {

namespace fs = std::filesystem;

struct TempDir {
  fs::path path = fs::temp_directory_path() / fs::path("onebit_base_" + std::to_string(::getpid()));
  TempDir() { fs::create_directories(path); }
  ~TempDir() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

TEST(Checked, SeesOverflow) {
  EXPECT_EQ(checked_add<uint32_t>(1, 2), 3u);
  EXPECT_FALSE(checked_add<uint32_t>(0xffffffffu, 1));
  EXPECT_EQ(checked_mul<uint64_t>(1ull << 32, 1ull << 31), 1ull << 63);
  EXPECT_FALSE(checked_mul<uint64_t>(1ull << 32, 1ull << 32));
  EXPECT_EQ(checked_round_up<uint64_t>(33, 32), 64u);
  EXPECT_FALSE(checked_round_up<uint64_t>(~0ull, 32));
}

Result<int> half(int x) {
  if (x % 2) return fail(Errc::out_of_range, "value {} is odd, expected even", x);
  return x / 2;
}

Result<int> quarter(int x) {
  ONEBIT_ASSIGN(const int h, half(x));
  return half(h);
}

TEST(Result, CarriesTheMessage) {
  EXPECT_EQ(quarter(8).value(), 2);
  const auto r = quarter(6);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::out_of_range);
  EXPECT_EQ(r.error().message, "value 3 is odd, expected even");
}

TEST(Buffer, IsZeroAlignedAndRefusesTheImpossible) {
  auto b = Buffer::allocate(1000, "test");
  ASSERT_TRUE(b);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b->data()) % 64, 0u);
  for (size_t i = 0; i < 1000; ++i) ASSERT_EQ(b->data()[i], 0);
  const auto huge = Buffer::allocate(size_t{1} << 62, "weights");
  ASSERT_FALSE(huge);
  EXPECT_EQ(huge.error().code, Errc::out_of_memory);
  EXPECT_NE(huge.error().message.find("weights"), std::string::npos);
}

TEST(File, AppearsWholeOrNotAtAll) {
  const TempDir dir;
  const std::string path = dir / "out.bin";
  {
    auto f = OutputFile::create(path);
    ASSERT_TRUE(f);
    ASSERT_TRUE(f->write("half"));
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path + ".partial"));
  {
    auto f = OutputFile::create(path);
    ASSERT_TRUE(f);
    ASSERT_TRUE(f->write("whole"));
    EXPECT_EQ(f->position(), 5u);
    ASSERT_TRUE(f->commit());
  }
  EXPECT_EQ(read_text(path, 100).value(), "whole");
  EXPECT_FALSE(read_text(path, 4));
  EXPECT_FALSE(fs::exists(path + ".partial"));
}

TEST(File, MapsAndReleases) {
  const TempDir dir;
  const std::string path = dir / "data";
  std::ofstream(path, std::ios::binary) << std::string(20000, 'x');
  auto m = MappedFile::open(path);
  ASSERT_TRUE(m);
  ASSERT_EQ(m->bytes().size(), 20000u);
  m->release(0, 20000);
  m->release(19999, ~size_t{0});
  EXPECT_EQ(m->bytes()[12345], 'x');
  EXPECT_FALSE(MappedFile::open(dir / "missing"));
  EXPECT_FALSE(MappedFile::open(dir.path.string()));
}

}  // namespace
}  // namespace onebit
