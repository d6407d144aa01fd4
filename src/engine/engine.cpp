#include "engine/engine.h"

namespace onebit {

Result<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options, const LoadProgress& progress) {
  ONEBIT_ASSIGN(const cpu::Isa isa, cpu::parse_isa(options.isa));
  std::unique_ptr<Engine> e(new Engine(options.threads));
  ONEBIT_ASSIGN(e->gguf_, Gguf::open(options.path));
  ONEBIT_ASSIGN(e->compute_, cpu::Compute::create(isa, e->pool_));
  auto tokenizer = Tokenizer::from_gguf(e->gguf_);
  if (!tokenizer) return with_context(tokenizer.error(), options.path);
  e->tokenizer_.emplace(std::move(*tokenizer));
  ONEBIT_ASSIGN(e->model_, Model::load(e->gguf_, options.i2s, *e->compute_, progress));
  const size_t vocab = e->model_->config().vocab;
  if (e->tokenizer_->size() > vocab)
    return fail(Errc::format, "{}: the tokenizer has {} tokens, but token_embd.weight only {} rows", options.path,
                e->tokenizer_->size(), vocab);
  ONEBIT_ASSIGN(e->placement_, Placement::create(options.placement, *e->model_, *e->compute_, progress));
  return e;
}

}  // namespace onebit
