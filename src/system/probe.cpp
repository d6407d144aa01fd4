#include "system/system.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "system/text.h"

namespace onebit::system {

std::string Version::text() const {
  std::string out = std::to_string(part[0]);
  for (int i = 1; i < parts; ++i) out += "." + std::to_string(part[static_cast<size_t>(i)]);
  return out;
}

std::optional<Version> parse_version(std::string_view text) {
  // Digits that belong to a word (17f0, gfx1151) are no version: it starts the text or stands after a dot, dash or space.
  size_t at = 0;
  while (at < text.size() && !(is_digit(text[at]) && (at == 0 || text[at - 1] == '.' || text[at - 1] == '-' || text[at - 1] == ' '))) ++at;
  Version v;
  const char* p = text.data() + at;
  const char* end = text.data() + text.size();
  while (v.parts < 4 && p < end && is_digit(*p)) {
    const auto [rest, error] = std::from_chars(p, end, v.part[static_cast<size_t>(v.parts)]);
    if (error != std::errc{}) break;
    ++v.parts;
    p = rest;
    if (p + 1 >= end || *p != '.' || !is_digit(p[1])) break;
    ++p;
  }
  if (v.parts == 0) return {};
  return v;
}

const char* name(NpuKind kind) {
  switch (kind) {
    case NpuKind::phoenix: return "Phoenix or Hawk Point (XDNA 1)";
    case NpuKind::strix: return "Strix (XDNA 2)";
    case NpuKind::strix_halo: return "Strix Halo (XDNA 2)";
    case NpuKind::krackan: return "Krackan (XDNA 2)";
    case NpuKind::unknown: break;
  }
  return "unknown";
}

bool User::in(const std::optional<uint32_t>& group) const {
  return group && std::find(groups.begin(), groups.end(), *group) != groups.end();
}

DeviceFile probe_device_file(const Tree& tree, const User& user, const std::string& path) {
  DeviceFile file{.path = path};
  if (tree.live()) {
    file.usable = tree.accessible(path);
    return file;
  }
  const auto node = tree.node(path);
  if (!node) return file;
  if (user.root) {
    file.usable = true;
    return file;
  }
  if (node->character_device) {
    const bool group = std::find(user.groups.begin(), user.groups.end(), node->gid) != user.groups.end();
    file.usable = (node->mode & 06) == 06 || (group && (node->mode & 060) == 060);
    file.assumed = !user.known;
  } else {
    file.usable = !user.known || user.in(user.render_group);
    file.assumed = true;
  }
  return file;
}

namespace {

// "MemTotal:       65543210 kB"
uint64_t kib_field(std::string_view text, std::string_view key) {
  const auto value = field(text, key);
  const auto n = value ? parse_number(*value) : std::optional<uint64_t>();
  return n && *n < (uint64_t{1} << 50) ? *n << 10 : 0;
}

Memory probe_memory(const Tree& tree) {
  Memory m;
  if (const auto text = tree.read("/proc/meminfo")) {
    m.total = kib_field(*text, "MemTotal");
    m.available = kib_field(*text, "MemAvailable");
  }
  if (const auto limit = tree.line("/sys/fs/cgroup/memory.max")) m.cgroup_limit = parse_number(*limit);
  return m;
}

// "Max locked memory         8388608              8388608              bytes": the soft limit counts.
std::optional<uint64_t> probe_memlock(const Tree& tree) {
  const auto text = tree.read("/proc/self/limits");
  if (!text) return {};
  for (const std::string_view l : lines(*text)) {
    constexpr std::string_view kName = "Max locked memory";
    if (!l.starts_with(kName)) continue;
    const auto w = words(l.substr(kName.size()));
    if (w.empty()) return {};
    return w[0] == "unlimited" ? std::optional<uint64_t>(UINT64_MAX) : parse_number(w[0]);
  }
  return {};
}

Driver probe_driver(const Tree& tree, const std::string& release) {
  Driver d;
  d.loaded = tree.exists("/sys/module/amdxdna");
  if (const auto v = tree.line("/sys/module/amdxdna/version")) d.version = parse_version(*v);
  const auto taint = tree.line("/sys/module/amdxdna/taint");
  d.out_of_tree = taint && taint->find('O') != std::string::npos;
  if (!release.empty()) {
    const std::string modules = "/lib/modules/" + release;
    for (const char* suffix : {"", ".zst", ".xz", ".gz"}) {
      d.on_disk = d.on_disk || tree.exists(modules + "/kernel/drivers/accel/amdxdna/amdxdna.ko" + suffix);
      d.on_disk = d.on_disk || tree.exists(modules + "/updates/dkms/amdxdna.ko" + suffix);
      d.on_disk = d.on_disk || tree.exists(modules + "/extra/amdxdna.ko" + suffix);
    }
  }
  for (const char* folder : {"/etc/modprobe.d", "/usr/lib/modprobe.d"})
    for (const std::string& file : tree.list(folder)) {
      if (!file.ends_with(".conf")) continue;
      const std::string text = tree.text(fmt::format("{}/{}", folder, file));
      for (const std::string_view l : lines(text)) {
        const auto w = words(l);
        d.blacklisted = d.blacklisted || (w.size() >= 2 && w[0] == "blacklist" && w[1] == "amdxdna");
      }
    }
  return d;
}

bool probe_container(const Tree& tree) {
  if (tree.exists("/.dockerenv") || tree.exists("/run/.containerenv") || tree.exists("/run/systemd/container")) return true;
  const std::string cgroup = tree.text("/proc/1/cgroup");
  for (const std::string_view l : lines(cgroup))
    for (const char* word : {"docker", "containerd", "kubepods", "libpod", "/lxc"})
      if (l.find(word) != std::string_view::npos) return true;
  return false;
}

std::vector<std::string> probe_iommu_options(const Tree& tree) {
  std::vector<std::string> found;
  const std::string text = tree.text("/proc/cmdline");
  for (const std::string_view w : words(text))
    if (plain_word(w) && w.size() < 40 && found.size() < 8 && (w.starts_with("amd_iommu=") || w.starts_with("iommu=") || w.starts_with("iommu.passthrough=")))
      found.emplace_back(w);
  return found;
}

// The value after `key` in os-release: ID=debian, VERSION_ID="12".
std::string os_field(const Tree& tree, std::string_view key) {
  const std::string release = tree.text("/etc/os-release");
  for (const std::string_view l : lines(release)) {
    if (!l.starts_with(key)) continue;
    std::string id;
    for (const char c : l.substr(key.size(), 32))
      if (c != '"' && c != '\'') id += c;
    return printable(id, 32);
  }
  return {};
}

}  // namespace

System probe(const Tree& tree) {
  System s;
  s.live = tree.live();
  s.os = os_field(tree, "ID=");
  s.os_version = os_field(tree, "VERSION_ID=");
  // Only the number is kept of a release: a kernel built at home may carry any text.
  const std::string release = tree.line("/proc/sys/kernel/osrelease").value_or("");
  s.kernel = parse_version(release);
  if (!s.kernel) {
    if (const auto version = tree.line("/proc/version"); version && version->starts_with("Linux version "))
      s.kernel = parse_version(std::string_view(*version).substr(14));
  }
  const bool plain_name = release.find('/') == std::string::npos && release.size() < 128;
  s.container = probe_container(tree);
  s.cpu = probe_cpu(tree);
  s.memory = probe_memory(tree);
  s.user = probe_user(tree);
  s.memlock = probe_memlock(tree);
  s.iommu_options = probe_iommu_options(tree);
  s.iommu_present = !tree.list("/sys/class/iommu").empty();
  for (const std::string& file : tree.list("/dev/accel", "accel"))
    if (s.accel.size() < 64)
      s.accel.push_back(probe_device_file(tree, s.user, "/dev/accel/" + printable(file, 32)));
  s.amdxdna = probe_driver(tree, plain_name ? release : "");
  probe_pci(tree, s);
  s.xrt = probe_xrt(tree);
  s.hip = probe_hip(tree, s.user);
  return s;
}

}  // namespace onebit::system
