#include "engine/lost_device.h"

#include <algorithm>
#include <vector>

namespace onebit {

Status evaluate_again(Engine& engine, KvCache& kv, Activations& activations, std::span<const Token> tokens, uint32_t batch) {
  kv.device.reset();
  kv.on_device = 0;
  kv.length = static_cast<uint32_t>(tokens.size());
  kv.trim();
  kv.length = kv.on_host;
  engine.placement().enter(Phase::prefill);
  std::vector<BatchToken> pending;
  while (kv.length < tokens.size()) {
    pending.clear();
    for (const Token t : tokens.subspan(kv.length, std::min<size_t>(batch, tokens.size() - kv.length))) pending.push_back({t, &kv, false});
    ONEBIT_TRY(engine.model().forward(pending, activations, engine.compute(), nullptr));
  }
  return {};
}

}  // namespace onebit
