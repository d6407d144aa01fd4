// Expressions.
#include <algorithm>
#include <cmath>
#include <ctime>
#include <optional>

#include "template/interpreter.h"
#include "text/utf8.h"

namespace onebit::jinja {
namespace {

using E = Expression::Kind;

int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

Result<Value> integers(const std::string& op, int64_t x, int64_t y) {
  int64_t r = 1;
  bool beyond = false;
  if (op == "+") {
    beyond = __builtin_add_overflow(x, y, &r);
  } else if (op == "-") {
    beyond = __builtin_sub_overflow(x, y, &r);
  } else if (op == "*") {
    beyond = __builtin_mul_overflow(x, y, &r);
  } else if (op == "//") {
    beyond = x == INT64_MIN && y == -1;
    r = beyond ? 0 : floor_div(x, y);
  } else if (op == "%") {
    r = y == -1 ? 0 : x - floor_div(x, y) * y;
  } else if (y < 0) {
    return std::pow(static_cast<double>(x), static_cast<double>(y));
  } else if (x >= -1 && x <= 1) {   // the others are beyond 64 bits soon
    r = y == 0 ? 1 : x == -1 && y % 2 == 0 ? 1 : x;
  } else {
    for (int64_t i = 0; i < y && !beyond; ++i) beyond = __builtin_mul_overflow(r, x, &r);
  }
  if (beyond) return fail(Errc::out_of_range, "'{}' gives an integer beyond 64 bits", op);
  return r;
}

}  // namespace

Result<Value> Interpreter::evaluate(const Expression& e) {
  const Level level(depth_);
  if (depth_ > kNested) return fail(Errc::out_of_range, "line {}: nested more than {} deep", e.line, kNested);
  ONEBIT_TRY(spend());
  auto value = evaluate_node(e);
  if (!value) return at_line(std::move(value).error(), e.line);
  if (value->weight() > limits_.steps || value->depth() > kNested) return fail(Errc::out_of_range, "line {}: a value of more than {} parts, or nested more than {} deep", e.line, limits_.steps, kNested);
  return value;
}

Result<Value> Interpreter::evaluate_node(const Expression& e) {
  switch (e.kind) {
    case E::none: return None{};
    case E::boolean: return e.flag;
    case E::integer: return e.integer;
    case E::real: return e.real;
    case E::string: return std::string_view(e.text);
    case E::name: return lookup(e.text);
    case E::list: case E::tuple: {
      std::vector<Value> items;
      for (const auto& p : e.parts) {
        ONEBIT_ASSIGN(Value v, evaluate(*p));
        items.push_back(std::move(v));
      }
      return Value::list(std::move(items), e.kind == E::tuple);
    }
    case E::dict: {
      auto d = std::make_shared<Dict>();
      for (size_t i = 0; i < e.parts.size(); i += 2) {
        ONEBIT_ASSIGN(const Value key, evaluate(*e.parts[i]));
        ONEBIT_ASSIGN(Value v, evaluate(*e.parts[i + 1]));
        if (!key.text()) return fail(Errc::unsupported, "a {} as a key, only strings are supported", key.type_name());
        d->set(*key.text(), std::move(v));
      }
      return d;
    }
    case E::attribute: {
      ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
      return attribute(v, e.text);
    }
    case E::item: {
      ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
      ONEBIT_ASSIGN(const Value key, evaluate(*e.parts[1]));
      return item(v, key);
    }
    case E::slice: return slice(e);
    case E::call: return call(e);
    case E::filter: {
      ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
      ONEBIT_ASSIGN(const Arguments list, arguments(e.arguments));
      return filter(e.text, v, list);
    }
    case E::test: {
      ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
      ONEBIT_ASSIGN(const Arguments list, arguments(e.arguments));
      ONEBIT_ASSIGN(const bool yes, test(e.text, v, list));
      return yes;
    }
    case E::unary: return unary(e);
    case E::binary: return binary(e);
    case E::compare: return compare(e);
    case E::conditional: {
      ONEBIT_ASSIGN(const Value condition, evaluate(*e.parts[1]));
      if (condition.truth()) return evaluate(*e.parts[0]);
      if (e.parts[2]) return evaluate(*e.parts[2]);
      return Undefined{"the value of an 'if' without 'else'"};
    }
  }
  return None{};
}

Result<Value> Interpreter::unary(const Expression& e) {
  ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
  if (e.text == "not") return !v.truth();
  if (!v.is_number()) return fail(Errc::format, "'{}' on a {}", e.text, v.type_name());
  if (v.is_float()) return e.text == "-" ? -v.real() : v.real();
  if (e.text == "+") return v.integer();
  if (v.integer() == INT64_MIN) return fail(Errc::out_of_range, "'-' on integers beyond 64 bits");
  return -v.integer();
}

Result<Value> Interpreter::binary(const Expression& e) {
  ONEBIT_ASSIGN(Value a, evaluate(*e.parts[0]));
  if (e.text == "and" && !a.truth()) return a;
  if (e.text == "or" && a.truth()) return a;
  ONEBIT_ASSIGN(Value b, evaluate(*e.parts[1]));
  if (e.text == "and" || e.text == "or") return b;
  if (e.text == "~") {
    ONEBIT_ASSIGN(Text out, print(a));
    ONEBIT_ASSIGN(const Text right, print(b));
    ONEBIT_TRY(check_size(out.bytes.size() + right.bytes.size()));
    out.append(right);
    return Value(std::move(out));
  }
  return arithmetic(e.text, a, b);
}

Result<Value> Interpreter::arithmetic(const std::string& op, const Value& a, const Value& b) {
  for (const Value* v : {&a, &b})
    if (v->is_undefined()) return fail(Errc::format, "'{}' is undefined", v->undefined_name());
  if (op == "+" && a.text() && b.text()) {
    ONEBIT_TRY(check_size(a.text()->bytes.size() + b.text()->bytes.size()));
    ONEBIT_TRY(spend(a.text()->bytes.size() + b.text()->bytes.size()));
    Text out = *a.text();
    out.append(*b.text());
    return Value(std::move(out));
  }
  if (op == "+" && a.list() && b.list() && a.list()->tuple == b.list()->tuple) {
    std::vector<Value> items = a.list()->items;
    ONEBIT_TRY(spend(16 * (items.size() + b.list()->items.size())));
    items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
    return Value::list(std::move(items), a.list()->tuple);
  }
  if (op == "*" && (a.text() || b.text() || a.list() || b.list()) && (a.is_int() || b.is_int())) {
    const Value& many = a.is_int() ? b : a;
    const auto times = static_cast<size_t>(std::max<int64_t>(0, a.is_int() ? a.integer() : b.integer()));
    const size_t unit = many.text() ? many.text()->bytes.size() : 16 * many.list()->items.size();
    if (unit > 0 && times > limits_.output_bytes / unit) return fail(Errc::out_of_range, "'*' gives more than {} bytes", limits_.output_bytes);
    ONEBIT_TRY(spend(unit * times));
    Text text;
    std::vector<Value> items;
    for (size_t i = 0; i < times && unit > 0; ++i) {
      if (many.text()) text.append(*many.text());
      else items.insert(items.end(), many.list()->items.begin(), many.list()->items.end());
    }
    if (many.text()) return Value(std::move(text));
    return Value::list(std::move(items), many.list()->tuple);
  }
  if (op == "%" && a.text()) return fail(Errc::unsupported, "'%' that formats a text is not supported");
  if (!a.is_number() || !b.is_number()) return fail(Errc::format, "'{}' between {} and {}", op, a.type_name(), b.type_name());
  const bool real = a.is_float() || b.is_float();
  const bool divides = op == "/" || op == "//" || op == "%";
  if (divides && b.real() == 0) return fail(Errc::format, "'{}' by zero", op);
  if (op == "/") return a.real() / b.real();
  if (real) {
    const double x = a.real(), y = b.real();
    if (op == "+") return x + y;
    if (op == "-") return x - y;
    if (op == "*") return x * y;
    if (op == "//") return std::floor(x / y);
    if (op == "%") return x - std::floor(x / y) * y;
    return std::pow(x, y);
  }
  return integers(op, a.integer(), b.integer());
}

Result<bool> Interpreter::contains(const Value& value, const Value& list) {
  if (list.text()) {
    if (!value.text()) return fail(Errc::format, "'in' of a {} in a str", value.type_name());
    ONEBIT_TRY(spend(list.text()->bytes.size()));
    return list.text()->bytes.find(value.text()->bytes) != std::string::npos;
  }
  if (list.dict()) return value.text() && list.dict()->find(value.text()->bytes);
  if (list.list()) {
    ONEBIT_TRY(spend(16 * list.weight()));
    return std::ranges::any_of(list.list()->items, [&](const Value& v) { return equal(v, value); });
  }
  if (list.is_undefined()) return false;
  return fail(Errc::format, "'in' a {}", list.type_name());
}

Result<Value> Interpreter::compare(const Expression& e) {
  ONEBIT_ASSIGN(Value left, evaluate(*e.parts[0]));
  for (size_t i = 0; i < e.operators.size(); ++i) {
    const std::string& op = e.operators[i];
    ONEBIT_ASSIGN(Value right, evaluate(*e.parts[i + 1]));
    ONEBIT_TRY(spend(16 * std::min(left.weight(), right.weight())));
    bool yes = false;
    if (op == "==" || op == "!=") {
      yes = equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      ONEBIT_ASSIGN(yes, contains(left, right));
      yes = yes == (op == "in");
    } else if (op == "<" || op == ">=") {
      ONEBIT_ASSIGN(yes, less(left, right));
      yes = yes == (op == "<");
    } else {
      ONEBIT_ASSIGN(yes, less(right, left));
      yes = yes == (op == ">");
    }
    if (!yes) return false;
    left = std::move(right);
  }
  return true;
}

Result<Value> Interpreter::slice(const Expression& e) {
  ONEBIT_ASSIGN(const Value v, evaluate(*e.parts[0]));
  std::optional<int64_t> bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (!e.parts[i + 1]) continue;
    ONEBIT_ASSIGN(const Value b, evaluate(*e.parts[i + 1]));
    if (b.is_none()) continue;
    if (!b.is_int() && !b.is_bool()) return fail(Errc::format, "a slice with a {}, expected an integer", b.type_name());
    bounds[i] = b.integer();
  }
  if (!v.text() && !v.list()) return fail(Errc::format, "a slice of a {}", v.type_name());
  const std::vector<ByteRange> chars = v.text() ? characters(v.text()->bytes) : std::vector<ByteRange>{};
  ONEBIT_TRY(spend(v.text() ? v.text()->bytes.size() : 16 * v.list()->items.size()));
  const auto n = static_cast<int64_t>(v.text() ? chars.size() : v.list()->items.size());
  const int64_t step = bounds[2].value_or(1);
  if (step == 0) return fail(Errc::format, "a slice with a step of 0");
  const auto clamp = [&](int64_t i) { return std::clamp(i < 0 ? i + n : i, step < 0 ? int64_t{-1} : 0, step < 0 ? n - 1 : n); };
  const int64_t begin = bounds[0] ? clamp(std::max(*bounds[0], -n - 1)) : step < 0 ? n - 1 : 0;
  const int64_t end = bounds[1] ? clamp(std::max(*bounds[1], -n - 1)) : step < 0 ? -1 : n;
  Text text;
  std::vector<Value> items;
  if (v.text() && step == 1 && begin < end) return Value(v.text()->cut(chars[static_cast<size_t>(begin)].begin, chars[static_cast<size_t>(end) - 1].end));
  for (int64_t i = begin; step < 0 ? i > end : i < end;) {
    const auto at = static_cast<size_t>(i);
    if (v.text()) text.append(v.text()->cut(chars[at].begin, chars[at].end));
    else items.push_back(v.list()->items[at]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (v.text()) return Value(std::move(text));
  return Value::list(std::move(items), v.list()->tuple);
}

Result<Arguments> Interpreter::arguments(const std::vector<Argument>& list) {
  Arguments out;
  for (const Argument& a : list) {
    ONEBIT_ASSIGN(Value v, evaluate(*a.value));
    if (a.name.empty()) out.positional.push_back(std::move(v));
    else out.named.emplace_back(a.name, std::move(v));
  }
  return out;
}

Result<Value> Interpreter::call(const Expression& e) {
  ONEBIT_ASSIGN(const Value f, evaluate(*e.parts[0]));
  ONEBIT_ASSIGN(const Arguments list, arguments(e.arguments));
  if (f.is_undefined()) return fail(Errc::format, "'{}' is undefined and cannot be called", f.undefined_name());
  if (Loop* loop = f.loop()) {
    if (!loop->statement->recursive || list.positional.size() != 1) return fail(Errc::format, "loop(...) wants one argument and {{% for ... recursive %}}");
    ONEBIT_ASSIGN(std::vector<Value> items, iterate(list.positional[0]));
    Text out;
    ONEBIT_TRY(loop_over(*loop->statement, std::move(items), loop->depth + 1, out));
    return Value(std::move(out));
  }
  if (!f.function()) return fail(Errc::format, "a {} cannot be called", f.type_name());
  const Function copy = *f.function();   // the call may assign over the last name of it
  return call(copy, list);
}

Result<Value> Interpreter::call(const Function& f, const Arguments& list) {
  switch (f.kind) {
    case Function::Kind::global: return call_global(f.name, list);
    case Function::Kind::method: return method(f.name, f.self, list);
    case Function::Kind::macro: return call_body(*f.body, f.body->names.size(), list, &global_, nullptr);
    case Function::Kind::caller: {
      const auto it = std::ranges::find(callers_, f.frame, &Caller::id);
      if (it == callers_.end()) return fail(Errc::format, "caller() after its call block");
      return call_body(*f.body, f.body->names.size(), list, it->scope, nullptr);
    }
    case Function::Kind::cycle: {
      if (list.positional.empty()) return fail(Errc::format, "loop.cycle() without values");
      return list.positional[f.self.loop()->at % list.positional.size()];
    }
    case Function::Kind::changed: {
      const Value now = Value::list(list.positional);
      const bool changed = !equal(f.self.loop()->last_changed, now);
      f.self.loop()->last_changed = now;
      return changed;
    }
    case Function::Kind::loop: break;
  }
  return fail(Errc::format, "'{}' cannot be called", f.name);
}

Result<Value> Interpreter::call_global(const std::string& name, const Arguments& list) {
  if (name == "raise_exception") {
    const Value* v = list.get(0, "message");
    ONEBIT_ASSIGN(const Text t, print(v ? *v : Value(std::string_view("the template refuses the input"))));
    return fail(Errc::usage, "{}", t.bytes);
  }
  if (name == "namespace" || name == "dict") {
    auto d = std::make_shared<Dict>();
    if (!list.positional.empty()) {
      if (!list.positional[0].dict()) return fail(Errc::format, "{}() of a {}, expected a dict", name, list.positional[0].type_name());
      *d = *list.positional[0].dict();
      ONEBIT_TRY(spend(32 * d->items.size()));
    }
    for (const auto& [key, value] : list.named) d->set(Text{key, {}}, value);
    d->is_namespace = name == "namespace";
    if (d->is_namespace) namespaces_.push_back(d);
    return d;
  }
  if (name == "range") {
    const bool one = list.positional.size() < 2;
    ONEBIT_ASSIGN(const int64_t first, integer_argument(list, 0, "start", 0));
    ONEBIT_ASSIGN(const int64_t second, integer_argument(list, 1, "stop", 0));
    ONEBIT_ASSIGN(const int64_t step, integer_argument(list, 2, "step", 1));
    if (list.positional.empty() || step == 0) return fail(Errc::format, "range() wants a stop, or a start, a stop and a step other than 0");
    const int64_t end = one ? first : second;
    std::vector<Value> items;
    for (int64_t i = one ? 0 : first; step > 0 ? i < end : i > end;) {
      ONEBIT_TRY(spend());
      items.emplace_back(i);
      if (__builtin_add_overflow(i, step, &i)) break;
    }
    return Value::list(std::move(items));
  }
  // strftime_now: the local time.
  const Value* format = list.get(0, "format");
  if (!format || !format->text() || format->text()->bytes.size() > 200) return fail(Errc::format, "strftime_now() wants a format of at most 200 bytes");
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char buffer[4096];
  const size_t n = format->text()->bytes.empty() ? 0 : std::strftime(buffer, sizeof buffer, format->text()->bytes.c_str(), &parts);
  return Value(format->text()->derived(std::string(buffer, n)));
}

Result<Value> Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) return fail(Errc::format, "'{}' is undefined, it has no '{}'", value.undefined_name(), name);
  if (const Loop* l = value.loop()) {
    const auto n = static_cast<int64_t>(l->items.size()), at = static_cast<int64_t>(l->at);
    if (name == "index") return at + 1;
    if (name == "index0") return at;
    if (name == "revindex") return n - at;
    if (name == "revindex0") return n - at - 1;
    if (name == "first") return at == 0;
    if (name == "last") return at + 1 == n;
    if (name == "length") return n;
    if (name == "depth") return static_cast<int64_t>(l->depth) + 1;
    if (name == "depth0") return static_cast<int64_t>(l->depth);
    if (name == "previtem") return l->at > 0 ? l->items[l->at - 1] : Value(Undefined{"loop.previtem"});
    if (name == "nextitem") return l->at + 1 < l->items.size() ? l->items[l->at + 1] : Value(Undefined{"loop.nextitem"});
    if (name == "cycle") return std::make_shared<Function>(Function{Function::Kind::cycle, name, value});
    if (name == "changed") return std::make_shared<Function>(Function{Function::Kind::changed, name, value});
    return Undefined{"loop." + name};
  }
  if (has_method(value, name)) return std::make_shared<Function>(Function{Function::Kind::method, name, value});
  if (const Dict* d = value.dict())
    if (const Value* v = d->find(name)) return *v;
  return Undefined{name};
}

Result<Value> Interpreter::item(const Value& value, const Value& key) {
  if (value.is_undefined()) return fail(Errc::format, "'{}' is undefined, it has no items", value.undefined_name());
  if (key.text()) {
    if (const Dict* d = value.dict())
      if (const Value* v = d->find(key.text()->bytes)) return *v;
    if (value.dict() || value.loop()) return attribute(value, key.text()->bytes);
    return Undefined{key.text()->bytes};
  }
  if (key.is_int() || key.is_bool()) {
    int64_t i = key.integer();
    const std::vector<ByteRange> chars = value.text() ? characters(value.text()->bytes) : std::vector<ByteRange>{};
    if (value.text()) ONEBIT_TRY(spend(value.text()->bytes.size()));
    const auto n = static_cast<int64_t>(value.text() ? chars.size() : value.list() ? value.list()->items.size() : 0);
    if (i < 0) i += n;
    if (i >= 0 && i < n) {
      const auto at = static_cast<size_t>(i);
      return value.text() ? Value(value.text()->cut(chars[at].begin, chars[at].end)) : value.list()->items[at];
    }
  }
  return Undefined{"an item"};
}

Result<std::vector<Value>> Interpreter::iterate(const Value& value) {
  std::vector<Value> out;
  if (const List* l = value.list()) {
    out = l->items;
  } else if (const Dict* d = value.dict(); d && !d->is_namespace) {
    for (const auto& [key, v] : d->items) out.emplace_back(key);
  } else if (const Text* t = value.text()) {
    ONEBIT_TRY(spend(t->bytes.size()));
    for (const ByteRange& c : characters(t->bytes)) out.emplace_back(t->cut(c.begin, c.end));
  } else if (!value.is_undefined()) {
    return fail(Errc::format, "a {} cannot be iterated over", value.type_name());
  }
  ONEBIT_TRY(spend(16 * out.size()));
  return out;
}

std::vector<ByteRange> characters(const std::string& text) {
  std::vector<ByteRange> out;
  for (size_t i = 0; i < text.size();) {
    const size_t n = std::max<size_t>(utf8_length(text, i), 1);
    out.push_back({i, i + n});
    i += n;
  }
  return out;
}

}  // namespace onebit::jinja
