// onebit run: one prompt, its continuation streamed to stdout, timing on stderr.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>

#include <nlohmann/json.hpp>

#include "model_flags.h"

namespace onebit::cli {
namespace {

std::atomic<bool> g_interrupted{false};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

const char* finish_name(Finish f) {
  return f == Finish::length ? "length" : f == Finish::end_of_text ? "stop" : "interrupted";
}

struct Timing {
  double load_s = 0, prompt_s = 0, decode_s = 0;
  size_t prompt_tokens = 0, decode_tokens = 0;
  double prompt_rate() const { return prompt_s > 0 ? static_cast<double>(prompt_tokens) / prompt_s : 0; }
  double decode_rate() const { return decode_s > 0 ? static_cast<double>(decode_tokens) / decode_s : 0; }
};

Status run(std::span<const char* const> args) {
  ModelFlags model;
  SamplerFlags sampling;
  PromptFlags prompt;
  GrammarFlags grammar_flags;
  int64_t predict = 128;
  bool ignore_end = false, json = false, no_echo = false;
  Flags flags("onebit run", "continue one prompt and stream the text",
              "onebit run -m model.gguf -p \"In the beginning\" -n 64 --temp 0");
  model.add_to(flags);
  prompt.add_to(flags);
  flags.integer("-n,--predict,--n-predict", "tokens to generate; -1: until the context is full", &predict, -1, 1 << 24);
  sampling.add_to(flags);
  grammar_flags.add_to(flags);
  flags.toggle("--ignore-eos", "go on past the end of the text", &ignore_end);
  flags.toggle("--no-display-prompt", "do not print the prompt before its continuation", &no_echo);
  flags.toggle("--json", "one JSON object on stdout instead of a stream", &json);
  flags.toggle("--quiet", "print the generated text and nothing else", &model.quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  const bool echo = !no_echo && !model.quiet && !json;
  ONEBIT_ASSIGN(const std::string text, prompt.read(flags));
  ONEBIT_ASSIGN(const SamplerOptions options, sampling.finish());
  ONEBIT_ASSIGN(const auto grammar, grammar_flags.read(flags));

  Timing timing;
  auto clock = Clock::now();
  ONEBIT_ASSIGN(const auto engine, model.load());
  timing.load_s = seconds_since(clock);
  ONEBIT_ASSIGN(Session session, Session::create(*engine, model.session()));
  ONEBIT_ASSIGN(const std::vector<Token> ids, engine->tokenizer().encode(text));
  if (ids.empty()) return fail(Errc::usage, "the prompt is empty and this model adds no first token: give -p or -f");

  Sampler sampler(options);
  for (const Token t : ids) sampler.accept(t);
  std::signal(SIGINT, [](int) {
    if (g_interrupted.exchange(true)) std::_Exit(130);
  });
  if (echo) {
    fmt::print("{}", text);
    std::fflush(stdout);
  }

  clock = Clock::now();
  {
    Progress bar("prompt", !model.quiet && ids.size() > 512);
    ONEBIT_TRY(session.feed(ids, [&bar](double share) {
      bar.update(share);
      return !g_interrupted.load();
    }));
  }
  timing.prompt_s = seconds_since(clock);
  timing.prompt_tokens = ids.size();

  std::optional<Constraint> constraint;
  if (grammar) {
    ONEBIT_ASSIGN(const auto trie, TokenTrie::build(engine->tokenizer(), engine->model().config().vocab));
    ONEBIT_ASSIGN(constraint, Constraint::create(grammar, trie));
  }
  std::string generated;
  clock = Clock::now();
  ONEBIT_ASSIGN(const Finish finish, session.generate(sampler, predict, ignore_end, [&](Token, const std::string& bytes) {
    ++timing.decode_tokens;
    if (json) {
      generated += bytes;
    } else if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0) {
      return false;
    }
    return !g_interrupted.load();
  }, constraint ? &*constraint : nullptr));
  timing.decode_s = seconds_since(clock);
  if (std::ferror(stdout)) return fail(Errc::io, "stdout: cannot write");

  if (json) {
    const nlohmann::ordered_json out = {
        {"text", generated},
        {"finish_reason", finish_name(finish)},
        {"seed", options.seed},
        {"prompt_tokens", timing.prompt_tokens},
        {"generated_tokens", timing.decode_tokens},
        {"load_s", timing.load_s},
        {"prompt_tok_per_s", timing.prompt_rate()},
        {"decode_tok_per_s", timing.decode_rate()},
    };
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else if (!model.quiet) {
    fmt::print("\n");
    std::fflush(stdout);
    fmt::print(stderr,
               "load {:.2f} s | prompt {} tokens, {:.1f} tok/s | decode {} tokens, {:.1f} tok/s | {} threads, {} | seed {}\n",
               timing.load_s, timing.prompt_tokens, timing.prompt_rate(), timing.decode_tokens, timing.decode_rate(),
               engine->threads(), cpu::isa_name(engine->compute().ops->isa), options.seed);
  }
  return model.finish(*engine);
}

}  // namespace

const Verb run_verb{"run", "continue one prompt and stream the text", run};

}  // namespace onebit::cli
