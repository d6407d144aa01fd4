// Choosing the next token. The steps and their order are llama.cpp's: penalties and biases, top-k,
// top-p, min-p, temperature, draw.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "cpu/head.h"
#include "grammar/constraint.h"
#include "text/tokenizer.h"

namespace onebit {

struct SamplerOptions {
  double temperature = 0.8;        // 0: the most likely token
  int64_t top_k = 40;              // 0: all
  double top_p = 0.95;             // 1: off
  double min_p = 0.05;             // 0: off
  double repeat_penalty = 1.0;     // 1: off
  int64_t repeat_last_n = 64;      // tokens looked back on; 0: none, -1: all
  double presence_penalty = 0;
  double frequency_penalty = 0;
  uint64_t seed = 0;
  std::unordered_map<Token, double> logit_bias;  // added; -infinity bans a token
};

// Errors name the option, its value and its range.
Status check(const SamplerOptions& options);

// log of the sum of exp(logits), in double: a logit minus this is its log-probability. NaN logits give NaN.
double log_sum_exp(std::span<const float> logits);

class Sampler {
 public:
  explicit Sampler(SamplerOptions options) : options_(std::move(options)), state_(options_.seed) {}

  const SamplerOptions& options() const { return options_; }
  // Tokens the penalties look back on: the prompt, then what was chosen.
  void accept(Token token);
  void forget() { recent_.clear(); }

  // `hidden`: the final hidden state. With temperature 0 and no penalty or bias this is exactly the
  // token with the largest full-precision logit. Errors: logits that are not finite.
  // With a constraint only tokens that it allows are candidates; all else is the same, so temperature 0 gives the allowed
  // token with the largest full-precision logit. Errors: that no token is allowed.
  Result<Token> choose(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, Constraint* constraint = nullptr);
  // The same choice from all logits in full precision, [vocab], for a caller that computed those of several texts together.
  Result<Token> choose(std::span<const float> logits, Constraint* constraint = nullptr);
  // Whether choose() computes every logit.
  bool wants_all_logits(uint32_t vocab) const;

 private:
  bool adjusts() const;
  uint32_t wanted(uint32_t vocab) const;
  Result<Token> decide();
  void adjust(std::vector<cpu::TokenLogit>& logits) const;
  Status gather(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, uint32_t wanted);
  Status gather_allowed(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, uint32_t wanted, Constraint& constraint);
  void keep_best(uint32_t wanted);
  Result<Token> draw(std::vector<cpu::TokenLogit>& logits);
  double uniform();  // [0, 1)

  SamplerOptions options_;
  uint64_t state_;
  std::deque<Token> recent_;
  std::vector<cpu::TokenLogit> candidates_;
  std::vector<float> all_;
};

}  // namespace onebit
