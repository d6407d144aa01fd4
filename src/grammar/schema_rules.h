// Pieces of GBNF that JSON Schema needs: literals, ranges of numbers, patterns, formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grammar/ast.h"

namespace onebit::grammar {

// A GBNF literal of these bytes (UTF-8), with its quotes.
std::string gbnf_literal(std::string_view bytes);
// A GBNF set of ranges as normalise() gives them; never empty.
std::string gbnf_set(const std::vector<CodeRange>& ranges);

// Bounds of a number; both included unless said otherwise.
struct Bounds {
  std::optional<int64_t> min, max;
  bool above_min = false, below_max = false;   // the bound itself does not belong to it
};
constexpr int64_t kMostInteger = 999'999'999'999'999;   // 15 digits: every one is exact as a double

// Decimal integers without superfluous zeros, of at most 15 digits. Errors: no integer is within the bounds.
Result<std::string> integer_range(const Bounds& bounds);
// Decimal numbers without exponent. Errors: no number is within the bounds.
Result<std::string> decimal_range(const Bounds& bounds);

// A regular expression as ECMA 262 writes it, as an expression for the text between the quotes of a JSON string.
// `any`: the name of the rule of one character of a JSON string. Errors: what is not in the subset, a syntax error, groups
// nested deeper than `depth`; without a place, which the caller knows.
Result<std::string> pattern_to_gbnf(std::string_view pattern, std::string_view any, size_t depth);

// The text between the quotes for a "format", or nothing where the name is not in the subset.
std::optional<std::string_view> format_gbnf(std::string_view name);

}  // namespace onebit::grammar
