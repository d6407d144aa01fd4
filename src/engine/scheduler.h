// Continuous batching: many texts generated at once over one model. Each step of one engine thread is one forward pass
// over the next token of every text in generation and a piece of a prompt that is still being read, so that all of
// them share the read of the weights and a long prompt stalls nobody.
//
// What a request gives does not depend on its neighbours, on how its prompt was cut, or on what was cached: the forward
// pass is the same, bit for bit, in any batch (docs/exactness.md), and each request has a sampler of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "grammar/constraint.h"

namespace onebit {

struct SchedulerOptions {
  uint32_t parallel = 4;      // texts at once, 1 .. 256
  uint32_t queue = 64;        // requests that may wait for one of them
  uint32_t context = 0;       // positions of each text; 0: the model's own. More than the model's own is an error.
  uint32_t chunk = 64;        // prompt tokens of one step: the longest time that anybody waits for somebody's prompt
  cpu::KvType kv = cpu::KvType::f16;
  bool prefix_cache = true;   // a finished text's keys and values serve the next that begins in the same way
};


struct TokenChance {
  Token token;
  float logprob;  // natural, of the model's own distribution: before penalties, temperature and truncation
};

struct Generated {
  Token token;
  float logprob;                       // 0 unless asked for
  std::span<const TokenChance> top;    // the most likely, best first
};

enum class Ending : uint8_t { length, end_of_text, stopped, cancelled, timed_out, failed };

struct RequestStats {
  uint32_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double queued_s = 0, prompt_s = 0, decode_s = 0;  // waiting; until the prompt was read; after that
};

struct RequestEnd {
  Ending ending = Ending::failed;
  RequestStats stats;
  Error error{};                // with Ending::failed
  std::vector<float> embedding{}; // [dim], of a request for one
};

struct Request {
  using Clock = std::chrono::steady_clock;

  std::vector<Token> prompt;
  SamplerOptions sampling{};
  int64_t limit = -1;           // tokens to generate; negative: until the context is full
  bool ignore_end = false;
  int top_logprobs = -1;        // how many `top` of Generated holds, and logprob too from 0 on
  std::optional<Constraint> constraint{};  // what may come next: a grammar
  bool embedding = false;       // the mean of the final hidden states of the prompt, and no text
  Clock::time_point deadline = Clock::time_point::max();

  // Called by the engine thread, so they must not block. on_token: false ends the text (Ending::stopped). A token that
  // ends the text is not passed on unless `ignore_end`. on_end comes exactly once, last.
  std::function<bool(const Generated&)> on_token{};
  std::function<void(RequestEnd&&)> on_end{};
};

struct SlotState {
  bool busy = false, reading = false;  // reading: its prompt
  uint64_t request = 0;
  uint32_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  uint32_t positions = 0;  // in the KV cache, kept after the request ended
};

struct SchedulerCounters {
  uint64_t accepted = 0, refused = 0;
  uint64_t endings[6] = {};            // by Ending
  uint64_t steps = 0, batch_tokens = 0;
  uint64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
  double busy_s = 0;                   // spent in steps
  uint32_t active = 0, waiting = 0;    // at this moment
};

// Why a request was not taken.
struct Refusal {
  bool busy = false;  // the same request may be taken later
  Error error;
};

class Scheduler {
 public:
  // The engine is the scheduler's alone from here on. Errors: an option out of range.
  static Result<std::unique_ptr<Scheduler>> create(Engine& engine, const SchedulerOptions& options);
  ~Scheduler();  // cancels what is left
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // All of them or none. Ids in order, for cancel(). Errors: a prompt that is empty or leaves no room in the context,
  // options out of range (Errc::out_of_range); `busy` when the queue has no room or after drain() was called.
  std::expected<std::vector<uint64_t>, Refusal> submit(std::vector<Request> requests);
  // Ends a request with Ending::cancelled before the next step; nothing when it has ended.
  void cancel(uint64_t id);
  void cancel_all();

  // Refuses new requests. True when all others have ended by then; else they go on.
  bool drain(Request::Clock::time_point until);

  uint32_t context() const { return context_; }
  const SchedulerOptions& options() const { return options_; }
  std::vector<SlotState> slots() const;
  SchedulerCounters counters() const;
  // Between two steps; what the engine's devices did.
  PlacementReport placement() const;

 private:
  struct Job;
  struct Slot;

  Scheduler(Engine& engine, const SchedulerOptions& options, uint32_t context);
  Status check(const Request& request) const;
  void run();
  void sweep(std::vector<std::shared_ptr<Job>>& ended);
  void admit();
  Slot* slot_for(const Job& job);
  void plan();
  void step();
  Status evaluate(std::span<const BatchToken> batch, bool prompt);
  void evaluate_alone();
  void advance();
  void take(Slot& slot, const float* hidden, const KnownLogits& known);
  void finish(Slot& slot, Ending ending, Error error = {});
  void publish();

  Engine& engine_;
  SchedulerOptions options_;
  uint32_t context_;

  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::shared_ptr<Job>> queue_;      // guarded by mutex_
  std::vector<std::shared_ptr<Job>> live_;      // in slots; guarded by mutex_
  bool stop_ = false, draining_ = false;
  uint64_t next_id_ = 1;
  SchedulerCounters counters_;
  std::vector<SlotState> states_;
  mutable std::mutex engine_mutex_;             // held during a step

  // Of the engine thread.
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<BatchToken> batch_;
  Activations activations_;
  std::vector<float> hidden_, logits_;
  std::vector<std::vector<cpu::TokenLogit>> tops_;  // of the texts that need a few logits
  std::vector<TokenChance> chances_;
  uint64_t clock_ = 0;
  std::thread thread_;
};

}  // namespace onebit
