#include "grammar/schema_converter.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace onebit::grammar {
namespace {

// Rules that schemas share; each names those it needs. Whitespace is a space, or a line end and what indents the next
// line: any amount of it would let a model write nothing else.
struct Shared {
  std::string_view name, body;
};
constexpr Shared kShared[] = {
    {"ws", R"(" "? | "\n" [ \t]{0,40})"},
    {"char", R"([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" unicode))"},
    {"unicode", R"([0-9a-cA-CefEF] hex{3} | [dD] [0-7] hex{2} | [dD] [89abAB] hex{2} "\\u" [dD] [c-fC-F] hex{2})"},
    {"hex", "[0-9a-fA-F]"},
    {"string", R"("\"" char* "\"")"},
    {"integer", R"("-"? ("0" | [1-9] [0-9]{0,14}))"},
    {"number", R"(integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?)"},
    {"boolean", R"("true" | "false")"},
    {"value", R"(object | array | string | number | boolean | "null")"},
    {"object", R"("{" ws (member ("," ws member)* ws)? "}")"},
    {"member", R"(string ":" ws value)"},
    {"array", R"("[" ws (value ("," ws value)* ws)? "]")"},
};

// A value as it may be written: whitespace where other values may have it.
std::string written(const Json& v) {
  if (!v.is_structured() || v.empty()) return gbnf_literal(dump(v));
  std::string out = v.is_object() ? "\"{\" ws " : "\"[\" ws ";
  bool first = true;
  for (const auto& [key, value] : v.items()) {
    if (!std::exchange(first, false)) out += " \",\" ws ";
    if (v.is_object()) out += gbnf_literal(dump(key) + ":") + " ws ";
    out += written(value);
  }
  return out + (v.is_object() ? " ws \"}\"" : " ws \"]\"");
}

}  // namespace

std::string dump(const Json& v) { return v.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string below(const std::string& pointer, std::string_view key) {
  std::string out = pointer + "/";
  for (const char c : key) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

Result<std::string> SchemaConverter::shared(std::string_view name) {
  if (used_[name]) return std::string(name);
  used_[name] = true;
  const auto* rule = std::ranges::find(kShared, name, &Shared::name);
  ONEBIT_TRY(define(std::string(name), std::string(rule->body)));
  for (const Shared& other : kShared) {
    const size_t at = rule->body.find(other.name);
    // A word of its own: "object" is no use of a rule inside a literal.
    const auto word = [](char c) { return (c >= 'a' && c <= 'z') || c == '-' || c == '"'; };
    if (at == std::string_view::npos) continue;
    const size_t end = at + other.name.size();
    if ((at > 0 && word(rule->body[at - 1])) || (end < rule->body.size() && word(rule->body[end]))) continue;
    ONEBIT_TRY(shared(other.name));
  }
  return std::string(name);
}

Result<std::string> SchemaConverter::visit(const Json& schema, const std::string& pointer, size_t depth) {
  if (depth > limits_.depth) return error(Errc::out_of_range, pointer, "schemas nested more than {} deep", limits_.depth);
  ONEBIT_TRY(spend(1));
  if (schema == true) return shared("value");
  if (schema == false) return error(Errc::format, pointer, "false: no value is valid");
  if (!schema.is_object()) return error(Errc::format, pointer, "{}, expected an object, true or false", dump(schema).substr(0, 40));
  for (const char* key : {"not", "if", "then", "else", "$dynamicRef", "$recursiveRef", "extends", "disallow"}) ONEBIT_TRY(refuse(schema, key, pointer));
  if (schema.contains("$ref")) return reference(schema, pointer, depth);
  if (schema.contains("allOf")) return all_of(schema, pointer, depth);
  if (schema.contains("const")) return values(schema, Json::array({schema["const"]}), pointer);
  if (const auto e = schema.find("enum"); e != schema.end()) {
    if (!e->is_array()) return error(Errc::format, below(pointer, "enum"), "expected an array");
    return values(schema, *e, pointer);
  }
  for (const char* key : {"anyOf", "oneOf"})
    if (schema.contains(key)) return alternatives(schema, key, pointer, depth);

  ONEBIT_ASSIGN(const unsigned bits, types(schema, pointer));
  if (bits == kAnyType) return shared("value");
  std::vector<std::string> out;
  for (const unsigned bit : {kNull, kBoolean, kInteger, kNumber, kString, kArray, kObject}) {
    if (!(bits & bit) || (bit == kInteger && (bits & kNumber))) continue;
    ONEBIT_ASSIGN(std::string one, typed(schema, bit, pointer, depth));
    out.push_back(std::move(one));
  }
  return out.size() == 1 ? out[0] : fmt::format("({})", fmt::join(out, " | "));
}

// The types named, or else those that the keywords are about: texts of these are a part of what is valid.
Result<unsigned> SchemaConverter::types(const Json& schema, const std::string& pointer) const {
  unsigned bits = 0;
  if (const auto type = schema.find("type"); type != schema.end()) {
    const Json list = type->is_array() ? *type : Json::array({*type});
    for (const Json& t : list) {
      const unsigned bit = t.is_string() ? type_bit(t.get_ref<const std::string&>()) : 0;
      if (bit == 0) return error(Errc::format, below(pointer, "type"), "{} is no type", dump(t).substr(0, 40));
      bits |= bit;
    }
    if (bits == 0) return error(Errc::format, below(pointer, "type"), "an empty list: no value is valid");
  } else {
    for (const auto& [key, value] : schema.items()) bits |= keyword_type(key);
    if (bits == 0) return kAnyType;
  }
  if (const auto n = schema.find("nullable"); n != schema.end() && *n == true) bits |= kNull;
  return bits;
}

Result<std::string> SchemaConverter::typed(const Json& schema, unsigned type, const std::string& pointer, size_t depth) {
  switch (type) {
    case kNull: return std::string("\"null\"");
    case kBoolean: return shared("boolean");
    case kInteger: return number(schema, true, pointer);
    case kNumber: return number(schema, false, pointer);
    case kString: return string(schema, pointer);
    case kArray: return array(schema, pointer, depth);
    default: return object(schema, pointer, depth);
  }
}

Result<const Json*> SchemaConverter::resolve(const std::string& ref, const std::string& pointer) const {
  if (!ref.starts_with('#')) return error(Errc::unsupported, pointer, "'{}': only references into the same schema (#/...) are supported", ref.substr(0, 80));
  try {
    const Json::json_pointer path(ref.substr(1));
    if (root_.contains(path)) return &root_.at(path);
  } catch (const Json::exception&) {
    return error(Errc::format, pointer, "'{}' is no JSON pointer", ref.substr(0, 80));
  }
  return error(Errc::format, pointer, "'{}' leads nowhere", ref.substr(0, 80));
}

Result<std::string> SchemaConverter::reference(const Json& schema, const std::string& pointer, size_t depth) {
  const std::string at = below(pointer, "$ref");
  if (!schema["$ref"].is_string()) return error(Errc::format, at, "expected a string");
  const std::string ref = schema["$ref"];
  ONEBIT_ASSIGN(const Json* target, resolve(ref, at));
  Json beside = schema;
  beside.erase("$ref");
  ONEBIT_TRY(spend(weight(schema)));
  const bool restricted = std::ranges::any_of(beside.items(), [](const auto& item) { return !is_annotation(item.key()); });
  if (restricted) {
    ONEBIT_TRY(spend(weight(*target)));
    ONEBIT_ASSIGN(const Json both, merge(*target, beside, pointer));
    return visit(both, pointer, depth + 1);
  }
  if (const auto it = references_.find(ref); it != references_.end()) return it->second;
  std::string name = new_name("ref");
  references_.emplace(ref, name);
  ONEBIT_ASSIGN(std::string body, visit(*target, ref, depth + 1));
  ONEBIT_TRY(define(name, std::move(body)));
  return name;
}

Result<std::string> SchemaConverter::all_of(const Json& schema, const std::string& pointer, size_t depth) {
  const Json& list = schema["allOf"];
  if (!list.is_array() || list.empty()) return error(Errc::format, below(pointer, "allOf"), "expected an array with at least one schema");
  Json all = schema;
  all.erase("allOf");
  ONEBIT_TRY(spend(weight(schema)));
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}/allOf/{}", pointer, i);
    const Json* part = &list[i];
    for (size_t hops = 0; part->is_object() && part->contains("$ref"); ++hops) {
      if (hops > limits_.depth) return error(Errc::format, at, "references that lead in a circle");
      if (part->size() > 1 || !(*part)["$ref"].is_string()) return error(Errc::unsupported, at, "a reference with other keywords beside it inside allOf");
      ONEBIT_ASSIGN(part, resolve((*part)["$ref"], at));
    }
    if (!part->is_object() && !part->is_boolean()) return error(Errc::format, at, "expected an object, true or false");
    ONEBIT_TRY(spend(weight(*part) + weight(all)));
    ONEBIT_ASSIGN(Json next, merge(all, *part, at));
    all = std::move(next);
  }
  return visit(all, pointer, depth + 1);
}

Result<std::string> SchemaConverter::alternatives(const Json& schema, std::string_view keyword, const std::string& pointer, size_t depth) {
  const Json& list = schema[std::string(keyword)];
  const std::string at = below(pointer, keyword);
  if (!list.is_array() || list.empty()) return error(Errc::format, at, "expected an array with at least one schema");
  Json base = schema;
  base.erase(std::string(keyword));
  ONEBIT_TRY(spend(weight(schema)));
  const bool restricted = std::ranges::any_of(base.items(), [](const auto& item) { return !is_annotation(item.key()); });
  std::vector<Json> parts;
  for (size_t i = 0; i < list.size(); ++i) {
    const Json* part = &list[i];
    const std::string here = fmt::format("{}/{}", at, i);
    if (!part->is_object() && !part->is_boolean()) return error(Errc::format, here, "expected an object, true or false");
    ONEBIT_TRY(spend(weight(base)));
    parts.push_back(*part);
    if (!restricted) continue;
    ONEBIT_ASSIGN(parts.back(), merge(base, *part, here));
  }
  // A value valid under two alternatives is not valid under oneOf, and a grammar cannot say so.
  if (keyword == "oneOf") {
    std::vector<const Json*> targets;
    for (const Json& p : parts) {
      targets.push_back(&p);
      for (size_t hops = 0; hops < 8 && targets.back()->is_object() && targets.back()->contains("$ref") && (*targets.back())["$ref"].is_string(); ++hops) {
        ONEBIT_ASSIGN(targets.back(), resolve((*targets.back())["$ref"], at));
      }
    }
    for (size_t i = 0; i < parts.size(); ++i)
      for (size_t j = i + 1; j < parts.size(); ++j) {
        ONEBIT_TRY(spend(16));
        if (!disjoint(*targets[i], *targets[j]))
          return error(Errc::unsupported, at, "alternatives {} and {} may both hold for one value; anyOf, or a required property with a const in each, is supported", i, j);
      }
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == false) continue;
    ONEBIT_ASSIGN(std::string one, visit(parts[i], fmt::format("{}/{}", at, i), depth + 1));
    out.push_back(std::move(one));
  }
  if (out.empty()) return error(Errc::format, at, "no value is valid");
  return fmt::format("({})", fmt::join(out, " | "));
}

// "enum" and "const". Keywords beside them would have to be checked against each value: only types are.
Result<std::string> SchemaConverter::values(const Json& schema, const Json& list, const std::string& pointer) {
  ONEBIT_ASSIGN(unsigned bits, types(schema, pointer));
  if (!schema.contains("type")) bits = kAnyType;
  for (const auto& [key, value] : schema.items())
    if (!is_annotation(key) && key != "type" && key != "enum" && key != "const" && key != "nullable")
      return error(Errc::unsupported, below(pointer, key), "this keyword beside enum or const is not supported");
  const auto enumerated = schema.find("enum");
  std::vector<std::string> out;
  for (const Json& v : list) {
    ONEBIT_TRY(spend(weight(v)));
    if (!has_type(v, bits)) continue;
    if (v.is_structured()) ONEBIT_TRY(shared("ws"));
    if (schema.contains("const") && enumerated != schema.end() && std::ranges::find(*enumerated, v) == enumerated->end()) continue;
    out.push_back(written(v));
  }
  if (out.empty()) return error(Errc::format, pointer, "none of the values of enum or const has the type");
  return fmt::format("({})", fmt::join(out, " | "));
}

Result<std::optional<uint64_t>> SchemaConverter::count(const Json& schema, const char* key, const std::string& pointer) const {
  const auto it = schema.find(key);
  if (it == schema.end()) return std::optional<uint64_t>{};
  if (it->is_number_unsigned() || (it->is_number_integer() && it->get<int64_t>() >= 0)) return std::optional(it->get<uint64_t>());
  if (it->is_number_float() && it->get<double>() >= 0 && it->get<double>() <= 1e15 && it->get<double>() == std::floor(it->get<double>()))
    return std::optional(static_cast<uint64_t>(it->get<double>()));
  return error(Errc::format, below(pointer, key), "{}, expected a whole number from 0", dump(*it).substr(0, 40));
}

Result<std::string> SchemaConverter::string(const Json& schema, const std::string& pointer) {
  ONEBIT_ASSIGN(const auto least, count(schema, "minLength", pointer));
  ONEBIT_ASSIGN(const auto most, count(schema, "maxLength", pointer));
  const bool sized = least.value_or(0) > 0 || most;
  const auto pattern = schema.find("pattern"), format = schema.find("format");
  if (least && most && *least > *most) return error(Errc::format, below(pointer, "maxLength"), "{} is less than minLength, {}", *most, *least);
  if ((pattern != schema.end()) + (format != schema.end()) + sized > 1)
    return error(Errc::unsupported, below(pointer, pattern != schema.end() ? "pattern" : "format"), "pattern, format and limits of the length together are not supported");
  if (pattern != schema.end()) {
    if (!pattern->is_string()) return error(Errc::format, below(pointer, "pattern"), "expected a string");
    ONEBIT_ASSIGN(const std::string any, shared("char"));
    auto text = pattern_to_gbnf(pattern->get_ref<const std::string&>(), any, limits_.depth);
    if (!text) return with_context(text.error(), "schema: " + below(pointer, "pattern"));
    std::string name = new_name("pattern");
    ONEBIT_TRY(define(name, fmt::format("\"\\\"\" {} \"\\\"\"", *text)));
    return name;
  }
  if (format != schema.end()) {
    if (!format->is_string()) return error(Errc::format, below(pointer, "format"), "expected a string");
    const auto text = format_gbnf(format->get_ref<const std::string&>());
    if (!text) return error(Errc::unsupported, below(pointer, "format"), "the format '{}' is not supported", format->get_ref<const std::string&>().substr(0, 40));
    std::string name = "format-" + format->get_ref<const std::string&>();
    if (!references_.contains(name)) {
      references_.emplace(name, name);
      ONEBIT_TRY(define(name, fmt::format("\"\\\"\" {} \"\\\"\"", *text)));
    }
    return name;
  }
  if (!sized) return shared("string");
  ONEBIT_TRY(shared("char"));
  return fmt::format("\"\\\"\" char{{{},{}}} \"\\\"\"", least.value_or(0), most ? std::to_string(*most) : "");
}

Result<Bounds> SchemaConverter::bounds(const Json& schema, bool integer, const std::string& pointer) const {
  Bounds b;
  // The older form of exclusiveMinimum is a flag beside minimum.
  const auto read = [&](const char* key, bool low, bool exclusive) -> Status {
    const auto it = schema.find(key);
    if (it == schema.end() || (exclusive && it->is_boolean())) return {};
    if (!it->is_number()) return error(Errc::format, below(pointer, key), "{}, expected a number", dump(*it).substr(0, 40));
    const double d = it->get<double>();
    // An integer above 1.5 is one from 2.
    const double whole = low ? (exclusive ? std::floor(d) : std::ceil(d)) : (exclusive ? std::ceil(d) : std::floor(d));
    if (!integer && whole != d) return error(Errc::unsupported, below(pointer, key), "{}: only whole bounds are supported for numbers", d);
    const auto v = static_cast<int64_t>(std::clamp(whole, -2e15, 2e15));
    std::optional<int64_t>& bound = low ? b.min : b.max;
    bool& outside = low ? b.above_min : b.below_max;
    if (bound && (low ? v < *bound : v > *bound)) return {};
    outside = exclusive || (bound && v == *bound && outside);
    bound = v;
    return {};
  };
  ONEBIT_TRY(read("minimum", true, false));
  ONEBIT_TRY(read("exclusiveMinimum", true, true));
  ONEBIT_TRY(read("maximum", false, false));
  ONEBIT_TRY(read("exclusiveMaximum", false, true));
  const auto flag = [&](const char* key) { return schema.contains(key) && schema[key] == true; };
  if (b.min && flag("exclusiveMinimum")) b.above_min = true;
  if (b.max && flag("exclusiveMaximum")) b.below_max = true;
  return b;
}

Result<std::string> SchemaConverter::number(const Json& schema, bool integer, const std::string& pointer) {
  for (const char* key : {"multipleOf", "divisibleBy"})
    if (const auto m = schema.find(key); m != schema.end() && !(integer && *m == 1)) {
      ONEBIT_TRY(refuse(schema, key, pointer));
    }
  ONEBIT_ASSIGN(const Bounds b, bounds(schema, integer, pointer));
  if (!b.min && !b.max) {
    ONEBIT_TRY(shared("integer"));
    return shared(integer ? "integer" : "number");
  }
  auto text = integer ? integer_range(b) : decimal_range(b);
  if (!text) return with_context(text.error(), "schema: " + pointer);
  std::string name = new_name(integer ? "integer" : "number");
  ONEBIT_TRY(define(name, std::move(*text)));
  return name;
}

}  // namespace onebit::grammar

namespace onebit {

Result<std::string> json_schema_to_gbnf(const nlohmann::ordered_json& schema, const SchemaLimits& limits) {
  constexpr size_t kNesting = 256;   // of the JSON, which also holds values of enum and const
  if (grammar::nesting(schema, kNesting) > kNesting) return fail(Errc::out_of_range, "schema: nested more than {} deep", kNesting);
  return grammar::SchemaConverter(schema, limits).convert();
}

std::string json_object_gbnf() { return json_schema_to_gbnf({{"type", "object"}}).value(); }

}  // namespace onebit
