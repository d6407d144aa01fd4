// onebit npu lint: the hardware rules, applied to files. Exit status 0 clean, 1 findings.
#include <nlohmann/json.hpp>

#include "npu/image/lint.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;

void print_rules() {
  for (const npu::Rule& r : npu::lint_rules()) fmt::print("{:<20} {}\n{:<20}   source: {}\n", r.id, r.demand, "", r.source);
}

void print_json(const std::vector<std::string>& paths, const std::vector<npu::Finding>& findings) {
  Json list = Json::array();
  for (const npu::Finding& f : findings) list.push_back({{"rule", f.rule}, {"where", f.where}, {"message", f.message}});
  const Json j{{"files", paths}, {"clean", findings.empty()}, {"findings", std::move(list)}};
  fmt::print("{}\n", j.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

Status npu_lint(NpuArguments args) {
  std::vector<std::string> paths;
  std::string generation = "npu2";
  bool json = false, rules = false;
  Flags flags("onebit npu lint", "apply the hardware rules to a file, or to a configuration and its instruction streams together",
              "onebit npu lint design.xclbin insts.bin");
  flags.toggle("--json", "print JSON", &json);
  flags.toggle("--rules", "list the rules and their sources", &rules);
  flags.choice("--device", "the array: npu1 (Phoenix), npu2 (Strix, Strix Halo, Krackan)", &generation, {"npu1", "npu2"});
  flags.positional("FILE...", "one configuration (xclbin, PDI, CDO), instruction streams, or both", &paths, 64);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (rules) {
    print_rules();
    return {};
  }
  if (paths.empty()) return fail(Errc::usage, "FILE is missing");

  std::vector<npu::NpuFile> files;
  for (const std::string& path : paths) {
    ONEBIT_ASSIGN(OpenedNpuFile in, open_npu_file(path));
    files.push_back(std::move(in.file));
  }
  const std::vector<npu::Finding> findings = npu::lint(files, npu_device(generation));
  if (json)
    print_json(paths, findings);
  else
    for (const npu::Finding& f : findings) fmt::print("{}: {} [{}]\n", printable(f.where), printable(f.message), f.rule);
  if (!findings.empty()) return fail(Errc::format, "lint: {} finding{}", findings.size(), findings.size() == 1 ? "" : "s");
  if (!json) fmt::print("clean\n");
  return {};
}

}  // namespace onebit::cli
