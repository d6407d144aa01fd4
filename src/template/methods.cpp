// Methods of strings, lists and dictionaries, as in Python. Nothing changes its object.
#include <algorithm>
#include <cctype>
#include <clocale>
#include <cwctype>

#include "template/interpreter.h"
#include "text/utf8.h"

namespace onebit::jinja {
namespace {

constexpr std::string_view kTextMethods[] = {"strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "upper", "lower",
                                             "title", "capitalize", "replace", "join", "find", "rfind", "index", "count", "isdigit", "isalpha", "isalnum", "isspace",
                                             "isupper", "islower", "removeprefix", "removesuffix", "format"};
constexpr std::string_view kDictMethods[] = {"items", "keys", "values", "get", "copy"};
constexpr std::string_view kListMethods[] = {"index", "count", "copy"};

constexpr std::string_view kSpaces = " \t\n\r\v\f";

bool listed(std::span<const std::string_view> names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// Letters of ASCII; others stay as they are.
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c & ~0x20) : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// As C.UTF-8 has it, where there is that locale; else letters of ASCII only.
char32_t map_case(char32_t c, bool up) {
  static const locale_t unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (c < 0x80 || !unicode) return c < 0x80 ? static_cast<char32_t>(up ? upper(static_cast<char>(c)) : lower(static_cast<char>(c))) : c;
  return static_cast<char32_t>(up ? towupper_l(static_cast<wint_t>(c), unicode) : towlower_l(static_cast<wint_t>(c), unicode));
}

Text cased(const Text& t, const std::string& how) {
  Text out;
  bool inside = false;
  for (const ByteRange& r : characters(t.bytes)) {
    const bool up = how == "upper" || (how == "title" && !inside) || (how == "capitalize" && r.begin == 0);
    const size_t n = utf8_length(t.bytes, r.begin);
    std::string made = t.bytes.substr(r.begin, r.end - r.begin);
    if (n > 0) {
      made.clear();
      append_code_point(made, map_case(utf8_code_point(t.bytes, r.begin, n), up));
    }
    out.append(t.cut(r.begin, r.end).derived(std::move(made)));
    inside = letter(t.bytes[r.begin]) || static_cast<uint8_t>(t.bytes[r.begin]) >= 0x80;
  }
  return out;
}

Result<const Text*> text_argument(const Arguments& a, size_t i, const char* method, std::string_view name) {
  const Value* v = a.get(i, name);
  if (!v || !v->text()) return fail(Errc::format, "{}() wants a str, not a {}", method, v ? v->type_name() : "nothing");
  return v->text();
}

Result<Value> split(const std::string& name, const Text& t, const Arguments& a) {
  const Value* sep = a.get(0, "sep");
  ONEBIT_ASSIGN(const int64_t most, integer_argument(a, 1, "maxsplit", -1));
  const size_t limit = most < 0 ? SIZE_MAX : static_cast<size_t>(most);
  std::vector<ByteRange> parts;
  if (!sep || sep->is_none()) {
    for (size_t at = t.bytes.find_first_not_of(kSpaces); at != std::string::npos;) {
      if (name == "split" && parts.size() == limit) {
        parts.push_back({at, t.bytes.find_last_not_of(kSpaces) + 1});
        break;
      }
      const size_t end = std::min(t.bytes.find_first_of(kSpaces, at), t.bytes.size());
      parts.push_back({at, end});
      at = t.bytes.find_first_not_of(kSpaces, end);
    }
    if (name == "rsplit" && limit < SIZE_MAX && parts.size() > limit + 1) {
      const size_t joined = parts.size() - limit;
      parts[joined - 1].begin = parts[0].begin;
      parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(joined - 1));
    }
  } else {
    if (!sep->text() || sep->text()->bytes.empty()) return fail(Errc::format, "{}() wants a separator that is a str and not empty", name);
    const std::string& s = sep->text()->bytes;
    if (name == "split") {
      size_t at = 0;
      for (size_t hit; parts.size() < limit && (hit = t.bytes.find(s, at)) != std::string::npos; at = hit + s.size()) parts.push_back({at, hit});
      parts.push_back({at, t.bytes.size()});
    } else {
      size_t end = t.bytes.size();
      for (size_t hit; parts.size() < limit && end >= s.size() && (hit = t.bytes.rfind(s, end - s.size())) != std::string::npos; end = hit) parts.push_back({hit + s.size(), end});
      parts.push_back({0, end});
      std::ranges::reverse(parts);
    }
  }
  std::vector<Value> out;
  for (const ByteRange& r : parts) out.emplace_back(t.cut(r.begin, r.end));
  return Value::list(std::move(out));
}

Result<Value> replace(Interpreter& in, const Text& t, const Arguments& a) {
  ONEBIT_ASSIGN(const Text* old, text_argument(a, 0, "replace", "old"));
  ONEBIT_ASSIGN(const Text* with, text_argument(a, 1, "replace", "new"));
  ONEBIT_ASSIGN(int64_t most, integer_argument(a, 2, "count", -1));
  Text out;
  size_t at = 0;
  while (most != 0) {
    // An empty text stands before every character and at the end.
    const size_t hit = t.bytes.find(old->bytes, at);
    if (hit == std::string::npos) break;
    out.append(t.cut(at, hit));
    out.append(*with);
    ONEBIT_TRY(in.spend(with->bytes.size() + hit - at));
    ONEBIT_TRY(in.check_size(out.bytes.size()));
    --most;
    at = hit + old->bytes.size();
    if (!old->bytes.empty()) continue;
    if (hit == t.bytes.size()) return Value(std::move(out));
    const size_t n = std::max<size_t>(utf8_length(t.bytes, hit), 1);
    out.append(t.cut(hit, hit + n));
    at = hit + n;
  }
  out.append(t.cut(at, t.bytes.size()));
  return Value(std::move(out));
}

// str.format with {} {0} {name}; no format specifications.
Result<Value> format(Interpreter& in, const Text& t, const Arguments& a) {
  Text out;
  size_t next = 0;
  for (size_t i = 0; i < t.bytes.size();) {
    const char c = t.bytes[i];
    if ((c == '{' || c == '}') && i + 1 < t.bytes.size() && t.bytes[i + 1] == c) {
      out.append(t.cut(i, i + 1));
      i += 2;
      continue;
    }
    if (c == '}') return fail(Errc::format, "format(): a '}}' without '{{'");
    if (c != '{') {
      const size_t end = std::min(t.bytes.find_first_of("{}", i), t.bytes.size());
      out.append(t.cut(i, end));
      i = end;
      continue;
    }
    const size_t end = t.bytes.find('}', i);
    if (end == std::string::npos) return fail(Errc::format, "format(): a '{{' without '}}'");
    const std::string name = t.bytes.substr(i + 1, end - i - 1);
    const bool number = !name.empty() && name.size() < 6 && name.find_first_not_of("0123456789") == std::string::npos;
    if (!number && name.find_first_of(":!.[") != std::string::npos) return fail(Errc::unsupported, "format() with '{{{}}}' is not supported", name.substr(0, 40));
    const Value* v = a.get(number ? static_cast<size_t>(std::stoul(name)) : name.empty() ? next++ : SIZE_MAX, number ? std::string_view() : name);
    if (!v) return fail(Errc::format, "format(): nothing for '{{{}}}'", name.substr(0, 40));
    ONEBIT_ASSIGN(const Text piece, in.print(*v));
    out.append(piece);
    ONEBIT_TRY(in.check_size(out.bytes.size()));
    i = end + 1;
  }
  return Value(std::move(out));
}

bool all_are(const std::string& s, int (*kind)(int)) {
  return !s.empty() && std::ranges::all_of(s, [kind](char c) { return static_cast<uint8_t>(c) < 0x80 && kind(c) != 0; });
}

Result<Value> starts_or_ends(const std::string& name, const Text& t, const Arguments& a) {
  const auto one = [&](const Value& v) { return v.text() && (name == "startswith" ? t.bytes.starts_with(v.text()->bytes) : t.bytes.ends_with(v.text()->bytes)); };
  const Value* v = a.get(0, "prefix");
  if (!v || (!v->text() && !v->list())) return fail(Errc::format, "{}() wants a str or a tuple of them", name);
  return v->list() ? std::ranges::any_of(v->list()->items, one) : one(*v);
}

Result<Value> find(const std::string& name, const Text& t, const Arguments& a) {
  ONEBIT_ASSIGN(const Text* what, text_argument(a, 0, name.c_str(), "sub"));
  if (name == "count") {
    int64_t n = 0;
    if (what->bytes.empty()) return static_cast<int64_t>(characters(t.bytes).size()) + 1;
    for (size_t at = 0; (at = t.bytes.find(what->bytes, at)) != std::string::npos; at += what->bytes.size()) ++n;
    return n;
  }
  const size_t hit = name == "rfind" ? t.bytes.rfind(what->bytes) : t.bytes.find(what->bytes);
  if (hit == std::string::npos) {
    if (name == "index") return fail(Errc::format, "index(): the text is not there");
    return int64_t{-1};
  }
  return static_cast<int64_t>(characters(t.bytes.substr(0, hit)).size());
}

Value lines(const Text& t, bool keep) {
  std::vector<Value> out;
  for (size_t at = 0; at < t.bytes.size();) {
    const size_t end = std::min(t.bytes.find_first_of("\r\n", at), t.bytes.size());
    size_t next = std::min(end + 1, t.bytes.size());
    if (end + 1 < t.bytes.size() && t.bytes[end] == '\r' && t.bytes[end + 1] == '\n') ++next;
    out.emplace_back(t.cut(at, keep ? next : end));
    at = next;
  }
  return Value::list(std::move(out));
}

Result<Value> text_method(Interpreter& in, const std::string& name, const Text& t, const Arguments& a) {
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const Value* set = a.get(0, "chars");
    if (set && !set->text() && !set->is_none()) return fail(Errc::format, "{}() wants a str, not a {}", name, set->type_name());
    return Value(strip(t, set && set->text() ? &set->text()->bytes : nullptr, name != "rstrip", name != "lstrip"));
  }
  if (name == "split" || name == "rsplit") return split(name, t, a);
  if (name == "splitlines") return lines(t, a.get(0, "keepends") && a.get(0, "keepends")->truth());
  if (name == "startswith" || name == "endswith") return starts_or_ends(name, t, a);
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") return Value(cased(t, name));
  if (name == "replace") return replace(in, t, a);
  if (name == "find" || name == "rfind" || name == "index" || name == "count") return find(name, t, a);
  if (name == "format") return format(in, t, a);
  if (name == "isdigit") return all_are(t.bytes, std::isdigit);
  if (name == "isalpha") return all_are(t.bytes, std::isalpha);
  if (name == "isalnum") return all_are(t.bytes, std::isalnum);
  if (name == "isspace") return all_are(t.bytes, std::isspace);
  if (name == "isupper" || name == "islower") return in.test(name.substr(2), Value(t), {}).value_or(false);
  if (name == "join") {
    const Value* list = a.get(0, "iterable");
    if (!list) return fail(Errc::format, "join() without what to join");
    return in.filter("join", *list, Arguments{{Value(t)}, {}});
  }
  ONEBIT_ASSIGN(const Text* part, text_argument(a, 0, name.c_str(), "prefix"));
  const size_t n = part->bytes.size();
  if (name == "removeprefix") return Value(t.bytes.starts_with(part->bytes) ? t.cut(n, t.bytes.size()) : t);
  return Value(t.bytes.ends_with(part->bytes) ? t.cut(0, t.bytes.size() - n) : t);
}

Result<Value> dict_method(const std::string& name, const Dict& d, const Arguments& a) {
  if (name == "get") {
    const Value* key = a.get(0, "key");
    if (!key) return fail(Errc::format, "get() without a key");
    const Value* v = key->text() ? d.find(key->text()->bytes) : nullptr;
    const Value* other = a.get(1, "default");
    return v ? *v : other ? *other : Value(None{});
  }
  if (name == "copy") return std::make_shared<Dict>(d);
  std::vector<Value> out;
  for (const auto& [key, value] : d.items) {
    if (name == "keys") out.emplace_back(key);
    else if (name == "values") out.push_back(value);
    else out.push_back(Value::list({Value(key), value}, true));
  }
  return Value::list(std::move(out));
}

Result<Value> list_method(const std::string& name, const List& l, const Arguments& a) {
  if (name == "copy") return Value::list(l.items);
  const Value* what = a.get(0, "value");
  if (!what) return fail(Errc::format, "{}() without a value", name);
  int64_t n = 0;
  for (size_t i = 0; i < l.items.size(); ++i) {
    if (!equal(l.items[i], *what)) continue;
    if (name == "index") return static_cast<int64_t>(i);
    ++n;
  }
  if (name == "index") return fail(Errc::format, "index(): the value is not in the list");
  return n;
}

}  // namespace

Text strip(const Text& t, const std::string* set, bool left, bool right) {
  size_t begin = 0, end = t.bytes.size();
  const auto in_set = [&](size_t at, size_t n) {
    const std::string_view c = std::string_view(t.bytes).substr(at, n);
    return set ? set->find(c) != std::string::npos : n == 1 && kSpaces.contains(c[0]);
  };
  const auto step = [&](size_t at) { return std::max<size_t>(utf8_length(t.bytes, at), 1); };
  while (left && begin < end && in_set(begin, step(begin))) begin += step(begin);
  while (right && end > begin) {
    size_t at = end - 1;
    while (at > begin && end - at < 4 && (static_cast<uint8_t>(t.bytes[at]) & 0xC0) == 0x80) --at;
    if (at + step(at) != end) at = end - 1;
    if (!in_set(at, end - at)) break;
    end = at;
  }
  return t.cut(begin, end);
}

bool Interpreter::has_method(const Value& self, std::string_view name) {
  if (self.text()) return listed(kTextMethods, name);
  if (self.dict()) return !self.dict()->is_namespace && listed(kDictMethods, name);
  return self.list() && listed(kListMethods, name);
}

Result<Value> Interpreter::method(const std::string& name, const Value& self, const Arguments& a) {
  if (!has_method(self, name)) return fail(Errc::unsupported, "a {} has no '{}' here", self.type_name(), name.substr(0, 40));
  ONEBIT_TRY(spend(self.text() ? self.text()->bytes.size() : 16 * (self.list() ? self.list()->items.size() : self.dict()->items.size())));
  if (self.text()) return text_method(*this, name, *self.text(), a);
  if (self.dict()) return dict_method(name, *self.dict(), a);
  return list_method(name, *self.list(), a);
}

}  // namespace onebit::jinja
