#include "grammar/constraint.h"

#include <algorithm>

namespace onebit {
namespace {

constexpr size_t kLocalsKept = 256;   // some 16 KB each for a vocabulary of 128k

void set_bit(std::vector<uint64_t>& bits, Token t) { bits[static_cast<size_t>(t) / 64] |= uint64_t{1} << (static_cast<size_t>(t) % 64); }

}  // namespace

Result<Constraint> Constraint::create(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie, const MatcherLimits& limits) {
  Constraint c(Matcher(std::move(grammar), limits), std::move(trie));
  ONEBIT_TRY(c.reset());
  return c;
}

Status Constraint::reset() {
  ended_ = false;
  state_ = matcher_.start();
  return matcher_.status();
}

Matcher::StateId Constraint::walk(std::string_view bytes) {
  Matcher::StateId s = state_;
  for (const char c : bytes) {
    if (s == Matcher::kDead) break;
    s = matcher_.step(s, static_cast<uint8_t>(c));
  }
  return s;
}

Result<bool> Constraint::allows(Token token) {
  if (trie_->is_end(token)) return may_end();
  const std::string_view bytes = trie_->bytes(token);
  if (ended_ || bytes.empty()) return false;
  const bool yes = walk(bytes) != Matcher::kDead;
  ONEBIT_TRY(matcher_.status());
  return yes;
}

Status Constraint::accept(Token token) {
  ONEBIT_ASSIGN(const bool yes, allows(token));
  if (!yes) return fail(Errc::usage, "grammar: token {} is not allowed here", token);
  if (trie_->is_end(token))
    ended_ = true;
  else
    state_ = walk(trie_->bytes(token));
  collect();
  return {};
}

void Constraint::collect() {
  if (matcher_.collect(state_) || locals_.size() > kLocalsKept) locals_.clear();
}

// The tokens in the subtree of `node`, from `state`, which was reached there. With `open`, nodes at which a state is
// escaped go there instead, with all that lies below them.
void Constraint::visit(uint32_t node, Matcher::StateId state, std::vector<uint64_t>& allowed, std::vector<uint32_t>* open) {
  const auto nodes = trie_->nodes();
  const auto tokens = trie_->tokens();
  struct Step {
    uint32_t node;
    Matcher::StateId state;
  };
  std::vector<Step> path{{node, state}};
  const uint32_t end = nodes[node].skip;
  for (uint32_t n = node + 1; n < end;) {
    while (path.back().node != nodes[n].parent) path.pop_back();
    const Matcher::StateId to = matcher_.step(path.back().state, nodes[n].byte);
    if (to == Matcher::kDead) {
      n = nodes[n].skip;
      continue;
    }
    if (open && matcher_.escaped(to)) {
      open->push_back(n);
      n = nodes[n].skip;
      continue;
    }
    for (uint32_t t = nodes[n].first; t < nodes[n + 1].first; ++t) set_bit(allowed, tokens[t]);
    path.push_back({n, to});
    ++n;
  }
}

const Constraint::Local& Constraint::local(Matcher::StateId state) {
  const auto [it, added] = locals_.try_emplace(state);
  if (added) {
    it->second.allowed.assign(mask_.size(), 0);
    visit(0, state, it->second.allowed, &it->second.open);
  }
  return it->second;
}

Matcher::StateId Constraint::at_node(uint32_t node) {
  std::vector<uint8_t> bytes;
  for (uint32_t n = node; n != 0; n = trie_->nodes()[n].parent) bytes.push_back(trie_->nodes()[n].byte);
  Matcher::StateId s = state_;
  for (size_t i = bytes.size(); i-- > 0 && s != Matcher::kDead;) s = matcher_.step(s, bytes[i]);
  return s;
}

Result<std::span<const uint64_t>> Constraint::mask() {
  mask_.assign((trie_->vocab() + 63) / 64, 0);
  if (!ended_) {
    const Local& known = local(matcher_.localise(state_));
    std::ranges::copy(known.allowed, mask_.begin());
    for (const uint32_t n : known.open) {
      const Matcher::StateId s = at_node(n);
      if (s == Matcher::kDead) continue;
      for (uint32_t t = trie_->nodes()[n].first; t < trie_->nodes()[n + 1].first; ++t) set_bit(mask_, trie_->tokens()[t]);
      visit(n, s, mask_, nullptr);
    }
    ONEBIT_TRY(matcher_.status());
    if (may_end())
      for (const Token t : trie_->ends()) set_bit(mask_, t);
  }
  return std::span<const uint64_t>(mask_);
}

}  // namespace onebit
