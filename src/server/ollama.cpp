#include "server/ollama.h"

#include <chrono>
#include <cmath>
#include <ctime>

#include "server/generation.h"
#include "server/openai.h"
#include "server/tool_calls.h"

namespace onebit::server {
namespace {

// Ollama's errors are {"error": "message"}.
HttpResponse ollama_error(const ApiError& error) {
  HttpResponse r = error_response(error);
  r.body = dump({{"error", error.message}});
  return r;
}

std::string timestamp(int64_t seconds) {
  const time_t t = seconds;
  tm parts{};
  gmtime_r(&t, &parts);
  char text[32];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, n);
}

std::string now() { return timestamp(std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count()); }

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

Json calls_json(const std::vector<ToolCall>& calls) {
  Json list = Json::array();
  for (const ToolCall& call : calls) {
    auto arguments = parse_object(call.arguments);
    list.push_back({{"function", {{"name", call.name}, {"arguments", arguments ? std::move(*arguments) : Json::object()}}}});
  }
  return list;
}

uint64_t file_bytes(const Service& service) {
  uint64_t bytes = 0;
  for (const GgufTensor& t : service.engine().file().tensors()) bytes += t.size;
  return bytes;
}

Json details(const Service& service) {
  const ModelConfig& c = service.engine().model().config();
  const double parameters = static_cast<double>(service.engine().model().linear_macs_per_token()) + static_cast<double>(c.vocab) * c.dim;
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", c.arch_name},
          {"families", Json::array({c.arch_name})},
          {"parameter_size", parameters >= 1e9 ? fmt::format("{:.1f}B", parameters / 1e9) : fmt::format("{:.1f}M", parameters / 1e6)},
          {"quantization_level", "ternary"}};
}

// One line of an answer; `chat` decides where the text goes.
Json line(const Service& service, bool chat, const std::string& text, const std::vector<ToolCall>& calls) {
  Json out = {{"model", service.name()}, {"created_at", now()}};
  if (chat) {
    out["message"] = {{"role", "assistant"}, {"content", text}};
    if (!calls.empty()) out["message"]["tool_calls"] = calls_json(calls);
  } else {
    out["response"] = text;
  }
  out["done"] = false;
  return out;
}

void finish_line(Json& out, const RequestEnd& end) {
  const RequestStats& s = end.stats;
  out["done"] = true;
  out["done_reason"] = finish_reason(end.ending);
  out["total_duration"] = nanoseconds(s.queued_s + s.prompt_s + s.decode_s);
  out["load_duration"] = 0;
  out["prompt_eval_count"] = s.prompt_tokens;
  out["prompt_eval_duration"] = nanoseconds(s.prompt_s);
  out["eval_count"] = s.generated_tokens;
  out["eval_duration"] = nanoseconds(s.decode_s);
}

HttpResponse answer(Service& service, bool chat, const GenerationParams& params, std::vector<Token> prompt, const Json& tools, const HttpRequest& request) {
  auto grammar = service.grammar(params);
  if (!grammar) return ollama_error(grammar.error());
  std::vector<std::vector<Token>> prompts;
  prompts.push_back(std::move(prompt));
  auto started = Generation::start(service, std::move(prompts), params, std::move(*grammar));
  if (!started) return ollama_error(started.error());
  std::shared_ptr<Generation> generation = std::move(*started);

  if (!params.stream) {
    std::string text;
    while (auto piece = generation->next(request.socket)) {
      text += piece->text;
      if (!piece->end) continue;
      if (const auto error = ending_error(*piece->end)) return ollama_error(*error);
      const Answer a = tools.is_array() ? split_answer(text, tools) : Answer{text, {}};
      Json out = line(service, chat, a.content, a.calls);
      finish_line(out, *piece->end);
      return json_response(out);
    }
    return ollama_error({499, "the client has gone"});
  }
  HttpResponse response;
  response.type = "application/x-ndjson";
  response.stream = [&service, chat, tools, generation, socket = request.socket](const Write& write) {
    const auto send = [&](const Json& value) { return write(dump(value) + "\n"); };
    std::string held;
    bool holding = tools.is_array();
    while (auto piece = generation->next(socket)) {
      held += piece->text;
      if (holding && !may_be_call(held)) holding = false;
      if (!piece->end) {
        if (!holding && !held.empty() && !send(line(service, chat, std::exchange(held, {}), {}))) return;
        continue;
      }
      if (const auto error = ending_error(*piece->end)) {
        (void)send({{"error", error->message}});
        return;
      }
      const Answer a = holding ? split_answer(held, tools) : Answer{held, {}};
      if (!a.content.empty() || !a.calls.empty())
        if (!send(line(service, chat, a.content, a.calls))) return;
      Json last = line(service, chat, "", {});
      finish_line(last, *piece->end);
      (void)send(last);
    }
  };
  return response;
}

}  // namespace

HttpResponse ollama_chat(Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return ollama_error(body.error());
  const auto params = parse_ollama_chat(*body, service.options().sampling);
  if (!params) return ollama_error(params.error());
  auto prompt = service.encode_chat(*params);
  if (!prompt) return ollama_error(prompt.error());
  return answer(service, true, *params, std::move(*prompt), params->tool_choice == ToolChoice::none ? Json(nullptr) : params->tools, request);
}

HttpResponse ollama_generate(Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return ollama_error(body.error());
  const auto params = parse_ollama_generate(*body, service.options().sampling);
  if (!params) return ollama_error(params.error());
  Fields f(*body);
  std::string system;
  bool raw = false;
  f.string("system", &system);
  f.boolean("raw", &raw);
  if (f.error()) return ollama_error(*f.error());
  if (params->prompts[0].empty()) {
    // How clients ask for the model to be loaded.
    Json out = line(service, false, "", {});
    out["done"] = true;
    out["done_reason"] = "load";
    return json_response(out);
  }
  Api<std::vector<Token>> prompt;
  if (raw) {
    prompt = service.encode(params->prompts[0]);
  } else {
    ChatParams chat;
    if (!system.empty()) chat.messages.push_back({{"role", "system"}, {"content", system}});
    chat.messages.push_back({{"role", "user"}, {"content", params->prompts[0]}});
    prompt = service.encode_chat(chat);
  }
  if (!prompt) return ollama_error(prompt.error());
  return answer(service, false, *params, std::move(*prompt), nullptr, request);
}

HttpResponse ollama_embed(Service& service, const HttpRequest& request) {
  HttpResponse response = embeddings(service, request);
  Json body = Json::parse(response.body);
  if (response.status != 200) {
    response.body = dump({{"error", body["error"]["message"]}});
    return response;
  }
  Json vectors = Json::array();
  for (const Json& e : body["data"]) vectors.push_back(e["embedding"]);
  return json_response({{"model", service.name()}, {"embeddings", vectors}, {"prompt_eval_count", body["usage"]["prompt_tokens"]}});
}

HttpResponse ollama_tags(const Service& service) {
  const Json model = {{"name", service.name()},
                      {"model", service.name()},
                      {"modified_at", timestamp(service.created())},
                      {"size", file_bytes(service)},
                      {"digest", ""},
                      {"details", details(service)}};
  return json_response({{"models", Json::array({model})}});
}

HttpResponse ollama_show(const Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return ollama_error(body.error());
  const ModelConfig& c = service.engine().model().config();
  return json_response({{"modelfile", ""},
                        {"parameters", ""},
                        {"template", service.chat_template_source()},
                        {"details", details(service)},
                        {"model_info",
                         {{"general.architecture", c.arch_name},
                          {c.arch_name + ".context_length", c.context},
                          {c.arch_name + ".embedding_length", c.dim},
                          {c.arch_name + ".block_count", c.layers}}},
                        {"capabilities", Json::array({"completion", "tools", "embedding"})}});
}

}  // namespace onebit::server
