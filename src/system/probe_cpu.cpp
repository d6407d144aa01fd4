// /proc/cpuinfo and the groups of the process.
#include <algorithm>
#include <set>
#include <utility>

#include "system/system.h"
#include "system/text.h"

namespace onebit::system {
namespace {

constexpr size_t kCpuinfoLimit = size_t{2} << 20;
constexpr size_t kGroupLimit = size_t{1} << 20;

bool has(const std::vector<std::string_view>& flags, std::initializer_list<std::string_view> wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](std::string_view w) { return std::find(flags.begin(), flags.end(), w) != flags.end(); });
}

}  // namespace

Cpu probe_cpu(const Tree& tree) {
  Cpu cpu;
  const auto text = tree.read("/proc/cpuinfo", kCpuinfoLimit);
  if (!text) return cpu;
  std::set<std::pair<std::string_view, std::string_view>> cores;  // package, core
  std::string_view package;
  for (const std::string_view l : lines(*text)) {
    if (l.starts_with("processor"))
      ++cpu.threads;
    else if (l.starts_with("physical id"))
      package = field(l, "physical id").value_or("");
    else if (l.starts_with("core id"))
      cores.emplace(package, field(l, "core id").value_or(""));
  }
  cpu.cores = cores.empty() ? cpu.threads : static_cast<uint32_t>(cores.size());
  cpu.model = printable(field(*text, "model name").value_or(""));
  // What the kernels of each instruction set are compiled for (src/cpu/CMakeLists.txt).
  if (const auto flags = field(*text, "flags")) {
    const auto f = words(*flags);
    cpu.known = true;
    cpu.avx2 = has(f, {"avx2", "fma", "f16c"});
    cpu.avx_vnni = cpu.avx2 && has(f, {"avx_vnni"});
    cpu.avx512_vnni = cpu.avx2 && has(f, {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512vbmi"});
  } else if (const auto features = field(*text, "Features")) {
    cpu.known = true;
    cpu.neon_dot = has(words(*features), {"asimddp", "asimdhp"});
  }
  return cpu;
}

User probe_user(const Tree& tree) {
  User user;
  const std::string groups = tree.text("/etc/group", kGroupLimit);
  const std::string status = tree.text("/proc/self/status");
  std::optional<uint64_t> uid;
  if (const auto ids = field(status, "Uid")) {
    const auto w = words(*ids);  // real, effective, saved, file system
    if (w.size() >= 2) uid = parse_number(w[1]);
  }
  user.known = uid.has_value();
  user.root = uid == 0u;
  for (const char* key : {"Gid", "Groups"})
    for (const std::string_view w : words(field(status, key).value_or("")))
      if (const auto n = parse_number(w); n && *n <= UINT32_MAX && user.groups.size() < 4096) user.groups.push_back(static_cast<uint32_t>(*n));
  std::sort(user.groups.begin(), user.groups.end());
  user.groups.erase(std::unique(user.groups.begin(), user.groups.end()), user.groups.end());

  // The user's name is needed to see whether /etc/group lists it, and goes no further.
  std::string_view name;
  const std::string passwd = tree.text("/etc/passwd", kGroupLimit);
  for (const std::string_view l : lines(passwd)) {
    const size_t a = l.find(':'), b = a == std::string_view::npos ? a : l.find(':', a + 1);
    if (uid && b != std::string_view::npos && parse_number(l.substr(b + 1)) == *uid) {
      name = l.substr(0, a);
      break;
    }
  }
  for (const std::string_view l : lines(groups)) {  // name:password:gid:member,member
    const size_t a = l.find(':'), b = a == std::string_view::npos ? a : l.find(':', a + 1);
    if (b == std::string_view::npos) continue;
    const std::string_view group = l.substr(0, a);
    const auto gid = parse_number(l.substr(b + 1));
    if (!gid || *gid > UINT32_MAX || (group != "render" && group != "video")) continue;
    (group == "render" ? user.render_group : user.video_group) = static_cast<uint32_t>(*gid);
    const size_t members = l.find(':', b + 1);
    if (group == "render" && members != std::string_view::npos && !name.empty())
      for (const std::string_view m : split(l.substr(members + 1), ",")) user.render_listed = user.render_listed || m == name;
  }
  return user;
}

}  // namespace onebit::system
