// Templates as trees.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "template/template.h"

namespace onebit::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Argument {
  std::string name;   // empty: by position
  ExpressionPtr value;
};

struct Expression {
  enum class Kind : uint8_t {
    none, boolean, integer, real, string,
    name,         // text
    list, tuple, dict,   // parts; of a dict key, value, key, value
    attribute,    // parts[0] . text
    item,         // parts[0] [ parts[1] ]
    slice,        // parts[0] [ parts[1] : parts[2] : parts[3] ], any of them may be null
    call,         // parts[0] ( arguments )
    filter,       // parts[0] | text ( arguments )
    test,         // parts[0] is text ( arguments )
    unary,        // text is "-", "+" or "not"
    binary,       // text is the operator, "and" and "or" among them
    compare,      // parts[0] operators[0] parts[1] operators[1] parts[2] ...
    conditional,  // parts: the value, the condition, the other value or null
  };
  Kind kind = Kind::none;
  uint32_t line = 0, depth = 1;
  bool flag = false;
  int64_t integer = 0;
  double real = 0;
  std::string text{};
  std::vector<ExpressionPtr> parts{};
  std::vector<Argument> arguments{};
  std::vector<std::string> operators{};
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum class Kind : uint8_t { text, print, condition, loop, set, set_block, macro, call, filter, with, scope, do_, break_, continue_ };
  Kind kind = Kind::text;
  uint32_t line = 0;
  bool recursive = false;
  std::string text{};                  // of text; the name of a macro
  std::vector<std::string> names{};    // targets of a loop or set, parameters of a macro, names of with
  std::string attribute{};             // of a set: names[0].attribute = value
  std::vector<ExpressionPtr> values{}; // print, set, do: one; condition: one per branch; loop: iterable and filter or
                                       // null; macro: defaults or null; with: one per name; call: the call; filter: on ""
  std::vector<Block> bodies{};         // condition: one per branch, then else; loop: body and else; others: one
};

struct Program {
  Block body;
};

// Errors as Template::parse.
Result<Program> parse_program(std::string_view source, const TemplateLimits& limits);

}  // namespace onebit::jinja
