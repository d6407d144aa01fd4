// One forward pass as launches on a GPU, top to bottom as in src/model/forward.cpp.
#pragma once

#include <span>

#include "gpu/runtime/gpu_weights.h"
#include "gpu/runtime/scratch.h"

namespace onebit::gpu {

// Tokens of a pass, on the host, and where they are on the device.
struct PassTokens {
  std::span<const Token> host;
  const Token* device;
  uint32_t count() const { return static_cast<uint32_t>(host.size()); }
};

struct PassPlan {
  PassTokens all;
  PassTokens wanted;                     // a part of them, in order
  std::span<const uint32_t> wanted_rows; // their places in `all`
  cpu::KvType kv;
  bool choose;                           // run the output head; wanted.count() <= kStepTokens
};

// Launches a whole pass over the scratch's inputs. The hidden states of the wanted tokens end in scratch.results, choices
// too where plan.choose says so. Where wanted has as many tokens as all, nothing of `host` decides what is launched, and a
// recording serves later passes with as many tokens.
class Pass {
 public:
  Pass(KernelSet& kernels, const ModelConfig& config, const GpuWeights& weights, const Scratch& scratch)
      : kernels_(kernels), c_(config), w_(weights), s_(scratch) {}
  Status launch(const PassPlan& plan);
  // The linear layers of all layers alone, for `tokens` tokens whose inputs are whatever the scratch holds: to time them.
  Status launch_linears(uint32_t tokens);

 private:
  // What the linear layers of one input read: `x` floats and, where a ternary matrix does, their int8 form.
  struct Input {
    const float* x;
    uint32_t cols;
  };
  struct Output {
    const GpuMatrix* w;
    float* to;
  };
  // What has to be normalised and quantised next: it is folded into a GEMV where that makes its input.
  struct Norm {
    const float* x;
    const Memory* weight;  // may be empty
    uint32_t cols;
    bool ternary, floats;  // who reads it
    float* y = nullptr;    // where floats go; null: scratch.y, when they are wanted
  };

  NormQuantArgs norm_args(const Norm& n) const;
  Input input_of(const Norm& n) const;
  Status norm(const Norm& n);
  Status products(const Input& in, std::initializer_list<Output> outs, Epilogue epilogue, const Norm* next);
  Status gemv(const Input& in, std::span<const Output> outs, Epilogue epilogue, float up_scale, const Norm* next);
  Status gemm(const Input& in, const Output& out, Epilogue epilogue, float up_scale);
  Status float_product(const Input& in, const Output& out, bool add);
  Status feed_forward(const GpuLayer& l, const Norm& gate_norm, const Norm& down_norm);
  Status rotate_and_store(uint32_t layer);
  Status keep_wanted(const PassPlan& plan);
  Status attend(uint32_t layer);
  Status attend_some(uint32_t layer, uint32_t first, uint32_t count, bool prefill);
  Status head();
  KvShape kv_shape(uint32_t layer) const;
  LinearArgs linear_args(const Input& in, Epilogue epilogue, float up_scale) const;

  KernelSet& kernels_;
  const ModelConfig& c_;
  const GpuWeights& w_;
  const Scratch& s_;
  PassTokens tokens_{};
  cpu::KvType kv_ = cpu::KvType::f16;
};

}  // namespace onebit::gpu
