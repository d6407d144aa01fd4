#include "server/service.h"

#include <chrono>
#include <filesystem>

#include "engine/chat_format.h"
#include "grammar/json_schema.h"
#include "server/tool_calls.h"

namespace onebit::server {
namespace {

// Prompt tokens of a step. On the CPU time grows with them from the first on; a device wants many.
constexpr uint32_t kCpuChunk = 32, kDeviceChunk = 256;

ApiError bad_request(const Error& e, const char* param) { return {400, fmt::format("{}: {}", param, e.message), param, "invalid_value"}; }

// What the template is given. A template that says nothing of tools gets a system message that does.
ChatInput chat_input(const ChatParams& params, const ChatTemplate& chat_template) {
  ChatInput in;
  in.messages = params.messages;
  in.extra = params.template_arguments;
  if (!params.tools.is_array() || params.tool_choice == ToolChoice::none) return in;
  if (chat_template.source().find("tools") != std::string::npos) {
    in.tools = params.tools;
    return in;
  }
  const std::string text = describe_tools(params.tools);
  if (in.messages[0]["role"] == "system")
    in.messages[0]["content"] = in.messages[0]["content"].get<std::string>() + "\n\n" + text;
  else
    in.messages.insert(in.messages.begin(), Json{{"role", "system"}, {"content", text}});
  return in;
}

}  // namespace

Result<std::unique_ptr<Service>> Service::load(const ServiceOptions& options, const LoadProgress& progress) {
  std::unique_ptr<Service> s(new Service());
  s->options_ = options;
  s->created_ = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  s->name_ = options.alias.empty() ? std::filesystem::path(options.engine.path).stem().string() : options.alias;
  ONEBIT_ASSIGN(s->engine_, Engine::load(options.engine, progress));
  ONEBIT_ASSIGN(s->template_, chat_template(*s->engine_, options.chat_template));
  ONEBIT_ASSIGN(s->trie_, TokenTrie::build(s->engine_->tokenizer(), s->engine_->model().config().vocab));
  SchedulerOptions scheduler = options.scheduler;
  if (scheduler.chunk == 0) scheduler.chunk = s->engine_->placement().report().on[0] == Where::cpu ? kCpuChunk : kDeviceChunk;
  ONEBIT_ASSIGN(s->scheduler_, Scheduler::create(*s->engine_, scheduler));
  return s;
}

Api<std::vector<Token>> Service::encode(std::string_view text, EncodeOptions options) const {
  auto ids = tokenizer().encode(text, options);
  if (!ids) return std::unexpected(ApiError{400, ids.error().message, "", "invalid_value"});
  return std::move(*ids);
}

Api<std::vector<Token>> Service::encode_chat(const ChatParams& params) const {
  auto ids = template_->encode(chat_input(params, *template_), tokenizer());
  if (!ids) return std::unexpected(bad_request(ids.error(), "messages"));
  return std::move(*ids);
}

Api<std::string> Service::render_chat(const ChatParams& params) const {
  const auto text = [&](Token t) { return t >= 0 ? tokenizer().piece(t, true) : std::string(); };
  auto rendered = template_->render(chat_input(params, *template_), text(tokenizer().bos()), text(tokenizer().eos()));
  if (!rendered) return std::unexpected(bad_request(rendered.error(), "messages"));
  return std::move(rendered->text);
}

std::string Service::chat_template_name() const { return std::string(template_->name()); }
std::string Service::chat_template_source() const { return template_->source(); }

Api<std::shared_ptr<const Grammar>> Service::grammar(const GenerationParams& params) const {
  std::string gbnf = params.grammar;
  const char* param = "grammar";
  if (params.format == Format::text) return nullptr;
  if (params.format == Format::json_object) gbnf = json_object_gbnf();
  if (params.format == Format::json_schema) {
    param = "response_format";
    auto converted = json_schema_to_gbnf(params.schema);
    if (!converted) return std::unexpected(bad_request(converted.error(), param));
    gbnf = std::move(*converted);
  }
  auto grammar = Grammar::parse(gbnf);
  if (!grammar) return std::unexpected(bad_request(grammar.error(), param));
  return std::move(*grammar);
}

Result<Constraint> Service::constraint(std::shared_ptr<const Grammar> grammar) const { return Constraint::create(std::move(grammar), trie_); }

}  // namespace onebit::server
