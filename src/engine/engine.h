// A model ready to run: file, tokenizer, weights, threads and kernels. One per process is usual; any
// number of sessions share it, one forward pass at a time.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/thread_pool.h"
#include "cpu/isa.h"
#include "cpu/linear.h"
#include "engine/placement.h"
#include "format/gguf.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace onebit {

struct EngineOptions {
  std::string path;
  unsigned threads = 0;      // 0: one per CPU this process may use
  std::string isa = "auto";  // see cpu::parse_isa
  I2sLayout i2s = I2sLayout::automatic;
  PlacementOptions placement{};
};

class Engine {
 public:
  static Result<std::unique_ptr<Engine>> load(const EngineOptions& options, const LoadProgress& progress = {});

  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Gguf& file() const { return gguf_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  Model& model() { return *model_; }
  const Model& model() const { return *model_; }
  cpu::Compute& compute() { return *compute_; }
  Placement& placement() { return *placement_; }
  const Placement& placement() const { return *placement_; }
  unsigned threads() const { return pool_.size(); }

 private:
  explicit Engine(unsigned threads) : pool_(threads) {}

  ThreadPool pool_;
  Gguf gguf_;
  std::optional<cpu::Compute> compute_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<Model> model_;
  std::unique_ptr<Placement> placement_;
};

}  // namespace onebit
