// Values of a template while it is rendered. Strings know which of their bytes came from the input.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "text/tokenizer.h"

namespace onebit::jinja {

struct Text {
  std::string bytes;
  std::vector<ByteRange> data;   // ascending, disjoint, not empty, not adjacent

  bool from_input() const { return !data.empty(); }
  void append(const Text& other);
  void append(std::string_view own) { bytes += own; }
  Text cut(size_t begin, size_t end) const;   // bytes begin..end
  // New bytes made from this text: all of them are data where any of it is.
  Text derived(std::string made) const;
};

class Value;
struct List;
struct Dict;
struct Function;
struct Loop;
struct Undefined {
  std::string name;
};
struct None {};

class Value {
 public:
  using Variant = std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const Text>, std::shared_ptr<List>, std::shared_ptr<Dict>,
                               std::shared_ptr<Function>, std::shared_ptr<Loop>>;
  Value() : v_(Undefined{}) {}
  Value(Undefined u) : v_(std::move(u)) {}
  Value(None n) : v_(n) {}
  Value(bool b) : v_(b) {}
  Value(int64_t i) : v_(i) {}
  Value(double d) : v_(d) {}
  Value(Text t) : v_(std::make_shared<const Text>(std::move(t))) {}
  Value(std::string_view own) : Value(Text{std::string(own), {}}) {}
  Value(const char*) = delete;
  Value(std::shared_ptr<List> l) : v_(std::move(l)) {}
  Value(std::shared_ptr<Dict> d) : v_(std::move(d)) {}
  Value(std::shared_ptr<Function> f) : v_(std::move(f)) {}
  Value(std::shared_ptr<Loop> l) : v_(std::move(l)) {}
  static Value list(std::vector<Value> items, bool tuple = false);

  bool is_undefined() const { return std::holds_alternative<Undefined>(v_); }
  bool is_none() const { return std::holds_alternative<None>(v_); }
  bool is_bool() const { return std::holds_alternative<bool>(v_); }
  bool is_int() const { return std::holds_alternative<int64_t>(v_); }
  bool is_float() const { return std::holds_alternative<double>(v_); }
  bool is_number() const { return is_int() || is_float() || is_bool(); }   // as in Python, True is 1
  const Text* text() const { return get<const Text>(); }
  List* list() const { return get<List>(); }
  Dict* dict() const { return get<Dict>(); }
  Function* function() const { return get<Function>(); }
  Loop* loop() const { return get<Loop>(); }
  bool boolean() const { return std::get<bool>(v_); }
  int64_t integer() const { return is_bool() ? boolean() : std::get<int64_t>(v_); }
  double real() const { return is_float() ? std::get<double>(v_) : static_cast<double>(integer()); }
  const std::string& undefined_name() const { return std::get<Undefined>(v_).name; }

  // Values in it, shared ones counted as often as they are met, and their nesting: what printing and comparing cost.
  // A namespace counts as one, since it may hold itself.
  size_t weight() const;
  size_t depth() const;

  bool truth() const;
  const char* type_name() const;   // as Python calls it

 private:
  template <class T>
  T* get() const {
    const auto* p = std::get_if<std::shared_ptr<T>>(&v_);
    return p ? p->get() : nullptr;
  }
  Variant v_;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  size_t weight = 1, depth = 1;
};

struct Dict {
  std::vector<std::pair<Text, Value>> items;   // in the order of insertion
  std::unordered_map<std::string, size_t> index;
  bool is_namespace = false;
  size_t weight = 1, depth = 1;

  const Value* find(const std::string& key) const {
    const auto it = index.find(key);
    return it == index.end() ? nullptr : &items[it->second].second;
  }
  void set(Text key, Value value);
};

struct Statement;
struct Function {
  enum class Kind { global, method, macro, caller, loop, cycle, changed } kind;
  std::string name;
  Value self{};                       // of a method; the loop of the last three
  const Statement* body = nullptr;    // of a macro or the caller of one
  uint64_t frame = 0;                 // of a caller: it lives no longer than its call block
};

struct Loop {
  std::vector<Value> items;
  size_t at = 0, depth = 0;
  Value last_changed{};
  const Statement* statement = nullptr;   // of a recursive loop
};

bool equal(const Value& a, const Value& b);
// Errors: values that have no order.
Result<bool> less(const Value& a, const Value& b);

// What {{ value }} prints. Lists and dictionaries as Python's repr(). `limit`: bytes; more is an error.
Result<Text> to_text(const Value& value, size_t limit);

struct JsonStyle {
  int indent = -1;   // -1: on one line
  std::string item_separator = ", ", key_separator = ": ";
  bool sort_keys = false, ascii = false;
};
Result<Text> to_json(const Value& value, const JsonStyle& style, size_t limit);
// A float as Python prints it: 1.0, 1e-07.
std::string float_text(double value);

// `data`: strings are input, except roles of messages. The nesting must have been checked.
Value from_json(const nlohmann::ordered_json& json, bool data);
// Nesting of arrays and objects, found without recursion; at most `limit` + 1.
size_t json_nesting(const nlohmann::ordered_json& json, size_t limit);

}  // namespace onebit::jinja
