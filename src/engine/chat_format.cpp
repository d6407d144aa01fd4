#include "engine/chat_format.h"

namespace onebit {
namespace {

struct Frame {
  std::string before, after;  // around the content
  std::string answer;         // opens the assistant's turn
};

std::string capitalised(std::string role) {
  if (!role.empty() && role[0] >= 'a' && role[0] <= 'z') role[0] = static_cast<char>(role[0] - 'a' + 'A');
  return role;
}

Frame frame(ChatStyle style, const std::string& role) {
  switch (style) {
    case ChatStyle::plain:
      return {"", "\n", ""};
    case ChatStyle::bitnet:
      return {capitalised(role) + ": ", "<|eot_id|>", "Assistant: "};
    case ChatStyle::llama3:
      return {"<|start_header_id|>" + role + "<|end_header_id|>\n\n", "<|eot_id|>",
              "<|start_header_id|>assistant<|end_header_id|>\n\n"};
    case ChatStyle::chatml:
      return {"<|im_start|>" + role + "\n", "<|im_end|>\n", "<|im_start|>assistant\n"};
    case ChatStyle::falcon3:
      return {"<|" + role + "|>\n", "\n", "<|assistant|>\n"};
  }
  return {};
}

}  // namespace

std::string_view chat_style_name(ChatStyle style) {
  constexpr std::string_view kNames[] = {"plain", "bitnet", "llama3", "chatml", "falcon3"};
  return kNames[static_cast<size_t>(style)];
}

ChatStyle detect_chat_style(const ModelConfig& config, const Tokenizer& tokenizer) {
  const auto has = [&](std::string_view text) { return tokenizer.find(text) >= 0; };
  if (config.arch == Arch::bitnet_b158) return has("<|eot_id|>") ? ChatStyle::bitnet : ChatStyle::plain;
  if (has("<|start_header_id|>") && has("<|eot_id|>")) return ChatStyle::llama3;
  if (has("<|im_start|>") && has("<|im_end|>")) return ChatStyle::chatml;
  if (has("<|user|>") && has("<|assistant|>")) return ChatStyle::falcon3;
  return ChatStyle::plain;
}

Result<ChatTemplate> chat_template(const Engine& engine, std::string_view choice) {
  if (!choice.empty()) {
    const bool jinja = choice.find("{{") != std::string_view::npos || choice.find("{%") != std::string_view::npos;
    return jinja ? ChatTemplate::from_source(choice) : ChatTemplate::builtin(choice);
  }
  constexpr const char* kKey = "tokenizer.chat_template";
  if (!engine.file().find_key(kKey)) return ChatTemplate::builtin(chat_style_name(detect_chat_style(engine.model().config(), engine.tokenizer())));
  ONEBIT_ASSIGN(const std::string source, engine.file().get_string(kKey));
  auto made = ChatTemplate::from_source(source);
  if (!made) return with_context(std::move(made).error(), engine.file().path() + ": " + kKey);
  return made;
}

Result<std::vector<Token>> encode_message(const Tokenizer& tokenizer, ChatStyle style, const ChatMessage& message,
                                          bool first, bool answer_next) {
  const Frame f = frame(style, message.role);
  std::vector<Token> ids;
  if (first && tokenizer.add_bos() && tokenizer.bos() >= 0) ids.push_back(tokenizer.bos());
  // A role is part of the format only when it is one of the three; anything else would spell tokens.
  if (message.role != "system" && message.role != "user" && message.role != "assistant")
    return fail(Errc::out_of_range, "role '{}' is not system, user or assistant", message.role);
  const auto add = [&](const std::string& text, std::span<const ByteRange> literal) -> Status {
    if (text.empty()) return {};
    ONEBIT_ASSIGN(const std::vector<Token> more, tokenizer.encode(text, {.add_special = false, .parse_special = true, .literal = literal}));
    ids.insert(ids.end(), more.begin(), more.end());
    return {};
  };
  const std::string behind = f.after + (answer_next ? f.answer : "");
  // Around nothing the two parts stay apart, so that the second can be had alone.
  if (message.content.empty()) {
    ONEBIT_TRY(add(f.before, {}));
    ONEBIT_TRY(add(behind, {}));
    return ids;
  }
  // Else one text, so that words and merges are those of the whole: "User: Hi" has the token " Hi".
  const ByteRange content{f.before.size(), f.before.size() + message.content.size()};
  ONEBIT_TRY(add(f.before + message.content + behind, {&content, 1}));
  return ids;
}

}  // namespace onebit
