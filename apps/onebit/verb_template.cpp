// onebit apply-template: a conversation as the text, or the tokens, that a model gets to read.
#include <cstdio>
#include <optional>

#include <nlohmann/json.hpp>

#include "template/chat_template.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMaxBytes = size_t{1} << 26;

struct Options {
  std::string model, name, template_file, file = "-", bos, eos;
  bool ids = false, json = false, cases = false;
};

void print(const Json& j) { fmt::print("{}\n", j.dump(-1, ' ', false, Json::error_handler_t::replace)); }

Result<Json> parse_json(const std::string& text, const std::string& name) {
  Json j = Json::parse(text, nullptr, false);
  if (j.is_discarded()) return fail(Errc::format, "{}: not JSON", name);
  return j;
}

// {"messages", "tools", "add_generation_prompt", ...}; an array is taken as the messages.
Result<ChatInput> chat_input(Json j) {
  ChatInput in;
  if (j.is_array()) {
    in.messages = std::move(j);
    return in;
  }
  if (!j.is_object() || !j.contains("messages")) return fail(Errc::format, "the input: expected an array of messages, or an object that has them");
  const auto take = [&](const char* key, Json& to) {
    if (const auto it = j.find(key); it != j.end()) {
      to = std::move(*it);
      j.erase(key);
    }
  };
  take("messages", in.messages);
  take("tools", in.tools);
  Json prompt = true;
  take("add_generation_prompt", prompt);
  in.add_generation_prompt = prompt == true;
  in.extra = std::move(j);
  return in;
}

Json ranges(const Rendered& r) {
  Json out = Json::array();
  for (const ByteRange& d : r.data) out.push_back({d.begin, d.end});
  return out;
}

// Each case {"template", "variables"} as {"text", "data"} or {"error"}; for tests that compare many.
Status run_cases(const Json& cases) {
  if (!cases.is_array()) return fail(Errc::format, "--cases: expected an array of {{template, variables}}");
  Json out = Json::array();
  for (const Json& c : cases) {
    if (!c.is_object() || !c.contains("template") || !c["template"].is_string()) return fail(Errc::format, "--cases: a case without a template");
    const auto rendered = [&]() -> Result<Rendered> {
      ONEBIT_ASSIGN(const Template t, Template::parse(c["template"].get_ref<const std::string&>()));
      return t.render(c.value("variables", Json::object()), c.value("trusted", Json::object()));
    }();
    out.push_back(rendered ? Json{{"text", rendered->text}, {"data", ranges(*rendered)}} : Json{{"error", rendered.error().message}});
  }
  print(out);
  return {};
}

Result<ChatTemplate> chosen(const Options& o, const Gguf* gguf) {
  if (!o.template_file.empty()) {
    ONEBIT_ASSIGN(const std::string source, read_text(o.template_file, kMaxBytes));
    return ChatTemplate::from_source(source);
  }
  if (!o.name.empty()) {
    const bool jinja = o.name.find("{{") != std::string::npos || o.name.find("{%") != std::string::npos;
    return jinja ? ChatTemplate::from_source(o.name) : ChatTemplate::builtin(o.name);
  }
  if (!gguf) return fail(Errc::usage, "-m, --chat-template or --chat-template-file: one of them is needed");
  ONEBIT_ASSIGN(const std::string source, gguf->get_string("tokenizer.chat_template"));
  return ChatTemplate::from_source(source);
}

Status run(std::span<const char* const> args) {
  Options o;
  Flags flags("onebit apply-template", template_verb.summary, "onebit apply-template --chat-template chatml -f conversation.json");
  flags.text("-m,--model", "FILE", "the GGUF file whose tokenizer, and whose template, to use", &o.model);
  flags.text("--chat-template", "NAME|JINJA", fmt::format("{}, or a template's text", fmt::join(ChatTemplate::builtin_names(), ", ")), &o.name);
  flags.text("--chat-template-file", "FILE", "a template from a file", &o.template_file);
  flags.text("-f,--file", "FILE", "the conversation, JSON: messages, or an object with messages, tools and other variables", &o.file);
  flags.text("--bos", "TEXT", "bos_token, where no model says it", &o.bos);
  flags.text("--eos", "TEXT", "eos_token, where no model says it", &o.eos);
  flags.toggle("--ids", "print token ids (with -m)", &o.ids);
  flags.toggle("--json", "print an object with text and the bytes of it that messages brought in", &o.json);
  flags.toggle("--cases", "the input is an array of {template, variables}; print an array of results", &o.cases);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const std::string text, read_text(o.file, kMaxBytes));
  ONEBIT_ASSIGN(Json input, parse_json(text, o.file));
  if (o.cases) return run_cases(input);

  std::optional<Gguf> gguf;
  std::optional<Tokenizer> tokenizer;
  if (!o.model.empty()) {
    ONEBIT_ASSIGN(gguf, Gguf::open(o.model));
    ONEBIT_ASSIGN(tokenizer, Tokenizer::from_gguf(*gguf));
    if (!flags.given("--bos")) o.bos = tokenizer->piece(tokenizer->bos(), true);
    if (!flags.given("--eos")) o.eos = tokenizer->piece(tokenizer->eos(), true);
  }
  ONEBIT_ASSIGN(const ChatTemplate chat, chosen(o, gguf ? &*gguf : nullptr));
  ONEBIT_ASSIGN(const ChatInput in, chat_input(std::move(input)));
  if (o.ids) {
    if (!tokenizer) return fail(Errc::usage, "--ids: a model is needed (-m)");
    ONEBIT_ASSIGN(const std::vector<Token> ids, chat.encode(in, *tokenizer));
    fmt::print("{}\n", fmt::join(ids, " "));
    return {};
  }
  ONEBIT_ASSIGN(const Rendered r, chat.render(in, o.bos, o.eos));
  if (o.json) {
    print({{"text", r.text}, {"data", ranges(r)}, {"template", chat.name()}});
  } else {
    std::fwrite(r.text.data(), 1, r.text.size(), stdout);
  }
  return {};
}

}  // namespace

const Verb template_verb{"apply-template", "a conversation as the text or tokens that a model reads", run};

}  // namespace onebit::cli
