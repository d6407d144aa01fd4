// The conversation formats that this program knows by name, as templates of its own.
#pragma once

#include <array>
#include <string_view>

namespace onebit {

struct BuiltinTemplate {
  std::string_view name, source;
};

extern const std::array<BuiltinTemplate, 6> kBuiltinTemplates;

}  // namespace onebit
