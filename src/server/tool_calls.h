// Calls of tools in what a model writes: {"name": ..., "arguments": {...}}, alone, in an array, or between
// <tool_call> and </tool_call>; "parameters" is read as "arguments" (Llama 3.1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/api.h"
#include "server/params.h"

namespace onebit::server {

struct ToolCall {
  std::string name;
  std::string arguments;  // a JSON object as text
};

struct Answer {
  std::string content;
  std::vector<ToolCall> calls;
};

// A text that is not calls of known tools stays content as a whole.
Answer split_answer(std::string_view text, const Json& tools);
// Whether a text that begins so may still turn out to be a call.
bool may_be_call(std::string_view beginning);
// The schema of one call of a tool: of `name`, or of any when that is empty.
Json call_schema(const Json& tools, const std::string& name);
// What a model whose template knows no tools is told about them.
std::string describe_tools(const Json& tools);

}  // namespace onebit::server
