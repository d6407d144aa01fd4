// onebit rm: models out of the store.
#include <cstdio>

#include "store/store.h"
#include "verb.h"

namespace onebit::cli {
namespace {

Status run(std::span<const char* const> args) {
  std::vector<std::string> names;
  bool quiet = false;
  Flags flags("onebit rm", "remove models from the store", "onebit rm bitnet-2b-4t");
  flags.positional("NAME", "the model; several may be given", &names, 1000);
  flags.toggle("--quiet", "print nothing", &quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (names.empty()) return fail(Errc::usage, "NAME is missing (see 'onebit rm --help')");
  ONEBIT_ASSIGN(const store::Store models, store::Store::open_default());
  for (const std::string& name : names) {
    ONEBIT_TRY(models.remove(name));
    if (!quiet) fmt::print("{}: removed\n", name);
  }
  return {};
}

}  // namespace

const Verb rm_verb{"rm", "remove models from the store", run};

}  // namespace onebit::cli
