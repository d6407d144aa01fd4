// A conversation as text and as token ids, by a model's chat template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "template/template.h"
#include "text/tokenizer.h"

namespace onebit {

struct ChatInput {
  // [{"role": "user", "content": "..."}, ...] as in the OpenAI API; "content" may be a list of {"type": "text", "text"}.
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  nlohmann::ordered_json tools = nullptr;   // an array of tools, or null
  bool add_generation_prompt = true;
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();   // more variables: enable_thinking, documents, ...
};

class ChatTemplate {
 public:
  // A template that this program brings, by name: bitnet, llama3, chatml, falcon3, zephyr, plain. Errors: another name.
  static Result<ChatTemplate> builtin(std::string_view name);
  static std::vector<std::string_view> builtin_names();
  // Jinja. A source known to be wrong for its model (the "Human: ... BITNETAssistant: " that one converter writes)
  // is replaced by the right built-in; name() then says so.
  static Result<ChatTemplate> from_source(std::string_view source, const TemplateLimits& limits = {});

  std::string_view name() const { return name_; }       // of the built-in, or "jinja"
  const std::string& source() const { return source_; }

  // Errors: messages that are not an array of objects with a string "role"; those of Template::render.
  // bos and eos: texts of the tokens, empty where a model has none.
  Result<Rendered> render(const ChatInput& input, std::string_view bos, std::string_view eos) const;

  // Token ids. The text is cut as a whole, as in training, but control tokens come only from the template: what a
  // message spells stays text. BOS is put first when the model asks for it and the template did not write it.
  Result<std::vector<Token>> encode(const ChatInput& input, const Tokenizer& tokenizer) const;

 private:
  ChatTemplate(std::string name, std::string source, Template compiled)
      : name_(std::move(name)), source_(std::move(source)), template_(std::move(compiled)) {}
  std::string name_, source_;
  Template template_;
};

}  // namespace onebit
