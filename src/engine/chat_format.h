// The conversation formats of the supported models, as token ids.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "model/config.h"
#include "template/chat_template.h"
#include "text/tokenizer.h"

namespace onebit {

enum class ChatStyle {
  plain,    // a base model: texts follow each other, each on its own line
  bitnet,   // "User: text<|eot_id|>Assistant: " (BitNet-b1.58-2B-4T)
  llama3,   // <|start_header_id|>user<|end_header_id|>\n\ntext<|eot_id|>
  chatml,   // <|im_start|>user\ntext<|im_end|>\n
  falcon3,  // <|user|>\ntext\n
};
std::string_view chat_style_name(ChatStyle style);

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

// Decided by the architecture and the control tokens that the vocabulary has.
ChatStyle detect_chat_style(const ModelConfig& config, const Tokenizer& tokenizer);

// The template of a model: `choice`, where it is not empty: the name of a built-in template or Jinja text; else the one in
// the file (tokenizer.chat_template), else the built-in one of detect_chat_style(). Errors: a template that this program
// cannot read, with the name of the file.
Result<ChatTemplate> chat_template(const Engine& engine, std::string_view choice = {});

// The ids of one message and, with `answer_next`, of the opening of the assistant's answer. Control
// tokens come from the format only: text of a message that spells one stays text.
// `first`: the conversation begins here (BOS is added when the model asks for it).
Result<std::vector<Token>> encode_message(const Tokenizer& tokenizer, ChatStyle style, const ChatMessage& message,
                                          bool first, bool answer_next);

}  // namespace onebit
