#include "template/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/utf8.h"

namespace onebit::jinja {
namespace {

// Names of roles are part of a format in many templates: <|im_start|>user. Others would spell what they like.
constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool", "developer", "function", "ipython", "tool_call", "tool_response", "model"};

void add_range(std::vector<ByteRange>& ranges, ByteRange r) {
  if (r.begin == r.end) return;
  if (!ranges.empty() && ranges.back().end == r.begin)
    ranges.back().end = r.end;
  else
    ranges.push_back(r);
}

constexpr int kPrintDepth = 100;

class Printer {
 public:
  Printer(size_t limit, const JsonStyle* json) : limit_(limit), json_(json) {}
  Status print(const Value& v, int depth);
  Text take() { return std::move(out_); }

 private:
  void string(const Text& t);
  void json_string(const std::string& bytes, std::string& out) const;
  static void python_string(const std::string& bytes, std::string& out);
  void separate(bool first, int depth);
  void open_line(int depth);
  Status dict(const Dict& d, int depth);

  size_t limit_;
  const JsonStyle* json_;
  Text out_;
};

void Printer::json_string(const std::string& bytes, std::string& out) const {
  out += '"';
  for (size_t i = 0; i < bytes.size();) {
    const size_t n = std::max<size_t>(utf8_length(bytes, i), 1);
    const auto c = static_cast<uint8_t>(bytes[i]);
    if (c == '"' || c == '\\') out += {'\\', bytes[i]};
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (c == '\b') out += "\\b";
    else if (c == '\f') out += "\\f";
    else if (c < 0x20) out += fmt::format("\\u{:04x}", c);
    else if (n > 1 && json_->ascii) {
      const auto code = static_cast<uint32_t>(utf8_code_point(bytes, i, n));
      if (code < 0x10000) out += fmt::format("\\u{:04x}", code);
      else out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + ((code - 0x10000) & 0x3FF));
    } else out.append(bytes, i, n);
    i += n;
  }
  out += '"';
}

// repr(): in single quotes unless it holds one and no double quote.
void Printer::python_string(const std::string& bytes, std::string& out) {
  const char quote = bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos ? '"' : '\'';
  out += quote;
  for (const char c : bytes) {
    if (c == quote || c == '\\') out += {'\\', c};
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    else out += c;
  }
  out += quote;
}

void Printer::string(const Text& t) {
  std::string made;
  if (json_) json_string(t.bytes, made);
  else python_string(t.bytes, made);
  out_.append(t.derived(std::move(made)));
}

void Printer::open_line(int depth) {
  if (!json_ || json_->indent < 0) return;
  out_.append("\n");
  out_.append(std::string(static_cast<size_t>(depth) * static_cast<size_t>(json_->indent), ' '));
}

void Printer::separate(bool first, int depth) {
  if (!first) out_.append(json_ ? json_->item_separator : std::string(", "));
  open_line(depth);
}

Status Printer::dict(const Dict& d, int depth) {
  if (d.is_namespace) {
    if (json_) return fail(Errc::format, "a namespace cannot be written as JSON");
    out_.append("<Namespace>");
    return {};
  }
  std::vector<size_t> order(d.items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  if (json_ && json_->sort_keys) std::ranges::sort(order, {}, [&](size_t i) -> const std::string& { return d.items[i].first.bytes; });
  out_.append("{");
  bool first = true;
  for (const size_t i : order) {
    separate(first, depth + 1);
    first = false;
    string(d.items[i].first);
    out_.append(json_ ? json_->key_separator : std::string(": "));
    ONEBIT_TRY(print(d.items[i].second, depth + 1));
  }
  if (!first) open_line(depth);
  out_.append("}");
  return {};
}

Status Printer::print(const Value& v, int depth) {
  if (depth > kPrintDepth) return fail(Errc::out_of_range, "a value nested more than {} deep", kPrintDepth);
  if (out_.bytes.size() > limit_) return fail(Errc::out_of_range, "a text of more than {} bytes", limit_);
  if (v.is_undefined()) {
    if (json_) return fail(Errc::format, "'{}' is undefined and cannot be written as JSON", v.undefined_name());
    if (depth > 0) out_.append("Undefined");
  } else if (v.is_none()) {
    out_.append(json_ ? "null" : "None");
  } else if (v.is_bool()) {
    out_.append(json_ ? (v.boolean() ? "true" : "false") : (v.boolean() ? "True" : "False"));
  } else if (v.is_int()) {
    out_.append(std::to_string(v.integer()));
  } else if (v.is_float()) {
    out_.append(float_text(v.real()));
  } else if (const Text* t = v.text()) {
    if (!json_ && depth == 0) out_.append(*t);
    else string(*t);
  } else if (const List* l = v.list()) {
    const bool tuple = l->tuple && !json_;
    out_.append(tuple ? "(" : "[");
    for (size_t i = 0; i < l->items.size(); ++i) {
      separate(i == 0, depth + 1);
      ONEBIT_TRY(print(l->items[i], depth + 1));
    }
    if (!l->items.empty()) open_line(depth);
    out_.append(tuple ? (l->items.size() == 1 ? ",)" : ")") : "]");
  } else if (const Dict* d = v.dict()) {
    return dict(*d, depth);
  } else {
    if (json_) return fail(Errc::format, "a {} cannot be written as JSON", v.type_name());
    out_.append(fmt::format("<{}>", v.type_name()));
  }
  return {};
}

}  // namespace

void Text::append(const Text& other) {
  const size_t shift = bytes.size();
  bytes += other.bytes;
  for (const ByteRange& r : other.data) add_range(data, {r.begin + shift, r.end + shift});
}

Text Text::cut(size_t begin, size_t end) const {
  Text out{bytes.substr(begin, end - begin), {}};
  for (const ByteRange& r : data) {
    const size_t b = std::clamp(r.begin, begin, end), e = std::clamp(r.end, begin, end);
    add_range(out.data, {b - begin, e - begin});
  }
  return out;
}

Text Text::derived(std::string made) const {
  Text out{std::move(made), {}};
  if (from_input()) add_range(out.data, {0, out.bytes.size()});
  return out;
}

Value Value::list(std::vector<Value> items, bool tuple) {
  auto l = std::make_shared<List>(List{std::move(items), tuple});
  for (const Value& v : l->items) {
    l->weight = std::min(l->weight + v.weight(), SIZE_MAX / 4);
    l->depth = std::max(l->depth, v.depth() + 1);
  }
  return l;
}

size_t Value::weight() const {
  if (const List* l = list()) return l->weight;
  if (const Dict* d = dict()) return d->is_namespace ? 1 : d->weight;
  return 1;
}

size_t Value::depth() const {
  if (const List* l = list()) return l->depth;
  if (const Dict* d = dict()) return d->is_namespace ? 1 : d->depth;
  return 0;
}

bool Value::truth() const {
  if (is_bool() || is_int()) return integer() != 0;
  if (is_float()) return real() != 0;
  if (const Text* t = text()) return !t->bytes.empty();
  if (const List* l = list()) return !l->items.empty();
  if (const Dict* d = dict()) return d->is_namespace || !d->items.empty();
  return !is_undefined() && !is_none();
}

const char* Value::type_name() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_int()) return "int";
  if (is_float()) return "float";
  if (text()) return "str";
  if (list()) return list()->tuple ? "tuple" : "list";
  if (dict()) return dict()->is_namespace ? "Namespace" : "dict";
  return loop() ? "LoopContext" : "function";
}

void Dict::set(Text key, Value value) {
  weight = std::min(weight + value.weight(), SIZE_MAX / 4);
  depth = std::max(depth, value.depth() + 1);
  const auto [it, added] = index.try_emplace(key.bytes, items.size());
  if (added)
    items.emplace_back(std::move(key), std::move(value));
  else
    items[it->second].second = std::move(value);
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.is_float() || b.is_float() ? a.real() == b.real() : a.integer() == b.integer();
  if (a.text() && b.text()) return a.text()->bytes == b.text()->bytes;
  if (a.list() && b.list())
    return a.list() == b.list() || (a.list()->tuple == b.list()->tuple && std::ranges::equal(a.list()->items, b.list()->items, equal));
  if (a.dict() && b.dict()) {
    const Dict &x = *a.dict(), &y = *b.dict();
    if (&x == &y) return true;
    if (x.is_namespace || y.is_namespace || x.items.size() != y.items.size()) return false;
    return std::ranges::all_of(x.items, [&](const auto& item) {
      const Value* other = y.find(item.first.bytes);
      return other && equal(item.second, *other);
    });
  }
  if (a.function() || b.function()) return a.function() == b.function();
  if (a.loop() || b.loop()) return a.loop() == b.loop();
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

Result<bool> less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return a.is_float() || b.is_float() ? a.real() < b.real() : a.integer() < b.integer();
  if (a.text() && b.text()) return a.text()->bytes < b.text()->bytes;   // UTF-8 sorts as code points do
  if (a.list() && b.list()) {
    const auto &x = a.list()->items, &y = b.list()->items;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(x[i], y[i])) return less(x[i], y[i]);
    return x.size() < y.size();
  }
  return fail(Errc::format, "'<' between {} and {}", a.type_name(), b.type_name());
}

Result<Text> to_text(const Value& value, size_t limit) {
  if (const Text* t = value.text()) return *t;
  Printer p(limit, nullptr);
  ONEBIT_TRY(p.print(value, 0));
  return p.take();
}

Result<Text> to_json(const Value& value, const JsonStyle& style, size_t limit) {
  Printer p(limit, &style);
  ONEBIT_TRY(p.print(value, 0));
  return p.take();
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const double size = std::fabs(value);
  // Python writes an exponent below 1e-4 and from 1e16.
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, plain ? std::chars_format::fixed : std::chars_format::scientific).ptr;
  std::string out(buffer, end);
  if (plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

size_t json_nesting(const nlohmann::ordered_json& json, size_t limit) {
  std::vector<std::pair<const nlohmann::ordered_json*, size_t>> work{{&json, 1}};
  size_t most = 0;
  while (!work.empty()) {
    const auto [v, depth] = work.back();
    work.pop_back();
    if (!v->is_structured()) continue;
    most = std::max(most, depth);
    if (depth > limit) return depth;
    for (const auto& child : *v) work.emplace_back(&child, depth + 1);
  }
  return most;
}

Value from_json(const nlohmann::ordered_json& j, bool data) {
  const auto text = [&](const std::string& s) {
    Text t{s, {}};
    if (data && !s.empty()) t.data.push_back({0, s.size()});
    return t;
  };
  switch (j.type()) {
    case nlohmann::ordered_json::value_t::boolean: return j.get<bool>();
    case nlohmann::ordered_json::value_t::number_integer: return j.get<int64_t>();
    case nlohmann::ordered_json::value_t::number_unsigned: {
      const auto u = j.get<uint64_t>();
      return u <= INT64_MAX ? Value(static_cast<int64_t>(u)) : Value(static_cast<double>(u));
    }
    case nlohmann::ordered_json::value_t::number_float: return j.get<double>();
    case nlohmann::ordered_json::value_t::string: return text(j.get_ref<const std::string&>());
    case nlohmann::ordered_json::value_t::array: {
      std::vector<Value> items;
      for (const auto& v : j) items.push_back(from_json(v, data));
      return Value::list(std::move(items));
    }
    case nlohmann::ordered_json::value_t::object: {
      auto d = std::make_shared<Dict>();
      for (const auto& [key, v] : j.items()) {
        const bool role = key == "role" && v.is_string() && std::ranges::find(kRoles, v.get_ref<const std::string&>()) != std::end(kRoles);
        d->set(text(key), from_json(v, data && !role));
      }
      return d;
    }
    default: return None{};
  }
}

}  // namespace onebit::jinja
