// Regular expressions of the "pattern" keyword, and formats.
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "grammar/schema_rules.h"
#include "text/utf8.h"

namespace onebit::grammar {
namespace {

constexpr char32_t kSpaces[] = {U'\t', U'\n', U'\v', U'\f', U'\r', U' ', 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF};

std::vector<CodeRange> class_of(char name) {
  std::vector<CodeRange> r;
  switch (name) {
    case 'd': case 'D': r = {{'0', '9'}}; break;
    case 'w': case 'W': r = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}; break;
    default:
      for (const char32_t c : kSpaces) r.emplace_back(c, c);
      r.emplace_back(0x2000, 0x200A);
  }
  return normalise(std::move(r), name == 'D' || name == 'W' || name == 'S');
}

// One character of `ranges` as JSON writes it in a string: itself, or an escape where it must be one.
std::string json_set(const std::vector<CodeRange>& ranges) {
  std::vector<std::string> out;
  std::vector<CodeRange> plain;
  const auto has = [&](char32_t c) { return std::ranges::any_of(ranges, [c](const CodeRange& r) { return r.first <= c && c <= r.second; }); };
  for (const auto& [low, high] : ranges)
    for (const CodeRange& part : {CodeRange{0x20, 0x21}, CodeRange{0x23, 0x5B}, CodeRange{0x5D, kLastCodePoint}})
      if (const CodeRange both{std::max(low, part.first), std::min(high, part.second)}; both.first <= both.second) plain.push_back(both);
  if (!plain.empty()) out.push_back(gbnf_set(plain));
  constexpr std::array<std::pair<char32_t, char>, 7> kShort{{{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}};
  for (const auto& [c, letter] : kShort)
    if (has(c)) out.push_back(gbnf_literal(std::string{'\\', letter}));
  for (char32_t c = 0; c < 0x20; ++c) {
    const bool brief = std::ranges::any_of(kShort, [c](const auto& s) { return s.first == c; });
    if (!brief && has(c)) out.push_back(gbnf_literal(fmt::format("\\u{:04x}", static_cast<uint32_t>(c))));
  }
  return out.size() == 1 ? out[0] : fmt::format("({})", fmt::join(out, " | "));
}

class Pattern {
 public:
  Pattern(std::string_view text, std::string_view any, size_t depth) : text_(text), any_(any), depth_(depth) {}

  Result<std::string> convert() {
    ONEBIT_ASSIGN(std::string out, choice(0));
    if (at_ < text_.size()) return error("')' without '('");
    return out;
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool take(std::string_view s) {
    if (!text_.substr(at_).starts_with(s)) return false;
    at_ += s.size();
    return true;
  }
  std::unexpected<Error> error(std::string_view what) const { return fail(Errc::format, "{} at character {} of the pattern", what, at_); }
  std::unexpected<Error> unsupported(std::string_view what) const {
    return fail(Errc::unsupported, "{} at character {} of the pattern is not supported", what, at_);
  }

  // Anchors stand at the ends of the alternatives of the outermost choice; where one lacks, any text may come.
  Result<std::string> choice(size_t depth) {
    if (depth > depth_) return fail(Errc::out_of_range, "groups nested more than {} deep in the pattern", depth_);
    std::vector<std::string> out;
    do {
      const bool begins = depth == 0 && take("^");
      ONEBIT_ASSIGN(std::string one, sequence(depth));
      const bool ends = depth == 0 && take("$");
      if (ends && at_ < text_.size() && peek() != '|') return unsupported("'$' before more");
      if (depth == 0 && !begins) one = fmt::format("{}* {}", any_, one);
      if (depth == 0 && !ends) one = fmt::format("{} {}*", one, any_);
      out.push_back(std::move(one));
    } while (take("|"));
    return fmt::format("({})", fmt::join(out, " | "));
  }

  Result<std::string> sequence(size_t depth) {
    std::string out;
    while (at_ < text_.size() && peek() != '|' && peek() != ')' && !(peek() == '$' && depth == 0)) {
      ONEBIT_ASSIGN(std::string one, atom(depth));
      ONEBIT_TRY(quantifier(one));
      if (!out.empty()) out += ' ';
      out += one;
    }
    return out.empty() ? "\"\"" : out;
  }

  Status quantifier(std::string& atom) {
    if (take("*") || take("+") || take("?")) {
      atom += text_[at_ - 1];
    } else if (peek() == '{' && peek(1) >= '0' && peek(1) <= '9') {
      ONEBIT_TRY(bounds(atom));
    } else {
      return {};
    }
    take("?");   // a lazy one matches the same texts
    if (peek() == '*' || peek() == '+' || peek() == '?') return error("a repetition of a repetition");
    return {};
  }

  // "{m}", "{m,}" or "{m,n}" behind `atom`.
  Status bounds(std::string& atom) {
    const auto number = [&] {
      const size_t begin = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      return text_.substr(begin, at_ - begin);
    };
    const auto value = [](std::string_view digits) {  // what does not fit is as many as can be
      uint64_t v = 0;
      return std::from_chars(digits.data(), digits.data() + digits.size(), v).ec == std::errc() ? v : UINT64_MAX;
    };
    take("{");
    const std::string_view least = number();
    std::string_view most = least;
    const bool range = take(",");
    if (range) most = number();
    if (!take("}")) return error("a repetition that is none");
    if (!most.empty() && value(most) < value(least)) return error("a repetition whose most is less than its least");
    atom += range ? fmt::format("{{{},{}}}", least, most) : fmt::format("{{{}}}", least);
    return {};
  }

  Result<std::string> atom(size_t depth) {
    if (take("(")) {
      if (take("?:")) {
      } else if (peek() == '?' && !(peek(1) == '<' && peek(2) != '=' && peek(2) != '!')) {
        return unsupported("a group that looks ahead or behind");
      } else if (take("?<")) {
        const size_t end = text_.find('>', at_);
        if (end == std::string_view::npos) return error("'(?<' without '>'");
        at_ = end + 1;
      }
      ONEBIT_ASSIGN(std::string inner, choice(depth + 1));
      if (!take(")")) return error("'(' without ')'");
      return inner;
    }
    const char c = peek();
    if (c == '^' || c == '$') return unsupported("an anchor inside");
    if (c == '*' || c == '+' || c == '?') return error("a repetition of nothing");
    if (take(".")) return json_set(normalise({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}, true));
    ONEBIT_ASSIGN(const std::vector<CodeRange> set, c == '[' ? bracket() : one());
    if (set.empty()) return fail(Errc::format, "a set without characters before character {} of the pattern", at_);
    return json_set(set);
  }

  Result<std::vector<CodeRange>> bracket() {
    ++at_;
    const bool negate = take("^");
    std::vector<CodeRange> all;
    while (!take("]")) {
      if (at_ >= text_.size()) return error("'[' without ']'");
      ONEBIT_ASSIGN(std::vector<CodeRange> low, one(true));
      if (peek() == '-' && peek(1) != ']' && low.size() == 1 && low[0].first == low[0].second) {
        ++at_;
        ONEBIT_ASSIGN(const std::vector<CodeRange> high, one(true));
        if (high.size() != 1 || high[0].first != high[0].second || high[0].first < low[0].first) return error("a range that is none");
        low[0].second = high[0].first;
      }
      all.insert(all.end(), low.begin(), low.end());
    }
    return normalise(std::move(all), negate);
  }

  // One character or class; in a set "\b" is a backspace.
  Result<std::vector<CodeRange>> one(bool in_set = false) {
    if (at_ >= text_.size()) return error("a character is missing");
    if (!take("\\")) {
      const size_t n = utf8_length(text_, at_);
      if (n == 0) return error("bytes that are not UTF-8");
      const char32_t c = utf8_code_point(text_, at_, n);
      at_ += n;
      return std::vector<CodeRange>{{c, c}};
    }
    const char c = peek();
    if (c == '\0') return error("'\\' before the end");
    const auto single = [&](char32_t code) { return std::vector<CodeRange>{{code, code}}; };
    if (std::string_view("dDwWsS").contains(c)) return ++at_, class_of(c);
    ++at_;
    switch (c) {
      case 'n': return single('\n');
      case 'r': return single('\r');
      case 't': return single('\t');
      case 'v': return single('\v');
      case 'f': return single('\f');
      case '0': return single(0);
      case 'x': return hex(2);
      case 'u': return hex(4);
      default: break;
    }
    if (c == 'b' && in_set) return single('\b');
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9');
    if (letter || static_cast<uint8_t>(c) >= 0x80) return unsupported(fmt::format("the escape '\\{}'", letter ? std::string_view(&text_[at_ - 1], 1) : "?"));
    return single(static_cast<uint8_t>(c));
  }

  Result<std::vector<CodeRange>> hex(size_t digits) {
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const bool digit = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'f', upper = c >= 'A' && c <= 'F';
      if (!digit && !lower && !upper) return error("an escape without its hexadecimal digits");
      value = value << 4 | static_cast<char32_t>(digit ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    if (value >= 0xD800 && value < 0xE000) return unsupported("a surrogate");
    return std::vector<CodeRange>{{value, value}};
  }

  std::string_view text_, any_;
  size_t depth_, at_ = 0;
};

// A year from 0001 would be valid; four digits of which days of a month are checked are what models write.
constexpr std::string_view kDate =
    "([0-9]{4} \"-\" ((\"0\" [13578] | \"10\" | \"12\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"3\" [01]) | "
    "(\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\") | \"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8])))";
constexpr std::string_view kTime =
    "(([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,9})? (\"Z\" | [+\\-] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9]))";

}  // namespace

std::string gbnf_literal(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
    else
      out += c;
  }
  return out + "\"";
}

std::string gbnf_set(const std::vector<CodeRange>& ranges) {
  const auto one = [](char32_t c) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (word) return std::string(1, static_cast<char>(c));
    return c < 0x100 ? fmt::format("\\x{:02x}", static_cast<uint32_t>(c)) : fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
  };
  std::string out = "[";
  for (const auto& [low, high] : ranges) {
    out += one(low);
    if (high > low) out += "-" + one(high);
  }
  return out + "]";
}

Result<std::string> pattern_to_gbnf(std::string_view pattern, std::string_view any, size_t depth) { return Pattern(pattern, any, depth).convert(); }

std::optional<std::string_view> format_gbnf(std::string_view name) {
  static const std::string kDateTime = fmt::format("{} \"T\" {}", kDate, kTime);
  constexpr std::string_view kByte = "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9] [0-9] | [1-9] [0-9] | [0-9])";
  static const std::string kIpv4 = fmt::format("({0} (\".\" {0}){{3}})", kByte);
  static const std::string kHost = "([a-zA-Z0-9] ([a-zA-Z0-9\\-]{0,40} [a-zA-Z0-9])? (\".\" [a-zA-Z0-9] ([a-zA-Z0-9\\-]{0,40} [a-zA-Z0-9])?){0,4})";
  static const std::string kEmail = fmt::format("([a-zA-Z0-9_+\\-]{{1,32}} (\".\" [a-zA-Z0-9_+\\-]{{1,20}}){{0,3}} \"@\" [a-zA-Z0-9] ([a-zA-Z0-9\\-]{{0,40}} [a-zA-Z0-9])? "
                                                "(\".\" [a-zA-Z0-9] ([a-zA-Z0-9\\-]{{0,40}} [a-zA-Z0-9])?){{1,4}})");
  static const std::string kUri = fmt::format("([a-z] [a-z0-9+.\\-]{{0,15}} \"://\" {} (\":\" [1-9] [0-9]{{0,3}})? (\"/\" [a-zA-Z0-9_.~\\-]*)* "
                                              "(\"?\" [a-zA-Z0-9_.~=&\\-]*)? (\"#\" [a-zA-Z0-9_.~\\-]*)?)", kHost);
  if (name == "date") return kDate;
  if (name == "time") return kTime;
  if (name == "date-time") return kDateTime;
  if (name == "uuid") return "([0-9a-fA-F]{8} (\"-\" [0-9a-fA-F]{4}){3} \"-\" [0-9a-fA-F]{12})";
  if (name == "ipv4") return kIpv4;
  if (name == "ipv6") return "([0-9a-fA-F]{1,4} (\":\" [0-9a-fA-F]{1,4}){7})";
  if (name == "hostname") return kHost;
  if (name == "email") return kEmail;
  if (name == "uri") return kUri;
  if (name == "duration") return "(\"P\" ([0-9]{1,6} \"W\" | [0-9]{1,6} \"D\" (\"T\" [0-9]{1,6} \"H\")? | \"T\" [0-9]{1,6} (\"H\" ([0-9]{1,6} \"M\")? | \"M\" | \"S\")))";
  return std::nullopt;
}

}  // namespace onebit::grammar
