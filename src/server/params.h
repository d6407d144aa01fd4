// Bodies of requests as values: every field checked for type and range, nothing of the engine needed. Fields that this
// server does not know are ignored, as clients of many servers send them; fields that change what the answer means and
// cannot be honoured are errors.
#pragma once

#include "engine/sampler.h"
#include "server/api.h"

namespace onebit::server {

enum class Format : uint8_t { text, json_object, json_schema, grammar };
enum class ToolChoice : uint8_t { none, automatic, required, named };

struct GenerationParams {
  std::string model;             // as the request names it
  SamplerOptions sampling;
  bool seeded = false;           // sampling.seed is the request's
  int64_t max_tokens = -1;       // -1: until the context is full
  int64_t n = 1;
  std::vector<std::string> stop;
  bool stream = false, include_usage = false, ignore_end = false;
  int64_t top_logprobs = -1;     // -1: no logprobs

  Format format = Format::text;
  Json schema = nullptr;         // of Format::json_schema
  std::string grammar;           // GBNF
};

struct ChatParams : GenerationParams {
  Json messages = Json::array();   // roles are system, user, assistant or tool; content a string or null
  Json tools = nullptr;            // an array of {"type": "function", "function": {...}}, or null
  ToolChoice tool_choice = ToolChoice::automatic;
  std::string tool_name;           // of ToolChoice::named
  Json template_arguments = Json::object();
};

struct CompletionParams : GenerationParams {
  std::vector<std::string> prompts;              // one of the two is empty
  std::vector<std::vector<Token>> token_prompts;
  bool echo = false;
};

struct EmbeddingParams {
  std::string model;
  std::vector<std::string> inputs;
  std::vector<std::vector<Token>> token_inputs;
  bool base64 = false;
  int64_t dimensions = 0;  // 0: all
};

// `defaults`: of the server. Errors name the field, the value and what was expected.
Api<ChatParams> parse_chat(const Json& body, const SamplerOptions& defaults);
Api<CompletionParams> parse_completion(const Json& body, const SamplerOptions& defaults);
Api<EmbeddingParams> parse_embedding(const Json& body);
// Ollama's /api/chat and /api/generate. `prompt` of the latter becomes prompts[0], `system` and `template` stay in the
// body for the caller.
Api<ChatParams> parse_ollama_chat(const Json& body, const SamplerOptions& defaults);
Api<CompletionParams> parse_ollama_generate(const Json& body, const SamplerOptions& defaults);

// Checks a list of messages and brings it into the form of ChatParams::messages.
Api<Json> normalise_messages(const Json& messages, const std::string& path);

}  // namespace onebit::server
