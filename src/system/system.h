// What a machine offers, read from its files: facts only, no judgement (diagnose.h judges). No host names, user
// names, serial numbers or paths of users are kept.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "system/tree.h"

namespace onebit::system {

// "6.14.0-27-generic", "1.1.2.65", "libxrt_core.so.2.25.0": the first numbers with dots between them.
struct Version {
  std::array<uint32_t, 4> part{};
  int parts = 0;

  auto operator<=>(const Version& o) const { return part <=> o.part; }
  bool operator==(const Version& o) const { return part == o.part; }
  std::string text() const;
};
std::optional<Version> parse_version(std::string_view text);

struct Cpu {
  std::string model;
  uint32_t cores = 0, threads = 0;  // 0: not known
  bool avx2 = false, avx_vnni = false, avx512_vnni = false, neon_dot = false;
  bool known = false;               // the system says what the CPU has
};

struct Memory {
  uint64_t total = 0, available = 0;  // bytes; 0: not known
  std::optional<uint64_t> cgroup_limit;
};

struct User {
  bool known = false;
  bool root = false;
  std::vector<uint32_t> groups;                      // of this process, the primary one included
  std::optional<uint32_t> render_group, video_group;  // ids, where the groups exist
  bool render_listed = false;                        // /etc/group names the user, whether or not this process has it
  bool in(const std::optional<uint32_t>& group) const;
};

// A device file. In a recorded tree an ordinary file stands for it, and the owner and mode are assumed to be those
// udev gives: root, group render, rw for both.
struct DeviceFile {
  std::string path;
  bool usable = false;   // this process, or the one recorded, may read and write it
  bool assumed = false;  // the owner and mode are assumptions, or the process's groups are not known
};

enum class NpuKind { phoenix, strix, strix_halo, krackan, unknown };
const char* name(NpuKind kind);

struct Npu {
  std::string address;       // PCI
  uint32_t device = 0, revision = 0;
  NpuKind kind = NpuKind::unknown;
  std::string driver;        // bound to it; empty: none
  std::optional<Version> firmware;           // running, as the driver says
  std::string firmware_folder;               // "17f0_11", where the driver looks for files
  std::vector<std::string> firmware_files;   // names in that folder
  std::optional<Version> firmware_on_disk;   // the newest that a file name tells
  std::string iommu_domain;  // "DMA", "DMA-FQ", "identity"; empty: in no group
};

struct Driver {
  bool loaded = false, out_of_tree = false, blacklisted = false;
  bool on_disk = false;             // a module file for the running kernel
  std::optional<Version> version;
};

struct Library {
  std::string folder, file;
  std::optional<Version> version;  // from the file's name
};

struct Xrt {
  std::optional<Library> core, plugin;  // libxrt_coreutil, libxrt_driver_xdna
  bool together = false;                // in one folder, where XRT looks for plugins
};

struct Gpu {
  std::string address;
  uint32_t device = 0;
  std::string target;   // "gfx1151"; empty: not known
  std::string driver;
};

struct Hip {
  std::optional<Library> library;  // libamdhip64
  std::optional<DeviceFile> kfd;
  std::vector<DeviceFile> render_nodes;
};

struct System {
  bool live = false;
  std::string os, os_version;  // ID and VERSION_ID of os-release: "debian" "12"
  std::optional<Version> kernel;
  bool container = false;
  Cpu cpu;
  Memory memory;
  User user;
  std::optional<uint64_t> memlock;  // bytes; UINT64_MAX: unlimited
  std::vector<std::string> iommu_options;  // of the kernel's command line
  bool iommu_present = false;
  std::vector<Npu> npus;
  std::vector<DeviceFile> accel;
  Driver amdxdna;
  Xrt xrt;
  std::vector<Gpu> gpus;
  Hip hip;
};

System probe(const Tree& tree);

// The parts that need more than a few lines, one file each.
Cpu probe_cpu(const Tree& tree);
User probe_user(const Tree& tree);
DeviceFile probe_device_file(const Tree& tree, const User& user, const std::string& path);
void probe_pci(const Tree& tree, System& system);
Xrt probe_xrt(const Tree& tree);
Hip probe_hip(const Tree& tree, const User& user);

}  // namespace onebit::system
