// onebit npu evaluate: whether an NPU path is worth having, as a report with a verdict.
#include <chrono>
#include <cstdio>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "format/gguf_read.h"
#include "model/config.h"
#include "model/named_shapes.h"
#include "model_flags.h"
#include "npu/evaluate/plan.h"
#include "npu/evaluate/references.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace npu::evaluate;

ModelShape stacked(std::string name, uint32_t layers, uint32_t hidden, uint32_t query, uint32_t key_value, uint32_t feed_forward) {
  return {std::move(name), layers, {{"query, key, value", query + 2 * key_value, hidden}, {"attention output", hidden, query},
                                    {"gate, up", 2 * feed_forward, hidden}, {"down", hidden, feed_forward}}};
}

struct Plan {
  ModelShape shape;
  uint32_t context = 0;  // of the model
};

Result<Plan> plan_of(const std::string& model, const std::string& name) {
  if (model.empty()) {
    const NamedShape* s = find_shape(name);
    if (!s) return fail(Errc::usage, "--shape: '{}' is not one of {}", name, kShapeNames);
    return Plan{stacked(name, s->layers, s->hidden, s->heads * s->head_size, s->kv_heads * s->head_size, s->ffn), s->context};
  }
  ONEBIT_ASSIGN(const Gguf file, Gguf::open(model));
  auto read = ModelConfig::read(file);
  if (!read) return with_context(std::move(read).error(), model);
  return Plan{stacked(printable(std::filesystem::path(model).filename().string()), read->layers, read->dim, read->q_dim(), read->kv_dim(), read->ffn), read->context};
}

// Prompts through an engine that is loaded once.
class Prompts {
 public:
  static Result<std::shared_ptr<Prompts>> open(const std::string& model, uint32_t context, const char* device) {
    auto p = std::make_shared<Prompts>();
    p->flags_.model = model;
    p->flags_.device = device;
    p->flags_.strict = std::string_view(device) != "cpu";
    p->flags_.quiet = true;
    p->flags_.context = std::min(context, kPrefillTokens[std::size(kPrefillTokens) - 1]);
    ONEBIT_ASSIGN(p->engine_, p->flags_.load());
    ONEBIT_ASSIGN(p->session_, Session::create(*p->engine_, p->flags_.session()));
    return p;
  }

  // 0 where the context is too short.
  Result<double> seconds(uint32_t tokens) {
    if (tokens > flags_.context) return 0.0;
    const uint32_t vocab = engine_->model().config().vocab;
    std::vector<Token> ids(tokens);
    for (uint32_t i = 0; i < tokens; ++i) ids[i] = static_cast<Token>((i * 2654435761u >> 8) % vocab);
    session_->truncate(0);
    const auto begin = std::chrono::steady_clock::now();
    ONEBIT_TRY(session_->feed(ids));
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    ONEBIT_TRY(flags_.finish(*engine_));
    return s;
  }

 private:
  ModelFlags flags_;
  std::unique_ptr<Engine> engine_;
  std::optional<Session> session_;
};

Json report_json(const Report& r) {
  Json sections = Json::array(), criteria = Json::array(), references = Json::array();
  for (const Section& s : r.sections) {
    Json figures = Json::array();
    for (const Figure& f : s.figures)
      figures.push_back({{"id", f.id}, {"what", f.what}, {"value", f.value}, {"unit", f.unit}, {"label", name(f.label)}, {"how", f.how}});
    sections.push_back({{"title", s.title}, {"figures", std::move(figures)}, {"notes", s.notes}});
  }
  for (const Criterion& c : r.verdict.criteria)
    criteria.push_back({{"what", c.what}, {"threshold", c.threshold}, {"source", c.source}, {"value", c.value}, {"label", c.decided_by}, {"outcome", name(c.outcome)}});
  for (const Reference& x : kInt8References) references.push_back({{"what", x.what}, {"tops", x.tops}, {"source", x.source}});
  for (const Reference& x : kBf16References) references.push_back({{"what", x.what}, {"tops", x.tops}, {"source", x.source}});
  return {{"device", r.device}, {"model", r.model}, {"cpu", r.machine}, {"quick", r.quick},
          {"verdict", {{"outcome", name(r.verdict.outcome)}, {"text", r.verdict.text}, {"criteria", std::move(criteria)}}},
          {"checks", {{"products", r.checks.products}, {"elements", r.checks.elements}, {"wrong", r.checks.wrong}, {"first_wrong", r.checks.first_wrong}}},
          {"sections", std::move(sections)}, {"references", std::move(references)}};
}

Status write_text(const std::filesystem::path& path, const std::string& text) {
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(path.string()));
  ONEBIT_TRY(out.write(text));
  return out.commit();
}

// FILE.md with FILE.svg beside it, or both in a folder, which is made.
Status write_report(const std::string& output, const Report& report) {
  std::filesystem::path page = output;
  if (page.extension() != ".md") {
    std::error_code error;
    std::filesystem::create_directories(page, error);
    if (error) return fail(Errc::io, "{}: cannot make the folder: {}", output, error.message());
    page /= "npu-evaluate.md";
  }
  std::filesystem::path plot = page;
  plot.replace_extension(".svg");
  ONEBIT_TRY(write_text(plot, svg(report)));
  ONEBIT_TRY(write_text(page, markdown(report, plot.filename().string())));
  fmt::print(stderr, "{}\n{}\n", page.string(), plot.string());
  return {};
}

// The NPU where it can be opened, else the simulator.
Result<npu::DeviceKind> choose(const std::string& device) {
  if (device == "npu-sim") return npu::DeviceKind::sim;
  npu::NpuOptions options;
  options.kind = npu::DeviceKind::xrt;
  const auto opened = npu::NpuDevice::open(options);
  if (opened) return npu::DeviceKind::xrt;
  if (device == "npu") return std::unexpected(opened.error());
  return npu::DeviceKind::sim;
}

}  // namespace

Status npu_evaluate(NpuArguments args) {
  std::string device = "auto", model, shape = "bitnet-2b-4t", output, powercap = "/sys/class/powercap";
  int64_t threads = 0;
  bool quick = false, json = false;
  Flags flags("onebit npu evaluate", "whether an NPU path is worth having: latency, rates, prefill against the CPU, and a verdict",
              "onebit npu evaluate --device npu-sim --quick -o report.md");
  flags.choice("--device", "what is evaluated; auto: the NPU where there is one, else the simulator", &device, {"auto", "npu", "npu-sim"});
  flags.text("-m,--model", "FILE", "a model, whose prompts are measured on the CPU too", &model);
  flags.text("--shape", "NAME", fmt::format("instead of a model: {}", kShapeNames), &shape);
  flags.integer("-t,--threads", "threads of the CPU's part; 0: one per CPU this process may use", &threads, 0, 1024);
  flags.toggle("--quick", "fewer repetitions, small products in the simulator", &quick);
  flags.text("-o,--output", "DIR|FILE.md", "write the report and its plot (SVG) there instead of to stdout", &output);
  flags.text("--powercap", "DIR", "where the system reports energy", &powercap);
  flags.toggle("--json", "one JSON object on stdout", &json);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (!model.empty() && flags.given("--shape")) return fail(Errc::usage, "--model and --shape: expected one of them");

  ONEBIT_ASSIGN(const Plan plan, plan_of(model, shape));
  Options options;
  ONEBIT_ASSIGN(options.device.kind, choose(device));
  options.quick = quick;
  options.powercap = powercap;
  options.isa = cpu::best_isa();
  if (!model.empty()) {
    ONEBIT_ASSIGN(const auto on_cpu, Prompts::open(model, plan.context, "cpu"));
    options.whole_cpu = [on_cpu](uint32_t tokens) { return on_cpu->seconds(tokens); };
  }
  if (!model.empty() && options.device.kind == npu::DeviceKind::xrt) {
    const auto on_npu = Prompts::open(model, plan.context, "npu");
    if (on_npu) options.whole_npu = [p = *on_npu](uint32_t tokens) { return p->seconds(tokens); };
    else fmt::print(stderr, "prompts on the NPU are not measured: {}\n", on_npu.error().message);
  }
  ThreadPool pool(static_cast<unsigned>(threads));
  ONEBIT_ASSIGN(const Report report, evaluate(options, plan.shape, pool));
  if (!output.empty()) ONEBIT_TRY(write_report(output, report));
  if (json) fmt::print("{}\n", report_json(report).dump(2, ' ', false, Json::error_handler_t::replace));
  else if (output.empty()) fmt::print("{}", markdown(report, ""));
  if (report.checks.wrong) return fail(Errc::device, "{} of {} results are wrong, first {}", report.checks.wrong, report.checks.elements, report.checks.first_wrong);
  return {};
}

}  // namespace onebit::cli
