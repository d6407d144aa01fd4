// Template source to tokens. Whitespace control is done here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::jinja {

struct Lexeme {
  enum class Kind : uint8_t { text, open_block, close_block, open_print, close_print, name, string, integer, real, symbol, end };
  Kind kind;
  std::string text;
  uint32_t line;
  int64_t integer = 0;
  double real = 0;
};

Result<std::vector<Lexeme>> tokenize(std::string_view source);

}  // namespace onebit::jinja
