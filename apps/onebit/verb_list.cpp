// onebit list: the models of the store and those that can be pulled by name.
#include <algorithm>
#include <cstdio>

#include "store/source.h"
#include "store_json.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;

Json known_json(const store::KnownModel& m) {
  return {{"name", m.name}, {"installed", false}, {"bytes", m.bytes}, {"source", m.source}, {"sha256", m.sha256}, {"summary", m.summary}};
}

void print_table(const Json& models, const std::string& folder) {
  if (models.empty()) fmt::print("no models in {}\n", folder);
  size_t width = 4;
  for (const Json& m : models) width = std::max(width, m["name"].get_ref<const std::string&>().size());
  if (!models.empty()) fmt::print("{:<{}}  {:>14}  {:<10}  {}\n", "name", width, "bytes", "where", "source");
  for (const Json& m : models) {
    const bool installed = m["installed"].get<bool>();
    const std::string where = !installed ? "not pulled" : m["system"].get<bool>() ? "system" : "store";
    const std::string source = m["source"].get<std::string>();
    fmt::print("{:<{}}  {:>14}  {:<10}  {}\n", m["name"].get<std::string>(), width, m["bytes"].get<uint64_t>(), where,
               source.empty() ? m["path"].get<std::string>() : source);
  }
}

Status run(std::span<const char* const> args) {
  std::string filter = "all";
  bool json = false, quiet = false;
  Flags flags("onebit list", "name the models that are there and those that can be pulled by name", "onebit list --filter installed");
  flags.choice("--filter", "which", &filter, {"all", "installed", "not-installed"});
  flags.toggle("--json", "one JSON object: {\"models\": [{\"name\", \"installed\", ...}]}", &json);
  flags.toggle("--quiet", "names only, one a line; with --json: on one line", &quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const store::Store models, store::Store::open_default());
  const std::vector<store::Entry> entries = models.list();
  Json list = Json::array();
  if (filter != "not-installed")
    for (const store::Entry& e : entries) list.push_back(entry_json(e));
  if (filter != "installed")
    for (const store::KnownModel& m : store::known_models())
      if (std::none_of(entries.begin(), entries.end(), [&m](const store::Entry& e) { return e.name == m.name; })) list.push_back(known_json(m));
  if (json) {
    fmt::print("{}\n", Json{{"models", std::move(list)}}.dump(quiet ? -1 : 2, ' ', false, Json::error_handler_t::replace));
  } else if (quiet) {
    for (const Json& m : list) fmt::print("{}\n", m["name"].get<std::string>());
  } else {
    print_table(list, models.folder());
  }
  return {};
}

}  // namespace

const Verb list_verb{"list", "name the models that are there and those that can be pulled by name", run};

}  // namespace onebit::cli
