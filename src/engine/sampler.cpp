#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

namespace onebit {
namespace {

Status in_range(const char* name, double value, double min, double max) {
  if (!(value >= min && value <= max))
    return fail(Errc::out_of_range, "{}: {} is not from {} to {}", name, value, min, max);
  return {};
}

bool better(const cpu::TokenLogit& a, const cpu::TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

}  // namespace

Status check(const SamplerOptions& o) {
  ONEBIT_TRY(in_range("temperature", o.temperature, 0, 100));
  ONEBIT_TRY(in_range("top_k", static_cast<double>(o.top_k), 0, 1e9));
  ONEBIT_TRY(in_range("top_p", o.top_p, 0, 1));
  ONEBIT_TRY(in_range("min_p", o.min_p, 0, 1));
  ONEBIT_TRY(in_range("repeat_penalty", o.repeat_penalty, 0.01, 100));
  ONEBIT_TRY(in_range("repeat_last_n", static_cast<double>(o.repeat_last_n), -1, 1e9));
  ONEBIT_TRY(in_range("presence_penalty", o.presence_penalty, -100, 100));
  ONEBIT_TRY(in_range("frequency_penalty", o.frequency_penalty, -100, 100));
  for (const auto& [token, bias] : o.logit_bias)
    if (std::isnan(bias)) return fail(Errc::out_of_range, "logit_bias of token {} is not a number", token);
  return {};
}

double log_sum_exp(std::span<const float> logits) {
  const double best = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - best);
  return best + std::log(sum);
}

void Sampler::accept(Token token) {
  if (options_.repeat_last_n == 0) return;
  recent_.push_back(token);
  if (options_.repeat_last_n > 0 && recent_.size() > static_cast<size_t>(options_.repeat_last_n)) recent_.pop_front();
}

bool Sampler::adjusts() const {
  return options_.repeat_penalty != 1 || options_.presence_penalty != 0 || options_.frequency_penalty != 0 ||
         !options_.logit_bias.empty();
}

void Sampler::adjust(std::vector<cpu::TokenLogit>& logits) const {
  std::unordered_map<Token, int> seen;
  for (Token t : recent_) ++seen[t];
  for (auto& c : logits) {
    double l = static_cast<double>(c.logit);
    if (const auto it = seen.find(c.token); it != seen.end()) {
      l = l > 0 ? l / options_.repeat_penalty : l * options_.repeat_penalty;
      l -= options_.presence_penalty + options_.frequency_penalty * it->second;
    }
    if (const auto it = options_.logit_bias.find(c.token); it != options_.logit_bias.end()) l += it->second;
    c.logit = static_cast<float>(l);
  }
}

// A few rows from the compressed head are enough unless any row may rise above them.
constexpr uint32_t kFew = 1024;

// The best `wanted` candidates, best first.
Status Sampler::gather(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, uint32_t wanted) {
  candidates_.clear();
  if (!adjusts() && wanted <= kFew) {
    head.top(compute, hidden, wanted, candidates_);
    return {};
  }
  all_.resize(head.vocab());
  head.logits(compute, hidden, 1, all_.data());
  for (uint32_t i = 0; i < head.vocab(); ++i) candidates_.push_back({static_cast<int32_t>(i), all_[i]});
  keep_best(wanted);
  return {};
}

void Sampler::keep_best(uint32_t wanted) {
  if (adjusts()) adjust(candidates_);
  const auto keep = static_cast<std::ptrdiff_t>(std::min<size_t>(wanted, candidates_.size()));
  std::partial_sort(candidates_.begin(), candidates_.begin() + keep, candidates_.end(), better);
  candidates_.resize(static_cast<size_t>(keep));
}

// The best `wanted` of those allowed. Most often they are among the best of all: a longer and longer list of these is
// looked through before the whole vocabulary is.
Status Sampler::gather_allowed(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, uint32_t wanted, Constraint& constraint) {
  for (const uint32_t n : {uint32_t{1}, uint32_t{64}, kFew}) {
    if (adjusts() || n < wanted || n > head.vocab()) continue;
    head.top(compute, hidden, n, candidates_);
    size_t kept = 0;
    for (const cpu::TokenLogit& c : candidates_) {
      ONEBIT_ASSIGN(const bool yes, constraint.allows(c.token));
      if (yes) candidates_[kept++] = c;
      if (kept == wanted) break;
    }
    candidates_.resize(kept);
    if (kept == wanted) return {};
  }
  ONEBIT_ASSIGN(const std::span<const uint64_t> mask, constraint.mask());
  all_.resize(head.vocab());
  head.logits(compute, hidden, 1, all_.data());
  candidates_.clear();
  for (uint32_t i = 0; i < head.vocab() && i / 64 < mask.size(); ++i)
    if (mask[i / 64] >> (i % 64) & 1) candidates_.push_back({static_cast<int32_t>(i), all_[i]});
  if (candidates_.empty()) return fail(Errc::format, "grammar: no token of the vocabulary may come next");
  keep_best(wanted);
  return {};
}

Result<Token> Sampler::choose(cpu::OutputHead& head, cpu::Compute& compute, const float* hidden, Constraint* constraint) {
  if (options_.temperature == 0 && !adjusts() && !constraint) {
    const cpu::TokenLogit best = head.argmax(compute, hidden);
    if (!std::isfinite(best.logit)) return fail(Errc::format, "the largest logit is {}, expected a finite number", best.logit);
    return best.token;
  }
  candidates_.clear();
  const uint32_t count = wanted(head.vocab());
  ONEBIT_TRY(constraint ? gather_allowed(head, compute, hidden, count, *constraint) : gather(head, compute, hidden, count));
  return decide();
}

Result<Token> Sampler::choose(std::span<const float> logits, Constraint* constraint) {
  std::span<const uint64_t> mask;
  if (constraint) {
    ONEBIT_ASSIGN(mask, constraint->mask());
  }
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i)
    if (!constraint || (i / 64 < mask.size() && (mask[i / 64] >> (i % 64) & 1))) candidates_.push_back({static_cast<int32_t>(i), logits[i]});
  if (candidates_.empty()) return fail(Errc::format, "grammar: no token of the vocabulary may come next");
  keep_best(wanted(static_cast<uint32_t>(logits.size())));
  return decide();
}

bool Sampler::wants_all_logits(uint32_t vocab) const { return adjusts() || wanted(vocab) > kFew; }

uint32_t Sampler::wanted(uint32_t vocab) const {
  if (options_.temperature == 0) return 1;
  return options_.top_k == 0 ? vocab : static_cast<uint32_t>(std::min<int64_t>(options_.top_k, vocab));
}

// Among candidates_, best first.
Result<Token> Sampler::decide() {
  if (candidates_.empty() || !std::isfinite(candidates_[0].logit))
    return fail(Errc::format, "the largest logit is {}, expected a finite number",
                candidates_.empty() ? 0.0f : candidates_[0].logit);
  if (options_.temperature == 0) return candidates_[0].token;
  return draw(candidates_);
}

// logits: best first. Probabilities for top-p and min-p are those before temperature, as in llama.cpp.
Result<Token> Sampler::draw(std::vector<cpu::TokenLogit>& logits) {
  const double best = static_cast<double>(logits[0].logit);
  std::vector<double> p;
  double total = 0;
  for (const auto& c : logits) {
    p.push_back(std::exp(static_cast<double>(c.logit) - best));
    total += p.back();
  }
  size_t keep = p.size();
  if (options_.top_p < 1) {
    double sum = 0;
    for (keep = 0; keep < p.size();) {
      sum += p[keep++];
      if (sum >= options_.top_p * total) break;
    }
  }
  while (keep > 1 && p[keep - 1] < options_.min_p) --keep;

  total = 0;
  for (size_t i = 0; i < keep; ++i) {
    p[i] = std::exp((static_cast<double>(logits[i].logit) - best) / options_.temperature);
    total += p[i];
  }
  double u = uniform() * total;
  for (size_t i = 0; i + 1 < keep; ++i) {
    u -= p[i];
    if (u < 0) return logits[i].token;
  }
  return logits[keep - 1].token;
}

// SplitMix64 (Steele, Lea, Flood 2014): the same draws on every machine.
double Sampler::uniform() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

}  // namespace onebit
