// onebit version: for programs that start this one.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "verb.h"

namespace onebit::cli {
namespace {

Status run(std::span<const char* const> args) {
  bool json = false;
  Flags flags("onebit version", "print the version", "onebit version --json");
  flags.toggle("--json", "one JSON object", &json);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (json)
    fmt::print("{}\n", nlohmann::ordered_json{{"version", ONEBIT_VERSION}}.dump());
  else
    fmt::print("onebit {}\n", ONEBIT_VERSION);
  return {};
}

}  // namespace

const Verb version_verb{"version", "print the version", run};

}  // namespace onebit::cli
