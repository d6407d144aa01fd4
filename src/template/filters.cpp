// Filters and tests.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "template/interpreter.h"

namespace onebit::jinja {
namespace {

std::unexpected<Error> wants(const std::string& name, const char* what, const Value& met) {
  return fail(Errc::format, "the filter '{}' on a {}, expected {}", name, met.type_name(), what);
}

// Length in characters, items or keys.
std::optional<int64_t> length(const Value& v) {
  if (v.text()) return static_cast<int64_t>(characters(v.text()->bytes).size());
  if (v.list()) return static_cast<int64_t>(v.list()->items.size());
  if (v.dict() && !v.dict()->is_namespace) return static_cast<int64_t>(v.dict()->items.size());
  if (v.is_undefined()) return 0;
  return std::nullopt;
}

// "a.b.0" of a value.
Result<Value> path(Interpreter& in, Value v, const Value& attribute) {
  if (attribute.is_int()) return in.item(v, attribute);
  if (!attribute.text()) return fail(Errc::format, "an attribute that is a {}, expected its name", attribute.type_name());
  const std::string& names = attribute.text()->bytes;
  for (size_t at = 0; at <= names.size();) {
    const size_t end = std::min(names.find('.', at), names.size());
    const std::string name = names.substr(at, end - at);
    int64_t number = 0;
    const auto [rest, problem] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool digits = problem == std::errc{} && rest == name.data() + name.size();
    ONEBIT_ASSIGN(v, in.item(v, digits ? Value(number) : Value(std::string_view(name))));
    at = end + 1;
  }
  return v;
}

Value case_folded(const Value& v, bool sensitive) {
  if (sensitive || !v.text()) return v;
  std::string s = v.text()->bytes;
  for (char& c : s)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return Value(Text{std::move(s), {}});
}

Status sort_by(Interpreter& in, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  ONEBIT_TRY(in.spend(64 * keyed.size()));
  // Merging by hand, since comparing may fail.
  Status status;
  std::vector<std::pair<Value, Value>> spare(keyed.size());
  for (size_t width = 1; width < keyed.size() && status; width *= 2) {
    for (size_t lo = 0; lo < keyed.size(); lo += 2 * width) {
      const size_t mid = std::min(lo + width, keyed.size()), hi = std::min(lo + 2 * width, keyed.size());
      size_t i = lo, j = mid;
      for (size_t k = lo; k < hi; ++k) {
        bool right = i == mid;
        if (i < mid && j < hi) {
          ONEBIT_TRY(in.spend(16 * keyed[i].first.weight()));
          ONEBIT_ASSIGN(right, reverse ? less(keyed[i].first, keyed[j].first) : less(keyed[j].first, keyed[i].first));
        }
        spare[k] = std::move(right ? keyed[j++] : keyed[i++]);
      }
    }
    keyed.swap(spare);
  }
  return status;
}

bool flag(const Arguments& a, size_t index, std::string_view name, bool fallback) {
  const Value* v = a.get(index, name);
  return v ? v->truth() : fallback;
}

Result<Value> sort(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(std::vector<Value> items, in.iterate(v));
  const Value* attribute = a.get(2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : items) {
    Value key = item;
    if (attribute && !attribute->is_none()) {
      ONEBIT_ASSIGN(key, path(in, item, *attribute));
    }
    keyed.emplace_back(case_folded(key, flag(a, 1, "case_sensitive", false)), std::move(item));
  }
  ONEBIT_TRY(sort_by(in, keyed, flag(a, 0, "reverse", false)));
  std::vector<Value> out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  (void)name;
  return Value::list(std::move(out));
}

Result<Value> dictsort(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  if (!v.dict()) return wants(name, "a dict", v);
  const Value* by = a.get(1, "by");
  const bool value = by && by->text() && by->text()->bytes == "value";
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, item] : v.dict()->items)
    keyed.emplace_back(case_folded(value ? item : Value(key), flag(a, 0, "case_sensitive", false)), Value::list({Value(key), item}, true));
  ONEBIT_TRY(sort_by(in, keyed, flag(a, 2, "reverse", false)));
  std::vector<Value> out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return Value::list(std::move(out));
}

Result<Value> join(Interpreter& in, const std::string&, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(const std::vector<Value> items, in.iterate(v));
  Text separator;
  if (const Value* d = a.get(0, "d")) {
    ONEBIT_ASSIGN(separator, in.print(*d));
  }
  const Value* attribute = a.get(1, "attribute");
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (attribute && !attribute->is_none()) {
      ONEBIT_ASSIGN(item, path(in, item, *attribute));
    }
    ONEBIT_ASSIGN(const Text t, in.print(item));
    if (i > 0) out.append(separator);
    out.append(t);
    ONEBIT_TRY(in.check_size(out.bytes.size()));
  }
  return Value(std::move(out));
}

// select, reject, selectattr, rejectattr.
Result<Value> pick(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(std::vector<Value> items, in.iterate(v));
  const bool by_attribute = name.ends_with("attr"), keep = name.starts_with("select");
  const size_t first = by_attribute ? 1 : 0;
  if (by_attribute && a.positional.empty()) return fail(Errc::format, "the filter '{}' without an attribute", name);
  const Value* test = a.get(first, "");
  if (test && !test->text()) return fail(Errc::format, "the filter '{}' with a {} as the name of a test", name, test->type_name());
  Arguments rest;
  for (size_t i = first + 1; i < a.positional.size(); ++i) rest.positional.push_back(a.positional[i]);
  std::vector<Value> out;
  for (Value& item : items) {
    ONEBIT_TRY(in.spend());
    Value subject = item;
    if (by_attribute) {
      ONEBIT_ASSIGN(subject, path(in, item, a.positional[0]));
    }
    bool yes = subject.truth();
    if (test) {
      ONEBIT_ASSIGN(yes, in.test(test->text()->bytes, subject, rest));
    }
    if (yes == keep) out.push_back(std::move(item));
  }
  return Value::list(std::move(out));
}

Result<Value> map(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(std::vector<Value> items, in.iterate(v));
  const Value* attribute = a.get(SIZE_MAX, "attribute");
  const Value* fallback = a.get(SIZE_MAX, "default");
  if (!attribute && (a.positional.empty() || !a.positional[0].text())) return fail(Errc::format, "the filter '{}' without a filter or an attribute", name);
  Arguments rest;
  for (size_t i = 1; i < a.positional.size(); ++i) rest.positional.push_back(a.positional[i]);
  if (!attribute) rest.named = a.named;
  std::vector<Value> out;
  for (const Value& item : items) {
    ONEBIT_TRY(in.spend());
    Value made;
    if (attribute) {
      ONEBIT_ASSIGN(made, path(in, item, *attribute));
      if (made.is_undefined() && fallback) made = *fallback;
    } else {
      ONEBIT_ASSIGN(made, in.filter(a.positional[0].text()->bytes, item, rest));
    }
    out.push_back(std::move(made));
  }
  return Value::list(std::move(out));
}

Result<Value> indent(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  if (!v.text()) return wants(name, "a str", v);
  std::string space(4, ' ');
  if (const Value* w = a.get(0, "width")) {
    if (w->text()) {
      space = w->text()->bytes;
    } else {
      ONEBIT_ASSIGN(const int64_t n, integer_argument(a, 0, "width", 4));
      if (n < 0 || n > 1000) return fail(Errc::out_of_range, "the filter 'indent' by {}, expected 0 to 1000", n);
      space.assign(static_cast<size_t>(n), ' ');
    }
  }
  const bool first = flag(a, 1, "first", false), blank = flag(a, 2, "blank", false);
  const Text& t = *v.text();
  Text out;
  for (size_t at = 0; at <= t.bytes.size();) {
    const size_t end = std::min(t.bytes.find('\n', at), t.bytes.size());
    if ((at > 0 || first) && (end > at || blank)) out.append(space);
    out.append(t.cut(at, std::min(end + 1, t.bytes.size())));
    ONEBIT_TRY(in.spend(space.size() + end - at));
    ONEBIT_TRY(in.check_size(out.bytes.size()));
    at = end + 1;
  }
  return Value(std::move(out));
}

Result<Value> to_int(Interpreter&, const std::string&, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(const int64_t fallback, integer_argument(a, 0, "default", 0));
  if (v.is_float()) return std::fabs(v.real()) < 9e18 ? Value(static_cast<int64_t>(v.real())) : Value(fallback);
  if (v.is_number()) return v.integer();
  if (!v.text()) return fallback;
  const Text t = strip(*v.text(), nullptr, true, true);
  const char* begin = t.bytes.data() + (t.bytes.starts_with('+') ? 1 : 0);
  const char* end = t.bytes.data() + t.bytes.size();
  int64_t whole = 0;
  double real = 0;
  if (const auto r = std::from_chars(begin, end, whole); r.ec == std::errc{} && r.ptr == end) return whole;
  if (const auto r = std::from_chars(begin, end, real); r.ec == std::errc{} && r.ptr == end && std::fabs(real) < 9e18) return static_cast<int64_t>(real);
  return fallback;
}

Result<Value> to_float(Interpreter&, const std::string&, const Value& v, const Arguments& a) {
  const Value* d = a.get(0, "default");
  if (v.is_number()) return v.real();
  if (v.text()) {
    const Text t = strip(*v.text(), nullptr, true, true);
    double real = 0;
    const auto r = std::from_chars(t.bytes.data(), t.bytes.data() + t.bytes.size(), real);
    if (r.ec == std::errc{} && r.ptr == t.bytes.data() + t.bytes.size()) return real;
  }
  return d ? *d : Value(0.0);
}

Result<Value> round(Interpreter&, const std::string& name, const Value& v, const Arguments& a) {
  if (!v.is_number()) return wants(name, "a number", v);
  ONEBIT_ASSIGN(const int64_t digits, integer_argument(a, 0, "precision", 0));
  if (digits < 0 || digits > 15) return fail(Errc::out_of_range, "the filter 'round' to {} digits, expected 0 to 15", digits);
  const Value* method = a.get(1, "method");
  const std::string how = method && method->text() ? method->text()->bytes : "common";
  const double scale = std::pow(10.0, static_cast<double>(digits)), x = v.real() * scale;
  return (how == "ceil" ? std::ceil(x) : how == "floor" ? std::floor(x) : std::nearbyint(x)) / scale;
}

Result<Value> tojson(Interpreter& in, const std::string&, const Value& v, const Arguments& a) {
  JsonStyle style;
  ONEBIT_ASSIGN(const int64_t width, integer_argument(a, 0, "indent", -1));
  if (width > 64) return fail(Errc::out_of_range, "the filter 'tojson' with an indent of {}, expected at most 64", width);
  style.indent = static_cast<int>(std::max<int64_t>(width, -1));
  if (style.indent >= 0) style.item_separator = ",";
  if (const Value* s = a.get(SIZE_MAX, "separators"); s && s->list() && s->list()->items.size() == 2 && s->list()->items[0].text() && s->list()->items[1].text()) {
    style.item_separator = s->list()->items[0].text()->bytes;
    style.key_separator = s->list()->items[1].text()->bytes;
  }
  if (const Value* s = a.get(SIZE_MAX, "sort_keys")) style.sort_keys = s->truth();
  if (const Value* s = a.get(SIZE_MAX, "ensure_ascii")) style.ascii = s->truth();
  ONEBIT_ASSIGN(Text t, to_json(v, style, in.limits().output_bytes));
  ONEBIT_TRY(in.spend(t.bytes.size()));
  return Value(std::move(t));
}

Result<Value> ends(Interpreter& in, const std::string& name, const Value& v, const Arguments&) {
  ONEBIT_ASSIGN(const std::vector<Value> items, in.iterate(v));
  if (items.empty()) return Undefined{name == "first" ? "the first item" : "the last item"};
  return name == "first" ? items.front() : items.back();
}

Result<Value> extreme(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(const Value sorted, sort(in, name, v, Arguments{{}, a.named}));
  const auto& items = sorted.list()->items;
  if (items.empty()) return Undefined{name};
  return name == "min" ? items.front() : items.back();
}

Result<Value> sum(Interpreter& in, const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(const std::vector<Value> items, in.iterate(v));
  const Value* attribute = a.get(0, "attribute");
  int64_t whole = 0;
  double real = 0;
  bool is_real = false;
  for (Value item : items) {
    if (attribute && !attribute->is_none()) {
      ONEBIT_ASSIGN(item, path(in, item, *attribute));
    }
    if (!item.is_number()) return wants(name, "numbers", item);
    is_real |= item.is_float();
    real += item.real();
    if (!item.is_float() && __builtin_add_overflow(whole, item.integer(), &whole)) return fail(Errc::out_of_range, "the filter 'sum' on integers beyond 64 bits");
  }
  return is_real ? Value(real) : Value(whole);
}

Result<Value> unique(Interpreter& in, const std::string&, const Value& v, const Arguments& a) {
  ONEBIT_ASSIGN(std::vector<Value> items, in.iterate(v));
  const Value* attribute = a.get(1, "attribute");
  std::vector<Value> out, keys;
  for (Value& item : items) {
    Value key = item;
    if (attribute && !attribute->is_none()) {
      ONEBIT_ASSIGN(key, path(in, item, *attribute));
    }
    key = case_folded(key, flag(a, 0, "case_sensitive", false));
    ONEBIT_TRY(in.spend(16 * (keys.size() + key.weight())));
    if (std::ranges::any_of(keys, [&](const Value& k) { return equal(k, key); })) continue;
    keys.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return Value::list(std::move(out));
}

Result<Value> reverse(Interpreter& in, const std::string&, const Value& v, const Arguments&) {
  ONEBIT_ASSIGN(std::vector<Value> items, in.iterate(v));
  std::ranges::reverse(items);
  if (!v.text()) return Value::list(std::move(items));
  Text out;
  for (const Value& c : items) out.append(*c.text());
  return Value(std::move(out));
}

Result<Value> escape(Interpreter& in, const std::string&, const Value& v, const Arguments&) {
  ONEBIT_ASSIGN(const Text t, in.print(v));
  std::string out;
  for (const char c : t.bytes) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&#34;";
    else if (c == '\'') out += "&#39;";
    else out += c;
  }
  return Value(t.derived(std::move(out)));
}

using Filter = Result<Value> (*)(Interpreter&, const std::string&, const Value&, const Arguments&);
constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"sort", sort}, {"dictsort", dictsort}, {"join", join}, {"select", pick}, {"reject", pick}, {"selectattr", pick}, {"rejectattr", pick},
    {"map", map}, {"indent", indent}, {"int", to_int}, {"float", to_float}, {"round", round}, {"tojson", tojson}, {"first", ends}, {"last", ends},
    {"min", extreme}, {"max", extreme}, {"sum", sum}, {"unique", unique}, {"reverse", reverse}, {"escape", escape}, {"e", escape},
};

// Filters that are methods of strings or dictionaries too.
constexpr std::string_view kMethods[] = {"upper", "lower", "title", "capitalize", "replace", "items"};

}  // namespace

Result<Value> Interpreter::filter(const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_TRY(spend(v.text() ? v.text()->bytes.size() : 0));
  if (name == "default" || name == "d") {
    const Value* other = a.get(0, "default_value");
    const bool use = v.is_undefined() || (flag(a, 1, "boolean", false) && !v.truth());
    return !use ? v : other ? *other : Value(std::string_view());
  }
  if (name == "length" || name == "count") {
    if (const auto n = length(v)) return *n;
    return wants(name, "a str, list or dict", v);
  }
  if (name == "list") {
    ONEBIT_ASSIGN(std::vector<Value> items, iterate(v));
    return Value::list(std::move(items));
  }
  if (name == "string" || name == "safe" || name == "trim") {
    ONEBIT_ASSIGN(Text t, print(v));
    if (name != "trim") return Value(std::move(t));
    const Value* set = a.get(0, "chars");
    return Value(strip(t, set && set->text() ? &set->text()->bytes : nullptr, true, true));
  }
  if (name == "abs") {
    if (!v.is_number()) return wants(name, "a number", v);
    if (v.is_float()) return std::fabs(v.real());
    return v.integer() == INT64_MIN ? Value(-v.real()) : Value(std::abs(v.integer()));
  }
  if (name == "bool") return v.truth();
  if (name == "wordcount") {
    ONEBIT_ASSIGN(const Value words, method("split", v.text() ? v : Value(std::string_view()), {}));
    return static_cast<int64_t>(words.list()->items.size());
  }
  for (const auto& [known, run] : kFilters)
    if (known == name) return run(*this, name, v, a);
  if (std::ranges::find(kMethods, name) != std::end(kMethods)) {
    if (name == "items" && v.is_undefined()) return Value::list({});
    if (name == "items" && !v.dict()) return wants(name, "a dict", v);
    if (v.text() || v.dict()) return method(name, v, a);
    ONEBIT_ASSIGN(Text t, print(v));
    return method(name, Value(std::move(t)), a);
  }
  return fail(Errc::unsupported, "the filter '{}' is not supported", name.substr(0, 40));
}

Result<bool> Interpreter::test(const std::string& name, const Value& v, const Arguments& a) {
  ONEBIT_TRY(spend());
  const auto is = [&](std::initializer_list<std::string_view> names) { return std::ranges::find(names, name) != names.end(); };
  if (is({"defined"})) return !v.is_undefined();
  if (is({"undefined"})) return v.is_undefined();
  if (is({"none"})) return v.is_none();
  if (is({"boolean"})) return v.is_bool();
  if (is({"true"})) return v.is_bool() && v.boolean();
  if (is({"false"})) return v.is_bool() && !v.boolean();
  if (is({"integer"})) return v.is_int();
  if (is({"float"})) return v.is_float();
  if (is({"number"})) return v.is_number();
  if (is({"string"})) return v.text() != nullptr;
  if (is({"mapping"})) return v.dict() && !v.dict()->is_namespace;
  if (is({"sequence", "iterable"})) return v.text() || v.list() || (v.dict() && !v.dict()->is_namespace) || v.is_undefined();
  if (is({"callable"})) return v.function() != nullptr || v.loop() != nullptr;
  if (is({"odd", "even"})) {
    if (!v.is_int() && !v.is_bool()) return fail(Errc::format, "the test '{}' on a {}, expected an integer", name, v.type_name());
    return (v.integer() % 2 != 0) == (name == "odd");
  }
  if (is({"upper", "lower"})) {
    ONEBIT_ASSIGN(const Text t, print(v));
    const char first = name == "upper" ? 'a' : 'A', other = name == "upper" ? 'A' : 'a';
    const auto any = [&](char begin) { return std::ranges::any_of(t.bytes, [&](char c) { return c >= begin && c < begin + 26; }); };
    return any(other) && !any(first);
  }
  const Value* b = a.get(0, "other");
  if (!b) {
    constexpr std::string_view kTwo[] = {"eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "gt", "greaterthan", ">", "le", "<=", "ge", ">=", "in", "sameas", "divisibleby"};
    if (std::ranges::find(kTwo, name) != std::end(kTwo)) return fail(Errc::format, "the test '{}' without what to compare with", name);
    return fail(Errc::unsupported, "the test '{}' is not supported", name.substr(0, 40));
  }
  if (is({"eq", "equalto", "==", "sameas"})) return equal(v, *b);
  if (is({"ne", "!="})) return !equal(v, *b);
  if (is({"lt", "lessthan", "<"})) return less(v, *b);
  if (is({"gt", "greaterthan", ">"})) return less(*b, v);
  if (is({"le", "<="})) {
    ONEBIT_ASSIGN(const bool more, less(*b, v));
    return !more;
  }
  if (is({"ge", ">="})) {
    ONEBIT_ASSIGN(const bool under, less(v, *b));
    return !under;
  }
  if (is({"in"})) return contains(v, *b);
  if (is({"divisibleby"})) {
    if (!v.is_int() || !b->is_int() || b->integer() == 0) return fail(Errc::format, "the test 'divisibleby' wants integers, the second other than 0");
    return b->integer() == -1 || v.integer() % b->integer() == 0;
  }
  return fail(Errc::unsupported, "the test '{}' is not supported", name.substr(0, 40));
}

}  // namespace onebit::jinja
