// Speed on the GPU beside what the same device reaches in the same run: copy bandwidth for what memory bounds, an int8
// GEMM of the vendor's library for what arithmetic bounds.
// usage: gpu_bench [--emulator] MODEL.gguf      exit status: 0 measured, 1 failed or no GPU
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "base/checked.h"
#include "cublaslt.h"
#include "gpu/runtime/gpu_model.h"
#include "model/named_shapes.h"
#include "model/token_cost.h"

namespace onebit::bench {
namespace {

using namespace gpu;

constexpr size_t kMoreThanCaches = size_t{768} << 20;
constexpr int kRepeats = 20, kDecodeTokens = 32, kPrompt = 512;

struct Setup {
  bool emulated = false;  // only to see that the program works: times mean nothing
  ThreadPool pool;
  Gguf file;
  std::optional<cpu::Compute> compute;
  std::optional<Model> model;
  std::unique_ptr<GpuModel> gpu;
  double bandwidth = 0;  // of a copy on the device: bytes read plus bytes written, a second

  Device& device() const { return gpu->device(); }
  size_t working_set() const { return emulated ? size_t{1} << 20 : std::max(kMoreThanCaches, 4 * device().info().l2_bytes); }
  int repeats() const { return emulated ? 1 : kRepeats; }
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void line(const std::string& what, double value, const char* unit, const std::string& note) {
  fmt::print("{:<44} {:>10.1f} {:<6} {}\n", what, value, unit, note);
  std::fflush(stdout);
}

// Seconds of the recorded launches, replayed: the best of three means.
Result<double> time_launches(const Setup& s, const std::function<Status()>& launches) {
  Device& d = s.device();
  ONEBIT_TRY(d.begin_capture());
  const Status recorded = launches();
  auto graph = d.end_capture();
  ONEBIT_TRY(recorded);
  if (!graph) return std::unexpected(graph.error());
  ONEBIT_ASSIGN(const Event start, d.event());
  ONEBIT_ASSIGN(const Event end, d.event());
  ONEBIT_TRY(d.launch(*graph));
  double best = 1e30;
  for (int round = 0; round < 3; ++round) {
    ONEBIT_TRY(d.record(start));
    for (int i = 0; i < s.repeats(); ++i) ONEBIT_TRY(d.launch(*graph));
    ONEBIT_TRY(d.record(end));
    ONEBIT_ASSIGN(const float ms, d.elapsed(start, end));
    best = std::min(best, static_cast<double>(ms) * 1e-3 / s.repeats());
  }
  return best;
}

Status copy_bandwidth(Setup& s) {
  const size_t bytes = s.working_set();
  ONEBIT_ASSIGN(const Memory from, s.device().allocate(bytes, "the copy"));
  ONEBIT_ASSIGN(const Memory to, s.device().allocate(bytes, "the copy"));
  ONEBIT_TRY(s.device().fill(from.address(), 1, bytes));
  ONEBIT_ASSIGN(const double seconds, time_launches(s, [&] { return s.device().copy_on_device(to.address(), from.address(), bytes); }));
  s.bandwidth = 2 * static_cast<double>(bytes) / seconds;
  line("copy on the device, read and written", s.bandwidth / 1e9, "GB/s", fmt::format("{} MB", bytes >> 20));
  return {};
}

// One matrix of rows x cols, copies of it until the caches cannot help.
Status gemv(Setup& s, const char* what, uint32_t rows, uint32_t cols) {
  const Packing packing = s.gpu->weights().packing;
  const uint32_t units = ceil_div(rows, kUnitRows);
  const size_t bytes = packed_bytes(packing, units, cols);
  const size_t copies = ceil_div(s.working_set(), bytes);
  ONEBIT_ASSIGN(const Memory weights, s.device().allocate(copies * bytes, "matrices"));
  ONEBIT_ASSIGN(const Memory q, s.device().allocate(quant_stride(cols), "activations"));
  ONEBIT_ASSIGN(const Memory out, s.device().allocate(rows * sizeof(float), "products"));
  ONEBIT_ASSIGN(const Memory scales, s.device().allocate(8, "scales"));
  ONEBIT_TRY(s.device().fill(weights.address(), 0x19, weights.size()));
  ONEBIT_TRY(s.device().fill(q.address(), 3, q.size()));
  ONEBIT_TRY(s.device().fill(scales.address(), 0, 8));
  LinearArgs a{};
  a.q = static_cast<const int8_t*>(q.address());
  a.inv_scale = static_cast<const float*>(scales.address());
  a.sum = static_cast<const int32_t*>(scales.at(4));
  a.tokens = 1;
  a.cols = cols;
  a.split = gemv_split(units, tiles(packing, cols), static_cast<uint32_t>(std::max(s.device().info().units, 1)));
  a.epilogue = Epilogue::store;
  a.segments[0] = {nullptr, static_cast<float*>(out.address()), units, rows, rows, 1.0f};
  const Kernel kernel = packing == Packing::p2 ? Kernel::ternary_gemv_p2_t1 : Kernel::ternary_gemv_p16_t1;
  ONEBIT_ASSIGN(const double seconds, time_launches(s, [&]() -> Status {
                  for (size_t i = 0; i < copies; ++i) {
                    a.segments[0].weights = static_cast<const uint8_t*>(weights.at(i * bytes));
                    ONEBIT_TRY(s.gpu->kernels().launch(kernel, {gemv_blocks(units, a.split)}, a));
                  }
                  return {};
                }));
  const double rate = static_cast<double>(copies * bytes) / seconds;
  line(fmt::format("GEMV {} {} x {}", what, rows, cols), rate / 1e9, "GB/s",
       fmt::format("{:.0f} % of the copy, {} matrices in turn", 100 * rate / s.bandwidth, copies));
  return {};
}

Status shapes(Setup& s) {
  const NamedShape& n = *find_shape("bitnet-2b-4t");
  const uint32_t q_dim = n.heads * n.head_size, kv = n.kv_heads * n.head_size;
  ONEBIT_TRY(gemv(s, "q, k, v", q_dim + 2 * kv, n.hidden));
  ONEBIT_TRY(gemv(s, "o", n.hidden, q_dim));
  ONEBIT_TRY(gemv(s, "gate and up", 2 * n.ffn, n.hidden));
  return gemv(s, "down", n.hidden, n.ffn);
}

// All linear layers of the model as a step launches them.
Result<double> linears(Setup& s, uint32_t tokens) {
  const GpuModel& g = *s.gpu;
  ONEBIT_ASSIGN(const double seconds, time_launches(s, [&] { return Pass(s.gpu->kernels(), s.model->config(), g.weights(), g.scratch()).launch_linears(tokens); }));
  return seconds;
}

struct Text {
  KvCache kv;
  Activations act;
  std::vector<float> hidden;
};

// Seconds of one forward pass of `tokens` tokens after what is in the cache, all of them wanted when they are few.
Result<double> forward(Setup& s, Text& text, uint32_t tokens) {
  std::vector<BatchToken> batch;
  for (uint32_t i = 0; i < tokens; ++i)
    batch.push_back({static_cast<int32_t>((text.kv.length + i) * 7919 % s.model->config().vocab), &text.kv, tokens <= kStepTokens || i + 1 == tokens});
  text.hidden.resize(size_t{std::max(tokens, 1u)} * s.model->config().dim);
  const double start = now();
  ONEBIT_TRY(s.model->forward(batch, text.act, *s.compute, text.hidden.data()));
  return now() - start;
}

Result<Text> text_of(Setup& s, uint32_t tokens) {
  Text t{KvCache(s.model->config(), cpu::KvType::f16, s.model->config().context), {}, {}};
  for (uint32_t at = 0; at < tokens; at += kPrompt) ONEBIT_TRY(forward(s, t, std::min<uint32_t>(kPrompt, tokens - at)));
  return t;
}

Status decode(Setup& s, uint32_t context) {
  const int steps = s.emulated ? 2 : kDecodeTokens;
  context = std::min(context, s.model->config().context);
  ONEBIT_ASSIGN(Text t, text_of(s, context - static_cast<uint32_t>(steps) - 2));
  ONEBIT_TRY(forward(s, t, 1));  // records the graph
  double total = 0;
  for (int i = 0; i < steps; ++i) {
    ONEBIT_ASSIGN(const double seconds, forward(s, t, 1));
    total += seconds;
  }
  const double step = total / steps;
  const double bytes = static_cast<double>(s.gpu->weights().step_bytes + t.kv.bytes(t.kv.length));
  line(fmt::format("decode at a context of {}", t.kv.length), 1 / step, "tok/s",
       fmt::format("{:.0f} % of {:.1f} tok/s: {:.1f} MB a token at the copy's rate", 100 * bytes / s.bandwidth / step, s.bandwidth / bytes, bytes / 1e6));

  if (t.kv.length + 8 > s.model->config().context) return {};
  double one = 0, four = 0;
  const uint32_t length = t.kv.length;
  for (int i = -1; i < steps; ++i) {  // the first records graphs
    ONEBIT_ASSIGN(const double a, forward(s, t, 1));
    t.kv.length = length;
    ONEBIT_ASSIGN(const double b, forward(s, t, 4));
    t.kv.length = length;
    if (i >= 0) one += a, four += b;
  }
  line("batch of 4 tokens", four / one, "steps", fmt::format("{:.3f} ms against {:.3f} ms", four / steps * 1e3, one / steps * 1e3));
  return {};
}

// Seconds that the vendor's GEMM needs for the linear layers of a prompt.
Result<double> library_prefill(Setup& s, uint32_t tokens) {
  ONEBIT_ASSIGN(CublasLt lt, CublasLt::open());
  const ModelConfig& c = s.model->config();
  const std::pair<uint32_t, uint32_t> matrices[] = {{c.q_dim() + 2 * c.kv_dim(), c.dim}, {c.dim, c.q_dim()}, {2 * c.ffn, c.dim}, {c.dim, c.ffn}};
  double total = 0;
  for (const auto& [rows, cols] : matrices) {
    ONEBIT_ASSIGN(const double seconds, lt.gemm_seconds(s.device(), rows, tokens, cols, s.repeats()));
    total += seconds * c.layers;
  }
  return total;
}

Status prefill(Setup& s) {
  const uint32_t tokens = s.emulated ? 32 : kPrompt;
  double best = 1e30;
  for (int i = 0; i < (s.emulated ? 1 : 4); ++i) {
    Text t{KvCache(s.model->config(), cpu::KvType::f16, s.model->config().context), {}, {}};
    ONEBIT_ASSIGN(const double seconds, forward(s, t, tokens));
    best = std::min(best, seconds);
  }
  const double operations = 2 * static_cast<double>(s.model->linear_macs_per_token()) * tokens;
  ONEBIT_ASSIGN(const double matrices, linears(s, tokens));
  line(fmt::format("prefill of {}", tokens), tokens / best, "tok/s", fmt::format("{:.1f} TOPS in the linear layers, the rest counted as time", operations / best / 1e12));
  const auto library = s.device().backend() == Backend::cuda ? library_prefill(s, tokens) : Result<double>(fail(Errc::device, "no cuBLASLt on this device"));
  if (!library) {
    fmt::print("{:<44} {:>10} {:<6} {}\n", "  against a library's int8 GEMM", "-", "", library.error().message);
    line("  linear layers alone", operations / matrices / 1e12, "TOPS", "");
    return {};
  }
  line("  cuBLASLt int8, the same linear layers", operations / *library / 1e12, "TOPS", "");
  line("  linear layers alone", operations / matrices / 1e12, "TOPS", fmt::format("{:.0f} % of cuBLASLt", 100 * *library / matrices));
  line("  all of prefill", operations / best / 1e12, "TOPS", fmt::format("{:.0f} % of cuBLASLt", 100 * *library / best));
  return {};
}

Status bench(bool emulated, const std::string& path) {
  Setup s;
  s.emulated = emulated;
  ONEBIT_ASSIGN(auto device, emulated ? Device::open(emulator_api()) : open_gpu());
  ONEBIT_ASSIGN(s.file, Gguf::open(path));
  ONEBIT_ASSIGN(s.compute, cpu::Compute::create(cpu::best_isa(), s.pool));
  ONEBIT_ASSIGN(s.model, Model::load(s.file, I2sLayout::automatic, *s.compute, {}));
  ONEBIT_ASSIGN(s.gpu, GpuModel::create(std::move(device), *s.model, s.pool, {}, {}));
  s.model->run_on(s.gpu.get());
  const DeviceInfo& info = s.device().info();
  fmt::print("{}: {} units, {:.1f} GB, {:.1f} MB of L2, {}; code object {}\n", s.gpu->description(), info.units, static_cast<double>(info.memory) / 1e9,
             static_cast<double>(info.l2_bytes) / 1e6, info.integrated ? "integrated" : "discrete", s.gpu->kernels().code_object());
  fmt::print("{}\n", emulated ? "EMULATED: rates below mean nothing" : "measured on this device");
  ONEBIT_TRY(copy_bandwidth(s));
  if (!emulated) ONEBIT_TRY(shapes(s));
  {
    ONEBIT_ASSIGN(const Text warm, text_of(s, 8));  // memory of a step
  }
  ONEBIT_ASSIGN(const double seconds, linears(s, 1));
  size_t bytes = 0;
  for (const GpuLayer& l : s.gpu->weights().layers)
    for (const GpuMatrix* m : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) bytes += m->memory.size();
  line("all linear layers of a token", static_cast<double>(bytes) / seconds / 1e9, "GB/s",
       fmt::format("{:.0f} % of the copy", 100 * static_cast<double>(bytes) / seconds / s.bandwidth));
  ONEBIT_TRY(decode(s, 64));
  ONEBIT_TRY(prefill(s));
  return emulated ? Status{} : decode(s, 4096);
}

}  // namespace
}  // namespace onebit::bench

int main(int argc, char** argv) {
  const bool emulated = argc == 3 && std::strcmp(argv[1], "--emulator") == 0;
  if (argc != 2 && !emulated) {
    fmt::print(stderr, "usage: gpu_bench [--emulator] MODEL.gguf\n");
    return 2;
  }
  const auto done = onebit::bench::bench(emulated, argv[argc - 1]);
  if (done) return 0;
  fmt::print(stderr, "gpu_bench: {}\n", done.error().message);
  return 1;
}
