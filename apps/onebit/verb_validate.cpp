// onebit validate: whether a device can be used, as an exit status and one line, for programs that start this one.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "system/diagnose.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using system::Diagnosis;
using system::Health;

bool usable(const Diagnosis& d) { return d.health == Health::works || d.health == Health::limited; }

Status run(std::span<const char* const> args) {
  std::string device = "cpu";
  bool json = false, quiet = false;
  Flags flags("onebit validate", "say whether a device can be used: exit status 0 if so", "onebit validate --device npu --json");
  flags.choice("--device", "which", &device, {"cpu", "gpu", "npu", "npu-sim"});
  flags.toggle("--json", "one JSON object: {\"ready\", \"device\", \"status\", \"why\", \"mend\"}", &json);
  flags.toggle("--quiet", "print nothing", &quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const system::Tree tree, system::Tree::open("/"));
  const system::Verdict verdict = system::diagnose(system::probe(tree));
  for (const Diagnosis& d : verdict.backends) {
    if (device != system::name(d.backend)) continue;
    if (json)
      fmt::print("{}\n", Json{{"ready", usable(d)}, {"device", device}, {"status", system::name(d.health)}, {"why", d.why}, {"mend", d.mend}}.dump());
    else if (!quiet && usable(d))
      fmt::print("{}: {}: {}\n", device, system::name(d.health), d.why);
    if (usable(d)) return {};
    return fail(Errc::device, "{}: {}: {}{}", device, system::name(d.health), d.why, d.mend.empty() ? "" : " (mend: " + d.mend + ")");
  }
  return fail(Errc::unsupported, "{}: nothing is known of it", device);
}

}  // namespace

const Verb validate_verb{"validate", "say whether a device can be used", run};

}  // namespace onebit::cli
