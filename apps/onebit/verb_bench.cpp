// onebit bench: tokens per second of prompts and of generation, each as a share of what the machine can
// do at that moment.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cpu/limits.h"
#include "model_flags.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct BenchOptions {
  ModelFlags model;
  std::vector<int64_t> prompts{512}, generations{128}, threads{0};
  int64_t repetitions = 5;
  bool limits = false, json = false;
  std::string output = "md";
};

// pp: a prompt of `tokens` tokens into an empty context. tg: that many tokens generated greedily.
struct Test {
  bool prompt;
  uint32_t tokens;
  std::vector<double> rates = {};   // tokens per second, one per repetition
  std::vector<double> limits = {};  // the limit around each of them
  std::string name() const { return fmt::format("{}{}", prompt ? "pp" : "tg", tokens); }
};

double mean(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size()); }

double deviation(const std::vector<double>& v) {
  if (v.size() < 2) return 0;
  const double m = mean(v);
  double sum = 0;
  for (const double x : v) sum += (x - m) * (x - m);
  return std::sqrt(sum / static_cast<double>(v.size() - 1));
}

double largest(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); }

// Bytes a token must read: every weight, for a prompt shared by the tokens of a batch; for generation
// also the head and the keys and values of half the generated length, the average over the run.
double bytes_per_token(const Model& model, const SessionOptions& options, const Test& t) {
  const double all = static_cast<double>(model.weight_bytes_per_token());
  const double head = static_cast<double>(model.weights().head.first_pass_bytes());
  if (t.prompt) {
    const uint32_t passes = (t.tokens + options.batch - 1) / options.batch;
    return (all - head) * passes / t.tokens;
  }
  const ModelConfig& c = model.config();
  const double position = 2.0 * c.layers * c.kv_dim() * static_cast<double>(cpu::kv_element_bytes(options.kv));
  return all + position * t.tokens / 2;
}

// What a token costs in the unit of its limit: int8 operations of the linear layers, or bytes.
double cost_per_token(const Model& model, const SessionOptions& options, const Test& t) {
  return t.prompt ? 2 * static_cast<double>(model.linear_macs_per_token()) : bytes_per_token(model, options, t);
}

std::vector<Token> prompt_tokens(uint32_t count, uint32_t vocab) {
  std::vector<Token> ids(count);
  uint32_t state = 1;
  for (Token& id : ids) {
    state = state * 1664525u + 1013904223u;
    id = static_cast<Token>((state >> 8) % vocab);
  }
  return ids;
}

// One repetition: tokens per second.
Result<double> measure(Session& session, const Test& t) {
  session.truncate(0);
  const uint32_t vocab = session.engine().model().config().vocab;
  const std::vector<Token> ids = prompt_tokens(t.prompt ? t.tokens : 1, vocab);
  SamplerOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy);
  if (!t.prompt) ONEBIT_TRY(session.feed(ids));
  const auto start = Clock::now();
  if (t.prompt) {
    ONEBIT_TRY(session.feed(ids));
  } else {
    ONEBIT_ASSIGN(const Finish finish, session.generate(sampler, t.tokens, true, [](Token, const std::string&) { return true; }));
    if (session.tokens().size() != size_t{t.tokens} + 1)
      return fail(Errc::out_of_range, "{}: generation stopped after {} tokens ({})", t.name(), session.tokens().size() - 1,
                  static_cast<int>(finish));
  }
  return t.tokens / std::chrono::duration<double>(Clock::now() - start).count();
}

double probe(const cpu::LimitProbe& limits, const Test& t) { return t.prompt ? limits.int8_peak() : limits.read_bandwidth(); }

// The limit is measured before and after every repetition, because other work on the machine moves it.
Status measure_all(Session& session, std::vector<Test>& tests, const BenchOptions& o, const cpu::LimitProbe* limits) {
  for (const Test& t : tests) {  // warm: pages, scratch memory, clock rate
    ONEBIT_TRY(measure(session, {t.prompt, std::min(t.tokens, t.prompt ? 512u : 4u)}));
  }
  Progress bar("bench", !o.model.quiet);
  for (int64_t r = 0; r < o.repetitions; ++r)
    for (size_t i = 0; i < tests.size(); ++i) {
      Test& t = tests[i];
      const double before = limits ? probe(*limits, t) : 0;
      ONEBIT_ASSIGN(const double rate, measure(session, t));
      t.rates.push_back(rate);
      if (limits) t.limits.push_back(std::max(before, probe(*limits, t)));
      bar.update(static_cast<double>(r * static_cast<int64_t>(tests.size()) + static_cast<int64_t>(i) + 1) /
                 static_cast<double>(o.repetitions * static_cast<int64_t>(tests.size())));
    }
  return {};
}

Json result_json(Engine& engine, const BenchOptions& o, const Test& t) {
  const SessionOptions session = o.model.session();
  const double cost = cost_per_token(engine.model(), session, t);
  Json j = {{"model", o.model.model},
            {"test", t.name()},
            {"threads", engine.threads()},
            {"isa", std::string(cpu::isa_name(engine.compute().ternary->isa))},
            {"batch", session.batch},
            {"kv", o.model.kv},
            {"repetitions", o.repetitions},
            {"tok_per_s", mean(t.rates)},
            {"tok_per_s_min", *std::min_element(t.rates.begin(), t.rates.end())},
            {"tok_per_s_max", largest(t.rates)},
            {"tok_per_s_stddev", deviation(t.rates)},
            {"bytes_per_token", std::llround(bytes_per_token(engine.model(), session, t))}};
  if (t.limits.empty()) return j;
  j["limit"] = t.prompt ? "int8_peak" : "read_bandwidth";
  j["limit_value"] = mean(t.limits);
  j["limit_value_max"] = largest(t.limits);
  j["share_of_limit"] = mean(t.rates) * cost / mean(t.limits);
  j["share_of_limit_best"] = largest(t.rates) * cost / largest(t.limits);
  return j;
}

void print_csv(const Json& results) {
  std::vector<std::string> fields;
  for (const auto& [key, value] : results[0].items()) fields.push_back(key);
  fmt::print("{}\n", fmt::join(fields, ","));
  for (const Json& r : results) {
    fields.clear();
    for (const auto& [key, value] : r.items()) fields.push_back(value.dump());
    fmt::print("{}\n", fmt::join(fields, ","));
  }
}

void print_markdown(const Json& results, bool limits) {
  fmt::print("| test | threads | isa | tok/s | min | max |{}\n", limits ? " limit | share |" : "");
  fmt::print("| --- | --: | --- | --: | --: | --: |{}\n", limits ? " --- | --: |" : "");
  for (const Json& r : results) {
    fmt::print("| {} | {} | {} | {:.2f} ± {:.2f} | {:.2f} | {:.2f} |", r["test"].get<std::string>(), r["threads"].get<int>(),
               r["isa"].get<std::string>(), r["tok_per_s"].get<double>(), r["tok_per_s_stddev"].get<double>(),
               r["tok_per_s_min"].get<double>(), r["tok_per_s_max"].get<double>());
    if (limits) {
      const bool prompt = r["limit"] == "int8_peak";
      fmt::print(" {:.1f} {} | {:.1f} % |", r["limit_value"].get<double>() / 1e9, prompt ? "int8 GOP/s" : "GB/s read",
                 100 * r["share_of_limit"].get<double>());
    }
    fmt::print("\n");
  }
}

Status bench_threads(const BenchOptions& o, int64_t threads, Json& results) {
  BenchOptions own = o;
  own.model.threads = threads;
  std::vector<Test> tests;
  uint32_t context = 2;
  for (const int64_t n : o.prompts)
    if (n > 0) tests.push_back({true, static_cast<uint32_t>(n)});
  for (const int64_t n : o.generations)
    if (n > 0) tests.push_back({false, static_cast<uint32_t>(n)});
  for (const Test& t : tests) context = std::max(context, t.tokens + (t.prompt ? 0 : 1));
  if (tests.empty()) return fail(Errc::usage, "nothing to measure: give -p or -n a number above 0");
  own.model.context = context;
  ONEBIT_ASSIGN(const auto engine, own.model.load());
  ONEBIT_ASSIGN(Session session, Session::create(*engine, own.model.session()));
  std::optional<cpu::LimitProbe> limits;
  if (o.limits) {
    ONEBIT_ASSIGN(limits, cpu::LimitProbe::create(engine->compute().ternary->isa, *engine->compute().pool));
  }
  ONEBIT_TRY(measure_all(session, tests, own, limits ? &*limits : nullptr));
  for (const Test& t : tests) results.push_back(result_json(*engine, own, t));
  return own.model.finish(*engine);
}

Status run(std::span<const char* const> args) {
  BenchOptions o;
  o.model.device = "cpu";  // whose limits are measured beside it; a GPU has `make bench-gpu`
  Flags flags("onebit bench", "measure prompt and generation speed",
              "onebit bench -m model.gguf -p 128,512 -n 64 -t 2 -r 5 --limits");
  flags.text("-m,--model", "FILE", "the model, a GGUF file", &o.model.model);
  flags.integers("-p,--n-prompt", "prompt lengths; 0: none", &o.prompts, 0, 1 << 24);
  flags.integers("-n,--n-gen", "numbers of tokens to generate; 0: none", &o.generations, 0, 1 << 24);
  flags.integers("-t,--threads", "numbers of threads; 0: one per CPU this process may use", &o.threads, 0, 1024);
  flags.integer("-b,--batch-size", "prompt tokens per forward pass", &o.model.batch, 1, 1 << 16);
  flags.integer("-r,--repetitions", "measurements of each test", &o.repetitions, 1, 1000);
  flags.choice("--kv", "type of the KV cache", &o.model.kv, {"f16", "f32", "q8"});
  std::vector<std::string> isas{"auto"};
  for (const cpu::Isa i : cpu::available_isas()) isas.emplace_back(cpu::isa_name(i));
  flags.choice("--isa", "instruction set of the kernels", &o.model.isa, isas);
  flags.choice("--i2s-layout", "block size of I2_S tensors", &o.model.i2s, {"auto", "128", "64"});
  flags.toggle("--limits", "measure read bandwidth and int8 peak beside each test, and the share reached", &o.limits);
  flags.choice("-o,--output", "format of the result", &o.output, {"md", "csv", "json"});
  flags.toggle("--json", "the same as -o json", &o.json);
  flags.toggle("--quiet", "no progress bar", &o.model.quiet);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};

  Json results = Json::array();
  for (const int64_t t : o.threads) ONEBIT_TRY(bench_threads(o, t, results));
  if (o.json || o.output == "json")
    fmt::print("{}\n", results.dump(2));
  else if (o.output == "csv")
    print_csv(results);
  else
    print_markdown(results, o.limits);
  return std::fflush(stdout) == 0 ? Status{} : fail(Errc::io, "stdout: cannot write");
}

}  // namespace

const Verb bench_verb{"bench", "measure prompt and generation speed", run};

}  // namespace onebit::cli
