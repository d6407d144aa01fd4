#include "template/chat_template.h"

#include <algorithm>

#include "template/builtin.h"

namespace onebit {
namespace {

// One converter writes this into BitNet-b1.58-2B-4T files; the model was trained on another format.
bool known_wrong(std::string_view source) {
  return source.find("BITNETAssistant: ") != std::string_view::npos && source.find("Human: ") != std::string_view::npos;
}

Status check_messages(const nlohmann::ordered_json& messages) {
  if (!messages.is_array()) return fail(Errc::format, "messages: expected an array");
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto& m = messages[i];
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string())
      return fail(Errc::format, "messages[{}]: expected an object with a string 'role'", i);
  }
  return {};
}

}  // namespace

Result<ChatTemplate> ChatTemplate::builtin(std::string_view name) {
  for (const BuiltinTemplate& b : kBuiltinTemplates) {
    if (b.name != name) continue;
    ONEBIT_ASSIGN(Template compiled, Template::parse(b.source));
    return ChatTemplate(std::string(name), std::string(b.source), std::move(compiled));
  }
  return fail(Errc::usage, "chat template '{}', expected {} or Jinja", name.substr(0, 40), fmt::join(builtin_names(), ", "));
}

std::vector<std::string_view> ChatTemplate::builtin_names() {
  std::vector<std::string_view> names;
  for (const BuiltinTemplate& b : kBuiltinTemplates) names.push_back(b.name);
  return names;
}

Result<ChatTemplate> ChatTemplate::from_source(std::string_view source, const TemplateLimits& limits) {
  if (known_wrong(source)) return builtin("bitnet");
  ONEBIT_ASSIGN(Template compiled, Template::parse(source, limits));
  return ChatTemplate("jinja", std::string(source), std::move(compiled));
}

Result<Rendered> ChatTemplate::render(const ChatInput& input, std::string_view bos, std::string_view eos) const {
  ONEBIT_TRY(check_messages(input.messages));
  if (!input.extra.is_object()) return fail(Errc::usage, "template variables: expected an object");
  nlohmann::ordered_json variables = input.extra;
  variables["messages"] = input.messages;
  if (!input.tools.is_null()) variables["tools"] = input.tools;
  variables["add_generation_prompt"] = input.add_generation_prompt;
  return template_.render(variables, {{"bos_token", bos}, {"eos_token", eos}});
}

Result<std::vector<Token>> ChatTemplate::encode(const ChatInput& input, const Tokenizer& tokenizer) const {
  ONEBIT_ASSIGN(const Rendered r, render(input, tokenizer.piece(tokenizer.bos(), true), tokenizer.piece(tokenizer.eos(), true)));
  ONEBIT_ASSIGN(std::vector<Token> ids, tokenizer.encode(r.text, {.add_special = false, .parse_special = true, .literal = r.data}));
  if (tokenizer.add_bos() && tokenizer.bos() >= 0 && (ids.empty() || ids.front() != tokenizer.bos())) ids.insert(ids.begin(), tokenizer.bos());
  return ids;
}

}  // namespace onebit
