// onebit VERB: the list of verbs, and exit statuses (0 done, 1 failed, 2 usage).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "base/file.h"
#include "documents.h"
#include "verb.h"

using namespace onebit;
using namespace onebit::cli;

namespace {

const Verb* const kVerbs[] = {
#include "verbs.inc"
};

void print_usage(std::FILE* out) {
  fmt::print(out, "usage: onebit VERB [flags]\n\n");
  for (const Verb* v : kVerbs) fmt::print(out, "  {:<12} {}\n", v->name, v->summary);
  fmt::print(out, "\n'onebit VERB --help' lists the flags of a verb.\n");
}

// `onebit documents DIR` (not listed: the build calls it): man pages and completions from the tables that --help prints.
Status write_documents(std::span<const char* const> args) {
  if (args.size() != 1 || args[0][0] == '-') return fail(Errc::usage, "expected one folder");
  std::vector<VerbTable> tables;
  const auto record = [&tables](const std::string& name, const Verb& verb, std::span<const char* const> words) -> Status {
    bool seen = false;
    record_flags([&](const Flags& flags) {
      if (!std::exchange(seen, true)) tables.push_back({name, flags.table()});
    });
    ONEBIT_TRY(verb.run(words));
    return seen ? Status{} : fail(Errc::unsupported, "{}: has no table of flags", name);
  };
  for (const Verb* v : kVerbs) {
    if (!v->sub_verbs) {
      ONEBIT_TRY(record(v->name, *v, {}));
      continue;
    }
    for (const char* sub : v->sub_verbs()) ONEBIT_TRY(record(fmt::format("{} {}", v->name, sub), *v, std::span(&sub, 1)));
  }
  record_flags({});
  const std::string folder = args[0];
  const auto write = [&folder](const std::string& name, const std::string& text) -> Status {
    ONEBIT_ASSIGN(OutputFile out, OutputFile::create(folder + "/" + name));
    ONEBIT_TRY(out.write(text));
    return out.commit();
  };
  ONEBIT_TRY(write("onebit.1", man_overview(tables, ONEBIT_VERSION)));
  for (const VerbTable& t : tables) {
    std::string page = "onebit-" + t.name + ".1";
    std::replace(page.begin(), page.end(), ' ', '-');
    ONEBIT_TRY(write(page, man_page(t, ONEBIT_VERSION)));
  }
  ONEBIT_TRY(write("onebit.bash", bash_completion(tables)));
  ONEBIT_TRY(write("_onebit", zsh_completion(tables)));
  return write("onebit.fish", fish_completion(tables));
}

const Verb kDocumentsVerb{"documents", "write man pages and completions", write_documents};

}  // namespace

int main(int argc, char** argv) {
  const std::span<const char* const> args(argv, static_cast<size_t>(argc));
  if (args.size() < 2) {
    print_usage(stderr);
    return 2;
  }
  const char* name = args[1];
  if (!std::strcmp(name, "--help") || !std::strcmp(name, "-h") || !std::strcmp(name, "help")) {
    print_usage(stdout);
    return 0;
  }
  if (!std::strcmp(name, "--version")) {
    fmt::print("onebit {}\n", ONEBIT_VERSION);
    return 0;
  }
  const Verb* verb = std::strcmp(name, kDocumentsVerb.name) ? nullptr : &kDocumentsVerb;
  for (const Verb* v : kVerbs)
    if (!std::strcmp(v->name, name)) verb = v;
  if (!verb) {
    fmt::print(stderr, "onebit: unknown verb '{}'\n", name);
    print_usage(stderr);
    return 2;
  }
  Status status;
  try {
    status = verb->run(args.subspan(2));
  } catch (const std::bad_alloc&) {
    status = fail(Errc::out_of_memory, "out of memory");
  }
  if (std::fflush(stdout) != 0 && status) status = fail(Errc::io, "stdout: cannot write");
  if (status) return 0;
  fmt::print(stderr, "onebit {}: {}\n", verb->name, status.error().message);
  return status.error().code == Errc::usage ? 2 : 1;
}
