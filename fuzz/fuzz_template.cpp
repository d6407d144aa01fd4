// Any bytes as a chat template, over a conversation that is hostile itself: an error or a text within the limits, whose
// marks lie in order, and in which what the input brought in is nowhere outside them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "template/template.h"

using namespace onebit;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto variables = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": "Be \u0001brief."}, {"role": "user", "content": "a\u0001b \n c\u00e9 {{ x }}"}, {"role": "assistant", "content": null,
      "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1, 2.5, true, null]}}}]}],
    "tools": [{"function": {"name": "f", "parameters": {"properties": {"x": {"type": "array"}}}}}], "add_generation_prompt": true, "n": 3})");
  static const nlohmann::ordered_json trusted = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  const TemplateLimits limits{.source_bytes = 1 << 16, .steps = 20'000, .depth = 60, .output_bytes = 1 << 16};
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto t = Template::parse(source, limits);
  if (!t) return 0;
  const auto r = t->render(variables, trusted);
  if (!r) return 0;
  const auto die = [](const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  };
  if (r->text.size() > limits.output_bytes) die("a text beyond the limit");
  size_t at = 0;
  // The byte 1 stands in the input only, where the template has none: no function makes one of others.
  const bool own = source.find('\x01') != std::string_view::npos || source.find('\\') != std::string_view::npos;
  for (const ByteRange& d : r->data) {
    if (d.begin < at || d.end <= d.begin || d.end > r->text.size()) die("marks out of order");
    if (!own && r->text.substr(at, d.begin - at).find('\x01') != std::string::npos) die("input outside the marks");
    at = d.end;
  }
  if (!own && r->text.find('\x01', at) != std::string::npos) die("input behind the marks");
  return 0;
}
