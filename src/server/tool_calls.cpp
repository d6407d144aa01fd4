#include "server/tool_calls.h"

#include <algorithm>

namespace onebit::server {
namespace {

constexpr std::string_view kOpen = "<tool_call>", kClose = "</tool_call>", kBlank = " \t\r\n", kPython = "<|python_tag|>";

std::string_view trim(std::string_view s) {
  const size_t first = s.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

bool known(const Json& tools, const std::string& name) {
  return tools.is_array() && std::any_of(tools.begin(), tools.end(), [&](const Json& t) { return t["function"]["name"] == name; });
}

// Appends one call; false when the value is none.
bool add_call(const Json& value, const Json& tools, std::vector<ToolCall>& calls) {
  if (!value.is_object()) return false;
  const Json* call = &value;
  if (const auto f = value.find("function"); f != value.end() && f->is_object()) call = &*f;
  const auto name = call->find("name");
  if (name == call->end() || !name->is_string() || !known(tools, name->get_ref<const std::string&>())) return false;
  auto arguments = call->find("arguments");
  if (arguments == call->end()) arguments = call->find("parameters");
  std::string text = "{}";
  if (arguments != call->end()) {
    if (arguments->is_object())
      text = dump(*arguments);
    else if (arguments->is_string())
      text = arguments->get<std::string>();
    else if (!arguments->is_null())
      return false;
  }
  calls.push_back({name->get<std::string>(), std::move(text)});
  return true;
}

bool add_calls(std::string_view text, const Json& tools, std::vector<ToolCall>& calls) {
  text = trim(text);
  // The depth of what a model writes is not bounded; parse_object() bounds it, for arrays inside of an object.
  const auto parsed = parse_object(fmt::format("{{\"calls\":{}}}", text));
  if (!parsed || parsed->size() != 1) return false;
  const Json& value = (*parsed)["calls"];
  if (!value.is_array()) return add_call(value, tools, calls);
  return !value.empty() && std::all_of(value.begin(), value.end(), [&](const Json& v) { return add_call(v, tools, calls); });
}

}  // namespace

Answer split_answer(std::string_view text, const Json& tools) {
  Answer plain{std::string(text), {}};
  std::string_view body = trim(text);
  if (body.starts_with(kPython)) body = trim(body.substr(kPython.size()));
  Answer out;
  if (body.find(kOpen) == std::string_view::npos) return add_calls(body, tools, out.calls) ? out : plain;
  size_t at = 0;
  for (;;) {
    const size_t open = body.find(kOpen, at);
    out.content += body.substr(at, open == std::string_view::npos ? open : open - at);
    if (open == std::string_view::npos) break;
    const size_t begin = open + kOpen.size(), close = body.find(kClose, begin);
    // The end of the text closes the last one.
    const size_t end = std::min(close, body.size());
    if (!add_calls(body.substr(begin, end - begin), tools, out.calls)) return plain;
    at = close == std::string_view::npos ? body.size() : close + kClose.size();
  }
  out.content = std::string(trim(out.content));
  return out;
}

bool may_be_call(std::string_view beginning) {
  const size_t first = beginning.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return true;
  beginning.remove_prefix(first);
  if (beginning[0] == '{' || beginning[0] == '[') return true;
  const auto begins = [&](std::string_view mark) { return mark.starts_with(beginning.substr(0, mark.size())); };
  return begins(kOpen) || begins(kPython);
}

Json call_schema(const Json& tools, const std::string& name) {
  Json any = Json::array();
  for (const Json& tool : tools) {
    const Json& f = tool["function"];
    if (!name.empty() && f["name"] != name) continue;
    const auto parameters = f.find("parameters");
    Json arguments = parameters != f.end() && parameters->is_object() && !parameters->empty() ? *parameters : Json{{"type", "object"}};
    any.push_back({{"type", "object"},
                   {"properties", {{"name", {{"const", f["name"]}}}, {"arguments", std::move(arguments)}}},
                   {"required", {"name", "arguments"}},
                   {"additionalProperties", false}});
  }
  return any.size() == 1 ? any[0] : Json{{"anyOf", std::move(any)}};
}

std::string describe_tools(const Json& tools) {
  std::string text =
      "You can call functions. To call one, answer with nothing but a JSON object of the form "
      "{\"name\": \"FUNCTION\", \"arguments\": {...}}. The functions, with JSON schemas of their arguments:\n";
  for (const Json& tool : tools) text += dump(tool["function"]) + "\n";
  return text;
}

}  // namespace onebit::server
