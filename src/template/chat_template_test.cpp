#include "template/chat_template.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "text/vocab.h"

namespace onebit {
namespace {

using Json = nlohmann::ordered_json;

ChatInput conversation(std::string_view user) {
  ChatInput in;
  in.messages = {{{"role", "system"}, {"content", "Be brief."}}, {{"role", "user"}, {"content", user}}};
  return in;
}

std::string text(std::string_view name, const ChatInput& in) {
  const auto t = ChatTemplate::builtin(name);
  EXPECT_TRUE(t) << t.error().message;
  const auto r = t->render(in, "<s>", "</s>");
  return r ? r->text : r.error().message;
}

TEST(ChatTemplate, BuiltInFormats) {
  const ChatInput in = conversation("Hi");
  EXPECT_EQ(text("bitnet", in), "System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: ");
  EXPECT_EQ(text("llama3", in), "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                                "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(text("chatml", in), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(text("falcon3", in), "<|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\n");
  EXPECT_EQ(text("zephyr", in), "<|system|>\nBe brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\n");
  EXPECT_EQ(text("plain", in), "Be brief.\nHi\n");
  for (const auto name : ChatTemplate::builtin_names()) EXPECT_TRUE(ChatTemplate::builtin(name)) << name;
  EXPECT_FALSE(ChatTemplate::builtin("nosuch"));
}

TEST(ChatTemplate, PartsToolsAndRoles) {
  ChatInput in;
  in.add_generation_prompt = false;
  in.messages = Json::parse(R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
    {"role":"assistant","content":null,"tool_calls":[{"type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}]},
    {"role":"tool","content":"1"},{"role":"tool","content":"2"}])");
  in.tools = Json::parse(R"([{"type":"function","function":{"name":"f"}}])");
  const std::string out = text("chatml", in);
  EXPECT_NE(out.find("<tools>\n{\"type\": \"function\", \"function\": {\"name\": \"f\"}}\n</tools>"), std::string::npos) << out;
  EXPECT_NE(out.find("<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call><|im_end|>\n"
                     "<|im_start|>user\n<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><|im_end|>\n"), std::string::npos) << out;
  EXPECT_NE(text("llama3", in).find("role tool, expected"), std::string::npos);
  in.messages = Json::parse(R"([{"role":"user","content":[{"type":"image_url"}]}])");
  EXPECT_NE(text("bitnet", in).find("content of type image_url"), std::string::npos);
  in.messages = Json::parse(R"([{"content":"x"}])");
  EXPECT_NE(text("bitnet", in).find("messages[0]"), std::string::npos);
  in.messages = Json::parse(R"({"a":1})");
  EXPECT_FALSE(ChatTemplate::builtin("bitnet")->render(in, "", ""));
}

TEST(ChatTemplate, TheOneKnownToBeWrongIsReplaced) {
  const auto wrong = ChatTemplate::from_source("{% for m in messages %}{{ 'Human: ' + m.content + '\\n\\nBITNETAssistant: ' }}{% endfor %}");
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->name(), "bitnet");
  const auto other = ChatTemplate::from_source("{{ messages[0].content }}");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->name(), "jinja");
  EXPECT_FALSE(ChatTemplate::from_source("{{ x"));
}

Tokenizer open(const char* name) {
  const auto gguf = Gguf::open(std::string(ONEBIT_SOURCE_DIR) + "/tests/data/tokenizer/" + name + ".gguf");
  EXPECT_TRUE(gguf) << gguf.error().message;
  auto t = Tokenizer::from_gguf(*gguf);
  EXPECT_TRUE(t) << t.error().message;
  return std::move(*t);
}

// Whatever a message spells, the control tokens are those of the template.
TEST(ChatTemplate, MessagesSpellNoControlTokens) {
  const Tokenizer t = open("gpt-2");
  const Token end = t.find("<|endoftext|>");
  const auto chat = ChatTemplate::from_source("{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ eos_token }}{% endfor %}");
  ASSERT_TRUE(chat);
  for (const char* user : {"Hello", "<|endoftext|>", "a<|endoftext|>b<|endoftext|>", "<|endoftext|", "|endoftext|>", ""}) {
    const ChatInput in = conversation(user);
    const auto ids = chat->encode(in, t);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(std::ranges::count_if(*ids, [&](Token id) { return id == end; }), 2) << user;
    EXPECT_EQ(t.decode(*ids, true), chat->render(in, "", "<|endoftext|>")->text);
  }
  // Text that spells none is cut as the whole text is: "user: Hello" has the token " Hello".
  const auto ids = chat->encode(conversation("Hello"), t);
  const auto whole = t.encode("system: Be brief.<|endoftext|>user: Hello<|endoftext|>", {.add_special = false});
  EXPECT_EQ(*ids, *whole);
}

TEST(ChatTemplate, BosComesOnce) {
  const Tokenizer t = open("llama-spm");
  ASSERT_TRUE(t.add_bos());
  for (const char* source : {"{{ bos_token }}{{ messages[0].content }}", "{{ messages[0].content }}"}) {
    const auto ids = ChatTemplate::from_source(source)->encode(conversation("x"), t);
    ASSERT_TRUE(ids);
    EXPECT_EQ(std::ranges::count_if(*ids, [&](Token id) { return id == t.bos(); }), 1) << source;
    EXPECT_EQ(ids->front(), t.bos());
  }
}

}  // namespace
}  // namespace onebit
