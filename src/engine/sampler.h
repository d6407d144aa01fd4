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

// Logits of a text's next token that somebody computed already; what is missing choose() computes itself.
struct KnownLogits {
  std::span<const cpu::TokenLogit> best{};  // the largest ones as OutputHead::top() gives them; token -1: none
  std::span<const float> all{};             // [vocab], in full precision
};

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
  Result<Token> choose(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, Constraint* constraint = nullptr,
                       const KnownLogits& known = {});
  // How many of the largest logits choose() can do with where nothing constrains it; 0: it needs them all.
  uint32_t wants() const;

 private:
  // Where logits come from.
  struct Source {
    cpu::OutputHead& head;
    cpu::Compute& compute;
    const float* hidden;
    const KnownLogits& known;
  };

  bool adjusts() const;
  void adjust(std::vector<cpu::TokenLogit>& logits) const;
  uint32_t candidates(uint32_t vocab) const;
  Status gather(const Source& source, uint32_t wanted);
  Status gather_allowed(const Source& source, uint32_t wanted, Constraint& constraint);
  void take_top(const Source& source, uint32_t n);
  std::span<const float> take_all(const Source& source);
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
