// The GPU's part of placement: opening one, leaving it, and what is said of it.
#include <utility>

#include "engine/placement.h"
#include "gpu/runtime/gpu_model.h"

namespace onebit {
namespace {

bool is_gpu(Where where) { return where == Where::gpu || where == Where::gpu_sim; }

}  // namespace

std::array<Where, 2> both_phases(Where device) {
  switch (device) {
    case Where::npu: return {device, Where::automatic};
    case Where::npu_sim: return {device, Where::cpu};
    default: return {device, device};
  }
}

Status Placement::attach_gpu(Where where, const PlacementOptions& options, const LoadProgress& progress) {
  gpu::GpuOptions gpu_options;
  if (options.gpu_packing != 0) gpu_options.packing = options.gpu_packing == 16 ? gpu::Packing::p16 : gpu::Packing::p2;
  ONEBIT_ASSIGN(auto device, where == Where::gpu_sim ? gpu::Device::open(gpu::emulator_api()) : gpu::open_gpu());
  ONEBIT_ASSIGN(gpu_, gpu::GpuModel::create(std::move(device), model_, *compute_.pool, gpu_options, progress));
  return {};
}

// After the NPU has been placed: `on_` holds what was asked for, automatic where that is open.
Status Placement::place_gpu(const PlacementOptions& options, const LoadProgress& progress) {
  const auto [prefill, decode] = on_;
  if (is_gpu(prefill) && is_gpu(decode) && prefill != decode)
    return fail(Errc::usage, "prefill on {} and decode on {}: one kind of GPU at a time", name(prefill), name(decode));
  const Where named = is_gpu(prefill) ? prefill : is_gpu(decode) ? decode : Where::automatic;
  Where found = Where::cpu;
  if (named != Where::automatic) {
    ONEBIT_TRY(attach_gpu(named, options, progress));
    found = named;
  } else if (prefill == Where::automatic || decode == Where::automatic) {
    gpu_automatic_ = true;
    if (auto attached = attach_gpu(Where::gpu, options, progress)) {
      found = Where::gpu;
    } else {
      gpu_.reset();
      gpu_report_.why_not = std::move(attached).error().message;
      ++gpu_report_.fallbacks;
    }
  }
  for (Where& on : on_)
    if (on == Where::automatic) on = found;
  if (is_gpu(prefill) && is_gpu(decode)) {
    Weights& weights = model_.weights();
    weights.packed = Buffer();
    for (LayerWeights& l : weights.layers)
      for (cpu::Linear* w : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) w->ternary.data = nullptr;
  }
  return {};
}

bool Placement::leave_gpu(const Error& error) {
  const bool of_device = error.code == Errc::device || error.code == Errc::out_of_memory;
  if (!gpu_ || !gpu_automatic_ || !of_device) return false;
  if (is_gpu(on_[0]) || is_gpu(on_[1])) {
    ++gpu_report_.fallbacks;
    gpu_report_.first_failure = error.message;
  }
  for (Where& on : on_)
    if (is_gpu(on)) on = Where::cpu;
  model_.run_on(nullptr);
  return true;
}

GpuReport Placement::gpu_report() const {
  GpuReport r = gpu_report_;
  if (!gpu_) return r;
  const gpu::GpuCounts& counts = gpu_->counts();
  const gpu::DeviceCounts& device = gpu_->device().counts();
  r.device = gpu_->description();
  r.passes = counts.passes;
  r.tokens = counts.tokens;
  r.launches = device.launches;
  r.graph_launches = device.graph_launches;
  r.weight_bytes = gpu_->weights().bytes;
  r.uploaded_bytes = device.uploaded_bytes;
  r.downloaded_bytes = device.downloaded_bytes;
  r.handed_positions = counts.handed_positions;
  r.handed_bytes = counts.handed_bytes;
  return r;
}

std::string to_text(const GpuReport& r) {
  const auto mb = [](uint64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  std::string text;
  if (!r.why_not.empty()) text += fmt::format("no GPU, {} fallback to the CPU: {}\n", r.fallbacks, r.why_not);
  if (r.device.empty()) return text;
  text += fmt::format("{}: {} passes with {} tokens, {} launches, {} of graphs, {} fallbacks to the CPU, {:.1f} MB of weights, {:.1f} MB to it, {:.1f} MB from it\n",
                      r.device, r.passes, r.tokens, r.launches, r.graph_launches, r.fallbacks, mb(r.weight_bytes), mb(r.uploaded_bytes), mb(r.downloaded_bytes));
  if (r.handed_positions) text += fmt::format("KV cache handed to the GPU: {} positions, {:.1f} MB\n", r.handed_positions, mb(r.handed_bytes));
  if (!r.first_failure.empty()) text += fmt::format("first failure on the GPU: {}\n", r.first_failure);
  return text;
}

}  // namespace onebit
