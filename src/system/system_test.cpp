#include "system/diagnose.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

namespace onebit::system {
namespace {

namespace fs = std::filesystem;

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "onebit-tree-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  Tree tree() { return *Tree::open(root_.string()); }

  fs::path root_;
};

TEST(Version, NumbersWithDots) {
  EXPECT_EQ(parse_version("6.14.0-27-generic")->text(), "6.14.0");
  EXPECT_EQ(parse_version("npu.sbin.1.1.2.65.zst")->text(), "1.1.2.65");
  EXPECT_EQ(parse_version("2.25.0")->text(), "2.25.0");
  EXPECT_EQ(parse_version("7")->text(), "7");
  EXPECT_FALSE(parse_version(""));
  EXPECT_FALSE(parse_version("npu_7.sbin"));
  EXPECT_FALSE(parse_version("99999999999999999999"));
  EXPECT_LT(*parse_version("6.9"), *parse_version("6.10"));
  EXPECT_LT(*parse_version("1.0.0.166"), *parse_version("1.1"));
}

TEST_F(TreeTest, LinksStayInside) {
  write("etc/passwd", "inside\n");
  fs::create_directories(root_ / "a/b");
  fs::create_symlink("/etc/passwd", root_ / "absolute");
  fs::create_symlink("../../../../../../../../etc/passwd", root_ / "a/b/up");
  fs::create_symlink("loop", root_ / "loop");
  fs::create_symlink("pong", root_ / "ping");
  fs::create_symlink("ping", root_ / "pong");
  EXPECT_EQ(tree().line("/absolute"), "inside");
  EXPECT_EQ(tree().line("/a/b/up"), "inside");
  EXPECT_EQ(tree().line("/../../etc/passwd"), "inside");
  EXPECT_FALSE(tree().read("/loop"));
  EXPECT_FALSE(tree().read("/ping"));
  EXPECT_TRUE(tree().list("/loop").empty());
  EXPECT_EQ(tree().link_name("/a/b/up"), "passwd");
}

TEST_F(TreeTest, ReadsNoMoreThanAsked) {
  write("long", std::string(1 << 20, 'x'));
  EXPECT_EQ(tree().read("/long", 100)->size(), 100u);
  EXPECT_EQ(tree().read("/long")->size(), kReadLimit);
  EXPECT_FALSE(tree().read("/"));
  EXPECT_FALSE(tree().read("/none"));
}

TEST_F(TreeTest, EmptySystemHasOnlyACpu) {
  const Verdict v = diagnose(probe(tree()));
  ASSERT_EQ(v.backends.size(), 4u);
  EXPECT_EQ(v.backends[0].health, Health::works);
  EXPECT_EQ(v.backends[1].health, Health::absent);
  EXPECT_EQ(v.backends[2].health, Health::absent);
  EXPECT_EQ(v.backends[3].health, Health::works);
  EXPECT_TRUE(v.good);
}

// Every PCI id the driver lists, and only AMD's.
TEST_F(TreeTest, NpuKinds) {
  const auto kind = [this](const char* vendor, const char* device, const char* revision) {
    write("sys/bus/pci/devices/0000:c6:00.1/vendor", vendor);
    write("sys/bus/pci/devices/0000:c6:00.1/device", device);
    write("sys/bus/pci/devices/0000:c6:00.1/revision", revision);
    const System s = probe(tree());
    return s.npus.empty() ? std::string("none") : std::string(name(s.npus[0].kind));
  };
  EXPECT_EQ(kind("0x1022\n", "0x17f0\n", "0x10\n"), name(NpuKind::strix));
  EXPECT_EQ(kind("0x1022\n", "0x17f0\n", "0x11\n"), name(NpuKind::strix_halo));
  EXPECT_EQ(kind("0x1022\n", "0x17f0\n", "0x20\n"), name(NpuKind::krackan));
  EXPECT_EQ(kind("0x1022\n", "0x1502\n", "0x00\n"), name(NpuKind::phoenix));
  EXPECT_EQ(kind("0x1022\n", "0x17f0\n", "0x77\n"), "unknown");
  EXPECT_EQ(kind("0x8086\n", "0x17f0\n", "0x10\n"), "none");
}

TEST_F(TreeTest, KfdNamesTheTargetOfAnUnknownGpu) {
  write("sys/bus/pci/devices/0000:03:00.0/vendor", "0x1002\n");
  write("sys/bus/pci/devices/0000:03:00.0/device", "0x7550\n");
  write("sys/bus/pci/devices/0000:03:00.0/class", "0x030000\n");
  write("sys/class/kfd/kfd/topology/nodes/0/properties", "cpu_cores_count 16\ngfx_target_version 0\n");
  write("sys/class/kfd/kfd/topology/nodes/1/properties", "simd_count 128\ngfx_target_version 120001\n");
  EXPECT_EQ(probe(tree()).gpus.at(0).target, "gfx1201");
}

TEST_F(TreeTest, SurvivesNoiseInEveryFile) {
  const char* const paths[] = {
      "etc/os-release", "etc/group", "etc/passwd", "proc/sys/kernel/osrelease", "proc/version", "proc/cmdline", "proc/cpuinfo", "proc/meminfo",
      "proc/self/status", "proc/self/limits", "proc/1/cgroup", "sys/fs/cgroup/memory.max", "sys/module/amdxdna/version", "sys/module/amdxdna/taint",
      "sys/bus/pci/devices/a/vendor", "sys/bus/pci/devices/a/device", "sys/bus/pci/devices/a/revision", "sys/bus/pci/devices/a/class",
      "sys/bus/pci/devices/a/fw_version", "sys/bus/pci/devices/a/iommu_group/type", "etc/modprobe.d/x.conf", "dev/accel/accel0", "dev/kfd",
      "usr/lib/libxrt_coreutil.so.4294967296.1", "usr/lib/libamdhip64.so.", "sys/class/kfd/kfd/topology/nodes/0/properties"};
  const std::string seeds[] = {std::string(100000, '\xff'), std::string(300, '\0'), ":::::\n::\n:", "0x", "-1", "18446744073709551616",
                               "Uid:\nGid:\nGroups: 1 x 99999999999\nMemTotal: x kB\nflags\nflags:\nMax locked memory\nblacklist\nID=\n0x1022"};
  for (const std::string& seed : seeds) {
    for (const char* path : paths) write(path, seed);
    write("sys/bus/pci/devices/a/vendor", "0x1022");
    write("sys/bus/pci/devices/a/device", "0x17f0");
    const Verdict v = diagnose(probe(tree()));
    EXPECT_EQ(v.backends.size(), 4u);
    for (const Diagnosis& d : v.backends)
      for (const char c : d.why + d.mend) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
}

TEST(KnownBad, RowsAreComplete) {
  std::set<std::string> ids;
  for (const KnownBad& row : known_bad()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_TRUE(row.severity == Health::broken || row.severity == Health::limited || row.severity == Health::not_installed) << row.id;
    EXPECT_NE(std::string(row.source), "") << row.id;
    EXPECT_NE(std::string(row.what), "") << row.id;
  }
}

}  // namespace
}  // namespace onebit::system
