// A grammar as written: what the parser gives and the compiler takes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace onebit::grammar {

using CodeRange = std::pair<char32_t, char32_t>;   // both ends belong to it
constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr uint32_t kUnlimited = UINT32_MAX;

struct Node {
  enum class Kind : uint8_t {
    bytes,       // `text`, as it is
    set,         // one code point of `ranges`
    rule,        // rule number `rule`
    sequence,    // `children` one after the other; none: the empty text
    choice,      // one of `children`
    repeat,      // children[0], from `min` to `max` times
  };
  Kind kind = Kind::sequence;
  uint32_t rule = 0, min = 0, max = 0;
  std::string text{};
  std::vector<CodeRange> ranges{}; // ascending, disjoint, without surrogates
  std::vector<Node> children{};
};

struct Rule {
  std::string name;
  uint32_t line = 0;        // of its definition, 0: only referred to
  uint32_t used_line = 0;   // where it was met first
  Node body;
};

// Ascending, joined, without the surrogates, which UTF-8 does not have; with `negate` every other code point.
std::vector<CodeRange> normalise(std::vector<CodeRange> ranges, bool negate);

}  // namespace onebit::grammar
