// Renders a program: scopes, limits, statements and expressions. Filters, tests and methods are in their own files.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "template/syntax.h"
#include "template/value.h"

namespace onebit::jinja {

// Evaluations within one another, calls of macros included: a frame each on the machine's stack.
constexpr size_t kNested = 400;

// The error with the line before it, unless an inner one is there.
inline std::unexpected<Error> at_line(Error error, uint32_t line) {
  if (!error.message.starts_with("line ")) error.message = fmt::format("line {}: {}", line, error.message);
  return std::unexpected(std::move(error));
}

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index` or of that name; null where it was not given.
  const Value* get(size_t index, std::string_view name) const;
};

class Interpreter {
 public:
  explicit Interpreter(const TemplateLimits& limits) : limits_(limits) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void define(const std::string& name, Value value) { global_.names[name] = std::move(value); }
  Result<Text> run(const Program& program);

  // What the files of filters and methods need.
  Result<Value> filter(const std::string& name, const Value& value, const Arguments& arguments);
  Result<bool> test(const std::string& name, const Value& value, const Arguments& arguments);
  Result<Value> method(const std::string& name, const Value& self, const Arguments& arguments);
  static bool has_method(const Value& self, std::string_view name);
  Result<Value> attribute(const Value& value, const std::string& name);
  Result<Value> item(const Value& value, const Value& key);
  Result<std::vector<Value>> iterate(const Value& value);
  Result<Text> print(const Value& value);
  // Counts work; `bytes` are of text copied. Errors beyond the limits.
  Status spend(size_t bytes = 0);
  Status check_size(size_t bytes) const;
  const TemplateLimits& limits() const { return limits_; }

 private:
  struct Scope {
    Scope* outer = nullptr;
    std::unordered_map<std::string, Value> names{};
  };
  enum class Flow { on, break_, continue_ };
  struct Level {
    explicit Level(size_t& depth) : depth_(++depth) {}
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    size_t& depth_;
  };
  struct Caller {
    uint64_t id;
    Scope* scope;
  };

  Result<Flow> run(const Block& block, Text& out);
  Result<Flow> run(const Statement& s, Text& out);
  Result<Flow> condition(const Statement& s, Text& out);
  Result<Flow> loop(const Statement& s, Text& out);
  Result<Flow> loop_over(const Statement& s, std::vector<Value> items, size_t depth, Text& out);
  Status set(const Statement& s, Value value);
  Status call_block(const Statement& s, Text& out);
  Status bind(Scope& scope, const std::vector<std::string>& names, const Value& value);
  Result<Value> with_filters(const Expression& filters, Text text);

  Result<Value> evaluate(const Expression& e);
  Result<Value> evaluate_node(const Expression& e);
  Result<Value> unary(const Expression& e);
  Result<Value> binary(const Expression& e);
  Result<Value> arithmetic(const std::string& op, const Value& a, const Value& b);
  Result<Value> compare(const Expression& e);
  Result<bool> contains(const Value& value, const Value& list);
  Result<Value> slice(const Expression& e);
  Result<Arguments> arguments(const std::vector<Argument>& list);
  Result<Value> call(const Expression& e);
  Result<Value> call(const Function& f, const Arguments& arguments);
  Result<Value> call_global(const std::string& name, const Arguments& arguments);
  Result<Value> call_body(const Statement& s, size_t parameters, const Arguments& arguments, Scope* outer, const Value* caller);
  Value lookup(const std::string& name) const;

  const TemplateLimits& limits_;
  Scope global_;
  Scope* scope_ = &global_;
  size_t steps_ = 0, depth_ = 0;
  uint64_t next_caller_ = 1;
  std::vector<Caller> callers_;                    // of the call blocks being run
  std::vector<std::shared_ptr<Dict>> namespaces_;  // may hold one another: emptied at the end
};

// Code points of a text as ranges of bytes; bytes that are no UTF-8 stand alone.
std::vector<ByteRange> characters(const std::string& text);
Text strip(const Text& text, const std::string* set, bool left, bool right);
// An integer argument, or `fallback` where it was not given or is None.
Result<int64_t> integer_argument(const Arguments& arguments, size_t index, std::string_view name, int64_t fallback);

}  // namespace onebit::jinja
