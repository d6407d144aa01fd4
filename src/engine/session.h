// One text being read and written: its tokens, its KV cache, and the loop that generates.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace onebit {

struct SessionOptions {
  uint32_t context = 0;  // positions; 0: the model's own. More than the model's own is an error.
  uint32_t batch = 512;  // prompt tokens per forward pass
  cpu::KvType kv = cpu::KvType::f16;
};

enum class Finish { length, end_of_text, stopped };

class Session {
 public:
  static Result<Session> create(Engine& engine, const SessionOptions& options);

  // Evaluates tokens and keeps the hidden state of the last one. `progress`, called between batches
  // with the share done, may return false to stop early: Errc::cancelled, with what was evaluated kept.
  Status feed(std::span<const Token> tokens, const std::function<bool(double)>& progress = {});
  // The same, with hidden states of every token: out[tokens.size()][dim].
  Status feed_all(std::span<const Token> tokens, float* out);
  // Appends one token as generate() does, in the decode phase.
  Status append(Token token) { return feed(Phase::decode, {&token, 1}, {}); }

  // Forgets everything after the first `count` tokens.
  void truncate(uint32_t count);

  Result<Token> choose(Sampler& sampler, Constraint* constraint = nullptr);

  // Generates up to `limit` tokens (negative: until the context is full) after what was fed. Each token
  // goes to `on_token` with its bytes (which may end inside a UTF-8 sequence); false stops. A token that
  // ends the text is not passed on unless `ignore_end`. The chosen tokens are part of the session.
  // With a constraint tokens are chosen among those that it allows, and the text ends with it, `ignore_end` or not.
  using OnToken = std::function<bool(Token token, const std::string& bytes)>;
  Result<Finish> generate(Sampler& sampler, int64_t limit, bool ignore_end, const OnToken& on_token, Constraint* constraint = nullptr);

  std::span<const Token> tokens() const { return tokens_; }
  uint32_t context() const { return kv_.context(); }
  KvCache& kv() { return kv_; }
  const KvCache& kv() const { return kv_; }
  Engine& engine() { return *engine_; }
  // The hidden state of the last token fed: [dim].
  const float* hidden() const { return hidden_.data(); }

 private:
  Session(Engine& engine, const SessionOptions& options, uint32_t context);
  Status evaluate(Phase phase, std::span<const Token> tokens, bool all, float* out);
  Status feed(Phase phase, std::span<const Token> tokens, const std::function<bool(double)>& progress);

  Engine* engine_;
  uint32_t batch_;
  KvCache kv_;
  Activations activations_;
  std::vector<Token> tokens_;
  std::vector<BatchToken> pending_;
  std::vector<float> hidden_;
  std::vector<cpu::TokenLogit> best_;  // the largest logits of hidden_, where a device found them
};

}  // namespace onebit
