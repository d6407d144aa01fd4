#include "server/openai.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>

#include "server/text_stream.h"
#include "server/tool_calls.h"

namespace onebit::server {
namespace {

int64_t unix_time() { return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string base64(const std::vector<float>& values) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes(values.size() * sizeof(float), '\0');
  std::copy_n(reinterpret_cast<const char*>(values.data()), bytes.size(), bytes.data());
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t v = 0;
    for (size_t j = 0; j < 3; ++j) v = v << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : kDigits[v >> (18 - 6 * j) & 63];
  }
  return out;
}

Json byte_list(const std::string& bytes) {
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<uint8_t>(c));
  return list;
}

Json chat_log(const TokenLog& log) {
  Json top = Json::array();
  for (const auto& [bytes, logprob] : log.top) top.push_back({{"token", valid_utf8(bytes)}, {"logprob", logprob}, {"bytes", byte_list(bytes)}});
  return {{"token", valid_utf8(log.bytes)}, {"logprob", log.logprob}, {"bytes", byte_list(log.bytes)}, {"top_logprobs", top}};
}

Json chat_logs(const std::vector<TokenLog>& logs) {
  Json content = Json::array();
  for (const TokenLog& l : logs) content.push_back(chat_log(l));
  return {{"content", content}, {"refusal", nullptr}};
}

// The form of /v1/completions. `offset`: bytes of text before the first.
Json text_logs(const std::vector<TokenLog>& logs, size_t offset) {
  Json out = {{"tokens", Json::array()}, {"token_logprobs", Json::array()}, {"top_logprobs", Json::array()}, {"text_offset", Json::array()}};
  for (const TokenLog& l : logs) {
    out["tokens"].push_back(valid_utf8(l.bytes));
    out["token_logprobs"].push_back(l.logprob);
    Json top = Json::object();
    for (const auto& [bytes, logprob] : l.top) top[valid_utf8(bytes)] = logprob;
    out["top_logprobs"].push_back(top);
    out["text_offset"].push_back(offset);
    offset += l.bytes.size();
  }
  return out;
}

struct Usage {
  uint64_t prompt = 0, cached = 0, generated = 0;

  // A prompt counts once, however many texts follow it.
  void add(const RequestStats& s, bool first) {
    if (first) {
      prompt += s.prompt_tokens;
      cached += s.cached_tokens;
    }
    generated += s.generated_tokens;
  }
  Json json() const {
    return {{"prompt_tokens", prompt},
            {"completion_tokens", generated},
            {"total_tokens", prompt + generated},
            {"prompt_tokens_details", {{"cached_tokens", cached}}}};
  }
};

// One text of a response, as it grows.
struct Choice {
  std::string text, held;   // held: not sent, because it may be a call
  std::vector<TokenLog> logs;
  bool calls_possible = false, started = false;
  size_t sent_bytes = 0;
  std::string finish;
};

struct Context {
  Service& service;
  std::string id, object;
  int64_t created = unix_time();
  bool chat = false;
  bool usage_asked = false;

  Json frame(Json choices) const {
    Json out = {{"id", id}, {"object", object}, {"created", created}, {"model", service.name()}, {"choices", std::move(choices)}};
    return out;
  }
};

bool send_event(const Write& write, const Json& value) { return write("data: " + dump(value) + "\n\n"); }

Json call_list(const std::vector<ToolCall>& calls, bool indexed) {
  Json list = Json::array();
  for (size_t i = 0; i < calls.size(); ++i) {
    Json call = Json::object();
    if (indexed) call["index"] = i;
    call["id"] = new_id("call_");
    call["type"] = "function";
    call["function"] = {{"name", calls[i].name}, {"arguments", calls[i].arguments}};
    list.push_back(std::move(call));
  }
  return list;
}

// Streams chunks of all texts as server-sent events.
class EventStream {
 public:
  EventStream(Context context, std::shared_ptr<Generation> generation, size_t choices, size_t n, Json tools, std::vector<std::string> echo, bool logs)
      : context_(std::move(context)), generation_(std::move(generation)), choices_(choices), n_(n), tools_(std::move(tools)), echo_(std::move(echo)), logs_(logs) {
    for (Choice& c : choices_) c.calls_possible = tools_.is_array();
  }

  void run(int socket, const Write& write) {
    while (auto piece = generation_->next(socket)) {
      if (piece->end)
        if (const auto error = ending_error(*piece->end)) {
          (void)send_event(write, error_json(*error));
          return;
        }
      if (!add(std::move(*piece), write)) return;
    }
    if (generation_->client_gone()) return;
    if (context_.usage_asked) {
      Json last = context_.frame(Json::array());
      last["usage"] = usage_.json();
      if (!send_event(write, last)) return;
    }
    (void)write("data: [DONE]\n\n");
  }

 private:
  bool chunk(const Write& write, size_t index, Json delta, const std::vector<TokenLog>& logs, const Json& finish) {
    Json choice = {{"index", index}};
    if (context_.chat) {
      choice["delta"] = std::move(delta);
      choice["logprobs"] = logs_ && !logs.empty() ? chat_logs(logs) : Json(nullptr);
    } else {
      choice["text"] = delta.value("content", "");
      choice["logprobs"] = logs_ && !logs.empty() ? text_logs(logs, choices_[index].sent_bytes) : Json(nullptr);
      for (const TokenLog& l : logs) choices_[index].sent_bytes += l.bytes.size();
    }
    choice["finish_reason"] = finish;
    Json out = context_.frame(Json::array({std::move(choice)}));
    if (context_.usage_asked) out["usage"] = nullptr;
    return send_event(write, out);
  }

  bool add(Piece piece, const Write& write) {
    Choice& c = choices_[piece.index];
    if (!c.started) {
      c.started = true;
      if (context_.chat && !chunk(write, piece.index, {{"role", "assistant"}, {"content", ""}}, {}, nullptr)) return false;
      if (!context_.chat && !echo_.empty()) piece.text = echo_[piece.index / n_] + piece.text;
    }
    if (c.calls_possible) {
      c.held += piece.text;
      c.logs.insert(c.logs.end(), piece.logs.begin(), piece.logs.end());
      if (!may_be_call(c.held)) {
        c.calls_possible = false;
        piece.text = std::exchange(c.held, {});
        piece.logs = std::exchange(c.logs, {});
      } else {
        piece.text.clear();
        piece.logs.clear();
      }
    }
    std::string reason;
    if (piece.end) {
      usage_.add(piece.end->stats, piece.index % n_ == 0);
      reason = finish_reason(piece.end->ending);
      if (c.calls_possible) {
        Answer answer = split_answer(c.held, tools_);
        piece.text = answer.content;
        piece.logs = std::move(c.logs);
        if (!answer.calls.empty()) {
          reason = "tool_calls";
          if (!chunk(write, piece.index, {{"tool_calls", call_list(answer.calls, true)}}, {}, nullptr)) return false;
        }
      }
    }
    if (!piece.text.empty() || !piece.logs.empty())
      if (!chunk(write, piece.index, {{"content", piece.text}}, piece.logs, nullptr)) return false;
    return !piece.end || chunk(write, piece.index, Json::object(), {}, reason);
  }

  Context context_;
  std::shared_ptr<Generation> generation_;
  std::vector<Choice> choices_;
  size_t n_;
  Json tools_;
  std::vector<std::string> echo_;
  bool logs_;
  Usage usage_;
};

// Waits for all texts and makes one response of them.
HttpResponse whole(const Context& context, Generation& generation, size_t count, size_t n, const Json& tools, const std::vector<std::string>& echo, bool logs,
                   int socket) {
  std::vector<Choice> choices(count);
  Usage usage;
  while (auto piece = generation.next(socket)) {
    Choice& c = choices[piece->index];
    c.text += piece->text;
    c.logs.insert(c.logs.end(), piece->logs.begin(), piece->logs.end());
    if (!piece->end) continue;
    if (const auto error = ending_error(*piece->end)) return error_response(*error);
    usage.add(piece->end->stats, piece->index % n == 0);
    c.finish = finish_reason(piece->end->ending);
  }
  Json list = Json::array();
  for (size_t i = 0; i < count; ++i) {
    Choice& c = choices[i];
    Json choice = {{"index", i}};
    if (context.chat) {
      Answer answer = tools.is_array() ? split_answer(c.text, tools) : Answer{c.text, {}};
      Json message = {{"role", "assistant"}, {"content", answer.content}, {"refusal", nullptr}};
      if (!answer.calls.empty()) {
        if (answer.content.empty()) message["content"] = nullptr;
        message["tool_calls"] = call_list(answer.calls, false);
        c.finish = "tool_calls";
      }
      choice["message"] = std::move(message);
      choice["logprobs"] = logs ? chat_logs(c.logs) : Json(nullptr);
    } else {
      choice["text"] = (echo.empty() ? "" : echo[i / n]) + c.text;
      choice["logprobs"] = logs ? text_logs(c.logs, 0) : Json(nullptr);
    }
    choice["finish_reason"] = c.finish;
    list.push_back(std::move(choice));
  }
  Json out = context.frame(std::move(list));
  out["usage"] = usage.json();
  return json_response(out);
}

Api<std::vector<std::vector<Token>>> encode_all(const Service& service, const std::vector<std::string>& texts, std::vector<std::vector<Token>> tokens) {
  for (const std::string& text : texts) {
    ONEBIT_ASSIGN(std::vector<Token> ids, service.encode(text));
    tokens.push_back(std::move(ids));
  }
  return tokens;
}

HttpResponse answer(Context context, const GenerationParams& params, std::vector<std::vector<Token>> prompts, const Json& tools, std::vector<std::string> echo,
                    const HttpRequest& request) {
  const size_t n = static_cast<size_t>(params.n), count = prompts.size() * n;
  const bool logs = params.top_logprobs >= 0;
  auto grammar = context.service.grammar(params);
  if (!grammar) return error_response(grammar.error());
  auto started = Generation::start(context.service, std::move(prompts), params, std::move(*grammar));
  if (!started) return error_response(started.error());
  std::shared_ptr<Generation> generation = std::move(*started);
  context.usage_asked = params.include_usage;
  if (!params.stream) return whole(context, *generation, count, n, tools, echo, logs, request.socket);
  if (context.chat) context.object = "chat.completion.chunk";
  HttpResponse response;
  response.type = "text/event-stream";
  response.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  auto stream = std::make_shared<EventStream>(std::move(context), std::move(generation), count, n, tools, std::move(echo), logs);
  response.stream = [stream, socket = request.socket](const Write& write) { stream->run(socket, write); };
  return response;
}

}  // namespace

HttpResponse json_response(const Json& value, int status) {
  HttpResponse r;
  r.status = status;
  r.body = dump(value);
  return r;
}

HttpResponse error_response(const ApiError& error) {
  HttpResponse r = json_response(error_json(error), error.status);
  if (error.retry_after_s > 0) r.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  return r;
}

std::string new_id(const char* prefix) {
  static std::atomic<uint64_t> counter{0};
  thread_local std::random_device random;
  return fmt::format("{}{:08x}{:08x}{:08x}", prefix, random(), random(), static_cast<uint32_t>(++counter));
}

HttpResponse chat_completions(Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  auto params = parse_chat(*body, service.options().sampling);
  if (!params) return error_response(params.error());
  auto prompt = service.encode_chat(*params);
  if (!prompt) return error_response(prompt.error());
  const Json tools = params->tool_choice == ToolChoice::none ? Json(nullptr) : params->tools;
  if (params->tool_choice == ToolChoice::required || params->tool_choice == ToolChoice::named) {
    if (params->format != Format::text)
      return error_response({400, "response_format: cannot be given when a call of a tool is required", "response_format", "invalid_value"});
    params->format = Format::json_schema;
    params->schema = call_schema(params->tools, params->tool_name);
  }
  return answer({service, new_id("chatcmpl-"), "chat.completion", unix_time(), true}, *params, {std::move(*prompt)}, tools, {}, request);
}

HttpResponse completions(Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  auto params = parse_completion(*body, service.options().sampling);
  if (!params) return error_response(params.error());
  auto prompts = encode_all(service, params->prompts, std::move(params->token_prompts));
  if (!prompts) return error_response(prompts.error());
  std::vector<std::string> echo;
  if (params->echo)
    for (size_t i = 0; i < prompts->size(); ++i)
      echo.push_back(i < params->prompts.size() ? params->prompts[i] : valid_utf8(service.tokenizer().decode((*prompts)[i])));
  return answer({service, new_id("cmpl-"), "text_completion", unix_time(), false}, *params, std::move(*prompts), nullptr, std::move(echo), request);
}

HttpResponse embeddings(Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  auto params = parse_embedding(*body);
  if (!params) return error_response(params.error());
  const int64_t dim = service.engine().model().config().dim;
  if (params->dimensions > dim)
    return error_response({400, fmt::format("dimensions: {} is not an integer from 1 to {}", params->dimensions, dim), "dimensions", "invalid_value"});
  auto prompts = encode_all(service, params->inputs, std::move(params->token_inputs));
  if (!prompts) return error_response(prompts.error());
  const size_t count = prompts->size();
  auto generation = Generation::embed(service, std::move(*prompts));
  if (!generation) return error_response(generation.error());
  std::vector<std::vector<float>> vectors(count);
  uint64_t tokens = 0;
  while (auto piece = (*generation)->next(request.socket)) {
    if (const auto error = ending_error(*piece->end)) return error_response(*error);
    tokens += piece->end->stats.prompt_tokens;
    vectors[piece->index] = std::move(piece->end->embedding);
  }
  Json data = Json::array();
  for (size_t i = 0; i < count; ++i) {
    std::vector<float>& v = vectors[i];
    if (params->dimensions > 0) v.resize(std::min(v.size(), static_cast<size_t>(params->dimensions)));
    double squares = 0;
    for (const float x : v) squares += static_cast<double>(x) * static_cast<double>(x);
    for (float& x : v) x = squares > 0 ? static_cast<float>(static_cast<double>(x) / std::sqrt(squares)) : 0.0f;
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", params->base64 ? Json(base64(v)) : Json(v)}});
  }
  return json_response({{"object", "list"}, {"data", data}, {"model", service.name()}, {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

HttpResponse models(const Service& service) {
  const ModelConfig& c = service.engine().model().config();
  const Json meta = {{"n_vocab", c.vocab}, {"n_ctx_train", c.context}, {"n_embd", c.dim}, {"architecture", c.arch_name}};
  return json_response({{"object", "list"},
                        {"data", Json::array({{{"id", service.name()}, {"object", "model"}, {"created", service.created()}, {"owned_by", "onebit"}, {"meta", meta}}})}});
}

HttpResponse tokenize(const Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  Fields f(*body);
  std::string content;
  bool add_special = false, parse_special = true, with_pieces = false;
  if (!f.string("content", &content) && !f.error()) f.reject("content", "is missing, expected a string", "missing");
  f.boolean("add_special", &add_special);
  f.boolean("parse_special", &parse_special);
  f.boolean("with_pieces", &with_pieces);
  if (f.error()) return error_response(*f.error());
  const auto ids = service.encode(content, {.add_special = add_special, .parse_special = parse_special});
  if (!ids) return error_response(ids.error());
  Json tokens = Json::array();
  for (const Token t : *ids) {
    if (!with_pieces) {
      tokens.push_back(t);
      continue;
    }
    const std::string piece = service.tokenizer().piece(t, true);
    tokens.push_back({{"id", t}, {"piece", valid_utf8(piece) == piece ? Json(piece) : byte_list(piece)}});
  }
  return json_response({{"tokens", tokens}});
}

HttpResponse detokenize(const Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  Fields f(*body);
  const Json* tokens = f.array("tokens");
  if (!tokens && !f.error()) f.reject("tokens", "is missing, expected an array of token ids", "missing");
  std::vector<Token> ids;
  const auto vocab = static_cast<int64_t>(service.tokenizer().size());
  if (tokens) {
    for (const Json& t : *tokens) {
      const bool good = t.is_number_integer() && t >= 0 && t < vocab;
      if (!good) {
        f.reject("tokens", fmt::format("{} is not a token id from 0 to {}", t.is_structured() ? kind_of(t) : dump(t).substr(0, 40), vocab - 1));
        break;
      }
      ids.push_back(t.get<Token>());
    }
  }
  if (f.error()) return error_response(*f.error());
  return json_response({{"content", valid_utf8(service.tokenizer().decode(ids, true))}});
}

HttpResponse apply_template(const Service& service, const HttpRequest& request) {
  const auto body = parse_object(request.body);
  if (!body) return error_response(body.error());
  const auto params = parse_chat(*body, service.options().sampling);
  if (!params) return error_response(params.error());
  const auto text = service.render_chat(*params);
  if (!text) return error_response(text.error());
  return json_response({{"prompt", valid_utf8(*text)}});
}

HttpResponse props(Service& service) {
  const Tokenizer& t = service.tokenizer();
  const auto text = [&](Token id) { return id >= 0 ? Json(valid_utf8(t.piece(id, true))) : Json(nullptr); };
  const SamplerOptions& s = service.options().sampling;
  return json_response({{"model_alias", service.name()},
                        {"total_slots", service.scheduler().options().parallel},
                        {"default_generation_settings",
                         {{"n_ctx", service.scheduler().context()},
                          {"params",
                           {{"temperature", s.temperature}, {"top_k", s.top_k}, {"top_p", s.top_p}, {"min_p", s.min_p}, {"repeat_penalty", s.repeat_penalty}}}}},
                        {"chat_template_name", service.chat_template_name()},
                        {"chat_template", valid_utf8(service.chat_template_source())},
                        {"bos_token", text(t.bos())},
                        {"eos_token", text(t.eos())},
                        {"modalities", {{"vision", false}, {"audio", false}}}});
}

HttpResponse slots(Service& service) {
  Json list = Json::array();
  const auto states = service.scheduler().slots();
  for (size_t i = 0; i < states.size(); ++i) {
    const SlotState& s = states[i];
    list.push_back({{"id", i},
                    {"is_processing", s.busy},
                    {"state", !s.busy ? "idle" : s.reading ? "prompt" : "generation"},
                    {"id_task", s.busy ? Json(s.request) : Json(nullptr)},
                    {"n_ctx", service.scheduler().context()},
                    {"n_prompt_tokens", s.prompt_tokens},
                    {"n_cached_tokens", s.cached_tokens},
                    {"n_decoded", s.generated_tokens},
                    {"n_past", s.positions}});
  }
  return json_response(list);
}

}  // namespace onebit::server
