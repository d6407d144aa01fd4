#include "grammar/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include "grammar/schema_check.h"
#include "grammar/schema_rules.h"
#include "text/utf8.h"

namespace onebit {
namespace {

using namespace grammar;

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

std::string dump(const Json& v) { return v.dump(-1, ' ', false, Json::error_handler_t::replace); }

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

// A pointer with a schema's own key put behind it.
std::string below(const std::string& pointer, std::string_view key) {
  std::string out = pointer + "/";
  for (const char c : key) {
    if (c == '~') out += "~0";
    else if (c == '/') out += "~1";
    else out += c;
  }
  return out;
}

class Converter {
 public:
  Converter(const Json& root, const SchemaLimits& limits) : root_(root), limits_(limits) {}

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
  Expression shared(std::string_view name) {
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

Result<std::string> Converter::visit(const Json& schema, const std::string& pointer, size_t depth) {
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
Result<unsigned> Converter::types(const Json& schema, const std::string& pointer) const {
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

Result<std::string> Converter::typed(const Json& schema, unsigned type, const std::string& pointer, size_t depth) {
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

Result<const Json*> Converter::resolve(const std::string& ref, const std::string& pointer) const {
  if (!ref.starts_with('#')) return error(Errc::unsupported, pointer, "'{}': only references into the same schema (#/...) are supported", ref.substr(0, 80));
  try {
    const Json::json_pointer path(ref.substr(1));
    if (root_.contains(path)) return &root_.at(path);
  } catch (const Json::exception&) {
    return error(Errc::format, pointer, "'{}' is no JSON pointer", ref.substr(0, 80));
  }
  return error(Errc::format, pointer, "'{}' leads nowhere", ref.substr(0, 80));
}

Result<std::string> Converter::reference(const Json& schema, const std::string& pointer, size_t depth) {
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

Result<std::string> Converter::all_of(const Json& schema, const std::string& pointer, size_t depth) {
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

Result<std::string> Converter::alternatives(const Json& schema, std::string_view keyword, const std::string& pointer, size_t depth) {
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
Result<std::string> Converter::values(const Json& schema, const Json& list, const std::string& pointer) {
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

Result<std::optional<uint64_t>> Converter::count(const Json& schema, const char* key, const std::string& pointer) const {
  const auto it = schema.find(key);
  if (it == schema.end()) return std::optional<uint64_t>{};
  if (it->is_number_unsigned() || (it->is_number_integer() && it->get<int64_t>() >= 0)) return std::optional(it->get<uint64_t>());
  if (it->is_number_float() && it->get<double>() >= 0 && it->get<double>() <= 1e15 && it->get<double>() == std::floor(it->get<double>()))
    return std::optional(static_cast<uint64_t>(it->get<double>()));
  return error(Errc::format, below(pointer, key), "{}, expected a whole number from 0", dump(*it).substr(0, 40));
}

Result<std::string> Converter::pair(const std::string& name, const Json& schema, const std::string& pointer, size_t depth) {
  ONEBIT_ASSIGN(const std::string value, visit(schema, pointer, depth + 1));
  return fmt::format("{} ws {}", gbnf_literal(dump(name) + ":"), value);
}

// A key, with its quotes, that is none of the properties. Written without \uXXXX, which could spell one of them.
Result<std::string> Converter::key_except(const Json& properties) {
  struct Node {
    std::map<std::string, size_t> next;   // by one character as JSON writes it
    bool ends = false;
  };
  std::vector<Node> trie(1);
  for (const auto& [name, schema] : properties.items()) {
    size_t at = 0;
    const std::string text = dump(name);
    for (size_t i = 1; i + 1 < text.size();) {
      const size_t n = text[i] != '\\' ? utf8_length(text, i) : text[i + 1] == 'u' ? 6 : 2;
      const auto [it, added] = trie[at].next.try_emplace(text.substr(i, n), trie.size());
      at = it->second;
      if (added) trie.emplace_back();
      i += n;
    }
    trie[at].ends = true;
  }
  ONEBIT_TRY(spend(trie.size()));
  const std::string base = new_name("key");
  const std::string any = base + "-any";
  ONEBIT_TRY(define(any, R"([^"\\\x00-\x1f] | "\\" ["\\bfnrt])"));
  for (size_t i = 0; i < trie.size(); ++i) {
    std::vector<std::string> out;
    std::vector<CodeRange> plain{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}};
    std::string escapes = "\"\\\\bfnrt";
    for (const auto& [unit, next] : trie[i].next) {
      out.push_back(fmt::format("{} {}-{}", gbnf_literal(unit), base, next));
      if (unit[0] != '\\')
        plain.emplace_back(utf8_code_point(unit, 0, unit.size()), utf8_code_point(unit, 0, unit.size()));
      else if (unit[1] != 'u')
        std::erase(escapes, unit[1]);
    }
    out.push_back(fmt::format("{} {}*", gbnf_set(normalise(std::move(plain), true)), any));
    for (const char c : escapes) out.push_back(fmt::format("{} {}*", gbnf_literal(std::string{'\\', c}), any));
    if (!trie[i].ends) out.push_back("\"\"");
    ONEBIT_TRY(define(fmt::format("{}-{}", base, i), fmt::format("{}", fmt::join(out, " | "))));
  }
  return fmt::format("\"\\\"\" {}-0 \"\\\"\"", base);
}

Result<std::string> Converter::object(const Json& schema, const std::string& pointer, size_t depth) {
  for (const char* key : {"patternProperties", "propertyNames", "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties"})
    ONEBIT_TRY(refuse(schema, key, pointer));
  Json properties = schema.value("properties", Json::object());
  ONEBIT_TRY(spend(weight(properties)));
  if (!properties.is_object()) return error(Errc::format, below(pointer, "properties"), "expected an object");
  // Without additionalProperties an object has the properties listed, or any where none is.
  const Json more = schema.value("additionalProperties", Json(!schema.contains("properties")));
  const Json required = schema.value("required", Json::array());
  if (!required.is_array()) return error(Errc::format, below(pointer, "required"), "expected an array of names");
  std::map<std::string_view, bool> must;
  for (const Json& name : required) {
    if (!name.is_string()) return error(Errc::format, below(pointer, "required"), "expected an array of names");
    if (!properties.contains(name.get_ref<const std::string&>())) {
      if (more == false && schema.contains("additionalProperties")) return error(Errc::format, below(pointer, "required"), "'{}' is required but not allowed", name.get<std::string>());
      properties[name.get_ref<const std::string&>()] = more == false ? Json(true) : more;
    }
    must[name.get_ref<const std::string&>()] = true;
  }
  ONEBIT_ASSIGN(const auto least, count(schema, "minProperties", pointer));
  ONEBIT_ASSIGN(const auto most, count(schema, "maxProperties", pointer));
  const bool one_at_least = least == 1 && must.empty() && properties.empty();
  if (least && *least > must.size() && !one_at_least) return error(Errc::unsupported, below(pointer, "minProperties"), "more than the properties required is not supported");
  if (most && (*most < properties.size() || more != false)) return error(Errc::unsupported, below(pointer, "maxProperties"), "less than the properties there may be is not supported");
  ONEBIT_TRY(shared("ws"));

  std::string name = new_name("object");
  std::string extra;   // one more member
  if (more != false) {
    ONEBIT_ASSIGN(const std::string value, visit(more, below(pointer, "additionalProperties"), depth + 1));
    ONEBIT_ASSIGN(std::string key, properties.empty() ? shared("string") : key_except(properties));
    extra = name + "-more";
    ONEBIT_TRY(define(extra, fmt::format("{} \":\" ws {}", key, value)));
  }
  // first-K: members from property K on, none written yet; rest-K: the same after others.
  const size_t n = properties.size();
  const auto first = [&](size_t k) { return fmt::format("{}-first-{}", name, k); };
  const auto rest = [&](size_t k) { return fmt::format("{}-rest-{}", name, k); };
  size_t k = 0;
  bool before = false;   // a required property came: first-K cannot be reached
  for (const auto& [key, value] : properties.items()) {
    const bool needed = must.contains(key);
    ONEBIT_ASSIGN(std::string member, pair(key, value, below(below(pointer, "properties"), key), depth));
    const std::string one = fmt::format("{}-{}", name, k);
    ONEBIT_TRY(define(one, std::move(member)));
    if (!before) ONEBIT_TRY(define(first(k), needed ? fmt::format("{} {}", one, rest(k + 1)) : fmt::format("{} {} | {}", one, rest(k + 1), first(k + 1))));
    const std::string next = fmt::format("\",\" ws {}", one);
    if (k > 0) ONEBIT_TRY(define(rest(k), fmt::format("{} {}", needed ? next : fmt::format("({})?", next), rest(k + 1))));
    before |= needed;
    ++k;
  }
  if (n > 0) ONEBIT_TRY(define(rest(n), extra.empty() ? "\"\"" : fmt::format("(\",\" ws {})*", extra)));
  if (!before) {
    const std::string list = extra.empty() ? "\"\"" : fmt::format("{0} (\",\" ws {0})*", extra);
    ONEBIT_TRY(define(first(n), extra.empty() ? list : one_at_least ? list : fmt::format("({})?", list)));
  }
  ONEBIT_TRY(define(name, fmt::format("\"{{\" ws {} ws \"}}\"", first(0))));
  return name;
}

Result<std::string> Converter::array(const Json& schema, const std::string& pointer, size_t depth) {
  for (const char* key : {"contains", "minContains", "maxContains", "unevaluatedItems"}) ONEBIT_TRY(refuse(schema, key, pointer));
  ONEBIT_ASSIGN(const auto min_items, count(schema, "minItems", pointer));
  ONEBIT_ASSIGN(const auto max_items, count(schema, "maxItems", pointer));
  const uint64_t least = min_items.value_or(0);
  if (max_items && *max_items < least) return error(Errc::format, below(pointer, "maxItems"), "{} is less than minItems, {}", *max_items, least);
  if (const auto u = schema.find("uniqueItems"); u != schema.end() && *u != false && (!max_items || *max_items > 1)) {
    ONEBIT_TRY(refuse(schema, "uniqueItems", pointer));
  }
  // Up to draft 7 a list under "items" was what "prefixItems" is, and "additionalItems" what "items" is.
  const bool old = schema.contains("items") && schema["items"].is_array();
  const char* prefix_key = old ? "items" : "prefixItems";
  const char* items_key = old ? "additionalItems" : "items";
  const Json prefix = schema.value(prefix_key, Json::array());
  if (!prefix.is_array()) return error(Errc::format, below(pointer, prefix_key), "expected an array of schemas");
  ONEBIT_TRY(spend(weight(prefix)));
  // Without a schema for them, items past the prefix come only where minItems asks for them.
  const bool open = schema.contains(items_key) ? schema[items_key] != false : prefix.empty() || least > prefix.size();
  if (!open && least > prefix.size()) return error(Errc::format, below(pointer, "minItems"), "{} items, but no more than {} may be", least, prefix.size());
  ONEBIT_TRY(shared("ws"));
  std::string name = new_name("array");
  std::string item;
  if (open && (!max_items || *max_items > prefix.size())) {
    ONEBIT_ASSIGN(std::string value, visit(schema.contains(items_key) ? schema[items_key] : Json(true), below(pointer, items_key), depth + 1));
    item = name + "-item";
    ONEBIT_TRY(define(item, std::move(value)));
  }
  const uint64_t fixed = std::min<uint64_t>(prefix.size(), max_items.value_or(prefix.size()));
  // from-K: what may stand behind K items, each with the comma before it.
  const auto from = [&](uint64_t k) { return fmt::format("{}-from-{}", name, k); };
  std::vector<std::string> members;
  for (uint64_t k = 0; k < fixed; ++k) {
    ONEBIT_ASSIGN(std::string value, visit(prefix[k], fmt::format("{}/{}/{}", pointer, prefix_key, k), depth + 1));
    members.push_back(fmt::format("{}-{}", name, k));
    ONEBIT_TRY(define(members.back(), std::move(value)));
  }
  std::string tail = "\"\"";   // after the prefix
  const auto times = [&](uint64_t low, std::optional<uint64_t> high) { return fmt::format("{{{},{}}}", low, high ? std::to_string(*high) : ""); };
  const auto left = [](uint64_t total, uint64_t gone) { return total > gone ? total - gone : 0; };
  std::optional<uint64_t> most_after;
  if (max_items) most_after = left(*max_items, std::max<uint64_t>(fixed, 1));
  if (!item.empty()) tail = fmt::format("(\",\" ws {}){}", item, times(left(least, std::max<uint64_t>(fixed, 1)), most_after));
  std::string body;
  if (fixed == 0) {
    body = item.empty() ? "\"\"" : fmt::format("{} {}", item, tail);
    if (least == 0 && !item.empty()) body = fmt::format("({})?", body);
  } else {
    for (uint64_t k = fixed; k-- > 1;) {
      const std::string next = k + 1 < fixed ? from(k + 1) : tail;
      const std::string one = fmt::format("\",\" ws {} {}", members[k], next);
      ONEBIT_TRY(define(from(k), least > k ? one : fmt::format("({})?", one)));
    }
    body = fmt::format("{} {}", members[0], fixed > 1 ? from(1) : tail);
    if (least == 0) body = fmt::format("({})?", body);
  }
  ONEBIT_TRY(define(name, fmt::format("\"[\" ws {} ws \"]\"", body)));
  return name;
}

Result<std::string> Converter::string(const Json& schema, const std::string& pointer) {
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

Result<Bounds> Converter::bounds(const Json& schema, bool integer, const std::string& pointer) const {
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

Result<std::string> Converter::number(const Json& schema, bool integer, const std::string& pointer) {
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

}  // namespace

Result<std::string> json_schema_to_gbnf(const nlohmann::ordered_json& schema, const SchemaLimits& limits) {
  constexpr size_t kNesting = 256;   // of the JSON, which also holds values of enum and const
  if (nesting(schema, kNesting) > kNesting) return fail(Errc::out_of_range, "schema: nested more than {} deep", kNesting);
  return Converter(schema, limits).convert();
}

std::string json_object_gbnf() { return json_schema_to_gbnf({{"type", "object"}}).value(); }

}  // namespace onebit
