// Man pages and completions for shells, made from the tables of flags that --help prints.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "flags.h"

namespace onebit::cli {

// A verb or a sub-verb with its flags.
struct VerbTable {
  std::string name;                     // "run", "npu build"
  FlagTable flags;
};

// One page of section 1 in the man(7) language. `version` and `date` go into its footer.
std::string man_page(const VerbTable& verb, const std::string& version);
// onebit(1): every verb in a line.
std::string man_overview(std::span<const VerbTable> verbs, const std::string& version);

std::string bash_completion(std::span<const VerbTable> verbs);
std::string zsh_completion(std::span<const VerbTable> verbs);
std::string fish_completion(std::span<const VerbTable> verbs);

}  // namespace onebit::cli
