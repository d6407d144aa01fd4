// A model on a GPU: weights uploaded once, KV caches, forward passes as launches, and a decode step (up to 16 tokens,
// of one sequence or of several) replayed from a graph: inputs, kernels, output head and results in one launch.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gpu/runtime/gpu_kv.h"
#include "gpu/runtime/gpu_weights.h"
#include "gpu/runtime/kernel_set.h"
#include "gpu/runtime/pass.h"
#include "gpu/runtime/scratch.h"

namespace onebit::gpu {

struct GpuOptions {
  std::optional<Packing> packing;  // unset: what suits the device
  bool graphs = true;              // false: each launch by itself, for tests and profilers
};

struct GpuCounts {
  uint64_t passes = 0, tokens = 0;             // forward passes of any size
  uint64_t steps = 0;                          // those that a graph replayed
  uint64_t graphs = 0;                         // recorded
  uint64_t handed_positions = 0, handed_bytes = 0;  // keys and values that came from the host
};

class GpuModel : public StepDevice {
 public:
  // `model` outlives the result and keeps its packed matrices until this returns. Errors: those of KernelSet::load and
  // upload_weights; a model whose shape the kernels do not take.
  static Result<std::unique_ptr<GpuModel>> create(std::unique_ptr<Device> device, Model& model, ThreadPool& pool, const GpuOptions& options,
                                                  const LoadProgress& progress);

  Status forward(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top, float* hidden,
                 std::vector<cpu::TokenLogit>& best) override;

  const Device& device() const { return *device_; }
  Device& device() { return *device_; }
  KernelSet& kernels() { return kernels_; }
  const GpuWeights& weights() const { return weights_; }
  const Scratch& scratch() const { return scratch_; }
  const GpuCounts& counts() const { return counts_; }
  // "AMD Radeon 8060S (gfx1151, 2-bit weights)".
  std::string description() const;

 private:
  GpuModel(std::unique_ptr<Device> device, Model& model, const GpuOptions& options) : device_(std::move(device)), model_(model), options_(options) {}
  // Up to kPassTokens tokens. Adds what it finds to `best`.
  Status pass(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top, float* hidden, std::vector<cpu::TokenLogit>& best);
  Status prepare_sequences(std::span<const BatchToken> batch, std::span<const uint32_t> positions);
  void fill_inputs(std::span<const BatchToken> batch, std::span<const uint32_t> positions, uint32_t top);
  Status run_step(const PassPlan& plan);
  Status launch_with_copies(const PassPlan& plan);
  Status collect_step(std::span<const BatchToken> batch, uint32_t top, bool chosen, float* hidden, std::vector<cpu::TokenLogit>& best);

  // Members are destroyed in reverse: the device last.
  std::unique_ptr<Device> device_;
  Model& model_;
  GpuOptions options_;
  KernelSet kernels_;
  GpuWeights weights_;
  Scratch scratch_;
  std::map<uint32_t, Graph> graphs_;  // by tokens, KV type and whether the head runs
  GpuCounts counts_;

  // Of the pass in progress.
  std::vector<KvCache*> sequences_;
  std::vector<uint32_t> wanted_rows_;
};

}  // namespace onebit::gpu
