#include "template/lexer.h"

#include <array>
#include <charconv>

#include "text/utf8.h"

namespace onebit::jinja {
namespace {

using Kind = Lexeme::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

constexpr std::array<std::string_view, 25> kSymbols{"**", "//", "==", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",",
                                                    ".",  ":",  "|",  "=",  "<",  ">",  "+", "-", "*", "/", "%", "~"};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Lexeme>> run() {
    while (at_ < source_.size()) {
      ONEBIT_TRY(text());
      if (at_ >= source_.size()) break;
      const char kind = source_[at_ + 1];
      if (kind == '#') {
        ONEBIT_TRY(comment());
      } else if (kind == '%') {
        ONEBIT_TRY(block());
      } else {
        ONEBIT_TRY(print());
      }
    }
    add(Kind::end, "");
    return std::move(out_);
  }

 private:
  bool at(std::string_view s, size_t ahead = 0) const { return source_.substr(std::min(at_ + ahead, source_.size())).starts_with(s); }
  void add(Kind kind, std::string text) { out_.push_back({kind, std::move(text), line_}); }
  void advance(size_t n) {
    for (; n > 0; --n) line_ += source_[at_++] == '\n';
  }
  template <class... Args>
  std::unexpected<Error> error(fmt::format_string<Args...> text, Args&&... args) const {
    return fail(Errc::format, "line {}: {}", line_, fmt::format(text, std::forward<Args>(args)...));
  }

  // Text up to the next tag, less what the tags around it strip.
  Status text() {
    size_t end = at_;
    while (end < source_.size() && !(source_[end] == '{' && end + 1 < source_.size() && std::string_view("{%#").contains(source_[end + 1]))) ++end;
    std::string_view piece = source_.substr(at_, end - at_);
    const bool line_start = at_ == 0;
    if (strip_next_) {
      while (!piece.empty() && is_space(piece.front())) piece.remove_prefix(1);
    } else if (trim_next_ && piece.starts_with('\n')) {
      piece.remove_prefix(1);
    }
    // A line that begins in this text, or where the text and with it the line began.
    const bool after_newline = (trim_next_ || strip_next_) && piece.size() < end - at_ && source_[end - piece.size() - 1] == '\n';
    strip_next_ = trim_next_ = false;
    if (end < source_.size()) {
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      if (sign == '-') {
        while (!piece.empty() && is_space(piece.back())) piece.remove_suffix(1);
      } else if (source_[end + 1] != '{' && sign != '+') {
        size_t keep = piece.size();
        while (keep > 0 && (piece[keep - 1] == ' ' || piece[keep - 1] == '\t')) --keep;
        if (keep > 0 ? piece[keep - 1] == '\n' : line_start || after_newline) piece = piece.substr(0, keep);
      }
    }
    if (!piece.empty()) add(Kind::text, std::string(piece));
    advance(end - at_);
    return {};
  }

  // The sign before the end of a tag, where `close` begins.
  void closed(char sign, bool block) {
    strip_next_ = sign == '-';
    trim_next_ = block && sign != '+';
  }

  Status comment() {
    const size_t end = source_.find("#}", at_ + 2);
    if (end == std::string_view::npos) return error("a comment that does not end");
    closed(end > at_ + 2 ? source_[end - 1] : '\0', true);
    advance(end + 2 - at_);
    return {};
  }

  Status block() {
    if (raw_begins()) return raw();
    add(Kind::open_block, "{%");
    advance(2);
    if (at("-") || at("+")) advance(1);
    return tag(Kind::close_block, "%}");
  }

  Status print() {
    add(Kind::open_print, "{{");
    advance(2);
    if (at("-") || at("+")) advance(1);
    return tag(Kind::close_print, "}}");
  }

  // After "{%" at `from`: where the tag {% word %} ends, or 0 where it is another.
  size_t simple_tag(size_t from, std::string_view word, char& sign) const {
    size_t i = from + 2;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    while (i < source_.size() && is_space(source_[i])) ++i;
    if (!source_.substr(i).starts_with(word)) return 0;
    i += word.size();
    while (i < source_.size() && is_space(source_[i])) ++i;
    sign = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
    return source_.substr(i).starts_with("%}") ? i + 2 : 0;
  }
  bool raw_begins() const {
    char sign = 0;
    return simple_tag(at_, "raw", sign) != 0;
  }

  Status raw() {
    char sign = 0;
    size_t begin = simple_tag(at_, "raw", sign);
    for (size_t i = begin; (i = source_.find("{%", i)) != std::string_view::npos; i += 2) {
      char end_sign = 0;
      const size_t after = simple_tag(i, "endraw", end_sign);
      if (after == 0) continue;
      std::string_view piece = source_.substr(begin, i - begin);
      if (sign == '-')
        while (!piece.empty() && is_space(piece.front())) piece.remove_prefix(1);
      else if (piece.starts_with('\n') && sign != '+')
        piece.remove_prefix(1);
      if (source_[i + 2] == '-')
        while (!piece.empty() && is_space(piece.back())) piece.remove_suffix(1);
      if (!piece.empty()) add(Kind::text, std::string(piece));
      closed(end_sign, true);
      advance(after - at_);
      return {};
    }
    return error("{{% raw %}} without {{% endraw %}}");
  }

  Status tag(Kind close, std::string_view ends) {
    size_t braces = 0;   // "}}" also ends a dictionary in a dictionary
    for (;;) {
      while (at_ < source_.size() && is_space(source_[at_])) advance(1);
      if (at_ >= source_.size()) return error("a tag that does not end, expected '{}'", ends);
      const bool signed_end = (at("-") || at("+")) && at(ends, 1);
      if ((signed_end || at(ends)) && braces == 0) {
        closed(signed_end ? source_[at_] : '\0', close == Kind::close_block);
        if (signed_end) advance(1);
        add(close, std::string(ends));
        advance(2);
        return {};
      }
      const char c = source_[at_];
      if (c == '"' || c == '\'') {
        ONEBIT_TRY(string(c));
      } else if (is_digit(c)) {
        ONEBIT_TRY(number());
      } else if (is_word(c)) {
        size_t n = 1;
        while (at_ + n < source_.size() && is_word(source_[at_ + n])) ++n;
        add(Kind::name, std::string(source_.substr(at_, n)));
        advance(n);
      } else {
        bool known = false;
        for (const std::string_view s : kSymbols) {
          if (!at(s)) continue;
          braces += s == "{";
          braces -= s == "}" && braces > 0;
          add(Kind::symbol, std::string(s));
          advance(s.size());
          known = true;
          break;
        }
        if (!known) return error("unexpected {}", static_cast<uint8_t>(c) < 0x80 && c >= ' ' ? fmt::format("'{}'", c) : fmt::format("byte 0x{:02x}", static_cast<uint8_t>(c)));
      }
    }
  }

  Status number() {
    size_t n = 0;
    bool real = false;
    std::string digits;
    const auto peek = [&](size_t i) { return at_ + i < source_.size() ? source_[at_ + i] : '\0'; };
    const auto take_digits = [&] {
      for (; is_digit(peek(n)) || (peek(n) == '_' && is_digit(peek(n + 1))); ++n)
        if (peek(n) != '_') digits += peek(n);
    };
    take_digits();
    if (peek(n) == '.' && is_digit(peek(n + 1))) {
      real = true;
      digits += '.';
      ++n;
      take_digits();
    }
    const bool sign = peek(n + 1) == '-' || peek(n + 1) == '+';
    if ((peek(n) == 'e' || peek(n) == 'E') && is_digit(peek(n + 1 + sign))) {
      real = true;
      digits += 'e';
      if (peek(n + 1) == '-') digits += '-';
      n += 1 + sign;
      take_digits();
    }
    Lexeme out{real ? Kind::real : Kind::integer, digits, line_};
    const auto [end, problem] = real ? std::from_chars(digits.data(), digits.data() + digits.size(), out.real)
                                     : std::from_chars(digits.data(), digits.data() + digits.size(), out.integer);
    if (problem != std::errc{}) return error("the number {} is too large", digits.substr(0, 40));
    out_.push_back(std::move(out));
    advance(n);
    return {};
  }

  Status string(char quote) {
    std::string out;
    size_t i = at_ + 1;
    for (; i < source_.size() && source_[i] != quote; ++i) {
      if (source_[i] != '\\') {
        out += source_[i];
        continue;
      }
      if (++i >= source_.size()) break;
      switch (source_[i]) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'v': out += '\v'; break;
        case '0': out += '\0'; break;
        case '\n': break;
        case 'x': case 'u': case 'U': {
          const size_t n = source_[i] == 'x' ? 2 : source_[i] == 'u' ? 4 : 8;
          uint32_t code = 0;
          const std::string_view hex = source_.substr(i + 1, n);
          const auto [end, problem] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
          if (hex.size() != n || problem != std::errc{} || end != hex.data() + n || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            return error("an escape that is no character");
          append_code_point(out, code);
          i += n;
          break;
        }
        case '\\': case '\'': case '"': out += source_[i]; break;
        default: out += {'\\', source_[i]};   // as in Python
      }
    }
    if (i >= source_.size()) return error("a string that does not end");
    add(Kind::string, std::move(out));
    advance(i + 1 - at_);
    return {};
  }

  std::string_view source_;
  size_t at_ = 0;
  uint32_t line_ = 1;
  bool strip_next_ = false, trim_next_ = false;
  std::vector<Lexeme> out_;
};

}  // namespace

Result<std::vector<Lexeme>> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace onebit::jinja
