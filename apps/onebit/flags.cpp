#include "flags.h"

#include <algorithm>
#include <charconv>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace onebit::cli {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t at; (at = text.find(separator, start)) != std::string::npos; start = at + 1)
    parts.push_back(text.substr(start, at - start));
  parts.push_back(text.substr(start));
  return parts;
}

// "--top-k" and "-top-k" are the same flag.
std::string_view bare(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

Result<int64_t> parse_integer(const std::string& name, const std::string& text, int64_t min, int64_t max) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc{} || end != text.data() + text.size() || v < min || v > max)
    return fail(Errc::usage, "{}: '{}' is not an integer from {} to {}", name, text, min, max);
  return v;
}

}  // namespace

Flags::Flags(std::string command, std::string summary, std::string example)
    : command_(std::move(command)), summary_(std::move(summary)), example_(std::move(example)) {}

void Flags::add(std::string names, std::string value, std::string help, std::string fallback,
                std::function<Status(const std::string&, const std::string&)> set) {
  flags_.push_back({split(names, ','), std::move(value), std::move(help), std::move(fallback), std::move(set)});
}

void Flags::text(std::string names, std::string value, std::string help, std::string* target) {
  add(std::move(names), std::move(value), std::move(help), *target,
      [target](const std::string&, const std::string& s) -> Status {
        *target = s;
        return {};
      });
}

void Flags::toggle(std::string names, std::string help, bool* target) {
  add(std::move(names), "", std::move(help), "", [target](const std::string&, const std::string&) -> Status {
    *target = true;
    return {};
  });
}

void Flags::integer(std::string names, std::string help, int64_t* target, int64_t min, int64_t max) {
  add(std::move(names), "N", std::move(help), std::to_string(*target),
      [=](const std::string& name, const std::string& s) -> Status {
        ONEBIT_ASSIGN(*target, parse_integer(name, s, min, max));
        return {};
      });
}

void Flags::real(std::string names, std::string help, double* target, double min, double max) {
  add(std::move(names), "X", std::move(help), fmt::format("{}", *target),
      [=](const std::string& name, const std::string& s) -> Status {
        double v = 0;
        const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
        if (error != std::errc{} || end != s.data() + s.size() || !std::isfinite(v) || v < min || v > max)
          return fail(Errc::usage, "{}: '{}' is not a number from {} to {}", name, s, min, max);
        *target = v;
        return {};
      });
}

void Flags::integers(std::string names, std::string help, std::vector<int64_t>* target, int64_t min, int64_t max) {
  add(std::move(names), "N,..", std::move(help), fmt::format("{}", fmt::join(*target, ",")),
      [=](const std::string& name, const std::string& s) -> Status {
        std::vector<int64_t> list;
        for (const auto& part : split(s, ',')) {
          ONEBIT_ASSIGN(const int64_t v, parse_integer(name, part, min, max));
          list.push_back(v);
        }
        *target = std::move(list);
        return {};
      });
}

void Flags::choice(std::string names, std::string help, std::string* target, std::vector<std::string> choices) {
  const std::string all = fmt::format("{}", fmt::join(choices, "|"));
  add(std::move(names), all, std::move(help), *target,
      [=](const std::string& name, const std::string& s) -> Status {
        if (std::find(choices.begin(), choices.end(), s) == choices.end())
          return fail(Errc::usage, "{}: '{}' is not one of {}", name, s, all);
        *target = s;
        return {};
      });
}

void Flags::positional(std::string value, std::string help, std::vector<std::string>* target, size_t max) {
  positional_value_ = std::move(value);
  positional_help_ = std::move(help);
  positional_ = target;
  positional_max_ = max;
}

Flags::Flag* Flags::find(std::string_view name) {
  for (auto& f : flags_)
    for (const auto& n : f.names)
      if (bare(n) == bare(name)) return &f;
  return nullptr;
}

bool Flags::given(std::string_view name) const {
  const Flag* f = const_cast<Flags*>(this)->find(name);
  return f && f->given;
}

// The variable of a flag: its longest name.
std::string Flags::variable(const Flag& flag) const {
  const std::string& longest = *std::max_element(flag.names.begin(), flag.names.end(), [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::string name = environment_;
  for (const char c : bare(longest)) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Status Flags::read_environment() {
  for (Flag& f : flags_) {
    const std::string name = variable(f);
    const char* const value = std::getenv(name.c_str());
    if (!value) continue;
    if (f.value.empty()) {
      const std::string text = value;
      if (text != "1" && text != "true" && text != "0" && text != "false")
        return fail(Errc::usage, "{}: '{}' is not 1, true, 0 or false", name, text);
      if (text == "0" || text == "false") continue;
    }
    f.given = true;
    ONEBIT_TRY(f.set(name, value));
  }
  return {};
}

Status Flags::parse(std::span<const char* const> args) {
  const auto usage = [this](std::string text) {
    return std::unexpected(Error{Errc::usage, text + fmt::format(" (see '{} --help')", command_)});
  };
  if (!environment_.empty()) {
    if (auto s = read_environment(); !s) return usage(s.error().message);
  }
  bool only_positional = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string arg = args[i];
    if (!only_positional && arg == "--") {
      only_positional = true;
      continue;
    }
    if (only_positional || arg == "-" || !arg.starts_with('-')) {
      if (!positional_) return usage(fmt::format("unexpected argument '{}'", arg));
      if (positional_->size() >= positional_max_) return usage(fmt::format("one argument too many: '{}'", arg));
      positional_->push_back(arg);
      continue;
    }
    if (arg == "-h" || arg == "--help") {
      help_wanted_ = true;
      return {};
    }
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(0, equals);
    Flag* flag = find(name);
    if (!flag) return usage(fmt::format("unknown flag '{}'", name));
    flag->given = true;
    std::string value;
    if (!flag->value.empty()) {
      if (equals != std::string::npos)
        value = arg.substr(equals + 1);
      else if (i + 1 < args.size())
        value = args[++i];
      else
        return usage(fmt::format("{}: a value is missing, expected {}", name, flag->value));
    } else if (equals != std::string::npos) {
      return usage(fmt::format("{}: takes no value", name));
    }
    if (auto s = flag->set(name, value); !s) return usage(s.error().message);
  }
  return {};
}

FlagTable Flags::table() const {
  FlagTable t{command_, summary_, example_, positional_value_, positional_help_, {}};
  for (const Flag& f : flags_) {
    FlagRow row{f.names, f.value, f.help, f.fallback, {}};
    if (f.value.find('|') != std::string::npos) row.choices = split(f.value, '|');
    t.rows.push_back(std::move(row));
  }
  t.rows.push_back({{"-h", "--help"}, "", "this text", "", {}});
  return t;
}

std::string Flags::help() const {
  std::string out = fmt::format("{} - {}\n\nusage: {} [flags]", command_, summary_, command_);
  if (positional_) out += " " + positional_value_;
  out += fmt::format("\nexample: {}\n\n", example_);
  if (positional_) out += fmt::format("  {:<30} {}\n", positional_value_, positional_help_);
  for (const auto& f : flags_) {
    std::string left = fmt::format("{}", fmt::join(f.names, ", "));
    if (!f.value.empty()) left += " " + f.value;
    out += fmt::format("  {:<30} {}", left, f.help);
    if (!f.fallback.empty()) out += fmt::format(" (default {})", f.fallback);
    out += '\n';
  }
  out += fmt::format("  {:<30} {}\n", "-h, --help", "this text");
  if (!environment_.empty())
    out += fmt::format("\nEach flag can be set by a variable: {} for {}, and so on.\n", variable(flags_.front()), flags_.front().names.back());
  return out;
}

}  // namespace onebit::cli
