#include "model_flags.h"

#include <charconv>
#include <random>

#include "store/store.h"

namespace onebit::cli {

Result<I2sLayout> parse_i2s(const std::string& name) {
  for (const I2sLayout l : {I2sLayout::automatic, I2sLayout::block128, I2sLayout::block64})
    if (name == i2s_layout_name(l)) return l;
  return fail(Errc::usage, "--i2s-layout: '{}' is not one of auto|128|64", name);
}

void ModelFlags::add_to(Flags& flags) {
  flags.text("-m,--model", "MODEL", "a GGUF file, or the name of a model in the store (onebit list)", &model);
  flags.integer("-c,--ctx-size", "context in tokens; 0: the model's own", &context, 0, 1 << 24);
  flags.integer("-b,--batch-size", "prompt tokens per forward pass", &batch, 1, 1 << 16);
  flags.integer("-t,--threads", "threads; 0: one per CPU this process may use", &threads, 0, 1024);
  flags.choice("--kv", "type of the KV cache", &kv, {"f16", "f32", "q8"});
  std::vector<std::string> isas{"auto"};
  for (const cpu::Isa i : cpu::available_isas()) isas.emplace_back(cpu::isa_name(i));
  flags.choice("--isa", "instruction set of the kernels", &isa, isas);
  flags.choice("--i2s-layout", "block size of I2_S tensors", &i2s, {"auto", "128", "64"});
  flags.choice("--device", "where prompts are evaluated; auto: an NPU where there is one", &device, {"auto", "cpu", "npu", "npu-sim"});
  flags.choice("--prefill-on", "the same, by name", &prefill_on, {"auto", "cpu", "npu", "npu-sim"});
  flags.choice("--decode-on", "where generated tokens are evaluated", &decode_on, {"cpu", "npu", "npu-sim"});
  flags.integer("--npu-share", "percent of the rows of each matrix that the NPU takes, the CPU the rest; -1: measured", &npu_share, kShareAutomatic, 100);
  flags.toggle("--stats", "print on stderr where each matrix ran and how often", &stats);
  flags.toggle("--strict", "fail where work did not run on the device it was meant for", &strict);
}

Result<std::unique_ptr<Engine>> ModelFlags::load() const {
  if (model.empty()) return fail(Errc::usage, "-m: a model file is needed");
  ONEBIT_ASSIGN(const I2sLayout layout, parse_i2s(i2s));
  ONEBIT_ASSIGN(const std::string path, store::resolve_model(model));
  Progress bar("loading", !quiet);
  EngineOptions options{path, static_cast<unsigned>(threads), isa, layout, {}};
  ONEBIT_ASSIGN(options.placement.on[0], parse_where(prefill_on.empty() ? device : prefill_on));
  if (!decode_on.empty()) {
    ONEBIT_ASSIGN(options.placement.on[1], parse_where(decode_on));
  }
  options.placement.npu_share = static_cast<int>(npu_share);
  ONEBIT_ASSIGN(auto engine, Engine::load(options, [&bar](double share) { bar.update(share); }));
  return engine;
}

Status ModelFlags::finish(const Engine& engine) const {
  if (!stats && !strict) return {};
  const PlacementReport report = engine.placement().report();
  if (stats) fmt::print(stderr, "{}", to_text(report));
  return strict ? check_strict(report) : Status{};
}

SessionOptions ModelFlags::session() const {
  SessionOptions o;
  o.context = static_cast<uint32_t>(context);
  o.batch = static_cast<uint32_t>(batch);
  o.kv = kv == "f32" ? cpu::KvType::f32 : kv == "q8" ? cpu::KvType::q8 : cpu::KvType::f16;
  return o;
}

void SamplerFlags::add_to(Flags& flags) {
  flags.real("--temp,--temperature", "0: always the most likely token", &options.temperature, 0, 100);
  flags.integer("--top-k", "draw from the K most likely; 0: all", &options.top_k, 0, 1 << 24);
  flags.real("--top-p", "draw from the most likely that sum to X", &options.top_p, 0, 1);
  flags.real("--min-p", "drop tokens below X times the best", &options.min_p, 0, 1);
  flags.real("--repeat-penalty", "1: off", &options.repeat_penalty, 0.01, 100);
  flags.integer("--repeat-last-n", "tokens the penalties look back on; -1: all", &options.repeat_last_n, -1, 1 << 24);
  flags.real("--presence-penalty", "0: off", &options.presence_penalty, -100, 100);
  flags.real("--frequency-penalty", "0: off", &options.frequency_penalty, -100, 100);
  flags.text("-l,--logit-bias", "ID(+|-)X,..", "add X to the logit of a token; -inf bans it", &bias_);
  flags.integer("-s,--seed", "-1: a new one each time", &seed, -1, INT64_MAX);
}

Result<SamplerOptions> SamplerFlags::finish() const {
  SamplerOptions o = options;
  std::random_device device;
  o.seed = seed < 0 ? uint64_t{device()} << 32 | device() : static_cast<uint64_t>(seed);
  for (size_t at = 0; at < bias_.size();) {
    const size_t comma = std::min(bias_.find(',', at), bias_.size());
    const char* end = bias_.data() + comma;
    Token id = 0;
    double value = 0;
    const auto [sign, bad_id] = std::from_chars(bias_.data() + at, end, id);
    bool good = bad_id == std::errc{} && sign != end && (*sign == '+' || *sign == '-') && id >= 0;
    if (good) {
      const auto [rest, bad] = std::from_chars(sign + (*sign == '+'), end, value);
      good = bad == std::errc{} && rest == end && value == value;
    }
    if (!good)
      return fail(Errc::usage, "--logit-bias: '{}' is not TOKEN+VALUE or TOKEN-VALUE", bias_.substr(at, comma - at));
    o.logit_bias[id] = value;
    at = comma + 1;
  }
  ONEBIT_TRY(check(o));
  return o;
}

void PromptFlags::add_to(Flags& flags) {
  flags.text("-p,--prompt", "TEXT", "the prompt", &prompt);
  flags.text("-f,--file", "FILE", "read the prompt from a file; -: stdin", &file);
}

Result<std::string> PromptFlags::read(const Flags& flags) const {
  constexpr size_t kLimit = size_t{1} << 30;
  if (flags.given("-p") && flags.given("-f")) return fail(Errc::usage, "-p and -f cannot both be given");
  if (flags.given("-f")) return read_text(file, kLimit);
  return prompt;
}

}  // namespace onebit::cli
