// onebit doctor: which back ends this machine can run, why not, and the one command that mends it.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "system/diagnose.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace system;

// What this program could use if the system lets it; what a recorded system says is independent of it.
struct BuiltIn {
  const char* name;
  bool there;
};
constexpr BuiltIn kBuiltIn[] = {
    {"cpu", true},
#ifdef ONEBIT_HAVE_HIP
    {"gpu", true},
#else
    {"gpu", false},
#endif
#ifdef ONEBIT_HAVE_XRT
    {"npu", true},
#else
    {"npu", false},
#endif
    {"npu-sim", true},
};

Json version_json(const std::optional<Version>& v) { return v ? Json(v->text()) : Json(); }
Json library_json(const std::optional<Library>& l) {
  if (!l) return {};
  return {{"folder", l->folder}, {"file", l->file}, {"version", version_json(l->version)}};
}
Json file_json(const DeviceFile& f) { return {{"path", f.path}, {"usable", f.usable}, {"owner_and_mode_assumed", f.assumed}}; }
Json files_json(const std::vector<DeviceFile>& files) {
  Json list = Json::array();
  for (const DeviceFile& f : files) list.push_back(file_json(f));
  return list;
}

Json memlock_json(const System& s) {
  if (!s.memlock) return {};
  return *s.memlock == UINT64_MAX ? Json("unlimited") : Json(*s.memlock);
}

Json system_json(const System& s) {
  Json npus = Json::array(), gpus = Json::array();
  for (const Npu& n : s.npus)
    npus.push_back({{"address", n.address}, {"id", fmt::format("1022:{:04x} rev {:02x}", n.device, n.revision)}, {"kind", name(n.kind)},
                    {"driver", n.driver}, {"firmware", version_json(n.firmware)}, {"firmware_on_disk", version_json(n.firmware_on_disk)},
                    {"firmware_files", n.firmware_files}, {"iommu_domain", n.iommu_domain}});
  for (const Gpu& g : s.gpus)
    gpus.push_back({{"address", g.address}, {"id", fmt::format("1002:{:04x}", g.device)}, {"target", g.target}, {"driver", g.driver}});
  Json j;
  j["os"] = s.os;
  j["kernel"] = version_json(s.kernel);
  j["container"] = s.container;
  j["cpu"] = {{"model", s.cpu.model}, {"cores", s.cpu.cores}, {"threads", s.cpu.threads}, {"avx2", s.cpu.avx2},
              {"avx_vnni", s.cpu.avx_vnni}, {"avx512_vnni", s.cpu.avx512_vnni}, {"neon_dot", s.cpu.neon_dot}};
  j["memory"] = {{"total_bytes", s.memory.total}, {"available_bytes", s.memory.available},
                 {"cgroup_limit_bytes", s.memory.cgroup_limit ? Json(*s.memory.cgroup_limit) : Json()}};
  j["user"] = {{"root", s.user.root}, {"in_render", s.user.in(s.user.render_group)}, {"in_video", s.user.in(s.user.video_group)},
               {"listed_in_render", s.user.render_listed}, {"memlock_bytes", memlock_json(s)}};
  j["iommu"] = {{"present", s.iommu_present}, {"options", s.iommu_options}};
  j["npus"] = std::move(npus);
  j["accel"] = files_json(s.accel);
  j["amdxdna"] = {{"loaded", s.amdxdna.loaded}, {"on_disk", s.amdxdna.on_disk}, {"out_of_tree", s.amdxdna.out_of_tree},
                  {"blacklisted", s.amdxdna.blacklisted}, {"version", version_json(s.amdxdna.version)}};
  j["xrt"] = {{"core", library_json(s.xrt.core)}, {"plugin", library_json(s.xrt.plugin)}, {"together", s.xrt.together}};
  j["gpus"] = std::move(gpus);
  j["hip"] = {{"library", library_json(s.hip.library)}, {"kfd", s.hip.kfd ? file_json(*s.hip.kfd) : Json()}, {"render", files_json(s.hip.render_nodes)}};
  return j;
}

Json report_json(const System& s, const Verdict& verdict) {
  Json backends = Json::array();
  for (const Diagnosis& d : verdict.backends) {
    Json findings = Json::array();
    for (const Finding& f : d.findings)
      findings.push_back({{"id", f.row->id}, {"severity", name(f.row->severity)}, {"why", f.why}, {"mend", f.mend}, {"source", f.row->source}});
    backends.push_back({{"backend", name(d.backend)}, {"status", name(d.health)}, {"why", d.why}, {"mend", d.mend}, {"findings", std::move(findings)}});
  }
  Json j;
  j["doctor"] = ONEBIT_VERSION;
  j["recorded"] = !s.live;
  if (s.live)
    for (const BuiltIn& b : kBuiltIn) j["built_in"][b.name] = b.there;
  j["good"] = verdict.good;
  j["backends"] = std::move(backends);
  j["system"] = system_json(s);
  return j;
}

void print_line(const char* what, const std::string& text) { fmt::print("  {:<10} {}\n", what, text); }
std::string version_text(const std::optional<Version>& v) { return v ? v->text() : "of unknown version"; }

std::string usable_text(const std::vector<DeviceFile>& files) {
  std::string out;
  for (const DeviceFile& f : files)
    out += fmt::format("{}{} ({}{})", out.empty() ? "" : ", ", f.path, f.usable ? "may be opened" : "may not be opened", f.assumed ? ", assumed" : "");
  return out.empty() ? "none" : out;
}

std::string library_text(const std::optional<Library>& l) { return l ? fmt::format("{}/{}", l->folder, l->file) : "none"; }

std::string driver_text(const Driver& d) {
  std::string out = d.loaded ? "loaded" : d.on_disk ? "installed, not loaded" : "not found";
  if (d.loaded) out += d.out_of_tree ? ", out of tree" : ", the kernel's own";
  if (d.version) out += ", " + d.version->text();
  return out + (d.blacklisted ? ", blacklisted" : "");
}

std::string memory_text(const Memory& m) {
  if (m.total == 0) return "not known";
  std::string out = fmt::format("{:.1f} GiB", static_cast<double>(m.total) / (1 << 30));
  if (m.available > 0) out += fmt::format(", {:.1f} GiB available", static_cast<double>(m.available) / (1 << 30));
  if (m.cgroup_limit) out += fmt::format(", limited to {:.1f} GiB", static_cast<double>(*m.cgroup_limit) / (1 << 30));
  return out;
}

std::string memlock_text(const System& s) {
  if (!s.memlock) return "not known";
  return *s.memlock == UINT64_MAX ? "unlimited" : fmt::format("{} KiB", *s.memlock >> 10);
}

std::string groups_text(const User& u) {
  if (u.root) return "root";
  if (!u.known) return "not known";
  const bool render = u.in(u.render_group), video = u.in(u.video_group);
  return render && video ? "render, video" : render ? "render" : video ? "video" : "neither render nor video";
}

std::string iommu_text(const System& s) {
  std::string out = s.iommu_present ? "on" : "not seen";
  for (const std::string& o : s.iommu_options) out += ", " + o;
  return out;
}

void print_system(const System& s) {
  fmt::print("system{}\n", s.live ? "" : " (recorded)");
  print_line("kernel", fmt::format("{}{}{}", version_text(s.kernel), s.os.empty() ? "" : ", " + s.os, s.container ? ", in a container" : ""));
  print_line("CPU", fmt::format("{}, {} cores, {} threads", s.cpu.model.empty() ? "not known" : s.cpu.model, s.cpu.cores, s.cpu.threads));
  print_line("memory", memory_text(s.memory));
  print_line("groups", groups_text(s.user));
  print_line("memlock", memlock_text(s));
  print_line("IOMMU", iommu_text(s));
  for (const Npu& n : s.npus) {
    print_line("NPU", fmt::format("{} at {}, 1022:{:04x} rev {:02x}, driver {}, firmware {}{}", name(n.kind), n.address, n.device, n.revision,
                                  n.driver.empty() ? "none" : n.driver, version_text(n.firmware),
                                  n.iommu_domain.empty() ? "" : ", IOMMU domain " + n.iommu_domain));
    print_line("on disk", fmt::format("firmware {}, {} files in amdnpu/{}", version_text(n.firmware_on_disk), n.firmware_files.size(), n.firmware_folder));
  }
  print_line("amdxdna", driver_text(s.amdxdna));
  print_line("accel", usable_text(s.accel));
  print_line("XRT", fmt::format("{}; NPU plugin {}", library_text(s.xrt.core), library_text(s.xrt.plugin)));
  for (const Gpu& g : s.gpus)
    print_line("GPU", fmt::format("{} at {}, 1002:{:04x}, driver {}", g.target.empty() ? "unknown target" : g.target, g.address, g.device,
                                  g.driver.empty() ? "none" : g.driver));
  std::vector<DeviceFile> files = s.hip.render_nodes;
  if (s.hip.kfd) files.insert(files.begin(), *s.hip.kfd);
  print_line("HIP", fmt::format("{}; {}", library_text(s.hip.library), usable_text(files)));
}

void print_report(const System& s, const Verdict& verdict) {
  for (const Diagnosis& d : verdict.backends) {
    fmt::print("{:<17} {}: {}\n", title(d.backend), name(d.health), d.why);
    if (!d.mend.empty()) fmt::print("{:<17} mend: {}\n", "", d.mend);
    for (size_t i = 1; i < d.findings.size(); ++i) {
      fmt::print("{:<17} then: {}\n", "", d.findings[i].why);
      if (!d.findings[i].mend.empty()) fmt::print("{:<17} mend: {}\n", "", d.findings[i].mend);
    }
  }
  if (s.live) {
    std::string missing;
    for (const BuiltIn& b : kBuiltIn)
      if (!b.there) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", b.name);
    if (!missing.empty()) fmt::print("This program was built without: {}.\n", missing);
  }
  fmt::print("Judged from files; no device was opened.\n\n");
  print_system(s);
}

void list_known_bad(bool json) {
  Json list = Json::array();
  for (const KnownBad& row : known_bad()) {
    if (json)
      list.push_back({{"id", row.id}, {"backend", name(row.backend)}, {"severity", name(row.severity)}, {"what", row.what}, {"source", row.source}});
    else
      fmt::print("{:<24} {:<18} {}\n{:<24} {:<18} {}\n", row.id, name(row.severity), row.what, "", "", row.source);
  }
  if (json) fmt::print("{}\n", list.dump(2));
}

Status run(std::span<const char* const> args) {
  std::string root = "/";
  bool json = false, known = false;
  Flags flags("onebit doctor", "say which back ends this machine can run, and what mends those it cannot", "onebit doctor --json");
  flags.toggle("--json", "one JSON object, for bug reports", &json);
  flags.text("--root", "DIR", "look at a recorded copy of a system's files", &root);
  flags.toggle("--known-bad", "list the combinations that are recognised", &known);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (known) {
    list_known_bad(json);
    return {};
  }
  ONEBIT_ASSIGN(const Tree tree, Tree::open(root));
  const System s = probe(tree);
  const Verdict verdict = diagnose(s);
  if (json)
    fmt::print("{}\n", report_json(s, verdict).dump(2, ' ', false, Json::error_handler_t::replace));
  else
    print_report(s, verdict);
  if (verdict.good) return {};
  std::string broken;
  for (const Diagnosis& d : verdict.backends)
    if (d.health == Health::broken) broken += fmt::format("{}{}", broken.empty() ? "" : ", ", title(d.backend));
  return fail(Errc::device, "present and not working: {}", broken);
}

}  // namespace

const Verb doctor_verb{"doctor", "say which back ends this machine can run, and what mends those it cannot", run};

}  // namespace onebit::cli
