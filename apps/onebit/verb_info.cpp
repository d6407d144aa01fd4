// onebit info: what a model file is, from its header and the scales of its weights.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "format/codec.h"
#include "format/gguf_read.h"
#include "model/token_cost.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kHyperparameters[] = {
    "vocab_size", "context_length", "embedding_length", "block_count", "feed_forward_length", "rope.dimension_count",
    "rope.freq_base", "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.value_length", "attention.layer_norm_rms_epsilon",
};

Json scalar_json(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, float>)
          return std::stod(fmt::format("{}", v));  // 1e-5f as 1e-05, not as its digits in double precision
        else if constexpr (std::is_arithmetic_v<T>)
          return v;
        else if constexpr (std::is_same_v<T, std::string>)
          return v;
        else
          return fmt::format("[{} values]", v.size());
      },
      value);
}

size_t array_size(const GgufValue* value) {
  if (!value) return 0;
  return std::visit(
      [](const auto& v) -> size_t {
        if constexpr (requires { v.begin(); } && !std::is_same_v<std::decay_t<decltype(v)>, std::string>)
          return v.size();
        else
          return 0;
      },
      *value);
}

Json model_json(const Gguf& g) {
  Json j;
  for (const char* name : {"general.architecture", "general.name", "general.file_type"})
    if (const GgufValue* v = g.find_key(name)) j[name + std::string_view("general.").size()] = scalar_json(*v);
  const auto arch = g.get_string_or("general.architecture", "");
  if (!arch) return j;
  for (const char* name : kHyperparameters)
    if (const GgufValue* v = g.find_key(*arch + "." + name)) j[name] = scalar_json(*v);
  return j;
}

Json tokenizer_json(const Gguf& g) {
  Json j;
  for (const char* name : {"model", "pre", "bos_token_id", "eos_token_id", "eot_token_id", "add_bos_token"})
    if (const GgufValue* v = g.find_key(std::string("tokenizer.ggml.") + name)) j[name] = scalar_json(*v);
  j["tokens"] = array_size(g.find_key("tokenizer.ggml.tokens"));
  j["merges"] = array_size(g.find_key("tokenizer.ggml.merges"));
  j["chat_template"] = g.find_key("tokenizer.chat_template") != nullptr;
  return j;
}

Json types_json(const Gguf& g) {
  std::map<TensorType, std::array<uint64_t, 3>> sums;  // tensors, elements, bytes
  for (const auto& t : g.tensors()) {
    auto& s = sums[t.type];
    ++s[0];
    s[1] += t.elements();
    s[2] += t.size;
  }
  Json j = Json::array();
  for (const auto& [type, s] : sums)
    j.push_back({{"type", tensor_type_info(type).name}, {"tensors", s[0]}, {"elements", s[1]}, {"bytes", s[2]}});
  return j;
}

// What a decoded token has to read. A tied head reads the embedding table.
Json reads_json(const Gguf& g) {
  const TokenCost cost = token_cost(g);
  return {{"linear_elements", cost.linear_weights},           {"linear_bytes_2bit", cost.linear_bytes_2bit()},
          {"linear_bytes_stored", cost.linear_bytes_stored},  {"head_bytes_stored", cost.head_bytes_stored},
          {"head_tied", cost.head_tied},                      {"other_bytes", cost.other_bytes}};
}

// Range of the scales of the ternary linear layers, and the dialect of I2_S.
Result<Json> ternary_json(const Gguf& g, I2sLayout layout) {
  uint64_t count = 0;
  bool uniform = true, i2s = false, certain = true;
  float low = INFINITY, high = 0;
  for (const auto& t : g.tensors()) {
    if (!tensor_type_info(t.type).ternary) continue;
    ONEBIT_ASSIGN(const TernaryInfo info, ternary_info(t, layout));
    g.release(t);
    ++count;
    uniform = uniform && info.uniform;
    low = std::min(low, std::fabs(info.scale));
    high = std::max(high, std::fabs(info.scale));
    if (t.type != TensorType::i2_s) continue;
    i2s = true;
    certain = certain && info.layout_certain;
    layout = info.layout;
  }
  if (count == 0) return Json();
  Json j{{"tensors", count}, {"one_scale_per_tensor", uniform}, {"scale_min", low}, {"scale_max", high}};
  if (i2s) {
    j["i2s_layout"] = i2s_layout_name(layout);
    j["i2s_layout_certain"] = certain;
  }
  return j;
}

Json tensors_json(const Gguf& g) {
  Json j = Json::array();
  for (const auto& t : g.tensors())
    j.push_back({{"name", t.name}, {"type", tensor_type_info(t.type).name},
                 {"shape", std::vector<uint64_t>(t.ne.begin(), t.ne.begin() + t.dims)}, {"bytes", t.size}, {"offset", t.offset}});
  return j;
}

// One line per value; strings from the file are made safe for a terminal.
void print_object(const char* title, const Json& object) {
  if (object.is_null()) return;
  fmt::print("{}\n", title);
  for (const auto& [key, value] : object.items())
    fmt::print("  {:<34} {}\n", key, value.is_string() ? gguf_printable(value.get_ref<const std::string&>()) : value.dump());
}

void print_text(const Json& j) {
  fmt::print("{}: GGUF v{}, {} bytes, {} tensors, {} keys\n", j["file"].get<std::string>(), j["version"].dump(),
             j["bytes"].dump(), j["tensor_count"].dump(), j["key_count"].dump());
  print_object("model", j["model"]);
  print_object("tokenizer", j["tokenizer"]);
  fmt::print("types\n");
  for (const auto& t : j["types"])
    fmt::print("  {:<6} {:>5} tensors {:>14} elements {:>14} bytes\n", t["type"].get<std::string>(), t["tensors"].dump(),
               t["elements"].dump(), t["bytes"].dump());
  print_object("ternary weights", j["ternary"]);
  print_object("read for each decoded token", j["reads_per_token"]);
  if (!j.contains("tensors")) return;
  fmt::print("tensors\n");
  for (const auto& t : j["tensors"])
    fmt::print("  {:<34} {:<6} {:<16} {:>13} bytes\n", gguf_printable(t["name"].get_ref<const std::string&>()),
               t["type"].get<std::string>(), t["shape"].dump(), t["bytes"].dump());
}

Status run(std::span<const char* const> args) {
  std::vector<std::string> paths;
  std::string model, layout = "auto";
  bool json = false, tensors = false;
  Flags flags("onebit info", "say what a model file is", "onebit info model.gguf --tensors");
  flags.positional("FILE", "the model", &paths, 1);
  flags.text("-m,--model", "FILE", "the model", &model);
  flags.toggle("--json", "one JSON object", &json);
  flags.toggle("--tensors", "list every tensor", &tensors);
  flags.choice("--i2s-layout", "dialect of I2_S", &layout, {"auto", "128", "64"});
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (!model.empty()) paths.push_back(model);
  if (paths.size() != 1) return fail(Errc::usage, "expected one FILE (see 'onebit info --help')");
  const I2sLayout wanted = layout == "128" ? I2sLayout::block128 : layout == "64" ? I2sLayout::block64 : I2sLayout::automatic;

  ONEBIT_ASSIGN(const Gguf g, Gguf::open(paths[0]));
  auto ternary = ternary_json(g, wanted);
  if (!ternary) return with_context(ternary.error(), paths[0]);
  Json j{{"file", paths[0]}, {"version", g.version()}, {"bytes", g.file_bytes()},
         {"tensor_count", g.tensors().size()}, {"key_count", g.keys().size()}};
  j["model"] = model_json(g);
  j["tokenizer"] = tokenizer_json(g);
  j["types"] = types_json(g);
  j["ternary"] = std::move(*ternary);
  j["reads_per_token"] = reads_json(g);
  if (tensors) j["tensors"] = tensors_json(g);
  // Text of a file need not be UTF-8: what is not becomes U+FFFD.
  if (json)
    fmt::print("{}\n", j.dump(2, ' ', false, Json::error_handler_t::replace));
  else
    print_text(j);
  return {};
}

}  // namespace

const Verb info_verb{"info", "say what a model file is: shapes, types, tokenizer, bytes per token", run};

}  // namespace onebit::cli
