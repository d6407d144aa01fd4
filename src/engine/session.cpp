#include "engine/session.h"

#include <algorithm>

#include "engine/lost_device.h"

namespace onebit {

Session::Session(Engine& engine, const SessionOptions& options, uint32_t context)
    : engine_(&engine),
      batch_(std::max(options.batch, 1u)),
      kv_(engine.model().config(), options.kv, context),
      hidden_(engine.model().config().dim) {}

Result<Session> Session::create(Engine& engine, const SessionOptions& options) {
  const uint32_t most = engine.model().config().context;
  if (options.context > most)
    return fail(Errc::out_of_range, "context of {} tokens asked for, the model has at most {}", options.context, most);
  return Session(engine, options, options.context ? options.context : most);
}

Status Session::evaluate(Phase phase, std::span<const Token> tokens, bool all, float* out) {
  pending_.clear();
  for (size_t i = 0; i < tokens.size(); ++i) pending_.push_back({tokens[i], &kv_, all || i + 1 == tokens.size()});
  Placement& placement = engine_->placement();
  placement.enter(phase);
  const Status done = engine_->model().forward(pending_, activations_, engine_->compute(), out);
  // A cache that was on the device cannot come back from one that is lost, wherever this pass was to run.
  const bool touched_device = engine_->model().device() || kv_.device;
  if (!done && touched_device && placement.leave_gpu(done.error())) {
    ONEBIT_TRY(evaluate_again(*engine_, kv_, activations_, tokens_, batch_));
    return evaluate(phase, tokens, all, out);
  }
  ONEBIT_TRY(done);
  const size_t wanted = all ? tokens.size() : 1;
  best_.assign(activations_.best.end() - static_cast<ptrdiff_t>(activations_.best.size() / wanted), activations_.best.end());
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return {};
}

Status Session::feed(std::span<const Token> tokens, const std::function<bool(double)>& progress) {
  return feed(Phase::prefill, tokens, progress);
}

Status Session::feed(Phase phase, std::span<const Token> tokens, const std::function<bool(double)>& progress) {
  if (tokens.size() > kv_.context() - kv_.length)
    return fail(Errc::out_of_range, "{} tokens do not fit: {} of the {} positions of the context are in use", tokens.size(),
                kv_.length, kv_.context());
  for (size_t at = 0; at < tokens.size();) {
    const size_t n = std::min<size_t>(batch_, tokens.size() - at);
    ONEBIT_TRY(evaluate(phase, tokens.subspan(at, n), false, hidden_.data()));
    at += n;
    if (progress && !progress(static_cast<double>(at) / static_cast<double>(tokens.size())) && at < tokens.size())
      return fail(Errc::cancelled, "stopped after {} of {} prompt tokens", at, tokens.size());
  }
  return {};
}

Status Session::feed_all(std::span<const Token> tokens, float* out) {
  const uint32_t dim = engine_->model().config().dim;
  for (size_t at = 0; at < tokens.size();) {
    const size_t n = std::min<size_t>(batch_, tokens.size() - at);
    ONEBIT_TRY(evaluate(Phase::prefill, tokens.subspan(at, n), true, out + at * dim));
    at += n;
  }
  if (!tokens.empty()) std::copy_n(out + (tokens.size() - 1) * dim, dim, hidden_.data());
  return {};
}

void Session::truncate(uint32_t count) {
  if (count >= tokens_.size()) return;
  tokens_.resize(count);
  kv_.length = count;
}

Result<Token> Session::choose(Sampler& sampler, Constraint* constraint) {
  activations_.top = constraint ? 0 : sampler.wants();  // in the passes to come
  return sampler.choose(engine_->model().head(), engine_->compute(), hidden_.data(), constraint, {.best = best_});
}

Result<Finish> Session::generate(Sampler& sampler, int64_t limit, bool ignore_end, const OnToken& on_token, Constraint* constraint) {
  const Tokenizer& tokenizer = engine_->tokenizer();
  if (tokens_.empty()) return fail(Errc::usage, "there is no token to continue from: the prompt is empty");
  for (int64_t n = 0; limit < 0 || n < limit; ++n) {
    if (kv_.length == kv_.context()) return Finish::length;
    ONEBIT_ASSIGN(const Token token, choose(sampler, constraint));
    if (constraint) ONEBIT_TRY(constraint->accept(token));
    sampler.accept(token);
    const bool end = tokenizer.is_end(token) && (!ignore_end || constraint);
    const bool go_on = end || on_token(token, tokenizer.piece(token));
    ONEBIT_TRY(feed(Phase::decode, {&token, 1}, {}));
    if (end) return Finish::end_of_text;
    if (!go_on) return Finish::stopped;
    if (constraint && constraint->finished()) return Finish::end_of_text;
  }
  return Finish::length;
}

}  // namespace onebit
