#include "template/expression_parser.h"

namespace onebit::jinja {
namespace {

using S = Statement::Kind;

class Parser : private ExpressionParser {
 public:
  Parser(std::vector<Lexeme> tokens, size_t depth) : ExpressionParser(std::move(tokens), depth) {}

  Result<Program> parse() {
    Program p;
    ONEBIT_ASSIGN(p.body, block({}));
    return p;
  }

 private:
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

  size_t loops_ = 0;
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
