// A JSON schema on its way to a grammar: what json_schema.cpp and schema_containers.cpp share.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "grammar/json_schema.h"
#include "grammar/schema_check.h"
#include "grammar/schema_rules.h"

namespace onebit::grammar {

// One line of JSON.
std::string dump(const Json& v);
// A pointer with a schema's own key put behind it.
std::string below(const std::string& pointer, std::string_view key);

class SchemaConverter {
 public:
  SchemaConverter(const Json& root, const SchemaLimits& limits) : root_(root), limits_(limits) {}

  Result<std::string> convert() {
    ONEBIT_ASSIGN(const std::string top, visit(root_, "#", 0));
    ONEBIT_TRY(define("root", top));
    std::string out;
    for (const auto& [name, body] : rules_) out += fmt::format("{} ::= {}\n", name, body);
    return out;
  }

 private:
  using Expression = Result<std::string>;

  template <class... Args>
  static std::unexpected<Error> error(Errc code, const std::string& pointer, fmt::format_string<Args...> text, Args&&... args) {
    return fail(code, "schema: {}: {}", pointer, fmt::format(text, std::forward<Args>(args)...));
  }

  Status define(std::string name, std::string body) {
    bytes_ += name.size() + body.size() + 6;
    if (rules_.size() >= limits_.rules || bytes_ > limits_.output_bytes)
      return fail(Errc::out_of_range, "schema: its grammar has more than {} rules or {} bytes", limits_.rules, limits_.output_bytes);
    rules_.emplace_back(std::move(name), std::move(body));
    return {};
  }
  std::string new_name(std::string_view kind) { return fmt::format("{}-{}", kind, ++names_); }

  // The shared rule of this name, with what it uses.
  Expression shared(std::string_view name);

  Status spend(size_t units) {
    spent_ += units;
    if (spent_ > 50 * limits_.rules) return fail(Errc::out_of_range, "schema: takes more than {} steps", 50 * limits_.rules);
    return {};
  }

  Expression visit(const Json& schema, const std::string& pointer, size_t depth);
  Expression reference(const Json& schema, const std::string& pointer, size_t depth);
  Result<const Json*> resolve(const std::string& ref, const std::string& pointer) const;
  Expression alternatives(const Json& schema, std::string_view keyword, const std::string& pointer, size_t depth);
  Expression all_of(const Json& schema, const std::string& pointer, size_t depth);
  Expression values(const Json& schema, const Json& list, const std::string& pointer);
  Result<unsigned> types(const Json& schema, const std::string& pointer) const;
  Expression typed(const Json& schema, unsigned type, const std::string& pointer, size_t depth);
  Expression object(const Json& schema, const std::string& pointer, size_t depth);
  Expression pair(const std::string& name, const Json& schema, const std::string& pointer, size_t depth);
  Expression key_except(const Json& properties);
  Expression array(const Json& schema, const std::string& pointer, size_t depth);
  Expression string(const Json& schema, const std::string& pointer);
  Expression number(const Json& schema, bool integer, const std::string& pointer);
  Result<std::optional<uint64_t>> count(const Json& schema, const char* key, const std::string& pointer) const;
  Result<Bounds> bounds(const Json& schema, bool integer, const std::string& pointer) const;
  Status refuse(const Json& schema, const char* key, const std::string& pointer) const {
    if (!schema.contains(key)) return {};
    return error(Errc::unsupported, below(pointer, key), "this keyword is not supported");
  }

  const Json& root_;
  const SchemaLimits& limits_;
  std::vector<std::pair<std::string, std::string>> rules_;
  std::map<std::string_view, bool> used_;
  std::unordered_map<std::string, std::string> references_;   // rule of each pointer referred to
  size_t bytes_ = 0, names_ = 0, spent_ = 0;
};

}  // namespace onebit::grammar
