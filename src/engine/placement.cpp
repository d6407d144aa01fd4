#include "engine/placement.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "gpu/runtime/gpu_model.h"
#include "npu/gemm/npu_linear.h"

namespace onebit {
namespace {

constexpr Where kWheres[] = {Where::automatic, Where::cpu, Where::npu, Where::npu_sim, Where::gpu, Where::gpu_sim};
constexpr const char* kPhaseNames[] = {"prefill", "decode"};
// Calls in a row that may fail before the NPU is left alone.
constexpr int kPatience = 3;
// Tokens of the measurement that divides rows between NPU and CPU, and its repetitions.
constexpr uint32_t kMeasuredTokens = 128;
constexpr int kMeasurements = 3;

bool is_npu(Where where) { return where == Where::npu || where == Where::npu_sim; }

// Matrices that read one input, by layer.
template <class Visit>
void for_each_set(Weights& weights, Visit visit) {
  for (LayerWeights& l : weights.layers) {
    for (const std::initializer_list<cpu::Linear*> set : {std::initializer_list<cpu::Linear*>{&l.q, &l.k, &l.v}, {&l.o}, {&l.gate, &l.up}, {&l.down}})
      visit(std::span<cpu::Linear* const>(set.begin(), set.size()));
  }
}

// "blk.3.attn_q.weight" is of the kind "attn_q".
std::string kind_of(const std::string& tensor) {
  size_t first = tensor.starts_with("blk.") ? tensor.find('.', 4) + 1 : 0;
  return tensor.substr(first, tensor.rfind('.') - first);
}

template <class F>
double seconds(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

const char* name(Where where) {
  switch (where) {
    case Where::automatic: return "auto";
    case Where::cpu: return "cpu";
    case Where::npu: return "npu";
    case Where::npu_sim: return "npu-sim";
    case Where::gpu: return "gpu";
    case Where::gpu_sim: return "gpu-sim";
  }
  return "?";
}

Result<Where> parse_where(const std::string& text) {
  for (const Where w : kWheres)
    if (text == name(w)) return w;
  return fail(Errc::usage, "device '{}' is not one of auto, cpu, npu, npu-sim, gpu, gpu-sim", text);
}

class Placement::Npu : public cpu::TernaryDevice {
 public:
  static Result<std::unique_ptr<Npu>> open(Where where, ThreadPool& pool) {
    npu::NpuOptions options;
    options.kind = where == Where::npu ? npu::DeviceKind::xrt : npu::DeviceKind::sim;
    ONEBIT_ASSIGN(auto device, npu::NpuDevice::open(options));
    ONEBIT_ASSIGN(auto linear, npu::gemm::NpuLinear::open(*device, &pool));
    return std::unique_ptr<Npu>(new Npu(std::move(device), std::move(linear)));
  }

  // The first `groups` row groups of each matrix that has ternary weights.
  Status add(std::span<cpu::Linear* const> set, const std::vector<uint32_t>& groups) {
    std::vector<npu::gemm::NpuLinear::Matrix> matrices;
    for (size_t i = 0; i < set.size(); ++i) {
      const cpu::Linear& w = *set[i];
      if (!w.is_ternary() || groups[i] == 0) continue;
      matrices.push_back({std::min(w.rows, groups[i] * cpu::kGroupRows),
                          [&w](uint32_t row, uint8_t* codes) { cpu::unpack_ternary_row(w.ternary, row, codes); }});
    }
    if (matrices.empty()) return {};
    ONEBIT_ASSIGN(const uint32_t id, linear_.add(matrices, set[0]->cols));
    for (size_t i = 0, position = 0; i < set.size(); ++i) {
      if (!set[i]->is_ternary() || groups[i] == 0) continue;
      set[i]->device_matrix = static_cast<uint32_t>(places_.size());
      set[i]->device_groups = groups[i];
      places_.push_back({id, position++, matrices.size()});
    }
    return {};
  }

  Status start(const cpu::QuantActs& x, std::span<const Product> products) override {
    if (failures_in_a_row_ >= kPatience) return fail(Errc::device, "the NPU failed {} times in a row and is left alone", kPatience);
    auto started = begin(x, products);
    if (!started) ++failures_in_a_row_;
    return started;
  }
  Status finish() override {
    auto finished = linear_.finish(sums_);
    failures_in_a_row_ = finished ? 0 : failures_in_a_row_ + 1;
    return finished;
  }

  const npu::NpuDevice& device() const { return *device_; }
  const npu::gemm::NpuLinear& linear() const { return linear_; }

 private:
  struct Place {
    uint32_t set;
    size_t position;  // in the set
    size_t of;        // matrices of the set
  };
  Npu(std::unique_ptr<npu::NpuDevice> device, npu::gemm::NpuLinear linear) : device_(std::move(device)), linear_(std::move(linear)) {}

  Status begin(const cpu::QuantActs& x, std::span<const Product> products) {
    if (device_->lost()) ONEBIT_TRY(device_->reopen());
    const Place& first = places_[products[0].matrix];
    sums_.assign(first.of, {});
    for (const Product& p : products) {
      const Place& place = places_[p.matrix];
      if (place.set != first.set) return fail(Errc::device, "matrices {} and {} do not read the same input", products[0].matrix, p.matrix);
      sums_[place.position] = {p.sums, p.ld};
    }
    return linear_.start(first.set, x.q, x.tokens, x.stride);
  }

  std::unique_ptr<npu::NpuDevice> device_;
  npu::gemm::NpuLinear linear_;
  std::vector<Place> places_;  // by device_matrix
  std::vector<npu::gemm::NpuLinear::Sums> sums_;
  int failures_in_a_row_ = 0;
};

namespace {

// Percent of the rows that the device should take so that it and the CPU end together, from the times of both for all
// rows of one matrix.
Result<int> measured_share(cpu::TernaryDevice& device, cpu::Compute& compute, const cpu::Linear& w) {
  const size_t stride = cpu::quant_stride(w.cols);
  ONEBIT_ASSIGN(Buffer q, Buffer::allocate(kMeasuredTokens * stride, "activations of the measurement"));
  std::fill_n(q.data(), kMeasuredTokens * stride, uint8_t{1});
  const std::vector<int32_t> sum(kMeasuredTokens, static_cast<int32_t>(w.cols));
  const std::vector<float> inv(kMeasuredTokens, 1.0f), x(size_t{kMeasuredTokens} * w.cols, 1.0f);
  std::vector<float> y(size_t{kMeasuredTokens} * w.rows);
  std::vector<int32_t> sums(size_t{kMeasuredTokens} * w.ternary.groups * cpu::kGroupRows);
  const cpu::QuantActs acts{kMeasuredTokens, w.cols, stride, q.as<int8_t>(), sum.data(), inv.data()};
  const cpu::LinearInput in{x.data(), acts, kMeasuredTokens, w.cols};
  const cpu::LinearOutput out{&w, y.data(), cpu::Into::store};
  const cpu::TernaryDevice::Product product{w.device_matrix, sums.data(), size_t{w.ternary.groups} * cpu::kGroupRows};
  ONEBIT_TRY(compute.reserve(kMeasuredTokens, w.cols));
  double cpu_time = INFINITY, device_time = INFINITY;
  for (int i = 0; i < kMeasurements; ++i) {
    cpu_time = std::min(cpu_time, seconds([&] { cpu::linear(compute, in, {&out, 1}); }));
    Status status;
    device_time = std::min(device_time, seconds([&] {
      status = device.start(acts, {&product, 1});
      if (status) status = device.finish();
    }));
    ONEBIT_TRY(status);
  }
  return std::clamp(static_cast<int>(std::lround(100 * cpu_time / (cpu_time + device_time))), 0, 100);
}

}  // namespace

Placement::Placement(Model& model, cpu::Compute& compute) : model_(model), compute_(compute) {}

Placement::~Placement() {
  compute_.device = nullptr;
  compute_.runs = nullptr;
  model_.run_on(nullptr);
}

Status Placement::attach(Where where, int share, const LoadProgress& progress) {
  Weights& weights = model_.weights();
  ONEBIT_ASSIGN(npu_, Npu::open(where, *compute_.pool));
  if (share == kShareAutomatic && where == Where::npu && !weights.layers.empty() && weights.layers[0].down.is_ternary()) {
    cpu::Linear* const down = &weights.layers[0].down;
    ONEBIT_TRY(npu_->add({&down, 1}, {down->ternary.groups}));
    ONEBIT_ASSIGN(share, measured_share(*npu_, compute_, *down));
  }
  share_ = share == kShareAutomatic ? 100 : share;
  size_t done = 0;
  Status status;
  for_each_set(weights, [&](std::span<cpu::Linear* const> set) {
    std::vector<uint32_t> groups;
    for (const cpu::Linear* w : set) groups.push_back((w->ternary.groups * static_cast<uint32_t>(share_) + 50) / 100);
    if (status) status = npu_->add(set, groups);
    if (progress) progress(static_cast<double>(++done) / static_cast<double>(4 * weights.layers.size()));
  });
  return status;
}

Result<std::unique_ptr<Placement>> Placement::create(const PlacementOptions& options, Model& model, cpu::Compute& compute,
                                                     const LoadProgress& progress) {
  if (options.npu_share < kShareAutomatic || options.npu_share > 100)
    return fail(Errc::out_of_range, "the NPU's share is {} %, expected 0 to 100", options.npu_share);
  std::unique_ptr<Placement> p(new Placement(model, compute));
  Weights& weights = model.weights();
  for_each_set(weights, [&](std::span<cpu::Linear* const> set) {
    for (cpu::Linear* w : set) {
      w->index = static_cast<uint32_t>(p->kinds_.size());
      p->kinds_.push_back(kind_of(w->tensor->name));
    }
  });
  for (auto& runs : p->runs_) runs.resize(p->kinds_.size());

  p->on_ = options.on;
  const auto [prefill, decode] = options.on;
  if (is_npu(prefill) && is_npu(decode) && prefill != decode)
    return fail(Errc::usage, "prefill on {} and decode on {}: one kind of NPU at a time", name(prefill), name(decode));
  const Where named = is_npu(prefill) ? prefill : is_npu(decode) ? decode : Where::automatic;
  if (named != Where::automatic) {
    ONEBIT_TRY(p->attach(named, options.npu_share, progress));
  } else if (prefill == Where::automatic) {
    auto attached = p->attach(Where::npu, options.npu_share, progress);
    if (attached) {
      p->on_[0] = Where::npu;
    } else {
      p->npu_.reset();
      p->why_cpu_ = std::move(attached).error().message;
      for_each_set(weights, [](std::span<cpu::Linear* const> set) {
        for (cpu::Linear* w : set) w->device_groups = 0;
      });
    }
  }
  ONEBIT_TRY(p->place_gpu(options, progress));
  compute.device = p->npu_.get();
  p->enter(Phase::prefill);
  return p;
}

void Placement::enter(Phase phase) {
  const size_t i = static_cast<size_t>(phase);
  compute_.device_tokens = is_npu(on_[i]) ? 1 : UINT32_MAX;
  compute_.runs = &runs_[i];
  model_.run_on(on_[i] == Where::gpu || on_[i] == Where::gpu_sim ? gpu_.get() : nullptr);
}

PlacementReport Placement::report() const {
  PlacementReport r;
  r.on = on_;
  r.why_cpu = why_cpu_;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    auto line = std::find_if(r.lines.begin(), r.lines.end(), [&](const PlacementLine& l) { return l.kind == kinds_[i]; });
    if (line == r.lines.end()) line = r.lines.insert(line, {kinds_[i]});
    for (size_t phase = 0; phase < 2; ++phase) {
      line->runs[phase].cpu += runs_[phase][i].cpu;
      line->runs[phase].device += runs_[phase][i].device;
      line->runs[phase].failed += runs_[phase][i].failed;
    }
  }
  r.gpu = gpu_report();
  r.failures = compute_.device_failures;
  if (compute_.device_error) r.first_failure = compute_.device_error->message;
  if (!npu_) return r;
  r.npu_share = share_;
  r.device = npu_->device().description();
  r.dispatches = npu_->linear().counts().dispatches;
  const npu::NpuStats stats = npu_->device().stats();
  r.uploaded_bytes = stats.uploaded_bytes;
  r.downloaded_bytes = stats.downloaded_bytes;
  r.simulated_ddr_bytes = stats.simulated.ddr_read_bytes + stats.simulated.ddr_write_bytes;
  return r;
}

Status check_strict(const PlacementReport& r) {
  if (r.failures)
    return fail(Errc::device, "{} calls failed on the NPU and ran on the CPU, expected none; the first: {}", r.failures, r.first_failure);
  if (!r.gpu.first_failure.empty())
    return fail(Errc::device, "the GPU failed and the CPU did its work, expected none of that; the failure: {}", r.gpu.first_failure);
  for (const PlacementLine& line : r.lines)
    for (size_t phase = 0; phase < 2; ++phase) {
      const cpu::LinearRuns& runs = line.runs[phase];
      if (is_npu(r.on[phase]) && r.npu_share > 0 && runs.cpu > 0 && runs.device == 0)
        return fail(Errc::device, "{} ran {} times on the CPU in {}, expected on the {}: its weights are not ternary", line.kind, runs.cpu,
                    kPhaseNames[phase], name(r.on[phase]));
    }
  return {};
}

std::string to_text(const PlacementReport& r) {
  std::string text = fmt::format("prefill on {}, decode on {}\n", name(r.on[0]), name(r.on[1]));
  if (!r.why_cpu.empty()) text += fmt::format("no NPU: {}\n", r.why_cpu);
  if (!r.device.empty()) {
    text += fmt::format("{}: {} % of the rows, {} dispatches, {} calls failed and ran on the CPU, {:.1f} MB to it, {:.1f} MB from it\n", r.device,
                        r.npu_share, r.dispatches, r.failures, static_cast<double>(r.uploaded_bytes) / 1e6, static_cast<double>(r.downloaded_bytes) / 1e6);
    if (r.simulated_ddr_bytes) text += fmt::format("simulated: {:.1f} MB between the array and DDR\n", static_cast<double>(r.simulated_ddr_bytes) / 1e6);
    if (!r.first_failure.empty()) text += fmt::format("first failure: {}\n", r.first_failure);
  }
  text += to_text(r.gpu);
  text += fmt::format("{:<12} {:>12} {:>12} {:>12} {:>12}\n", "matrix", "prefill npu", "cpu", "decode npu", "cpu");
  for (const PlacementLine& l : r.lines)
    text += fmt::format("{:<12} {:>12} {:>12} {:>12} {:>12}\n", l.kind, l.runs[0].device, l.runs[0].cpu, l.runs[1].device, l.runs[1].cpu);
  return text;
}

}  // namespace onebit
