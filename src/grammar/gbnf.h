// GBNF text to rules.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/ast.h"
#include "grammar/grammar.h"

namespace onebit::grammar {

// Every rule referred to is defined. Rule 0 is `root`.
Result<std::vector<Rule>> parse_gbnf(std::string_view text, std::string_view root, const GrammarLimits& limits);

}  // namespace onebit::grammar
