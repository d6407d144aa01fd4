// onebit VERB: the list of verbs, and exit statuses (0 done, 1 failed, 2 usage).
#include <cstdio>
#include <cstring>
#include <new>
#include <vector>

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
  for (const Verb* v : kVerbs) {
    if (std::strcmp(v->name, name) != 0) continue;
    Status status;
    try {
      status = v->run(args.subspan(2));
    } catch (const std::bad_alloc&) {
      status = fail(Errc::out_of_memory, "out of memory");
    }
    if (std::fflush(stdout) != 0 && status) status = fail(Errc::io, "stdout: cannot write");
    if (status) return 0;
    fmt::print(stderr, "onebit {}: {}\n", v->name, status.error().message);
    return status.error().code == Errc::usage ? 2 : 1;
  }
  fmt::print(stderr, "onebit: unknown verb '{}'\n", name);
  print_usage(stderr);
  return 2;
}
