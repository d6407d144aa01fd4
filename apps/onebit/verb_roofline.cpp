// onebit roofline: how fast decode and prefill can be at most, from bytes, operations and what machines can do.
#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "format/gguf_read.h"
#include "roofline/roofline.h"
#include "verb.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace roofline;

// Arithmetic that the field does on the back of an envelope.
struct Quoted {
  std::string what;
  double low, high;  // equal: one figure
  const char* unit;
  const char* label;
  std::string from;
};

bool is_2b(const TokenCost& cost) { return cost.linear_weights == token_cost(*find_shape("bitnet-2b-4t")).linear_weights; }

std::vector<Quoted> quoted(const TokenCost& cost, const Machine& m) {
  std::vector<Quoted> list;
  if (is_2b(cost)) {
    const std::string seen = fmt::format("{:.0f} tok/s at {:.0f} GB/s", kSeen.tokens_per_s, kSeen.bandwidth / 1e9);
    const double bytes = kSeen.bandwidth / kSeen.tokens_per_s;
    list.push_back({"decode, scaled to 120 GB/s", scale(kSeen, kQuotedBandwidth), scale(kSeen, kQuotedBandwidth), "tok/s", "estimated",
                    fmt::format("{}, in proportion: {:.2f} GB of bandwidth per token", seen, bytes / 1e9)});
    if (m.nominal_bandwidth > 0 && m.nominal_bandwidth != kQuotedBandwidth) {
      const double here = scale(kSeen, m.nominal_bandwidth);
      list.push_back({fmt::format("decode, scaled to {:.0f} GB/s", m.nominal_bandwidth / 1e9), here, here, "tok/s", "estimated", seen + "; " + m.nominal_source});
    }
    if (m.name == "strix-halo")
      list.push_back({"decode on a Radeon 8060S", 83, 83, "tok/s", "measured by others", "a HIP kernel at 92 % of peak on the weight read; compare with the iGPU rows"});
  }
  const double linears = decode_bytes(cost, kPackings[0], 0), ops = 2 * static_cast<double>(cost.linear_weights);
  if (linears <= 0) return list;
  // What src/gpu reads for a token: its own packing and head (src/gpu/kernels/kernels.h).
  std::vector<double> rates;
  for (const Figure& f : m.bandwidths)
    if (f.unit == Unit::gpu) rates.push_back(f.value / decode_bytes(cost, kGpuPacking, 0));
  if (!rates.empty()) {
    const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
    list.push_back({"decode as src/gpu reads", *low, *high, "tok/s", "estimated",
                    fmt::format("{}, {:.1f} MB a token at an empty context, over the iGPU's bandwidths", kGpuPacking.what, decode_bytes(cost, kGpuPacking, 0) / 1e6)});
  }
  list.push_back({"decode at 2 bits on 45 to 56 GB/s", 45e9 / linears, 56e9 / linears, "tok/s", "estimated", "linear layers alone, the NPU's DDR read rates"});
  list.push_back({"prefill at 12.9 TOPS", 12.9e12 / ops, 12.9e12 / ops, "tok/s", "estimated", "linear layers alone, best int32 result of an open compiler"});
  list.push_back({"prefill at 25.3 TOPS", 25.3e12 / ops, 25.3e12 / ops, "tok/s", "estimated", "linear layers alone, best int8 result by hand"});
  return list;
}

Json figure_json(const Figure& f, double scale, const char* unit) {
  return {{"unit", name(f.unit)}, {"what", f.what}, {unit, f.value / scale}, {"label", name(f.label)}, {"source", f.source}};
}

Json report_json(const std::string& model, const TokenCost& cost, const Machine& m, const Roofline& r, const Options& o) {
  Json linears = Json::array(), decode = Json::array(), prefill = Json::array(), modelled = Json::array(), field = Json::array();
  for (const LinearShape& l : cost.linears) linears.push_back({{"k", l.k}, {"n", l.n}, {"count", l.count}});
  for (const Decode& d : r.decode) {
    Json ceilings;
    for (size_t i = 0; i < d.tokens_per_s.size(); ++i) ceilings[kPackings[i].what] = d.tokens_per_s[i];
    decode.push_back({{"bandwidth", figure_json(d.figure, 1e9, "gb_per_s")}, {"label", "estimated"}, {"tokens_per_s", std::move(ceilings)}});
  }
  for (const Prefill& p : r.prefill)
    prefill.push_back({{"rate", figure_json(p.figure, 1e12, "tops")}, {"label", "estimated"}, {"tokens_per_s", p.tokens_per_s},
                       {"bound", p.memory_bound ? "memory" : "compute"}, {"weights_read_s", p.weights_s}});
  for (const Modelled& d : r.modelled) {
    Json j{{"design", d.design}, {"how", d.how}, {"m", d.m}, {"label", "estimated"}};
    if (d.not_covered.empty()) {
      j["tokens_per_s"] = d.tokens_per_s;
      j["tops"] = d.tops;
    } else {
      j["not_covered"] = d.not_covered;
    }
    modelled.push_back(std::move(j));
  }
  for (const Quoted& q : quoted(cost, m)) field.push_back({{"what", q.what}, {"low", q.low}, {"high", q.high}, {"unit", q.unit}, {"label", q.label}, {"from", q.from}});
  Json bytes;
  for (const Packing& p : kPackings) bytes[p.what] = decode_bytes(cost, p, o.context);
  Json j;
  j["model"] = {{"name", model}, {"linears", std::move(linears)}, {"linear_weights", cost.linear_weights}, {"head_weights", cost.head_weights},
                {"other_bytes", cost.other_bytes}, {"kv_elements_per_position", cost.kv_elements_per_position},
                {"ops_per_token", 2 * cost.linear_weights}, {"bytes_per_token", std::move(bytes)}};
  j["machine"] = {{"name", m.name}, {"title", m.title}, {"nominal_gb_per_s", m.nominal_bandwidth > 0 ? Json(m.nominal_bandwidth / 1e9) : Json()}};
  j["context"] = o.context;
  j["prompt"] = o.prompt;
  j["decode"] = std::move(decode);
  j["prefill"] = std::move(prefill);
  j["npu_model"] = std::move(modelled);
  j["field"] = std::move(field);
  return j;
}

void print_model(const std::string& model, const TokenCost& cost, const Machine& m, const Options& o) {
  fmt::print("{} on {}\n\n", model, m.title);
  fmt::print("a token: {:.3f} GOP in {:.1f} million weights of the linear layers; it reads, at a context of {}:\n", 2e-9 * static_cast<double>(cost.linear_weights),
             1e-6 * static_cast<double>(cost.linear_weights), o.context);
  for (const Packing& p : kPackings) fmt::print("  {:<24} {:>8.1f} MB\n", p.what, 1e-6 * decode_bytes(cost, p, o.context));
}

void print_decode(const Roofline& r) {
  fmt::print("\ndecode, tok/s at most (estimated: bandwidth / bytes)\n  {:<5} {:<20} {:>7}  {:>14} {:>10} {:>10} {:>10}\n", "", "", "GB/s", "linears 2 bit",
             "F16 head", "6.56-bit", "1.6 bit");
  for (const Decode& d : r.decode)
    fmt::print("  {:<5} {:<20} {:>7.1f}  {:>14.1f} {:>10.1f} {:>10.1f} {:>10.1f}\n", name(d.figure.unit), d.figure.what, d.figure.value / 1e9, d.tokens_per_s[0],
               d.tokens_per_s[1], d.tokens_per_s[2], d.tokens_per_s[3]);
}

void print_prefill(const Roofline& r, const Options& o) {
  fmt::print("\nprefill of {} tokens, tok/s at most (estimated: linear layers, operations / rate)\n", o.prompt);
  for (const Prefill& p : r.prefill)
    fmt::print("  {:<5} {:<20} {:>7.2f} TOPS {:>12.0f} tok/s  bound by {}\n", name(p.figure.unit), p.figure.what, p.figure.value / 1e12, p.tokens_per_s,
               p.memory_bound ? "memory" : "compute");
  if (r.modelled.empty()) return;
  fmt::print("prefill of {} tokens by the NPU performance model (estimated)\n", o.prompt);
  for (const Modelled& d : r.modelled) {
    if (d.not_covered.empty())
      fmt::print("  NPU   {:<20} {:>7.2f} TOPS {:>12.0f} tok/s  {}\n", d.design, d.tops, d.tokens_per_s, d.how);
    else
      fmt::print("  NPU   {:<20} not covered: {}\n", d.design, d.not_covered);
  }
}

void print_field(const std::vector<Quoted>& list) {
  fmt::print("\nthe field's arithmetic\n");
  for (const Quoted& q : list) {
    const std::string figure = q.low == q.high ? fmt::format("{:.1f}", q.low) : fmt::format("{:.1f} to {:.1f}", q.low, q.high);
    fmt::print("  {:<34} {:>16} {}  {}: {}\n", q.what, figure, q.unit, q.label, q.from);
  }
}

void print_assumptions(const Machine& m, const Roofline& r) {
  fmt::print("\nassumptions\n");
  for (const std::vector<Figure>* list : {&m.bandwidths, &m.rates})
    for (const Figure& f : *list) {
      const bool rate = list == &m.rates;
      fmt::print("  {:<5} {:<20} {:>7.{}f} {:<5} {}: {}\n", name(f.unit), f.what, f.value / (rate ? 1e12 : 1e9), rate ? 2 : 1, rate ? "TOPS" : "GB/s", name(f.label), f.source);
    }
  fmt::print("  a token reads every weight once, the head, the norms, and F16 keys and values of the whole context\n");
  fmt::print("  prefill counts the linear layers; attention, norms and the head come on top\n");
  if (!r.modelled.empty()) fmt::print("  the NPU performance model: docs/npu-performance-model.md, median error 3 %, worst 23 % over published figures\n");
}

Status run(std::span<const char* const> args) {
  std::string model, shape = "bitnet-2b-4t", machine_name = "this";
  int64_t context = 0, prompt = 512, probe_mib = 512;
  bool json = false;
  Flags flags("onebit roofline", "how fast decode and prefill can be at most on a machine, with every assumption",
              "onebit roofline --shape bitnet-2b-4t --machine strix-halo");
  flags.text("-m,--model", "FILE", "the model whose tensors are counted", &model);
  flags.text("--shape", "NAME", fmt::format("instead of a model: {}", kShapeNames), &shape);
  flags.choice("--machine", "machine; this: measured here", &machine_name, {"this", "strix-halo", "strix", "krackan"});
  flags.integer("--context", "positions in the cache when a token is decoded", &context, 0, 1 << 24);
  flags.integer("-p,--prompt", "tokens of the prompt", &prompt, 1, 1 << 20);
  flags.integer("--probe-mib", "memory read to measure this machine", &probe_mib, 16, 1 << 16);
  flags.toggle("--json", "one JSON object", &json);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (!model.empty() && flags.given("--shape")) return fail(Errc::usage, "--model and --shape: expected one of them");

  TokenCost cost;
  std::string title = shape;
  if (!model.empty()) {
    ONEBIT_ASSIGN(const Gguf g, Gguf::open(model));
    cost = token_cost(g);
    if (cost.linear_weights == 0) return fail(Errc::format, "{}: no linear layers (blk.N.attn_q.weight and so on)", model);
    title = gguf_printable(model);
  } else {
    const NamedShape* named = find_shape(shape);
    if (!named) return fail(Errc::usage, "--shape: '{}' is not one of {}", shape, kShapeNames);
    cost = token_cost(*named);
  }
  Result<Machine> m = machine_name == "this" ? measure_this(static_cast<size_t>(probe_mib) << 20) : machine(machine_name);
  if (!m) return std::unexpected(m.error());
  const Options options{static_cast<uint32_t>(context), static_cast<uint32_t>(prompt)};
  const Roofline r = roofline::roofline(cost, *m, options);
  if (json) {
    fmt::print("{}\n", report_json(title, cost, *m, r, options).dump(2, ' ', false, Json::error_handler_t::replace));
    return {};
  }
  print_model(title, cost, *m, options);
  print_decode(r);
  print_prefill(r, options);
  print_field(quoted(cost, *m));
  print_assumptions(*m, r);
  return {};
}

}  // namespace

const Verb roofline_verb{"roofline", "how fast decode and prefill can be at most on a machine", run};

}  // namespace onebit::cli
