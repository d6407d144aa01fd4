#include "template/interpreter.h"

#include <algorithm>

namespace onebit::jinja {
namespace {

using E = Expression::Kind;
using S = Statement::Kind;

constexpr std::string_view kGlobals[] = {"range", "namespace", "dict", "raise_exception", "strftime_now"};

}  // namespace

const Value* Arguments::get(size_t i, std::string_view name) const {
  if (i < positional.size()) return &positional[i];
  for (const auto& [key, value] : named)
    if (key == name) return &value;
  return nullptr;
}

Result<int64_t> integer_argument(const Arguments& arguments, size_t index, std::string_view name, int64_t fallback) {
  const Value* v = arguments.get(index, name);
  if (!v || v->is_none() || v->is_undefined()) return fallback;
  if (!v->is_int() && !v->is_bool()) return fail(Errc::format, "{} is a {}, expected an integer", name, v->type_name());
  return v->integer();
}

Interpreter::~Interpreter() {
  for (const auto& n : namespaces_) {
    n->items.clear();
    n->index.clear();
  }
}

Status Interpreter::spend(size_t bytes) {
  steps_ += 1 + bytes / 16;
  if (steps_ > limits_.steps) return fail(Errc::out_of_range, "more than {} steps", limits_.steps);
  return {};
}

Status Interpreter::check_size(size_t bytes) const {
  if (bytes > limits_.output_bytes) return fail(Errc::out_of_range, "a text of more than {} bytes", limits_.output_bytes);
  return {};
}

Result<Text> Interpreter::print(const Value& value) {
  ONEBIT_ASSIGN(Text t, to_text(value, limits_.output_bytes));
  ONEBIT_TRY(spend(t.bytes.size()));
  return t;
}

Value Interpreter::lookup(const std::string& name) const {
  for (const Scope* s = scope_; s; s = s->outer)
    if (const auto it = s->names.find(name); it != s->names.end()) return it->second;
  if (std::ranges::find(kGlobals, name) != std::end(kGlobals)) return std::make_shared<Function>(Function{Function::Kind::global, name});
  return Undefined{name};
}

Result<Text> Interpreter::run(const Program& program) {
  Text out;
  ONEBIT_TRY(run(program.body, out));
  return out;
}

Result<Interpreter::Flow> Interpreter::run(const Block& block, Text& out) {
  for (const auto& s : block) {
    ONEBIT_TRY(spend());
    auto flow = run(*s, out);
    if (!flow) return at_line(std::move(flow).error(), s->line);
    if (auto size = check_size(out.bytes.size()); !size) return at_line(std::move(size).error(), s->line);
    if (*flow != Flow::on) return *flow;
  }
  return Flow::on;
}

Result<Interpreter::Flow> Interpreter::run(const Statement& s, Text& out) {
  const Level level(depth_);
  if (depth_ > kNested) return fail(Errc::out_of_range, "nested more than {} deep", kNested);
  switch (s.kind) {
    case S::text:
      ONEBIT_TRY(spend(s.text.size()));
      out.append(s.text);
      return Flow::on;
    case S::print: {
      ONEBIT_ASSIGN(const Value v, evaluate(*s.values[0]));
      ONEBIT_ASSIGN(const Text t, print(v));
      out.append(t);
      return Flow::on;
    }
    case S::condition: return condition(s, out);
    case S::loop: return loop(s, out);
    case S::set: {
      ONEBIT_ASSIGN(Value v, evaluate(*s.values[0]));
      ONEBIT_TRY(set(s, std::move(v)));
      return Flow::on;
    }
    case S::do_: {
      ONEBIT_TRY(evaluate(*s.values[0]));
      return Flow::on;
    }
    case S::macro:
      scope_->names[s.text] = std::make_shared<Function>(Function{Function::Kind::macro, s.text, {}, &s});
      return Flow::on;
    case S::call:
      ONEBIT_TRY(call_block(s, out));
      return Flow::on;
    case S::break_: return Flow::break_;
    case S::continue_: return Flow::continue_;
    case S::set_block: case S::filter: case S::with: case S::scope: break;
  }
  // Blocks with a scope of their own.
  Scope inner{scope_};
  for (size_t i = 0; s.kind == S::with && i < s.names.size(); ++i) {
    ONEBIT_ASSIGN(inner.names[s.names[i]], evaluate(*s.values[i]));
  }
  Scope* const outer = std::exchange(scope_, &inner);
  Text made;
  const bool direct = s.kind == S::with || s.kind == S::scope;
  auto flow = run(s.bodies[0], direct ? out : made);
  scope_ = outer;
  if (!flow || direct) return flow;
  ONEBIT_ASSIGN(Value v, with_filters(*s.values[0], std::move(made)));
  if (s.kind == S::set_block) {
    ONEBIT_TRY(set(s, std::move(v)));
  } else {
    ONEBIT_ASSIGN(const Text t, print(v));
    out.append(t);
  }
  return *flow;
}

// A chain of filters over a place-holder for the text.
Result<Value> Interpreter::with_filters(const Expression& e, Text text) {
  if (e.kind != E::filter) return Value(std::move(text));
  ONEBIT_ASSIGN(const Value inner, with_filters(*e.parts[0], std::move(text)));
  ONEBIT_ASSIGN(const Arguments list, arguments(e.arguments));
  return filter(e.text, inner, list);
}

Result<Interpreter::Flow> Interpreter::condition(const Statement& s, Text& out) {
  for (size_t i = 0; i < s.values.size(); ++i) {
    ONEBIT_ASSIGN(const Value test, evaluate(*s.values[i]));
    if (test.truth()) return run(s.bodies[i], out);
  }
  if (s.bodies.size() > s.values.size()) return run(s.bodies.back(), out);
  return Flow::on;
}

Status Interpreter::bind(Scope& scope, const std::vector<std::string>& names, const Value& value) {
  if (names.size() == 1) {
    scope.names[names[0]] = value;
    return {};
  }
  ONEBIT_ASSIGN(std::vector<Value> parts, iterate(value));
  if (parts.size() != names.size()) return fail(Errc::format, "{} values for {} names", parts.size(), names.size());
  for (size_t i = 0; i < parts.size(); ++i) scope.names[names[i]] = std::move(parts[i]);
  return {};
}

Result<Interpreter::Flow> Interpreter::loop(const Statement& s, Text& out) {
  ONEBIT_ASSIGN(const Value over, evaluate(*s.values[0]));
  ONEBIT_ASSIGN(std::vector<Value> items, iterate(over));
  return loop_over(s, std::move(items), 0, out);
}

Result<Interpreter::Flow> Interpreter::loop_over(const Statement& s, std::vector<Value> items, size_t depth, Text& out) {
  Scope inner{scope_};
  struct Restore {
    Scope*& place;
    Scope* outer;
    ~Restore() { place = outer; }
  } const restore{scope_, std::exchange(scope_, &inner)};
  auto state = std::make_shared<Loop>();
  state->depth = depth;
  state->statement = &s;
  if (s.values[1]) {
    for (Value& v : items) {
      ONEBIT_TRY(bind(inner, s.names, v));
      ONEBIT_ASSIGN(const Value keep, evaluate(*s.values[1]));
      if (keep.truth()) state->items.push_back(std::move(v));
    }
  } else {
    state->items = std::move(items);
  }
  for (size_t i = 0; i < state->items.size(); ++i) {
    ONEBIT_TRY(spend());
    inner.names.clear();   // what one round sets is not seen by the next
    state->at = i;
    ONEBIT_TRY(bind(inner, s.names, state->items[i]));
    inner.names["loop"] = state;
    ONEBIT_ASSIGN(const Flow flow, run(s.bodies[0], out));
    if (flow == Flow::break_) break;
  }
  if (!state->items.empty()) return Flow::on;
  inner.names.clear();
  return run(s.bodies[1], out);
}

Status Interpreter::set(const Statement& s, Value value) {
  if (s.attribute.empty()) return bind(*scope_, s.names, value);
  const Value target = lookup(s.names[0]);
  Dict* d = target.dict();
  if (!d || !d->is_namespace) return fail(Errc::format, "'{}' is a {}, expected a namespace", s.names[0], target.type_name());
  d->set(Text{s.attribute, {}}, std::move(value));
  return {};
}

Status Interpreter::call_block(const Statement& s, Text& out) {
  const Expression& e = *s.values.back();
  ONEBIT_ASSIGN(const Value f, evaluate(*e.parts[0]));
  if (!f.function() || f.function()->kind != Function::Kind::macro) return fail(Errc::format, "{{% call %}} of a {}, expected a macro", f.type_name());
  ONEBIT_ASSIGN(const Arguments list, arguments(e.arguments));
  callers_.push_back({next_caller_, scope_});
  const Value caller = std::make_shared<Function>(Function{Function::Kind::caller, "caller", {}, &s, next_caller_++});
  auto result = call_body(*f.function()->body, f.function()->body->names.size(), list, &global_, &caller);
  callers_.pop_back();
  ONEBIT_TRY(result);
  ONEBIT_ASSIGN(const Text t, print(*result));
  out.append(t);
  return {};
}

// The body of a macro or of a call block, as a string.
Result<Value> Interpreter::call_body(const Statement& s, size_t parameters, const Arguments& list, Scope* outer, const Value* caller) {
  if (list.positional.size() > parameters) return fail(Errc::format, "{} arguments for the {} parameters of '{}'", list.positional.size(), parameters, s.text);
  for (const auto& [name, value] : list.named)
    if (std::find(s.names.begin(), s.names.end(), name) == s.names.end()) return fail(Errc::format, "'{}' has no parameter '{}'", s.text, name);
  Scope inner{outer};
  struct Restore {
    Scope*& place;
    Scope* outer;
    ~Restore() { place = outer; }
  } const restore{scope_, std::exchange(scope_, &inner)};
  if (caller) inner.names["caller"] = *caller;
  for (size_t i = 0; i < parameters; ++i) {
    if (const Value* v = list.get(i, s.names[i])) {
      inner.names[s.names[i]] = *v;
    } else if (s.values[i]) {
      ONEBIT_ASSIGN(inner.names[s.names[i]], evaluate(*s.values[i]));
    } else {
      inner.names[s.names[i]] = Undefined{s.names[i]};
    }
  }
  Text out;
  ONEBIT_TRY(run(s.bodies[0], out));
  return Value(std::move(out));
}

}  // namespace onebit::jinja
