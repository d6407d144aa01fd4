// What the handles of the model level hold. Each shares what it needs, so handles may be freed in any order.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "capi/boundary.h"
#include "capi/turns.h"
#include "engine/chat_format.h"
#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/session.h"

namespace onebit::capi {

// An engine serves one forward pass at a time: whoever touches more than its tokenizer and configuration holds `turns`.
struct SharedEngine {
  std::unique_ptr<Engine> engine;
  Turns turns;
};

}  // namespace onebit::capi

struct onebit_model {
  std::shared_ptr<onebit::capi::SharedEngine> shared;
  // Never changes after the load.
  onebit::ChatStyle chat_style{};
  std::string chat_format, isa, device, why_cpu;
  onebit_model_info info{};
};

struct onebit_tokenizer {
  std::shared_ptr<const onebit::Tokenizer> tokenizer;
  std::string kind;
};

struct onebit_sampler {
  explicit onebit_sampler(onebit::SamplerOptions options) : sampler(std::move(options)) {}
  onebit::Sampler sampler;
  mutable std::atomic<bool> busy{false};
};

struct onebit_session {
  onebit_session(std::shared_ptr<onebit::capi::SharedEngine> e, onebit::Session s, uint32_t b)
      : shared(std::move(e)), session(std::move(s)), batch(b) {}
  std::shared_ptr<onebit::capi::SharedEngine> shared;  // outlives `session`
  onebit::Session session;
  uint32_t batch;
  bool stale = false;   // the hidden state is that of a token which was forgotten
  bool broken = false;  // an exception left the text and its cache in no known state
  mutable std::atomic<bool> busy{false};
  std::atomic<bool> cancelled{false};
};
