#include "grammar/schema_check.h"

#include <algorithm>
#include <vector>

namespace onebit::grammar {
namespace {

constexpr std::pair<std::string_view, unsigned> kTypes[] = {{"null", kNull}, {"boolean", kBoolean}, {"integer", kInteger}, {"number", kNumber},
                                                            {"string", kString}, {"array", kArray}, {"object", kObject}};

// Every keyword that restricts, with the type it is about.
constexpr std::pair<std::string_view, unsigned> kRestricting[] = {
    {"type", 0}, {"enum", 0}, {"const", 0}, {"nullable", 0}, {"$ref", 0}, {"anyOf", 0}, {"oneOf", 0}, {"allOf", 0}, {"not", 0}, {"if", 0}, {"then", 0}, {"else", 0},
    {"$dynamicRef", 0}, {"$recursiveRef", 0}, {"extends", 0}, {"disallow", 0},
    {"properties", kObject}, {"required", kObject}, {"additionalProperties", kObject}, {"patternProperties", kObject}, {"propertyNames", kObject},
    {"minProperties", kObject}, {"maxProperties", kObject}, {"dependentRequired", kObject}, {"dependentSchemas", kObject}, {"dependencies", kObject},
    {"unevaluatedProperties", kObject},
    {"items", kArray}, {"prefixItems", kArray}, {"additionalItems", kArray}, {"minItems", kArray}, {"maxItems", kArray}, {"uniqueItems", kArray},
    {"contains", kArray}, {"minContains", kArray}, {"maxContains", kArray}, {"unevaluatedItems", kArray},
    {"minLength", kString}, {"maxLength", kString}, {"pattern", kString}, {"format", kString},
    {"minimum", kNumber}, {"maximum", kNumber}, {"exclusiveMinimum", kNumber}, {"exclusiveMaximum", kNumber}, {"multipleOf", kNumber}, {"divisibleBy", kNumber},
};

const std::pair<std::string_view, unsigned>* find_keyword(std::string_view keyword) {
  const auto* it = std::ranges::find(kRestricting, keyword, &std::pair<std::string_view, unsigned>::first);
  return it == std::end(kRestricting) ? nullptr : it;
}

unsigned types_of(const Json& schema) {
  const auto type = schema.find("type");
  if (type == schema.end()) return kAnyType;
  unsigned bits = 0;
  if (type->is_string()) bits = type_bit(type->get_ref<const std::string&>());
  if (type->is_array())
    for (const Json& t : *type)
      if (t.is_string()) bits |= type_bit(t.get_ref<const std::string&>());
  const auto nullable = schema.find("nullable");
  if (nullable != schema.end() && *nullable == true) bits |= kNull;
  return bits & kNumber ? bits | kInteger : bits;
}

bool listed(const Json& list, const Json& value) { return std::ranges::any_of(list, [&](const Json& v) { return v == value; }); }

// The values of "enum" or "const", or null.
Json values_of(const Json& schema) {
  if (const auto c = schema.find("const"); c != schema.end()) return Json::array({*c});
  if (const auto e = schema.find("enum"); e != schema.end() && e->is_array()) return *e;
  return nullptr;
}

bool requires_name(const Json& schema, const std::string& name) {
  const auto r = schema.find("required");
  return r != schema.end() && r->is_array() && listed(*r, name);
}

// `a` has to have a property that `b` forbids.
bool forbids_one(const Json& a, const Json& b) {
  const auto required = a.find("required");
  const auto more = b.find("additionalProperties");
  if (required == a.end() || !required->is_array() || more == b.end() || *more != false) return false;
  const auto listed_in = b.find("properties");
  return std::ranges::any_of(*required, [&](const Json& name) {
    return name.is_string() && (listed_in == b.end() || !listed_in->contains(name.get_ref<const std::string&>()));
  });
}

}  // namespace

size_t nesting(const Json& value, size_t limit) {
  std::vector<std::pair<const Json*, size_t>> work{{&value, 1}};
  size_t most = 0;
  while (!work.empty()) {
    const auto [v, depth] = work.back();
    work.pop_back();
    if (!v->is_structured()) continue;
    most = std::max(most, depth);
    if (depth > limit) return depth;
    for (const Json& child : *v) work.emplace_back(&child, depth + 1);
  }
  return most;
}

size_t weight(const Json& value) {
  size_t n = 1;
  if (value.is_structured())
    for (const Json& child : value) n += weight(child);
  return n;
}

unsigned type_bit(std::string_view name) {
  for (const auto& [type, bit] : kTypes)
    if (type == name) return bit;
  return 0;
}

bool has_type(const Json& v, unsigned types) {
  switch (v.type()) {
    case Json::value_t::null: return types & kNull;
    case Json::value_t::boolean: return types & kBoolean;
    case Json::value_t::string: return types & kString;
    case Json::value_t::array: return types & kArray;
    case Json::value_t::object: return types & kObject;
    case Json::value_t::number_float: {
      const double d = v.get<double>();
      return (types & kNumber) || ((types & kInteger) && d == static_cast<double>(static_cast<int64_t>(std::clamp(d, -9e15, 9e15))));
    }
    default: return types & (kNumber | kInteger);
  }
}

bool is_annotation(std::string_view keyword) { return find_keyword(keyword) == nullptr; }

unsigned keyword_type(std::string_view keyword) {
  const auto* k = find_keyword(keyword);
  return k ? k->second : 0;
}

Result<Json> merge(const Json& a, const Json& b, const std::string& pointer) {
  if (a == true) return b;
  if (b == true) return a;
  if (a == false || b == false) return Json(false);
  Json out = a;
  for (const auto& [key, value] : b.items()) {
    if (is_annotation(key)) continue;
    const auto it = out.find(key);
    if (it == out.end() || *it == value) {
      out[key] = value;
      continue;
    }
    const std::string at = fmt::format("{}/{}", pointer, key);
    if (key == "properties" && it->is_object() && value.is_object()) {
      for (const auto& [name, schema] : value.items()) {
        const auto there = it->find(name);
        if (there == it->end()) {
          (*it)[name] = schema;
        } else {
          ONEBIT_ASSIGN(Json both, merge(*there, schema, fmt::format("{}/{}", at, name)));
          *there = std::move(both);
        }
      }
    } else if (key == "required" && it->is_array() && value.is_array()) {
      for (const Json& name : value)
        if (!listed(*it, name)) it->push_back(name);
    } else if (key == "enum" && it->is_array() && value.is_array()) {
      Json both = Json::array();
      for (const Json& v : *it)
        if (listed(value, v)) both.push_back(v);
      *it = std::move(both);
    } else if (key == "type") {
      const unsigned common = types_of(a) & types_of(b);
      Json names = Json::array();
      for (const auto& [name, bit] : kTypes)
        if ((common & bit) && !(bit == kInteger && (common & kNumber))) names.push_back(name);
      if (names.empty()) return fail(Errc::format, "schema: {}: types that no value has both", at);
      *it = std::move(names);
    } else if ((key == "minimum" || key == "minLength" || key == "minItems" || key == "minProperties" || key == "exclusiveMinimum") && it->is_number() && value.is_number()) {
      if (value > *it) *it = value;
    } else if ((key == "maximum" || key == "maxLength" || key == "maxItems" || key == "maxProperties" || key == "exclusiveMaximum") && it->is_number() && value.is_number()) {
      if (value < *it) *it = value;
    } else {
      return fail(Errc::unsupported, "schema: {}: cannot be joined with the same keyword beside it", at);
    }
  }
  return out;
}

bool disjoint(const Json& a, const Json& b, int depth) {
  if (!a.is_object() || !b.is_object()) return a == false || b == false;
  const unsigned common = types_of(a) & types_of(b);
  if (common == 0) return true;
  const Json va = values_of(a), vb = values_of(b);
  if (!va.is_null() && !vb.is_null())
    return std::ranges::none_of(va, [&](const Json& v) { return listed(vb, v); });
  if (!va.is_null()) return std::ranges::none_of(va, [&](const Json& v) { return has_type(v, types_of(b)); });
  if (!vb.is_null()) return std::ranges::none_of(vb, [&](const Json& v) { return has_type(v, types_of(a)); });
  if (common != kObject || depth == 0) return false;
  if (forbids_one(a, b) || forbids_one(b, a)) return true;
  const auto pa = a.find("properties"), pb = b.find("properties");
  if (pa == a.end() || pb == b.end() || !pa->is_object() || !pb->is_object()) return false;
  return std::ranges::any_of(pa->items(), [&](const auto& item) {
    const auto other = pb->find(item.key());
    return other != pb->end() && requires_name(a, item.key()) && requires_name(b, item.key()) && disjoint(item.value(), *other, depth - 1);
  });
}

}  // namespace onebit::grammar
