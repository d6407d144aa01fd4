// Bodies of requests to parameters: any bytes give parameters or an error that has a message, and what is accepted is in
// range. The first byte picks the endpoint.
#include <cmath>
#include <cstdlib>

#include "server/params.h"
#include "server/text_stream.h"
#include "server/tool_calls.h"

using namespace onebit;
using namespace onebit::server;

namespace {

void require(bool good) {
  if (!good) std::abort();
}

void check_generation(const GenerationParams& p) {
  require(check(p.sampling).has_value());
  require(p.n >= 1 && p.n <= 16 && p.max_tokens >= -1 && p.top_logprobs >= -1 && p.top_logprobs <= 20);
  for (const std::string& stop : p.stop) require(!stop.empty());
}

template <class P>
void check_error(const Api<P>& p) {
  require(p.error().status == 400 && !p.error().message.empty());
  (void)dump(error_json(p.error()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto body = parse_object(text);
  if (!body) {
    check_error(body);
    TextStream stream({"ab", "\n"});
    const std::string out = stream.push(text) + stream.finish();
    require(valid_utf8(out) == out);
    return 0;
  }
  const auto chat = [&](const Api<ChatParams>& p) {
    if (!p) return check_error(p);
    check_generation(*p);
    require(p->messages.is_array() && !p->messages.empty());
    if (p->tools.is_array()) {
      (void)call_schema(p->tools, p->tool_name);
      (void)split_answer(text, p->tools);
      (void)describe_tools(p->tools);
    }
  };
  const auto completion = [&](const Api<CompletionParams>& p) {
    if (!p) return check_error(p);
    check_generation(*p);
    require(p->prompts.empty() != p->token_prompts.empty());
  };
  switch (data[0] % 5) {
    case 0: chat(parse_chat(*body, {})); break;
    case 1: completion(parse_completion(*body, {})); break;
    case 2:
      if (const auto p = parse_embedding(*body); !p) check_error(p);
      break;
    case 3: chat(parse_ollama_chat(*body, {})); break;
    default: completion(parse_ollama_generate(*body, {})); break;
  }
  return 0;
}
