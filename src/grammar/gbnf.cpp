#include "grammar/gbnf.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "text/utf8.h"

namespace onebit::grammar {
namespace {

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Parser {
 public:
  Parser(std::string_view text, const GrammarLimits& limits) : text_(text), limits_(limits) {}

  Result<std::vector<Rule>> parse(std::string_view root) {
    number(root);
    skip_space(true);
    while (at_ < text_.size()) {
      ONEBIT_TRY(definition());
      skip_space(true);
    }
    for (const Rule& r : rules_)
      if (r.line == 0) {
        if (r.used_line == 0) return fail(Errc::format, "grammar: there is no rule '{}'", r.name);
        return fail(Errc::format, "grammar: line {}: the rule '{}' is not defined", r.used_line, r.name);
      }
    return std::move(rules_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  template <class... Args>
  std::unexpected<Error> error(fmt::format_string<Args...> text, Args&&... args) const {
    return fail(Errc::format, "grammar: line {}: {}", line_, fmt::format(text, std::forward<Args>(args)...));
  }
  std::string met() const {
    if (at_ >= text_.size()) return "the end";
    const size_t n = std::max<size_t>(utf8_length(text_, at_), 1);
    const uint8_t c = static_cast<uint8_t>(text_[at_]);
    if (c == '\n' || c == '\r') return "the end of the line";
    if (c < 0x20 || c == 0x7F || utf8_length(text_, at_) == 0) return fmt::format("byte 0x{:02x}", c);
    return fmt::format("'{}'", text_.substr(at_, n));
  }

  // Spaces and comments; with `lines` line ends too.
  void skip_space(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '\r') ++at_;
      } else if (c == ' ' || c == '\t') {
        ++at_;
      } else if (lines && (c == '\n' || c == '\r')) {
        line_ += c == '\n';
        ++at_;
      } else {
        return;
      }
    }
  }

  uint32_t number(std::string_view name) {
    const auto [it, added] = numbers_.try_emplace(std::string(name), static_cast<uint32_t>(rules_.size()));
    if (added) rules_.push_back({std::string(name), 0, 0, {}});
    return it->second;
  }

  Result<uint32_t> rule_name() {
    const size_t begin = at_;
    while (is_name(peek())) ++at_;
    if (at_ == begin) return error("expected the name of a rule, met {}", met());
    const uint32_t n = number(text_.substr(begin, at_ - begin));
    if (rules_.size() > limits_.rules) return fail(Errc::out_of_range, "grammar: line {}: more than {} rules", line_, limits_.rules);
    if (rules_[n].used_line == 0) rules_[n].used_line = line_;
    return n;
  }

  Status definition() {
    ONEBIT_ASSIGN(const uint32_t n, rule_name());
    if (rules_[n].line != 0) return error("the rule '{}' is defined in line {} already", rules_[n].name, rules_[n].line);
    rules_[n].line = line_;
    skip_space(false);
    if (peek() != ':' || peek(1) != ':' || peek(2) != '=') return error("expected '::=' after '{}', met {}", rules_[n].name, met());
    at_ += 3;
    skip_space(true);
    ONEBIT_ASSIGN(Node body, choice(0));
    rules_[n].body = std::move(body);
    if (at_ < text_.size() && peek() != '\n' && peek() != '\r') return error("expected an expression or the end of the line, met {}", met());
    return {};
  }

  Result<Node> choice(size_t depth) {
    if (depth > limits_.depth) return fail(Errc::out_of_range, "grammar: line {}: groups nested more than {} deep", line_, limits_.depth);
    Node out{.kind = Node::Kind::choice};
    do {
      skip_space(true);
      ONEBIT_ASSIGN(Node one, sequence(depth));
      out.children.push_back(std::move(one));
    } while (take('|'));
    if (out.children.size() == 1) return Node(std::move(out.children[0]));
    return out;
  }

  Result<Node> sequence(size_t depth) {
    Node out{.kind = Node::Kind::sequence};
    for (;;) {
      skip_space(depth > 0);
      const char c = peek();
      std::optional<Node> item;
      if (c == '"') {
        ONEBIT_ASSIGN(item, literal());
      } else if (c == '[') {
        ONEBIT_ASSIGN(item, set());
      } else if (c == '(') {
        ++at_;
        ONEBIT_ASSIGN(item, choice(depth + 1));
        if (!take(')')) return error("expected ')', met {}", met());
      } else if (c == '.') {
        ++at_;
        item = Node{.kind = Node::Kind::set, .ranges = normalise({}, true)};
      } else if (is_name(c)) {
        ONEBIT_ASSIGN(const uint32_t n, rule_name());
        item = Node{.kind = Node::Kind::rule, .rule = n};
      } else if (c == '<' || c == '!') {
        return fail(Errc::unsupported, "grammar: line {}: token references (<...>) are not supported", line_);
      } else {
        if (out.children.size() == 1) return Node(std::move(out.children[0]));
        return out;
      }
      ONEBIT_TRY(repetition(*item, depth));
      out.children.push_back(std::move(*item));
    }
  }

  // The operators behind an item: each applies to all that stands before it.
  Status repetition(Node& item, size_t depth) {
    for (size_t nested = depth;; ++nested) {
      skip_space(depth > 0);
      uint32_t min = 0, max = kUnlimited;
      if (take('*')) {
      } else if (take('+')) {
        min = 1;
      } else if (take('?')) {
        max = 1;
      } else if (take('{')) {
        ONEBIT_TRY(bounds(min, max));
      } else {
        return {};
      }
      if (nested > limits_.depth) return fail(Errc::out_of_range, "grammar: line {}: more than {} repetitions in one another", line_, limits_.depth);
      Node repeat{.kind = Node::Kind::repeat, .min = min, .max = max};
      repeat.children.push_back(std::move(item));
      item = std::move(repeat);
    }
  }

  Status bounds(uint32_t& min, uint32_t& max) {
    const auto count = [&](uint32_t& value) -> Status {
      skip_space(false);
      uint64_t v = 0;
      const size_t begin = at_;
      for (; peek() >= '0' && peek() <= '9'; ++at_) v = std::min<uint64_t>(v * 10 + static_cast<uint64_t>(peek() - '0'), kUnlimited);
      if (at_ == begin) return error("expected a number of repetitions, met {}", met());
      if (v > limits_.states)
        return fail(Errc::out_of_range, "grammar: line {}: {} repetitions, expected at most {}", line_, text_.substr(begin, std::min<size_t>(at_ - begin, 20)), limits_.states);
      value = static_cast<uint32_t>(v);
      skip_space(false);
      return {};
    };
    skip_space(false);
    if (peek() != ',') ONEBIT_TRY(count(min));
    if (take('}')) {
      max = min;
      return {};
    }
    if (!take(',')) return error("expected ',' or '}}' in a repetition, met {}", met());
    skip_space(false);
    if (take('}')) return {};
    ONEBIT_TRY(count(max));
    if (!take('}')) return error("expected '}}' after a repetition, met {}", met());
    if (max < min) return error("{{{},{}}}: the most is less than the least", min, max);
    return {};
  }

  // One character of a string or set, escapes resolved.
  Result<char32_t> character() {
    if (at_ >= text_.size() || peek() == '\n') return error("expected a character, met {}", met());
    if (peek() != '\\') {
      const size_t n = utf8_length(text_, at_);
      if (n == 0) return error("expected UTF-8, met {}", met());
      const char32_t c = utf8_code_point(text_, at_, n);
      at_ += n;
      return c;
    }
    ++at_;
    const char c = peek();
    ++at_;
    switch (c) {
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 't': return U'\t';
      case 'x': return hex(2);
      case 'u': return hex(4);
      case 'U': return hex(8);
      case '\\': case '"': case '[': case ']': case '^': case '-': return static_cast<char32_t>(c);
      default: break;
    }
    --at_;
    return error("unknown escape '\\' before {}", met());
  }

  Result<char32_t> hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const int d = hex_digit(peek());
      if (d < 0) return error("expected {} hexadecimal digits, met {}", digits, met());
      value = value << 4 | static_cast<char32_t>(d);
      ++at_;
    }
    if (value > kLastCodePoint || (value >= 0xD800 && value < 0xE000)) return error("U+{:04X} is no character", static_cast<uint32_t>(value));
    return value;
  }

  Result<Node> literal() {
    ++at_;
    Node out{.kind = Node::Kind::bytes};
    while (!take('"')) {
      ONEBIT_ASSIGN(const char32_t c, character());
      append_code_point(out.text, c);
    }
    return out;
  }

  Result<Node> set() {
    ++at_;
    const bool negate = take('^');
    std::vector<CodeRange> ranges;
    while (!take(']')) {
      ONEBIT_ASSIGN(const char32_t low, character());
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']') {
        ++at_;
        ONEBIT_ASSIGN(high, character());
        if (high < low) return error("a range of characters from U+{:04X} down to U+{:04X}", static_cast<uint32_t>(low), static_cast<uint32_t>(high));
      }
      ranges.emplace_back(low, high);
    }
    return Node{.kind = Node::Kind::set, .ranges = normalise(std::move(ranges), negate)};
  }

  std::string_view text_;
  const GrammarLimits& limits_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  std::vector<Rule> rules_;
  std::unordered_map<std::string, uint32_t> numbers_;
};

}  // namespace

std::vector<CodeRange> normalise(std::vector<CodeRange> ranges, bool negate) {
  std::ranges::sort(ranges);
  std::vector<CodeRange> joined;
  for (const CodeRange& r : ranges)
    if (!joined.empty() && r.first <= joined.back().second + 1)
      joined.back().second = std::max(joined.back().second, r.second);
    else
      joined.push_back(r);
  if (negate) {
    std::vector<CodeRange> others;
    char32_t next = 0;
    for (const CodeRange& r : joined) {
      if (r.first > next) others.emplace_back(next, r.first - 1);
      next = r.second + 1;
    }
    if (next <= kLastCodePoint) others.emplace_back(next, kLastCodePoint);
    joined = std::move(others);
  }
  std::vector<CodeRange> out;
  for (const auto& [low, high] : joined) {
    if (low < 0xD800) out.emplace_back(low, std::min<char32_t>(high, 0xD7FF));
    if (high > 0xDFFF) out.emplace_back(std::max<char32_t>(low, 0xE000), high);
  }
  return out;
}

Result<std::vector<Rule>> parse_gbnf(std::string_view text, std::string_view root, const GrammarLimits& limits) {
  if (text.size() > limits.source_bytes)
    return fail(Errc::out_of_range, "grammar: {} bytes, expected at most {}", text.size(), limits.source_bytes);
  return Parser(text, limits).parse(root);
}

}  // namespace onebit::grammar
