// Chat templates: the part of Jinja that the templates of language models use (docs/templates.md), rendered with
// limits. A rendered text knows which of its bytes came from the input, so that a message cannot spell control tokens.
//
// Semantics are Jinja's (trim_blocks and lstrip_blocks on, one trailing newline of the source dropped), values print as
// in Python: True, None, ['a', 1].
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "text/tokenizer.h"

namespace onebit {

struct TemplateLimits {
  size_t source_bytes = size_t{1} << 20;
  size_t steps = 4'000'000;                  // nodes evaluated, and bytes handled in units of 16
  size_t depth = 100;                        // nesting of expressions and statements, calls of macros
  size_t output_bytes = size_t{64} << 20;    // of the text, and of any one string on the way
};

struct Rendered {
  std::string text;
  // Bytes of `text` that the input brought in, ascending and disjoint; all others are the template's own.
  std::vector<ByteRange> data;
};

class Template {
 public:
  // Errors name the line: Errc::format for what is not Jinja, Errc::unsupported for what is not in the subset,
  // Errc::out_of_range beyond a limit.
  static Result<Template> parse(std::string_view source, const TemplateLimits& limits = {});
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // variables: an object. Strings of it are data, except those below `trusted`, an object whose strings count as the
  // template's own (bos_token, eos_token), and roles: the value of a key "role" that is one of the usual names.
  // Thread-safe. Errors: as for parse(), and Errc::usage with the template's own words from raise_exception().
  Result<Rendered> render(const nlohmann::ordered_json& variables,
                          const nlohmann::ordered_json& trusted = nlohmann::ordered_json::object()) const;

 private:
  struct Impl;
  explicit Template(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace onebit
