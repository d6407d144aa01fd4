// JSON Schema to GBNF: a grammar whose texts are JSON and valid under the schema (docs/grammars.md has the subset).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace onebit {

struct SchemaLimits {
  size_t depth = 64;                         // nesting of schemas, and of groups in a pattern
  size_t rules = 20'000;
  size_t output_bytes = size_t{1} << 20;     // of the grammar
};

// Properties come in the schema's order. Errors name the JSON pointer of what is at fault: Errc::unsupported for a
// keyword that restricts but is not in the subset (it is never ignored), Errc::format for what is no schema or cannot
// be met, Errc::out_of_range beyond a limit.
Result<std::string> json_schema_to_gbnf(const nlohmann::ordered_json& schema, const SchemaLimits& limits = {});

// The grammar of any JSON object, for response_format {"type": "json_object"}.
std::string json_object_gbnf();

}  // namespace onebit
