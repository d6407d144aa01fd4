// PCI devices, and the libraries that drive them.
#include <algorithm>

#include <fmt/format.h>

#include "system/system.h"
#include "system/text.h"

namespace onebit::system {
namespace {

constexpr uint32_t kAmdCpu = 0x1022, kAmdGpu = 0x1002;
constexpr size_t kMaxDevices = 16;  // of a kind

struct NpuId {
  uint32_t device, revision;
  NpuKind kind;
};
// As the amdxdna driver lists them.
constexpr NpuId kNpus[] = {
    {0x1502, 0x00, NpuKind::phoenix}, {0x17f0, 0x10, NpuKind::strix}, {0x17f0, 0x11, NpuKind::strix_halo}, {0x17f0, 0x20, NpuKind::krackan}};

struct GpuId {
  uint32_t device;
  const char* target;
};
// Integrated GPUs beside an NPU. Others say their target through KFD.
constexpr GpuId kGpus[] = {{0x1586, "gfx1151"}, {0x150e, "gfx1150"}, {0x1114, "gfx1152"}, {0x15bf, "gfx1103"}, {0x1900, "gfx1103"}};

uint32_t hex_file(const Tree& tree, const std::string& path) {
  const auto n = parse_number(tree.line(path).value_or(""));
  return n && *n <= UINT32_MAX ? static_cast<uint32_t>(*n) : 0;
}

// gfx_target_version 110501 is gfx1151: major, minor and stepping of two digits each, the last printed in hexadecimal.
std::string kfd_target(const Tree& tree) {
  const std::string nodes = "/sys/class/kfd/kfd/topology/nodes";
  for (const std::string& n : tree.list(nodes)) {
    const std::string text = tree.text(fmt::format("{}/{}/properties", nodes, n));
    for (const std::string_view l : lines(text)) {
      const auto w = words(l);
      if (w.size() != 2 || w[0] != "gfx_target_version") continue;
      const auto v = parse_number(w[1]);
      if (v && *v >= 10000 && *v < 1000000) return fmt::format("gfx{}{:x}{:x}", *v / 10000, *v / 100 % 100, *v % 100);
    }
  }
  return {};
}

Npu probe_npu(const Tree& tree, const std::string& folder, uint32_t device) {
  Npu npu;
  npu.device = device;
  npu.revision = hex_file(tree, folder + "/revision");
  for (const NpuId& id : kNpus)
    if (id.device == device && (id.revision == npu.revision || device == 0x1502)) npu.kind = id.kind;
  npu.driver = printable(tree.link_name(folder + "/driver").value_or(""), 32);
  if (const auto v = tree.line(folder + "/fw_version")) npu.firmware = parse_version(*v);
  npu.iommu_domain = printable(tree.line(folder + "/iommu_group/type").value_or(""), 16);
  npu.firmware_folder = fmt::format("{:04x}_{:02x}", device, npu.revision);
  for (const char* root : {"/lib/firmware/amdnpu/", "/usr/lib/firmware/amdnpu/"}) {
    for (const std::string& file : tree.list(root + npu.firmware_folder, "npu")) {
      if (npu.firmware_files.size() >= 32) break;
      npu.firmware_files.push_back(printable(file, 64));
      // npu.sbin.1.1.2.65.zst, and links without a version to the one in use.
      const std::string target = tree.link_name(root + npu.firmware_folder + "/" + file).value_or(file);
      const auto v = parse_version(target);
      if (v && v->parts == 4 && (!npu.firmware_on_disk || *npu.firmware_on_disk < *v)) npu.firmware_on_disk = v;
    }
    if (!npu.firmware_files.empty()) break;
  }
  return npu;
}

// The newest `prefix*` of the folder, with the version its name or its link's carries.
std::optional<Library> find_library(const Tree& tree, const std::string& folder, std::string_view prefix) {
  std::optional<Library> best;
  for (const std::string& file : tree.list(folder, prefix)) {
    if (!plain_word(file) || !tree.node(fmt::format("{}/{}", folder, file))) continue;
    Library l{.folder = folder, .file = printable(file, 64), .version = parse_version(std::string_view(file).substr(prefix.size()))};
    if (!best || (l.version && (!best->version || best->version->parts < l.version->parts ||
                                (best->version->parts == l.version->parts && *best->version < *l.version))))
      best = std::move(l);
  }
  return best;
}

constexpr const char* kLibraryFolders[] = {"/opt/xilinx/xrt/lib", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
                                           "/lib/x86_64-linux-gnu", "/opt/rocm/lib", "/opt/rocm/lib64"};

}  // namespace

void probe_pci(const Tree& tree, System& system) {
  const std::string bus = "/sys/bus/pci/devices";
  for (const std::string& address : tree.list(bus)) {
    const std::string folder = fmt::format("{}/{}", bus, address);
    const uint32_t vendor = hex_file(tree, folder + "/vendor");
    if (vendor != kAmdCpu && vendor != kAmdGpu) continue;
    const uint32_t device = hex_file(tree, folder + "/device");
    if (vendor == kAmdCpu && (device == 0x1502 || device == 0x17f0) && system.npus.size() < kMaxDevices) {
      system.npus.push_back(probe_npu(tree, folder, device));
      system.npus.back().address = printable(address, 16);
    } else if (vendor == kAmdGpu && hex_file(tree, folder + "/class") >> 16 == 0x03 && system.gpus.size() < kMaxDevices) {
      Gpu gpu{.address = printable(address, 16), .device = device, .target = {},
              .driver = printable(tree.link_name(folder + "/driver").value_or(""), 32)};
      for (const GpuId& id : kGpus)
        if (id.device == device) gpu.target = id.target;
      system.gpus.push_back(std::move(gpu));
    }
  }
  if (system.gpus.size() == 1 && system.gpus[0].target.empty()) system.gpus[0].target = kfd_target(tree);
}

Xrt probe_xrt(const Tree& tree) {
  Xrt xrt;
  for (const char* folder : kLibraryFolders) {
    const auto core = find_library(tree, folder, "libxrt_coreutil.so.");
    const auto plugin = find_library(tree, folder, "libxrt_driver_xdna.so.");
    if (core && !(xrt.core && xrt.together)) {
      if (!xrt.core || plugin) xrt.core = core;
      xrt.together = plugin.has_value();
    }
    if (plugin && (!xrt.plugin || core)) xrt.plugin = plugin;
  }
  return xrt;
}

Hip probe_hip(const Tree& tree, const User& user) {
  Hip hip;
  for (const char* folder : kLibraryFolders)
    if (const auto l = find_library(tree, folder, "libamdhip64.so."); l && (!hip.library || (l->version && hip.library->version < l->version)))
      hip.library = l;
  if (tree.exists("/dev/kfd")) hip.kfd = probe_device_file(tree, user, "/dev/kfd");
  for (const std::string& file : tree.list("/dev/dri", "renderD"))
    if (hip.render_nodes.size() < kMaxDevices)
      hip.render_nodes.push_back(probe_device_file(tree, user, "/dev/dri/" + printable(file, 32)));
  return hip;
}

}  // namespace onebit::system
