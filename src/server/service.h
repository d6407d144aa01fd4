// A loaded model as the handlers see it: names, prompts to tokens, grammars to filters, and the scheduler.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "grammar/constraint.h"
#include "grammar/grammar.h"
#include "grammar/token_trie.h"
#include "server/metrics.h"
#include "server/params.h"
#include "template/chat_template.h"

namespace onebit::server {

struct ServiceOptions {
  EngineOptions engine;
  SchedulerOptions scheduler;   // chunk 0: as fits where prompts are evaluated
  SamplerOptions sampling;      // defaults of requests
  std::string alias;            // the model's name in the API; empty: the file's
  std::string chat_template;    // Jinja, or the name of a built-in; empty: the model's own
  double timeout_s = 600;       // after which a request ends
};

class Service {
 public:
  // Errors: those of Engine::load and Scheduler::create, a chat template that cannot be read.
  static Result<std::unique_ptr<Service>> load(const ServiceOptions& options, const LoadProgress& progress);

  const ServiceOptions& options() const { return options_; }
  const std::string& name() const { return name_; }
  int64_t created() const { return created_; }
  const Engine& engine() const { return *engine_; }
  const Tokenizer& tokenizer() const { return engine_->tokenizer(); }
  Scheduler& scheduler() { return *scheduler_; }
  // Where ends of texts are counted; null: nowhere.
  void set_metrics(Metrics* metrics) { metrics_ = metrics; }
  Metrics* metrics() const { return metrics_; }

  Api<std::vector<Token>> encode(std::string_view text, EncodeOptions options = {}) const;
  // The conversation as the model reads it, up to where its answer begins.
  Api<std::vector<Token>> encode_chat(const ChatParams& params) const;
  Api<std::string> render_chat(const ChatParams& params) const;
  std::string chat_template_name() const;
  std::string chat_template_source() const;

  // Null when nothing constrains the text. Errors name response_format, grammar or tool_choice.
  Api<std::shared_ptr<const Grammar>> grammar(const GenerationParams& params) const;
  Result<Constraint> constraint(std::shared_ptr<const Grammar> grammar) const;

 private:

  Service() = default;

  ServiceOptions options_;
  std::string name_;
  int64_t created_ = 0;
  Metrics* metrics_ = nullptr;
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<const TokenTrie> trie_;
  std::optional<ChatTemplate> template_;
  std::unique_ptr<Scheduler> scheduler_;  // last: it ends before what it uses
};

}  // namespace onebit::server
