#include "model_flags.h"

#include <charconv>
#include <random>

#include <nlohmann/json.hpp>

#include "grammar/json_schema.h"
#include "store/store.h"

namespace onebit::cli {

Result<I2sLayout> parse_i2s(const std::string& name) {
  for (const I2sLayout l : {I2sLayout::automatic, I2sLayout::block128, I2sLayout::block64})
    if (name == i2s_layout_name(l)) return l;
  return fail(Errc::usage, "--i2s-layout: '{}' is not one of auto|128|64", name);
}

namespace {
const std::vector<std::string> kDevices{"auto", "cpu", "npu", "npu-sim", "gpu", "gpu-sim"};
}  // namespace

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
  flags.choice("--device", "where prompts and generated tokens are evaluated; auto: prompts on an NPU, the rest on a GPU where there is one", &device, kDevices);
  flags.choice("--prefill-on", "where prompts are evaluated", &prefill_on, kDevices);
  flags.choice("--decode-on", "where generated tokens are evaluated", &decode_on, kDevices);
  flags.choice("--gpu-packing", "bits of a ternary weight on the GPU; auto: what suits it", &gpu_packing, {"auto", "2", "1.6"});
  flags.integer("--npu-share", "percent of the rows of each matrix that the NPU takes, the CPU the rest; -1: measured", &npu_share, kShareAutomatic, 100);
  flags.toggle("--stats", "print on stderr where each matrix ran and how often", &stats);
  flags.toggle("--strict", "fail where work did not run on the device it was meant for", &strict);
}

Result<EngineOptions> ModelFlags::engine_options() const {
  if (model.empty()) return fail(Errc::usage, "-m: a model file is needed");
  ONEBIT_ASSIGN(const I2sLayout layout, parse_i2s(i2s));
  ONEBIT_ASSIGN(const std::string path, store::resolve_model(model));
  EngineOptions options{path, static_cast<unsigned>(threads), isa, layout, {}};
  ONEBIT_ASSIGN(const Where both, parse_where(device));
  options.placement.on = both_phases(both);
  if (!prefill_on.empty()) {
    ONEBIT_ASSIGN(options.placement.on[0], parse_where(prefill_on));
  }
  if (!decode_on.empty()) {
    ONEBIT_ASSIGN(options.placement.on[1], parse_where(decode_on));
  }
  options.placement.npu_share = static_cast<int>(npu_share);
  options.placement.gpu_packing = gpu_packing == "auto" ? 0 : gpu_packing == "2" ? 20 : 16;
  return options;
}

Result<std::unique_ptr<Engine>> ModelFlags::load() const {
  ONEBIT_ASSIGN(const EngineOptions options, engine_options());
  Progress bar("loading", !quiet);
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

void GrammarFlags::add_to(Flags& flags) {
  flags.text("--grammar", "GBNF", "write only what this grammar allows", &grammar);
  flags.text("--grammar-file", "FILE", "the grammar from a file; -: stdin", &grammar_file);
  flags.text("-j,--json-schema", "SCHEMA", "write only JSON that is valid under this schema", &schema);
  flags.text("-jf,--json-schema-file", "FILE", "the schema from a file; -: stdin", &schema_file);
}

Result<std::string> GrammarFlags::gbnf(const Flags& flags) const {
  constexpr size_t kLimit = size_t{1} << 20;
  const bool given[] = {flags.given("--grammar"), flags.given("--grammar-file"), flags.given("--json-schema"), flags.given("--json-schema-file")};
  const auto count = std::count(std::begin(given), std::end(given), true);
  if (count > 1) return fail(Errc::usage, "--grammar, --grammar-file, --json-schema and --json-schema-file: give one of them");
  if (given[0]) return grammar;
  if (given[1]) return read_text(grammar_file, kLimit);
  if (count == 0) return std::string();
  std::string text = schema;
  if (given[3]) {
    ONEBIT_ASSIGN(text, read_text(schema_file, kLimit));
  }
  const auto json = nlohmann::ordered_json::parse(text, nullptr, false);
  if (json.is_discarded()) return fail(Errc::format, "{}: not JSON", given[3] ? schema_file : "--json-schema");
  return json_schema_to_gbnf(json);
}

Result<std::shared_ptr<const Grammar>> GrammarFlags::read(const Flags& flags) const {
  ONEBIT_ASSIGN(const std::string text, gbnf(flags));
  if (text.empty()) return nullptr;
  return Grammar::parse(text);
}

}  // namespace onebit::cli
