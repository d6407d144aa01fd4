#include <algorithm>
#include <array>

#include "template/lexer.h"
#include "template/syntax.h"

namespace onebit::jinja {
namespace {

using Kind = Lexeme::Kind;
using E = Expression::Kind;
using S = Statement::Kind;
using Parsed = Result<ExpressionPtr>;

class Parser {
 public:
  Parser(std::vector<Lexeme> tokens, size_t depth) : tokens_(std::move(tokens)), limit_(depth) {}

  Result<Program> parse() {
    Program p;
    ONEBIT_ASSIGN(p.body, block({}));
    return p;
  }

 private:
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

  // Statements up to a block tag that begins with one of `ends`, which is left to the caller (at its name).
  Result<Block> block(std::initializer_list<std::string_view> ends) {
    const Level level(depth_);
    ONEBIT_TRY(within());
    Block out;
    for (;;) {
      const Lexeme& t = peek();
      if (t.kind == Kind::end) {
        if (ends.size() == 0) return out;
        return error("expected {{% {} %}}, met the end of the template", *(ends.end() - 1));
      }
      auto s = std::make_unique<Statement>();
      s->line = t.line;
      ++at_;
      if (t.kind == Kind::text) {
        s->text = t.text;
      } else if (t.kind == Kind::open_print) {
        s->kind = S::print;
        ONEBIT_ASSIGN(ExpressionPtr e, tuple(false));
        s->values.push_back(std::move(e));
        ONEBIT_TRY(expect(Kind::close_print, "}}"));
      } else {
        if (std::ranges::any_of(ends, [&](std::string_view end) { return is_name(end); })) return out;
        ONEBIT_TRY(statement(*s));
      }
      out.push_back(std::move(s));
    }
  }
  Status close() { return expect(Kind::close_block, "%}"); }
  // {% end %} of a block; its name may follow.
  Status end(std::string_view word) {
    ONEBIT_TRY(expect(Kind::name, word));
    if (peek().kind == Kind::name) ++at_;
    return close();
  }
  Status body(Statement& s, std::string_view ends) {
    ONEBIT_ASSIGN(Block b, block({ends}));
    s.bodies.push_back(std::move(b));
    return end(ends);
  }

  Status statement(Statement& s) {
    ONEBIT_ASSIGN(const std::string word, name());
    if (word == "if") return condition(s);
    if (word == "for") return loop(s);
    if (word == "set") return set(s);
    if (word == "macro") return macro(s);
    if (word == "call") return call(s);
    if (word == "filter") {
      s.kind = S::filter;
      ONEBIT_ASSIGN(ExpressionPtr e, one_filter(make(E::string)));
      while (take_symbol("|")) {
        ONEBIT_ASSIGN(e, one_filter(std::move(e)));
      }
      s.values.push_back(std::move(e));
      ONEBIT_TRY(close());
      return body(s, "endfilter");
    }
    if (word == "with") return with(s);
    if (word == "generation") {
      s.kind = S::scope;
      ONEBIT_TRY(close());
      return body(s, "endgeneration");
    }
    if (word == "do") {
      s.kind = S::do_;
      ONEBIT_ASSIGN(ExpressionPtr e, expression());
      s.values.push_back(std::move(e));
      return close();
    }
    if (word == "break" || word == "continue") {
      s.kind = word == "break" ? S::break_ : S::continue_;
      if (loops_ == 0) return error("'{}' outside a loop", word);
      return close();
    }
    for (const std::string_view other : {"include", "import", "from", "extends", "block", "autoescape", "trans"})
      if (word == other) return fail(Errc::unsupported, "line {}: {{% {} %}} is not supported", s.line, word);
    return error("unexpected {{% {} %}}", word.substr(0, 40));
  }

  Status condition(Statement& s) {
    s.kind = S::condition;
    for (;;) {
      ONEBIT_ASSIGN(ExpressionPtr test, tuple(false));
      s.values.push_back(std::move(test));
      ONEBIT_TRY(close());
      ONEBIT_ASSIGN(Block b, block({"elif", "else", "endif"}));
      s.bodies.push_back(std::move(b));
      if (take_name("elif")) continue;
      if (take_name("else")) {
        ONEBIT_TRY(close());
        return body(s, "endif");
      }
      return end("endif");
    }
  }

  Result<std::vector<std::string>> targets() {
    std::vector<std::string> out;
    const bool round = take_symbol("(");
    do {
      if (round && is_symbol(")")) break;
      ONEBIT_ASSIGN(std::string one, name());
      out.push_back(std::move(one));
    } while (take_symbol(",") && peek().kind == Kind::name && !is_name("in"));
    if (round) ONEBIT_TRY(expect_symbol(")"));
    return out;
  }

  Status loop(Statement& s) {
    s.kind = S::loop;
    ONEBIT_ASSIGN(s.names, targets());
    ONEBIT_TRY(expect(Kind::name, "in"));
    ONEBIT_ASSIGN(ExpressionPtr items, tuple(true));
    s.values.push_back(std::move(items));
    ExpressionPtr filter;
    if (take_name("if")) {
      ONEBIT_ASSIGN(filter, expression());
    }
    s.values.push_back(std::move(filter));
    s.recursive = take_name("recursive");
    ONEBIT_TRY(close());
    ++loops_;
    ONEBIT_ASSIGN(Block b, block({"else", "endfor"}));
    --loops_;
    s.bodies.push_back(std::move(b));
    s.bodies.emplace_back();
    if (!take_name("else")) return end("endfor");
    ONEBIT_TRY(close());
    ONEBIT_ASSIGN(s.bodies.back(), block({"endfor"}));
    return end("endfor");
  }

  Status set(Statement& s) {
    ONEBIT_ASSIGN(s.names, targets());
    if (take_symbol(".")) {
      if (s.names.size() != 1) return error("expected one target");
      ONEBIT_ASSIGN(s.attribute, name());
    }
    if (take_symbol("=")) {
      s.kind = S::set;
      ONEBIT_ASSIGN(ExpressionPtr value, tuple(false));
      s.values.push_back(std::move(value));
      return close();
    }
    s.kind = S::set_block;
    ExpressionPtr filter = make(E::string);
    while (take_symbol("|")) {
      ONEBIT_ASSIGN(filter, one_filter(std::move(filter)));
    }
    s.values.push_back(std::move(filter));
    ONEBIT_TRY(close());
    return body(s, "endset");
  }

  // "(a, b=1)": names and defaults.
  Status parameters(Statement& s) {
    ONEBIT_TRY(expect_symbol("("));
    while (!take_symbol(")")) {
      if (!s.names.empty()) ONEBIT_TRY(expect_symbol(","));
      if (take_symbol(")")) break;
      ONEBIT_ASSIGN(std::string one, name());
      s.names.push_back(std::move(one));
      ExpressionPtr value;
      if (take_symbol("=")) {
        ONEBIT_ASSIGN(value, expression());
      }
      s.values.push_back(std::move(value));
    }
    return {};
  }

  Status macro(Statement& s) {
    s.kind = S::macro;
    ONEBIT_ASSIGN(s.text, name());
    ONEBIT_TRY(parameters(s));
    ONEBIT_TRY(close());
    const size_t outer = std::exchange(loops_, 0);
    ONEBIT_TRY(body(s, "endmacro"));
    loops_ = outer;
    return {};
  }

  // values: defaults of the parameters, then the call.
  Status call(Statement& s) {
    s.kind = S::call;
    if (is_symbol("(")) ONEBIT_TRY(parameters(s));
    ONEBIT_ASSIGN(ExpressionPtr e, expression());
    if (e->kind != E::call) return error("expected a call");
    s.values.push_back(std::move(e));
    ONEBIT_TRY(close());
    const size_t outer = std::exchange(loops_, 0);
    ONEBIT_TRY(body(s, "endcall"));
    loops_ = outer;
    return {};
  }

  Status with(Statement& s) {
    s.kind = S::with;
    while (peek().kind == Kind::name) {
      ONEBIT_ASSIGN(std::string one, name());
      ONEBIT_TRY(expect_symbol("="));
      ONEBIT_ASSIGN(ExpressionPtr value, expression());
      s.names.push_back(std::move(one));
      s.values.push_back(std::move(value));
      if (!take_symbol(",")) break;
    }
    ONEBIT_TRY(close());
    return body(s, "endwith");
  }

  std::vector<Lexeme> tokens_;
  size_t at_ = 0, depth_ = 0, loops_ = 0;
  size_t limit_;
};

}  // namespace

Result<Program> parse_program(std::string_view source, const TemplateLimits& limits) {
  if (source.size() > limits.source_bytes)
    return fail(Errc::out_of_range, "{} bytes, expected at most {}", source.size(), limits.source_bytes);
  std::string text;   // line ends are "\n", and the last one is not part of the text
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  ONEBIT_ASSIGN(std::vector<Lexeme> tokens, tokenize(text));
  return Parser(std::move(tokens), limits.depth).parse();
}

}  // namespace onebit::jinja
