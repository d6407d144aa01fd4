// Any bytes as a grammar, then a text: the part before a 0 byte is GBNF, what follows is read by the matcher. An error or
// states within the limits; forgetting between bytes changes nothing.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "grammar/grammar.h"
#include "grammar/matcher.h"

using namespace onebit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cut = std::min(all.find('\0'), all.size());
  const auto grammar = Grammar::parse(all.substr(0, cut), "root", {.source_bytes = 1 << 14, .depth = 32, .rules = 500, .states = 4000});
  if (!grammar) return 0;
  Matcher one(*grammar, {.depth = 40, .states = 1 << 14, .work = 200'000}), other(*grammar, {.depth = 40, .states = 2, .work = 200'000});
  Matcher::StateId s = one.start(), t = other.start();
  for (const char c : all.substr(cut == all.size() ? cut : cut + 1)) {
    if (!one.status() || !other.status()) return 0;
    if (s == Matcher::kDead) break;
    s = one.step(s, static_cast<uint8_t>(c));
    t = other.step(t, static_cast<uint8_t>(c));
    if (!one.status() || !other.status()) return 0;
    if ((s == Matcher::kDead) != (t == Matcher::kDead) || one.accepting(s) != other.accepting(t) || one.can_continue(s) != other.can_continue(t)) {
      std::fprintf(stderr, "forgetting changed the state\n");
      std::abort();
    }
    if (s == Matcher::kDead) break;
    one.localise(s);
    other.collect(t);
  }
  return 0;
}
