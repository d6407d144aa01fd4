#include "server/params.h"

#include <algorithm>
#include <cmath>

namespace onebit::server {
namespace {

constexpr int64_t kMostTokens = 1 << 24;
constexpr int64_t kMostChoices = 16;
constexpr int64_t kMostLogprobs = 20;
constexpr size_t kMostStops = 16, kStopBytes = 1024;
constexpr size_t kMostInputs = 256;
constexpr size_t kMostBiases = 1024;
constexpr size_t kMostTools = 128;
constexpr size_t kNameBytes = 256;

bool token_list(const Json& v) {
  return v.is_array() && !v.empty() && std::all_of(v.begin(), v.end(), [](const Json& t) { return t.is_number_integer(); });
}

Token to_token(const Json& v) {
  // Out of the range of a token is outside every vocabulary.
  const auto id = v.is_number_unsigned() ? static_cast<int64_t>(std::min<uint64_t>(v.get<uint64_t>(), INT32_MAX)) : v.get<int64_t>();
  return static_cast<Token>(std::clamp<int64_t>(id, -1, INT32_MAX));
}

std::vector<Token> to_tokens(const Json& v) {
  std::vector<Token> ids;
  for (const Json& t : v) ids.push_back(to_token(t));
  return ids;
}

// "input" and "prompt": a string, strings, token ids, or lists of token ids.
void read_inputs(Fields& f, const char* name, std::vector<std::string>& texts, std::vector<std::vector<Token>>& tokens) {
  const Json* v = f.find(name);
  if (!v) {
    if (!f.error()) f.reject(name, "is missing, expected a string, strings, token ids or lists of token ids", "missing");
    return;
  }
  if (v->is_string()) {
    texts = {v->get<std::string>()};
    return;
  }
  if (token_list(*v)) {
    tokens = {to_tokens(*v)};
    return;
  }
  const bool all_texts = v->is_array() && std::all_of(v->begin(), v->end(), [](const Json& s) { return s.is_string(); });
  const bool all_tokens = v->is_array() && std::all_of(v->begin(), v->end(), token_list);
  if (!v->is_array() || v->empty() || v->size() > kMostInputs || !(all_texts || all_tokens))
    return f.reject(name, fmt::format("{} is not a string, 1 to {} strings, token ids or lists of token ids",
                                      v->is_array() ? fmt::format("this array of {}", v->size()) : kind_of(*v), kMostInputs));
  for (const Json& item : *v) {
    if (all_texts)
      texts.push_back(item.get<std::string>());
    else
      tokens.push_back(to_tokens(item));
  }
}

// {"TOKEN": BIAS, ...} or [[TOKEN, BIAS], ...]; false bans a token.
void read_bias(Fields& f, SamplerOptions& sampling) {
  const Json* v = f.find("logit_bias");
  if (!v) return;
  const auto add = [&](const Json& id, const Json& bias) {
    int64_t token = -1;
    if (id.is_number_integer()) token = to_token(id);
    if (id.is_string()) {
      const auto& s = id.get_ref<const std::string&>();
      if (!s.empty() && s.size() <= 9 && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; })) token = std::stoll(s);
    }
    const bool ban = bias.is_boolean() && !bias.get<bool>();
    const double value = ban ? -INFINITY : bias.is_number() ? bias.get<double>() : NAN;
    if (token < 0 || token > INT32_MAX) {
      f.reject("logit_bias", fmt::format("{} is not a token id", dump(id).substr(0, 40)));
    } else if (!ban && !(value >= -100 && value <= 100)) {
      f.reject("logit_bias", fmt::format("the bias of token {} is not a number from -100 to 100", token));
    } else {
      // The API's -100 means never.
      sampling.logit_bias[static_cast<Token>(token)] = value <= -100 ? -INFINITY : value;
    }
  };
  if (v->size() > kMostBiases || !v->is_structured())
    return f.reject("logit_bias", fmt::format("{} is not an object of up to {} token ids with numbers from -100 to 100", kind_of(*v), kMostBiases));
  if (v->is_object()) {
    for (const auto& [id, bias] : v->items()) add(id, bias);
    return;
  }
  for (const Json& pair : *v) {
    if (!pair.is_array() || pair.size() != 2) return f.reject("logit_bias", "an entry is not [token id, number]");
    add(pair[0], pair[1]);
  }
}

void read_sampling(Fields& f, GenerationParams& p) {
  SamplerOptions& s = p.sampling;
  f.number("temperature", &s.temperature, 0, 100);
  f.number("top_p", &s.top_p, 0, 1);
  f.integer("top_k", &s.top_k, 0, kMostTokens);
  f.number("min_p", &s.min_p, 0, 1);
  f.number("repeat_penalty", &s.repeat_penalty, 0.01, 100);
  f.integer("repeat_last_n", &s.repeat_last_n, -1, kMostTokens);
  f.number("presence_penalty", &s.presence_penalty, -100, 100);
  f.number("frequency_penalty", &s.frequency_penalty, -100, 100);
  int64_t seed = -1;
  if (f.integer("seed", &seed, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()) && seed != -1) {
    p.seeded = true;
    s.seed = static_cast<uint64_t>(seed);
  }
  f.strings("stop", &p.stop, kMostStops, kStopBytes);
}

void read_format(Fields& f, GenerationParams& p) {
  if (f.string("grammar", &p.grammar) && !p.grammar.empty()) p.format = Format::grammar;
  const Json* schema = f.find("json_schema");  // as llama.cpp spells it
  if (schema) {
    p.format = Format::json_schema;
    p.schema = *schema;
  }
  const Json* format = f.object("response_format");
  if (!format) return;
  if (p.format != Format::text) return f.reject("response_format", "cannot be given together with grammar or json_schema");
  Fields in(*format, "response_format.");
  std::string type;
  if (!in.string("type", &type) && !in.error()) in.reject("type", "is missing, expected text, json_object or json_schema", "missing");
  if (type == "json_object") {
    p.format = Format::json_object;
    if (const Json* s = in.object("schema")) {  // as some clients send it
      p.format = Format::json_schema;
      p.schema = *s;
    }
  } else if (type == "json_schema") {
    p.format = Format::json_schema;
    if (const Json* outer = in.object("json_schema")) {
      Fields inner(*outer, "response_format.json_schema.");
      if (const Json* s = inner.find("schema"))
        p.schema = *s;
      else if (!inner.error())
        inner.reject("schema", "is missing, expected a JSON schema", "missing");
      if (inner.error()) return f.take(inner);
    } else if (!in.error()) {
      in.reject("json_schema", "is missing, expected an object with a schema", "missing");
    }
  } else if (type != "text" && !in.error()) {
    in.reject("type", fmt::format("'{}' is not text, json_object or json_schema", type.substr(0, 40)));
  }
  f.take(in);
}

void read_generation(Fields& f, GenerationParams& p) {
  f.string("model", &p.model, kNameBytes);
  read_sampling(f, p);
  f.integer("max_tokens", &p.max_tokens, 0, kMostTokens);
  f.integer("max_completion_tokens", &p.max_tokens, 0, kMostTokens);
  f.integer("n", &p.n, 1, kMostChoices);
  f.boolean("stream", &p.stream);
  f.boolean("ignore_eos", &p.ignore_end);
  if (const Json* options = f.object("stream_options")) {
    Fields in(*options, "stream_options.");
    in.boolean("include_usage", &p.include_usage);
    f.take(in);
  }
  read_bias(f, p.sampling);
  read_format(f, p);
}

void read_tool(Fields& f, const Json& tool, size_t index) {
  const std::string path = fmt::format("tools[{}].", index);
  if (!tool.is_object()) return f.reject("tools", fmt::format("entry {} is {}, expected an object", index, kind_of(tool)));
  Fields in(tool, path);
  std::string type = "function";
  in.string("type", &type);
  const Json* function = in.object("function");
  if (type != "function") in.reject("type", fmt::format("'{}' is not function", type.substr(0, 40)));
  if (!function && !in.error()) in.reject("function", "is missing, expected an object with a name", "missing");
  if (function) {
    Fields inner(*function, path + "function.");
    std::string name;
    inner.string("name", &name, kNameBytes);
    if (name.empty() && !inner.error()) inner.reject("name", "is missing or empty", "missing");
    std::string description;
    inner.string("description", &description);
    inner.object("parameters");
    if (inner.error()) return f.take(inner);
  }
  f.take(in);
}

void read_tools(Fields& f, ChatParams& p) {
  if (const Json* tools = f.array("tools"); tools && !tools->empty()) {
    if (tools->size() > kMostTools) return f.reject("tools", fmt::format("{} tools, at most {} are allowed", tools->size(), kMostTools));
    for (size_t i = 0; i < tools->size(); ++i) read_tool(f, (*tools)[i], i);
    if (!f.error()) p.tools = *tools;
  }
  if (p.tools.is_null()) p.tool_choice = ToolChoice::none;
  const Json* choice = f.find("tool_choice");
  if (!choice) return;
  if (choice->is_string()) {
    const auto& s = choice->get_ref<const std::string&>();
    if (s == "none")
      p.tool_choice = ToolChoice::none;
    else if (s == "required" || s == "any")
      p.tool_choice = ToolChoice::required;
    else if (s != "auto")
      f.reject("tool_choice", fmt::format("'{}' is not none, auto, required or an object that names a function", s.substr(0, 40)));
  } else if (choice->is_object() && choice->contains("function") && (*choice)["function"].is_object() && (*choice)["function"].contains("name") &&
             (*choice)["function"]["name"].is_string()) {
    p.tool_choice = ToolChoice::named;
    p.tool_name = (*choice)["function"]["name"].get<std::string>();
    const bool known = p.tools.is_array() && std::any_of(p.tools.begin(), p.tools.end(), [&](const Json& t) { return t["function"]["name"] == p.tool_name; });
    if (!known) f.reject("tool_choice", fmt::format("'{}' is not the name of one of the tools", p.tool_name.substr(0, 40)));
  } else {
    f.reject("tool_choice", fmt::format("{} is not none, auto, required or an object that names a function", kind_of(*choice)));
  }
  if (p.tools.is_null() && (p.tool_choice == ToolChoice::required)) f.reject("tool_choice", "a call is required, but there are no tools");
}

// Of one message: a string, or parts that are texts.
Api<Json> read_content(const Json& content, const std::string& path) {
  if (content.is_null() || content.is_string()) return content;
  if (!content.is_array())
    return std::unexpected(ApiError{400, fmt::format("{}: {} is not a string, null or an array of parts", path, kind_of(content)), path, "invalid_value"});
  std::string text;
  for (size_t i = 0; i < content.size(); ++i) {
    const Json& part = content[i];
    const std::string at = fmt::format("{}[{}]", path, i);
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string())
      return std::unexpected(ApiError{400, fmt::format("{}: not an object with a type", at), at, "invalid_value"});
    const auto& type = part["type"].get_ref<const std::string&>();
    if (type != "text" && type != "input_text" && type != "output_text")
      return std::unexpected(ApiError{400, fmt::format("{}.type: '{}' cannot be read by this model, expected text", at, type.substr(0, 40)), at + ".type", "unsupported"});
    if (!part.contains("text") || !part["text"].is_string())
      return std::unexpected(ApiError{400, fmt::format("{}.text: not a string", at), at + ".text", "invalid_value"});
    text += part["text"].get_ref<const std::string&>();
  }
  return Json(text);
}

template <class P>
Api<P> done(const Fields& f, P&& p) {
  if (f.error()) return std::unexpected(*f.error());
  return std::forward<P>(p);
}

void read_messages(Fields& f, ChatParams& p) {
  const Json* messages = f.find("messages");
  if (!messages) {
    if (!f.error()) f.reject("messages", "is missing, expected an array of messages", "missing");
    return;
  }
  auto normal = normalise_messages(*messages, "messages");
  if (!normal)
    f.take(normal.error());
  else
    p.messages = std::move(*normal);
}

// Ollama keeps what is common to all kinds of generation in "options".
void read_ollama(Fields& f, const Json& body, GenerationParams& p) {
  f.string("model", &p.model, kNameBytes);
  p.stream = true;
  f.boolean("stream", &p.stream);
  if (const Json* options = f.object("options")) {
    Fields in(*options, "options.");
    read_sampling(in, p);
    in.integer("num_predict", &p.max_tokens, -2, kMostTokens);
    f.take(in);
  }
  if (p.max_tokens < 0) p.max_tokens = -1;
  const auto it = body.find("format");
  if (it == body.end() || it->is_null() || *it == "") return;
  if (*it == "json") {
    p.format = Format::json_object;
  } else if (it->is_object()) {
    p.format = Format::json_schema;
    p.schema = *it;
  } else {
    f.reject("format", fmt::format("{} is not json or a JSON schema", it->is_string() ? dump(*it).substr(0, 40) : kind_of(*it)));
  }
}

}  // namespace

Api<Json> normalise_messages(const Json& messages, const std::string& path) {
  const auto error = [](const std::string& at, const std::string& problem) {
    return std::unexpected(ApiError{400, fmt::format("{}: {}", at, problem), at, "invalid_value"});
  };
  if (!messages.is_array() || messages.empty()) return error(path, fmt::format("{} is not an array of at least one message", messages.is_array() ? "[]" : kind_of(messages)));
  Json out = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    const Json& m = messages[i];
    if (!m.is_object()) return error(at, fmt::format("{} is not an object", kind_of(m)));
    if (!m.contains("role") || !m["role"].is_string()) return error(at + ".role", "missing or not a string");
    Json message = m;
    std::string role = m["role"].get<std::string>();
    if (role == "developer") role = "system";
    if (role == "function") role = "tool";
    if (role != "system" && role != "user" && role != "assistant" && role != "tool")
      return error(at + ".role", fmt::format("'{}' is not system, developer, user, assistant or tool", role.substr(0, 40)));
    message["role"] = role;
    auto content = read_content(m.contains("content") ? m["content"] : Json(nullptr), at + ".content");
    if (!content) return std::unexpected(content.error());
    const bool no_content = content->is_null();
    message["content"] = no_content ? Json("") : std::move(*content);
    if (const auto calls = m.find("tool_calls"); calls != m.end() && !calls->is_null()) {
      if (!calls->is_array()) return error(at + ".tool_calls", fmt::format("{} is not an array", kind_of(*calls)));
      for (size_t c = 0; c < calls->size(); ++c) {
        const Json& call = (*calls)[c];
        if (!call.is_object() || !call.contains("function") || !call["function"].is_object() || !call["function"].contains("name") || !call["function"]["name"].is_string())
          return error(fmt::format("{}.tool_calls[{}]", at, c), "not an object with a function that has a name");
        // Templates want the arguments as a value.
        Json& arguments = message["tool_calls"][c]["function"]["arguments"];
        if (arguments.is_string()) {
          auto parsed = parse_object(arguments.get_ref<const std::string&>());
          if (parsed) arguments = std::move(*parsed);
        }
      }
    } else if (no_content && role != "assistant") {
      return error(at + ".content", "null, expected a string");
    }
    out.push_back(std::move(message));
  }
  return out;
}

Api<ChatParams> parse_chat(const Json& body, const SamplerOptions& defaults) {
  ChatParams p;
  p.sampling = defaults;
  Fields f(body);
  read_messages(f, p);
  read_generation(f, p);
  read_tools(f, p);
  bool logprobs = false;
  f.boolean("logprobs", &logprobs);
  if (logprobs) p.top_logprobs = 0;
  int64_t top = 0;
  if (f.integer("top_logprobs", &top, 0, kMostLogprobs)) {
    if (!logprobs && top > 0) f.reject("top_logprobs", "needs logprobs to be true");
    if (logprobs) p.top_logprobs = top;
  }
  if (const Json* arguments = f.object("chat_template_kwargs")) p.template_arguments = *arguments;
  return done(f, std::move(p));
}

Api<CompletionParams> parse_completion(const Json& body, const SamplerOptions& defaults) {
  CompletionParams p;
  p.sampling = defaults;
  Fields f(body);
  read_inputs(f, "prompt", p.prompts, p.token_prompts);
  p.max_tokens = 16;  // the API's default for this endpoint
  f.integer("n_predict", &p.max_tokens, -1, kMostTokens);
  read_generation(f, p);
  f.boolean("echo", &p.echo);
  f.integer("logprobs", &p.top_logprobs, 0, kMostLogprobs);
  int64_t best_of = p.n;
  f.integer("best_of", &best_of, 1, kMostChoices);
  if (best_of != p.n) f.reject("best_of", fmt::format("{} is not n ({})", best_of, p.n), "unsupported");
  std::string suffix;
  if (f.string("suffix", &suffix) && !suffix.empty()) f.reject("suffix", "this model cannot fill in the middle", "unsupported");
  return done(f, std::move(p));
}

Api<EmbeddingParams> parse_embedding(const Json& body) {
  EmbeddingParams p;
  Fields f(body);
  f.string("model", &p.model, kNameBytes);
  read_inputs(f, "input", p.inputs, p.token_inputs);
  std::string encoding = "float";
  f.string("encoding_format", &encoding);
  if (encoding != "float" && encoding != "base64") f.reject("encoding_format", fmt::format("'{}' is not float or base64", encoding.substr(0, 40)));
  p.base64 = encoding == "base64";
  f.integer("dimensions", &p.dimensions, 1, kMostTokens);
  return done(f, std::move(p));
}

Api<ChatParams> parse_ollama_chat(const Json& body, const SamplerOptions& defaults) {
  ChatParams p;
  p.sampling = defaults;
  Fields f(body);
  read_messages(f, p);
  read_ollama(f, body, p);
  read_tools(f, p);
  return done(f, std::move(p));
}

Api<CompletionParams> parse_ollama_generate(const Json& body, const SamplerOptions& defaults) {
  CompletionParams p;
  p.sampling = defaults;
  Fields f(body);
  std::string prompt;
  f.string("prompt", &prompt);
  p.prompts = {prompt};
  read_ollama(f, body, p);
  std::string suffix;
  if (f.string("suffix", &suffix) && !suffix.empty()) f.reject("suffix", "this model cannot fill in the middle", "unsupported");
  return done(f, std::move(p));
}

}  // namespace onebit::server
