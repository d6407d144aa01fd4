// Any bytes as a JSON schema: an error, or a grammar that the compiler takes or refuses with an error, and of whose texts a
// walk from byte to byte finds the beginning.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "grammar/grammar.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"

using namespace onebit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto schema = nlohmann::ordered_json::parse(data, data + size, nullptr, false);
  if (schema.is_discarded()) return 0;
  const auto gbnf = json_schema_to_gbnf(schema, {.depth = 24, .rules = 1000, .output_bytes = 1 << 16});
  if (!gbnf) return 0;
  const auto grammar = Grammar::parse(*gbnf, "root", {.source_bytes = 1 << 17, .depth = 64, .rules = 5000, .states = 20'000});
  if (!grammar) {
    // Its notation is always right; what it says may have no text, circle, or be too large.
    const std::string& m = grammar.error().message;
    if (grammar.error().code == Errc::format && m.find("left-recursive") == std::string::npos && m.find("no text ever") == std::string::npos) {
      std::fprintf(stderr, "%s\n%s\n", m.c_str(), gbnf->c_str());
      std::abort();
    }
    return 0;
  }
  Matcher m(*grammar, {.depth = 64, .states = 1 << 12, .work = 500'000});
  Matcher::StateId s = m.start();
  // Some text of it: always the first byte that goes on.
  for (int i = 0; i < 64 && m.status() && m.can_continue(s); ++i) {
    Matcher::StateId next = Matcher::kDead;
    for (int b = 255; b >= 0 && next == Matcher::kDead && m.status(); --b) next = m.step(s, static_cast<uint8_t>(b));
    if (!m.status()) return 0;
    if (next == Matcher::kDead) {
      std::fprintf(stderr, "a state that says it can go on and cannot\n%s\n", gbnf->c_str());
      std::abort();
    }
    s = next;
    m.collect(s);
  }
  return 0;
}
