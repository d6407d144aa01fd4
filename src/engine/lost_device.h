// A text whose keys and values were on a device that is gone.
#pragma once

#include <span>

#include "base/result.h"
#include "engine/engine.h"
#include "model/kv_cache.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace onebit {

// After Placement::leave_gpu(): `tokens` were in `kv`, and those of them that only the device had are evaluated again, up
// to `batch` at a time. Errors: those of Model::forward; `kv` then holds what was evaluated.
Status evaluate_again(Engine& engine, KvCache& kv, Activations& activations, std::span<const Token> tokens, uint32_t batch);

}  // namespace onebit
