#include "store/http_head.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "store/digest.h"

namespace onebit::store {
namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front()))) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.remove_suffix(1);
  return s;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return v;
}

// "bytes 5-9/10", "bytes 5-9/*", "bytes */10"
std::optional<ContentRange> content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  ContentRange range;
  const std::string_view total = trim(text.substr(slash + 1)), span = trim(text.substr(0, slash));
  if (total != "*") {
    range.total = number(total);
    if (!range.total) return std::nullopt;
  }
  if (span == "*") return range;
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(span.substr(0, dash)), last = number(span.substr(dash + 1));
  if (!first || !last || *last < *first || (range.total && *last >= *range.total)) return std::nullopt;
  range.first = *first;
  return range;
}

// An ETag or date that is repeated in requests: printable, of bounded length.
std::string validator(std::string_view text) {
  const auto bad = [](unsigned char c) { return c < 0x20 || c > 0x7E; };
  return text.size() > 256 || std::any_of(text.begin(), text.end(), bad) ? std::string() : std::string(text);
}

}  // namespace

void read_header_line(std::string_view line, HttpHead& head) {
  if (line.starts_with("HTTP/")) {
    head = HttpHead{};
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return;
    const auto status = number(line.substr(space + 1, 3));
    head.status = status ? static_cast<int>(*status) : 0;
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "content-length") {
    head.length = number(value);
    head.bad_length = head.bad_length || !head.length;
  } else if (name == "content-range") {
    head.range = content_range(value);
  } else if (name == "etag") {
    head.etag = validator(value);
  } else if (name == "last-modified") {
    head.last_modified = validator(value);
  } else if (name == "content-encoding") {
    head.encoding = std::string(value.substr(0, 64));
  } else if (name == "retry-after") {
    head.retry_after = number(value);
  } else if (name == "x-linked-size") {
    head.linked_size = number(value);
  } else if (name == "x-linked-etag") {
    std::string_view tag = value;
    if (tag.size() > 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
    if (is_sha256(tag)) head.linked_sha256 = std::string(tag);
  }
}

}  // namespace onebit::store
