#include <algorithm>

#include <fmt/format.h>

#include "grammar/schema_rules.h"

namespace onebit::grammar {
namespace {

std::string digit_range(char low, char high) {
  return low == high ? fmt::format("\"{}\"", low) : fmt::format("[{}-{}]", low, high);
}

std::string any_digits(size_t count) { return count == 0 ? "" : count == 1 ? " [0-9]" : fmt::format(" [0-9]{{{}}}", count); }

// Strings of digits from low to high, of equal length.
void same_length(std::string_view low, std::string_view high, const std::string& prefix, std::vector<std::string>& out) {
  if (low.empty()) {
    out.push_back(prefix.empty() ? "\"\"" : prefix);
    return;
  }
  const auto all = [](std::string_view s, char c) { return std::ranges::all_of(s, [c](char x) { return x == c; }); };
  const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
  if (all(low_rest, '0') && all(high_rest, '9')) {
    out.push_back(prefix + digit_range(low[0], high[0]) + any_digits(low_rest.size()));
    return;
  }
  const auto with = [&](char c) { return prefix + digit_range(c, c) + " "; };
  if (low[0] == high[0]) return same_length(low_rest, high_rest, with(low[0]), out);
  char first = low[0], last = high[0];
  if (!all(low_rest, '0')) same_length(low_rest, std::string(low_rest.size(), '9'), with(first++), out);
  if (!all(high_rest, '9')) same_length(std::string(high_rest.size(), '0'), high_rest, with(last--), out);
  if (first <= last) out.push_back(prefix + digit_range(first, last) + any_digits(low_rest.size()));
}

// 0 <= low <= high.
std::vector<std::string> whole_numbers(int64_t low, int64_t high) {
  std::vector<std::string> out;
  const std::string most = std::to_string(high);
  for (std::string from = std::to_string(low); from.size() <= most.size(); from = "1" + std::string(from.size(), '0'))
    same_length(from, from.size() < most.size() ? std::string(from.size(), '9') : most, "", out);
  return out;
}

std::string choice(const std::vector<std::string>& list) { return fmt::format("({})", fmt::join(list, " | ")); }

// 0 <= low <= high; the bounds themselves belong to it unless said otherwise. Nothing: no such number.
std::vector<std::string> decimals(int64_t low, bool above, int64_t high, bool below) {
  constexpr const char* kFraction = "(\".\" [0-9]{1,16})?";
  std::vector<std::string> out;
  if (low == high) {
    if (!above && !below) out.push_back(fmt::format("\"{}\" (\".\" \"0\"{{1,16}})?", low));
    return out;
  }
  if (above) out.push_back(fmt::format("\"{}.\" [0-9]{{0,15}} [1-9]", low));
  const int64_t from = above ? low + 1 : low;
  if (from <= high - 1) out.push_back(choice(whole_numbers(from, high - 1)) + " " + kFraction);
  if (!below) out.push_back(fmt::format("\"{}\" (\".\" \"0\"{{1,16}})?", high));
  return out;
}

}  // namespace

Result<std::string> integer_range(const Bounds& b) {
  int64_t low = std::clamp(b.min.value_or(-kMostInteger), -kMostInteger - 1, kMostInteger + 1);
  int64_t high = std::clamp(b.max.value_or(kMostInteger), -kMostInteger - 1, kMostInteger + 1);
  low = std::max(low + b.above_min, -kMostInteger);
  high = std::min(high - b.below_max, kMostInteger);
  if (low > high) return fail(Errc::format, "no integer of at most 15 digits is within the bounds");
  std::vector<std::string> out;
  if (low < 0) out.push_back("\"-\" " + choice(whole_numbers(std::max<int64_t>(1, -high), -low)));
  if (high >= 0) out.push_back(choice(whole_numbers(std::max<int64_t>(0, low), high)));
  return choice(out);
}

Result<std::string> decimal_range(const Bounds& b) {
  const int64_t low = std::clamp(b.min.value_or(-kMostInteger), -kMostInteger - 1, kMostInteger + 1);
  const int64_t high = std::clamp(b.max.value_or(kMostInteger), -kMostInteger - 1, kMostInteger + 1);
  std::vector<std::string> out;
  if (low <= high && low < 0)
    for (const std::string& s : decimals(std::max<int64_t>(0, -high), high <= 0 && b.below_max, -low, b.above_min)) out.push_back("\"-\" " + s);
  if (low <= high && high >= 0)
    for (std::string& s : decimals(std::max<int64_t>(0, low), low >= 0 && b.above_min, high, b.below_max)) out.push_back(std::move(s));
  if (out.empty()) return fail(Errc::format, "no number is within the bounds");
  return choice(out);
}

}  // namespace onebit::grammar
