#include "gpu/runtime/gpu_model.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace onebit::gpu {
namespace {

constexpr uint32_t kMostQueryHeads = 16;  // of one KV head, in attention_values
constexpr uint32_t kMostHeadDim = 256;

Status check_shape(const ModelConfig& c) {
  if (c.heads / c.kv_heads > kMostQueryHeads)
    return fail(Errc::unsupported, "{} query heads for each KV head, the GPU kernels take at most {}", c.heads / c.kv_heads, kMostQueryHeads);
  if (c.head_dim > kMostHeadDim) return fail(Errc::unsupported, "heads of {} values, the GPU kernels take at most {}", c.head_dim, kMostHeadDim);
  for (const uint32_t cols : {c.dim, c.q_dim(), c.ffn})
    if (cols > kMaxColumns) return fail(Errc::unsupported, "matrices of {} columns, the GPU kernels take at most {}", cols, kMaxColumns);
  return {};
}

}  // namespace

Result<std::unique_ptr<GpuModel>> GpuModel::create(std::unique_ptr<Device> device, Model& model, ThreadPool& pool, const GpuOptions& options,
                                                   const LoadProgress& progress) {
  ONEBIT_TRY(check_shape(model.config()));
  std::unique_ptr<GpuModel> g(new GpuModel(std::move(device), model, options));
  ONEBIT_ASSIGN(g->kernels_, KernelSet::load(*g->device_));
  const Packing packing = options.packing.value_or(preferred_packing(g->device_->info()));
  ONEBIT_ASSIGN(g->weights_, upload_weights(g->kernels_, model, packing, pool, progress));
  return g;
}

std::string GpuModel::description() const {
  return fmt::format("{} ({}, {}-bit weights)", device_->info().name, device_->info().architecture, weights_.packing == Packing::p2 ? "2" : "1.6");
}

// Every sequence of the batch on the device, with room for its tokens: what only the host has goes there.
Status GpuModel::prepare_sequences(std::span<const BatchToken> batch, std::span<const uint32_t> positions) {
  sequences_.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    KvCache& kv = *batch[i].kv;
    if (std::find(sequences_.begin(), sequences_.end(), &kv) != sequences_.end()) continue;
    if (kv.type() != batch[0].kv->type()) return fail(Errc::unsupported, "sequences with KV caches of different types in one batch");
    sequences_.push_back(&kv);
    uint32_t end = 0;
    for (size_t j = i; j < batch.size(); ++j)
      if (batch[j].kv == &kv) end = std::max(end, positions[j] + 1);
    if (!kv.device) {
      kv.device = std::make_unique<GpuKv>(*device_, model_.config(), kv.type());
      kv.on_device = 0;
    }
    auto& here = static_cast<GpuKv&>(*kv.device);
    const uint32_t first = positions[i];
    ONEBIT_TRY(here.reserve(end, std::min(kv.on_device, first), kv.context()));
    if (kv.on_device >= first) continue;
    ONEBIT_TRY(here.upload(kv, kv.on_device, first));
    counts_.handed_positions += first - kv.on_device;
    counts_.handed_bytes += kv.bytes(first - kv.on_device);
    kv.on_device = first;
  }
  return {};
}

void GpuModel::fill_inputs(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top) {
  auto* base = static_cast<uint8_t*>(scratch_.input_host.host());
  auto* tokens = reinterpret_cast<Token*>(base);
  auto* sequences = reinterpret_cast<KvSequence*>(base + scratch_.layout.sequences_at());
  auto* wanted = reinterpret_cast<Token*>(base + scratch_.layout.wanted_at());
  auto* parameters = reinterpret_cast<SampleParameters*>(base + scratch_.layout.parameters_at());
  for (size_t i = 0; i < sequences_.size(); ++i) sequences[i] = static_cast<const GpuKv&>(*sequences_[i]->device).sequence();
  wanted_rows_.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto sequence = std::find(sequences_.begin(), sequences_.end(), batch[i].kv) - sequences_.begin();
    tokens[i] = {batch[i].token, positions[i], static_cast<uint32_t>(sequence), 0};
    if (!batch[i].wanted) continue;
    wanted[wanted_rows_.size()] = tokens[i];
    wanted_rows_.push_back(static_cast<uint32_t>(i));
  }
  for (uint32_t i = 0; i < kStepTokens; ++i) parameters[i] = {0, 0.0f, 1.0f, 0.0f, std::max(top, 1u)};
}

// Inputs to the device, the pass, choices and hidden states back: all that a graph replays.
Status GpuModel::launch_with_copies(const PassPlan& plan) {
  ONEBIT_TRY(device_->copy_to_device(scratch_.input.address(), scratch_.input_host.host(), scratch_.layout.bytes()));
  ONEBIT_TRY(Pass(kernels_, model_.config(), weights_, scratch_).launch(plan));
  const size_t bytes = Scratch::hidden_at() + plan.wanted.count() * size_t{model_.config().dim} * sizeof(float);
  return device_->copy_to_host(scratch_.results_host.host(), scratch_.results.address(), bytes);
}

Status GpuModel::run_step(const PassPlan& plan) {
  if (!options_.graphs) return launch_with_copies(plan);
  const uint32_t key = plan.all.count() | static_cast<uint32_t>(plan.kv) << 8 | static_cast<uint32_t>(plan.choose) << 16;
  auto graph = graphs_.find(key);
  if (graph == graphs_.end()) {
    ONEBIT_TRY(device_->begin_capture());
    const Status recorded = launch_with_copies(plan);
    auto made = device_->end_capture();
    ONEBIT_TRY(recorded);
    if (!made) return std::unexpected(std::move(made).error());
    graph = graphs_.emplace(key, std::move(*made)).first;
    ++counts_.graphs;
  }
  ++counts_.steps;
  return device_->launch(graph->second);
}

Status GpuModel::collect_step(std::span<const BatchToken> batch, uint32_t top, bool chosen, float* hidden, std::vector<cpu::TokenLogit>& best) {
  const size_t dim = model_.config().dim;
  auto* list = static_cast<Choice*>(scratch_.best_host.host());
  if (chosen && top > 1) {
    for (size_t i = 0; i < batch.size(); ++i)
      ONEBIT_TRY(device_->copy_to_host(list + i * kMaxTopK, scratch_.best.at(i * kMaxTopK * sizeof(Choice)), top * sizeof(Choice)));
  }
  ONEBIT_TRY(device_->wait());
  const auto* choices = static_cast<const Choice*>(scratch_.results_host.host());
  const auto* states = reinterpret_cast<const float*>(static_cast<const char*>(scratch_.results_host.host()) + Scratch::hidden_at());
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].wanted) continue;
    hidden = std::copy_n(states + i * dim, dim, hidden);
    if (!chosen) continue;
    const Choice* from = top > 1 ? list + i * kMaxTopK : choices + i;
    bool more = true;  // the list ends where a token is -1
    for (uint32_t n = 0; n < top; ++n) {
      more = more && from[n].token >= 0;
      best.push_back(more ? cpu::TokenLogit{from[n].token, from[n].logit} : cpu::TokenLogit{-1, std::numeric_limits<float>::quiet_NaN()});
    }
  }
  return {};
}

Status GpuModel::pass(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top, float* hidden,
                      std::vector<cpu::TokenLogit>& best) {
  const ModelConfig& c = model_.config();
  const uint32_t last = *std::max_element(positions.begin(), positions.end());
  ONEBIT_ASSIGN(const bool moved, scratch_.reserve(*device_, model_, weights_, model_.rope(), static_cast<uint32_t>(batch.size()), last + 1));
  if (moved) graphs_.clear();
  ONEBIT_TRY(prepare_sequences(batch, positions));
  fill_inputs(batch, positions, top);
  const auto* base = static_cast<const char*>(scratch_.input_host.host());
  const auto* on_device = static_cast<const char*>(scratch_.input.address());
  const size_t wanted_at = scratch_.layout.wanted_at();
  PassPlan plan{};
  plan.all = {{reinterpret_cast<const Token*>(base), batch.size()}, reinterpret_cast<const Token*>(on_device)};
  plan.kv = batch[0].kv->type();
  ++counts_.passes;
  counts_.tokens += batch.size();
  if (batch.size() <= kStepTokens) {
    plan.wanted = plan.all;
    plan.choose = top > 0 && !wanted_rows_.empty();
    ONEBIT_TRY(run_step(plan));
    return collect_step(batch, top, plan.choose, hidden, best);
  }
  plan.wanted = {{reinterpret_cast<const Token*>(base + wanted_at), wanted_rows_.size()}, reinterpret_cast<const Token*>(on_device + wanted_at)};
  plan.wanted_rows = wanted_rows_;
  plan.choose = top > 0 && !wanted_rows_.empty() && wanted_rows_.size() <= kStepTokens;
  if (plan.wanted.count() <= kStepTokens) {
    ONEBIT_TRY(launch_with_copies(plan));
    const std::vector<BatchToken> wanted(wanted_rows_.size(), {0, nullptr, true});
    return collect_step(wanted, top, plan.choose, hidden, best);
  }
  ONEBIT_TRY(device_->copy_to_device(scratch_.input.address(), base, scratch_.layout.bytes()));
  ONEBIT_TRY(Pass(kernels_, c, weights_, scratch_).launch(plan));
  ONEBIT_TRY(device_->copy_to_host(hidden, scratch_.results.at(Scratch::hidden_at()), plan.wanted.count() * size_t{c.dim} * sizeof(float)));
  return device_->wait();
}

Status GpuModel::forward(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top, float* hidden,
                         std::vector<cpu::TokenLogit>& best) {
  top = std::min({top, kMaxTopK, model_.config().vocab});
  size_t wanted = 0;
  for (size_t at = 0; at < batch.size(); at += kPassTokens) {
    const size_t n = std::min<size_t>(kPassTokens, batch.size() - at);
    const auto part = batch.subspan(at, n);
    const size_t before = wanted;
    ONEBIT_TRY(pass(part, positions.subspan(at, n), top, hidden + before * model_.config().dim, best));
    for (size_t i = 0; i < n; ++i) {
      wanted += part[i].wanted;
      // What later parts of the batch build on. Model::forward takes it back where they fail.
      part[i].kv->on_device = positions[at + i] + 1;
    }
  }
  if (best.size() != wanted * top) best.clear();  // parts of the batch had too many wanted tokens
  return {};
}

}  // namespace onebit::gpu
