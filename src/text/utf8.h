// UTF-8, strict: no overlong forms, no surrogates, nothing past U+10FFFF (what PCRE2 demands too).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace onebit {

// Length 1..4 of the well-formed sequence that starts at text[at] (at < size), or 0.
inline size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0u; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return tail(1) ? 2 : 0;
  if (lead < 0xF0) {
    const uint32_t low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && tail(2) ? 3 : 0;
  }
  if (lead > 0xF4) return 0;
  const uint32_t low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
  return byte(1) >= low && byte(1) <= high && tail(2) && tail(3) ? 4 : 0;
}

// The code point of the well-formed sequence of `length` bytes at text[at].
inline char32_t utf8_code_point(std::string_view text, size_t at, size_t length) {
  constexpr uint8_t kLeadMask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t c = static_cast<uint8_t>(text[at]) & kLeadMask[length];
  for (size_t i = 1; i < length; ++i) c = c << 6 | (static_cast<uint8_t>(text[at + i]) & 0x3F);
  return c;
}

// Appends a code point below U+0800, which is all that byte-level BPE needs.
inline void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Appends any code point.
inline void append_code_point(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x800) return append_utf8(out, c);
  if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    tail(12);
  }
  tail(6);
  tail(0);
}

// The longest well-formed prefix of text[from..], in bytes.
inline size_t utf8_valid_run(std::string_view text, size_t from) {
  size_t at = from;
  while (at < text.size()) {
    const size_t n = utf8_length(text, at);
    if (n == 0) break;
    at += n;
  }
  return at - from;
}

}  // namespace onebit
