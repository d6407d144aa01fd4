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

Status append(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options, std::vector<Token>& out) {
  if (text.empty() && !options.add_special) return {};
  ONEBIT_ASSIGN(const std::vector<Token> ids, tokenizer.encode(text, options));
  out.insert(out.end(), ids.begin(), ids.end());
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

Result<std::vector<Token>> encode_message(const Tokenizer& tokenizer, ChatStyle style, const ChatMessage& message,
                                          bool first, bool answer_next) {
  const Frame f = frame(style, message.role);
  std::vector<Token> ids;
  if (first && tokenizer.add_bos() && tokenizer.bos() >= 0) ids.push_back(tokenizer.bos());
  constexpr EncodeOptions kFormat{.add_special = false, .parse_special = true};
  constexpr EncodeOptions kText{.add_special = false, .parse_special = false};
  // A role is part of the format only when it is one of the three; anything else would spell tokens.
  if (message.role != "system" && message.role != "user" && message.role != "assistant")
    return fail(Errc::out_of_range, "role '{}' is not system, user or assistant", message.role);
  ONEBIT_TRY(append(tokenizer, f.before, kFormat, ids));
  ONEBIT_TRY(append(tokenizer, message.content, kText, ids));
  ONEBIT_TRY(append(tokenizer, f.after, kFormat, ids));
  if (answer_next) ONEBIT_TRY(append(tokenizer, f.answer, kFormat, ids));
  return ids;
}

}  // namespace onebit
