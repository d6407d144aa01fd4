#include "grammar/schema_converter.h"

#include <algorithm>

#include "text/utf8.h"

namespace onebit::grammar {

Result<std::string> SchemaConverter::pair(const std::string& name, const Json& schema, const std::string& pointer, size_t depth) {
  ONEBIT_ASSIGN(const std::string value, visit(schema, pointer, depth + 1));
  return fmt::format("{} ws {}", gbnf_literal(dump(name) + ":"), value);
}

// A key, with its quotes, that is none of the properties. Written without \uXXXX, which could spell one of them.
Result<std::string> SchemaConverter::key_except(const Json& properties) {
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

Result<std::string> SchemaConverter::object(const Json& schema, const std::string& pointer, size_t depth) {
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

Result<std::string> SchemaConverter::array(const Json& schema, const std::string& pointer, size_t depth) {
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

}  // namespace onebit::grammar
