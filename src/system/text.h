// Lines, words and numbers of the text files of /proc and /sys.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace onebit::system {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Safe inside a command that a user is told to type.
inline bool plain_word(std::string_view text) {
  return !text.empty() && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=,-") == std::string_view::npos;
}

inline std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}
inline std::vector<std::string_view> lines(std::string_view text) { return split(text, "\n"); }
inline std::vector<std::string_view> words(std::string_view text) { return split(text, " \t\r\n"); }
// The parts point into the text, so it has to outlive them.
std::vector<std::string_view> lines(std::string&&) = delete;
std::vector<std::string_view> words(std::string&&) = delete;

// The number at the start of `text`, in decimal or, after "0x", in hexadecimal.
inline std::optional<uint64_t> parse_number(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  uint64_t n = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), n, base);
  if (error != std::errc{}) return {};
  return n;
}

// "key<spaces>: value": the value of the first line with that key.
inline std::optional<std::string_view> field(std::string_view text, std::string_view key) {
  for (const std::string_view l : lines(text)) {
    if (!l.starts_with(key)) continue;
    const size_t colon = l.find_first_not_of(" \t", key.size());
    if (colon == std::string_view::npos || l[colon] != ':') continue;
    const size_t value = l.find_first_not_of(" \t", colon + 1);
    return value == std::string_view::npos ? std::string_view() : l.substr(value);
  }
  return {};
}

}  // namespace onebit::system
