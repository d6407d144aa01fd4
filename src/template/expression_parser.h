// The half of the parser that reads expressions, by recursive descent; statements are parser.cpp's, which derives from it.
#pragma once

#include <algorithm>
#include <array>

#include "template/lexer.h"
#include "template/syntax.h"

namespace onebit::jinja {

class ExpressionParser {
 protected:
  using Kind = Lexeme::Kind;
  using E = Expression::Kind;
  using Parsed = Result<ExpressionPtr>;

  ExpressionParser(std::vector<Lexeme> tokens, size_t depth) : tokens_(std::move(tokens)), limit_(depth) {}

  const Lexeme& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  bool is(Kind kind, std::string_view text, size_t ahead = 0) const { return peek(ahead).kind == kind && peek(ahead).text == text; }
  bool is_symbol(std::string_view s) const { return is(Kind::symbol, s); }
  bool is_name(std::string_view s) const { return is(Kind::name, s); }
  bool take(Kind kind, std::string_view s) {
    if (!is(kind, s)) return false;
    ++at_;
    return true;
  }
  bool take_symbol(std::string_view s) { return take(Kind::symbol, s); }
  bool take_name(std::string_view s) { return take(Kind::name, s); }

  template <class... Args>
  std::unexpected<Error> error(fmt::format_string<Args...> text, Args&&... args) const {
    return fail(Errc::format, "line {}: {}", peek().line, fmt::format(text, std::forward<Args>(args)...));
  }
  std::string met() const {
    const Lexeme& t = peek();
    if (t.kind == Kind::end) return "the end of the template";
    if (t.kind == Kind::string) return "a string";
    if (t.kind == Kind::text) return "text";
    return fmt::format("'{}'", t.text.substr(0, 40));
  }
  Status expect(Kind kind, std::string_view s) {
    if (take(kind, s)) return {};
    return error("expected '{}', met {}", s, met());
  }
  Status expect_symbol(std::string_view s) { return expect(Kind::symbol, s); }
  Result<std::string> name() {
    if (peek().kind != Kind::name) return error("expected a name, met {}", met());
    return tokens_[at_++].text;
  }

  class Level {
   public:
    explicit Level(size_t& depth) : depth_(++depth) {}
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    size_t& depth_;
  };
  Status within() const {
    if (depth_ > limit_) return fail(Errc::out_of_range, "line {}: nested more than {} deep", peek().line, limit_);
    return {};
  }

  ExpressionPtr make(E kind, std::string text = {}) const {
    auto e = std::make_unique<Expression>();
    e->kind = kind;
    e->line = peek().line;
    e->text = std::move(text);
    return e;
  }
  // A node over parts: chains such as a + b + c grow to the left, so their depth is counted here.
  Parsed over(ExpressionPtr e) const {
    const auto look = [&](const ExpressionPtr& p) {
      if (p) e->depth = std::max(e->depth, p->depth + 1);
    };
    for (const auto& p : e->parts) look(p);
    for (const auto& a : e->arguments) look(a.value);
    if (e->depth > limit_) return fail(Errc::out_of_range, "line {}: an expression nested more than {} deep", e->line, limit_);
    return e;
  }

  Parsed expression() {   // with "a if b else c"
    const Level level(depth_);
    ONEBIT_TRY(within());
    ONEBIT_ASSIGN(ExpressionPtr value, disjunction());
    while (is_name("if")) {
      auto e = make(E::conditional);
      ++at_;
      ONEBIT_ASSIGN(ExpressionPtr condition, disjunction());
      ExpressionPtr other;
      if (take_name("else")) {
        ONEBIT_ASSIGN(other, expression());
      }
      e->parts.push_back(std::move(value));
      e->parts.push_back(std::move(condition));
      e->parts.push_back(std::move(other));
      ONEBIT_ASSIGN(value, over(std::move(e)));
    }
    return value;
  }

  // Left-associative operators of one rank.
  template <class Next>
  Parsed chain(std::initializer_list<std::string_view> operators, Kind kind, Next next) {
    ONEBIT_ASSIGN(ExpressionPtr left, next());
    for (;;) {
      const auto* op = std::ranges::find_if(operators, [&](std::string_view s) { return is(kind, s); });
      if (op == operators.end()) return left;
      auto e = make(E::binary, std::string(*op));
      ++at_;
      ONEBIT_ASSIGN(ExpressionPtr right, next());
      e->parts.push_back(std::move(left));
      e->parts.push_back(std::move(right));
      ONEBIT_ASSIGN(left, over(std::move(e)));
    }
  }
  Parsed disjunction() { return chain({"or"}, Kind::name, [this] { return conjunction(); }); }
  Parsed conjunction() { return chain({"and"}, Kind::name, [this] { return negation(); }); }

  Parsed negation() {
    if (!is_name("not")) return comparison();
    const Level level(depth_);
    ONEBIT_TRY(within());
    auto e = make(E::unary, "not");
    ++at_;
    ONEBIT_ASSIGN(ExpressionPtr inner, negation());
    e->parts.push_back(std::move(inner));
    return over(std::move(e));
  }

  Parsed comparison() {
    ONEBIT_ASSIGN(ExpressionPtr left, sum());
    ExpressionPtr e;
    for (;;) {
      std::string op;
      for (const std::string_view s : {"==", "!=", "<", "<=", ">", ">="})
        if (is_symbol(s)) op = s;
      if (is_name("in")) op = "in";
      if (is_name("not") && is(Kind::name, "in", 1)) op = "not in";
      if (op.empty()) break;
      if (!e) {
        e = make(E::compare);
        e->parts.push_back(std::move(left));
      }
      at_ += op == "not in" ? 2 : 1;
      ONEBIT_ASSIGN(ExpressionPtr right, sum());
      e->parts.push_back(std::move(right));
      e->operators.push_back(std::move(op));
    }
    if (!e) return left;
    return over(std::move(e));
  }

  Parsed sum() { return chain({"+", "-"}, Kind::symbol, [this] { return concatenation(); }); }
  Parsed concatenation() { return chain({"~"}, Kind::symbol, [this] { return product(); }); }
  Parsed product() { return chain({"*", "/", "//", "%"}, Kind::symbol, [this] { return power(); }); }
  Parsed power() { return chain({"**"}, Kind::symbol, [this] { return unary(true); }); }

  Parsed unary(bool with_filter) {
    const Level level(depth_);
    ONEBIT_TRY(within());
    ExpressionPtr value;
    if (is_symbol("-") || is_symbol("+")) {
      auto e = make(E::unary, peek().text);
      ++at_;
      ONEBIT_ASSIGN(ExpressionPtr inner, unary(false));
      e->parts.push_back(std::move(inner));
      ONEBIT_ASSIGN(value, over(std::move(e)));
    } else {
      ONEBIT_ASSIGN(value, primary());
      ONEBIT_ASSIGN(value, postfix(std::move(value)));
    }
    return with_filter ? filters(std::move(value)) : Parsed(std::move(value));
  }

  Parsed primary() {
    const Lexeme& t = peek();
    auto e = make(E::none);
    switch (t.kind) {
      case Kind::name:
        ++at_;
        if (t.text == "true" || t.text == "True" || t.text == "false" || t.text == "False") {
          e->kind = E::boolean;
          e->flag = t.text == "true" || t.text == "True";
        } else if (t.text != "none" && t.text != "None") {
          e->kind = E::name;
          e->text = t.text;
        }
        return e;
      case Kind::string:
        e->kind = E::string;
        while (peek().kind == Kind::string) e->text += tokens_[at_++].text;   // 'a' 'b' is 'ab'
        return e;
      case Kind::integer:
        e->kind = E::integer;
        e->integer = t.integer;
        ++at_;
        return e;
      case Kind::real:
        e->kind = E::real;
        e->real = t.real;
        ++at_;
        return e;
      default: break;
    }
    if (take_symbol("(")) return parenthesis();
    if (take_symbol("[")) {
      e->kind = E::list;
      while (!take_symbol("]")) {
        if (!e->parts.empty()) ONEBIT_TRY(expect_symbol(","));
        if (take_symbol("]")) break;
        ONEBIT_ASSIGN(ExpressionPtr item, expression());
        e->parts.push_back(std::move(item));
      }
      return over(std::move(e));
    }
    if (take_symbol("{")) {
      e->kind = E::dict;
      while (!take_symbol("}")) {
        if (!e->parts.empty()) ONEBIT_TRY(expect_symbol(","));
        if (take_symbol("}")) break;
        ONEBIT_ASSIGN(ExpressionPtr key, expression());
        ONEBIT_TRY(expect_symbol(":"));
        ONEBIT_ASSIGN(ExpressionPtr value, expression());
        e->parts.push_back(std::move(key));
        e->parts.push_back(std::move(value));
      }
      return over(std::move(e));
    }
    return error("expected an expression, met {}", met());
  }

  Parsed parenthesis() {
    auto tuple = make(E::tuple);
    if (take_symbol(")")) return tuple;
    ONEBIT_ASSIGN(ExpressionPtr first, expression());
    if (take_symbol(")")) return first;
    tuple->parts.push_back(std::move(first));
    while (!take_symbol(")")) {
      ONEBIT_TRY(expect_symbol(","));
      if (take_symbol(")")) break;
      ONEBIT_ASSIGN(ExpressionPtr next, expression());
      tuple->parts.push_back(std::move(next));
    }
    return over(std::move(tuple));
  }

  // Without parentheses, as in "for x in 1, 2" and "set x = 1, 2". `plain`: no conditional, whose "if" is the loop's.
  Parsed tuple(bool plain) {
    auto e = make(E::tuple);
    ONEBIT_ASSIGN(ExpressionPtr first, plain ? disjunction() : expression());
    if (!is_symbol(",")) return first;
    e->parts.push_back(std::move(first));
    while (take_symbol(",")) {
      if (peek().kind == Kind::close_block || is_name("if") || is_name("recursive")) break;
      ONEBIT_ASSIGN(ExpressionPtr next, plain ? disjunction() : expression());
      e->parts.push_back(std::move(next));
    }
    return over(std::move(e));
  }

  Parsed postfix(ExpressionPtr value) {
    for (;;) {
      ExpressionPtr e;
      if (is_symbol(".")) {
        e = make(E::attribute);
        ++at_;
        if (peek().kind == Kind::integer) {
          e->kind = E::item;
          e->parts.push_back(std::move(value));
          ONEBIT_ASSIGN(ExpressionPtr index, primary());
          e->parts.push_back(std::move(index));
        } else {
          ONEBIT_ASSIGN(e->text, name());
          e->parts.push_back(std::move(value));
        }
      } else if (is_symbol("[")) {
        e = make(E::item);
        ++at_;
        e->parts.push_back(std::move(value));
        ONEBIT_TRY(subscript(*e));
      } else if (is_symbol("(")) {
        e = make(E::call);
        e->parts.push_back(std::move(value));
        ONEBIT_TRY(arguments(*e));
      } else {
        return value;
      }
      ONEBIT_ASSIGN(value, over(std::move(e)));
    }
  }

  Status subscript(Expression& e) {
    std::array<ExpressionPtr, 3> bounds;
    size_t n = 0;
    bool slice = false;
    while (!is_symbol("]")) {
      if (take_symbol(":")) {
        slice = true;
        if (++n > 2) return error("expected ']', met ':'");
        continue;
      }
      if (bounds[n]) return error("expected ']', met {}", met());
      ONEBIT_ASSIGN(bounds[n], expression());
    }
    ++at_;
    if (!slice && !bounds[0]) return error("expected an expression, met ']'");
    e.kind = slice ? E::slice : E::item;
    for (size_t i = 0; i < (slice ? 3u : 1u); ++i) e.parts.push_back(std::move(bounds[i]));
    return {};
  }

  Status arguments(Expression& e) {
    ONEBIT_TRY(expect_symbol("("));
    while (!take_symbol(")")) {
      if (!e.arguments.empty()) ONEBIT_TRY(expect_symbol(","));
      if (take_symbol(")")) break;
      Argument a;
      if (peek().kind == Kind::name && is(Kind::symbol, "=", 1)) {
        a.name = peek().text;
        at_ += 2;
      } else if (is_symbol("*") || is_symbol("**")) {
        return fail(Errc::unsupported, "line {}: arguments unpacked with '*' are not supported", peek().line);
      }
      ONEBIT_ASSIGN(a.value, expression());
      e.arguments.push_back(std::move(a));
    }
    return {};
  }

  Result<ExpressionPtr> one_filter(ExpressionPtr value) {
    auto e = make(E::filter);
    ONEBIT_ASSIGN(e->text, name());
    e->parts.push_back(std::move(value));
    if (is_symbol("(")) ONEBIT_TRY(arguments(*e));
    return over(std::move(e));
  }

  Parsed filters(ExpressionPtr value) {
    for (;;) {
      if (take_symbol("|")) {
        ONEBIT_ASSIGN(value, one_filter(std::move(value)));
      } else if (is_name("is")) {
        auto e = make(E::test);
        ++at_;
        const bool negate = take_name("not");
        ONEBIT_ASSIGN(e->text, name());
        e->parts.push_back(std::move(value));
        if (is_symbol("(")) {
          ONEBIT_TRY(arguments(*e));
        } else if (argument_follows()) {
          ONEBIT_ASSIGN(ExpressionPtr argument, primary());
          ONEBIT_ASSIGN(argument, postfix(std::move(argument)));
          e->arguments.push_back({"", std::move(argument)});
        }
        ONEBIT_ASSIGN(value, over(std::move(e)));
        if (negate) {
          auto no = make(E::unary, "not");
          no->parts.push_back(std::move(value));
          ONEBIT_ASSIGN(value, over(std::move(no)));
        }
      } else if (is_symbol("(") && value->kind == E::filter) {
        return error("expected an operator, met '('");
      } else {
        return value;
      }
    }
  }
  // A test takes one argument without parentheses: x is divisibleby 3.
  bool argument_follows() const {
    const Lexeme& t = peek();
    if (t.kind == Kind::string || t.kind == Kind::integer || t.kind == Kind::real) return true;
    if (t.kind == Kind::symbol) return t.text == "[" || t.text == "{";
    if (t.kind != Kind::name) return false;
    constexpr std::array<std::string_view, 7> kGoOn{"else", "or", "and", "is", "if", "in", "not"};
    return std::ranges::find(kGoOn, t.text) == kGoOn.end();
  }

  std::vector<Lexeme> tokens_;
  size_t at_ = 0, depth_ = 0;
  size_t limit_;
};

}  // namespace onebit::jinja
