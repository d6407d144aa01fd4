#include "grammar/matcher.h"

#include <algorithm>
#include <array>

#include "text/hash.h"

namespace onebit {

Matcher::Matcher(std::shared_ptr<const Grammar> grammar, const MatcherLimits& limits)
    : grammar_(std::move(grammar)), limits_(limits), seed_(hash_seed()), current_(grammar_->size(), kNone), waiting_(grammar_->size()) {
  find_classes();
  clear();
}

// Bytes that no edge tells apart share a column of the table of steps.
void Matcher::find_classes() {
  std::array<bool, 257> cut{};
  for (uint32_t s = 0; s < grammar_->size(); ++s)
    for (const auto* e = grammar_->edges(s); e != grammar_->edges_end(s); ++e)
      if (e->callee == Grammar::kBytes) cut[e->low] = cut[e->high + 1u] = true;
  uint32_t current = 0;
  for (unsigned b = 0; b < 256; ++b) {
    if (b > 0 && cut[b]) ++current;
    class_of_[b] = static_cast<uint8_t>(current);
  }
  classes_ = current + 1;
}

void Matcher::clear() {
  frames_.clear();
  items_.clear();
  steps_.clear();
  stack_index_.clear();
  state_index_.clear();
  unions_.clear();
  // The unknown stack counts as half of the depth there may be; localise() cuts off no more than that.
  stacks_.assign({{0, 0, 0, true, false, false}, {0, 0, limits_.depth / 2, false, true, true}});
  states_.assign(1, {0, 0, false, false});
  steps_.assign(classes_, kDead);   // of kDead
}

bool Matcher::spend(uint64_t units) {
  work_ += units;
  if (work_ <= limits_.work) return true;
  if (status_) status_ = fail(Errc::out_of_range, "grammar: one token takes more than {} steps: the grammar is too ambiguous", limits_.work);
  return false;
}

Matcher::StackId Matcher::intern_stack(std::span<const Frame> frames, bool bottom, bool unknown) {
  if (frames.empty() && bottom != unknown) return bottom ? kBottom : kUnknown;
  uint64_t h = hash_word(seed_, (frames.size() << 2) | (bottom ? 2u : 0u) | (unknown ? 1u : 0u));
  for (const Frame& f : frames) h = hash_mix(h, uint64_t{f.to} << 32 | f.below);
  const auto [begin, end] = stack_index_.equal_range(h);
  for (auto it = begin; it != end; ++it) {
    const Stack& s = stacks_[it->second];
    if (s.bottom == bottom && s.unknown == unknown && std::ranges::equal(std::span(frames_).subspan(s.first, s.count), frames)) return it->second;
  }
  spend(frames.size() + 1);
  const auto id = static_cast<StackId>(stacks_.size());
  Stack s{static_cast<uint32_t>(frames_.size()), static_cast<uint32_t>(frames.size()), 0, bottom, unknown, unknown};
  for (const Frame& f : frames) {
    s.depth = std::max(s.depth, stacks_[f.below].depth + 1);
    s.local |= stacks_[f.below].local;
  }
  frames_.insert(frames_.end(), frames.begin(), frames.end());
  stacks_.push_back(s);
  stack_index_.emplace(h, id);
  return id;
}

// kNone where the stack would be too deep.
Matcher::StackId Matcher::push(uint32_t to, StackId below) {
  if (stacks_[below].depth >= limits_.depth) return kNone;
  const Frame f{to, below};
  return intern_stack({&f, 1}, false, false);
}

Matcher::StackId Matcher::unite(StackId a, StackId b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  const uint64_t key = uint64_t{a} << 32 | b;
  if (const auto it = unions_.find(key); it != unions_.end()) return it->second;
  std::vector<Frame> merged;
  uint32_t i = 0, j = 0;
  while (i < stacks_[a].count || j < stacks_[b].count) {
    if (!spend(1)) return a;
    // frames_ may move while a union below is computed.
    const Frame* x = i < stacks_[a].count ? &frames_[stacks_[a].first + i] : nullptr;
    const Frame* y = j < stacks_[b].count ? &frames_[stacks_[b].first + j] : nullptr;
    if (x && y && x->to == y->to) {
      const uint32_t to = x->to;
      merged.push_back({to, unite(x->below, y->below)});
      ++i, ++j;
    } else if (!y || (x && x->to < y->to)) {
      merged.push_back(*x);
      ++i;
    } else {
      merged.push_back(*y);
      ++j;
    }
  }
  const StackId out = intern_stack(merged, stacks_[a].bottom || stacks_[b].bottom, stacks_[a].unknown || stacks_[b].unknown);
  unions_.emplace(key, out);
  return out;
}

void Matcher::add(uint32_t state, StackId stack) {
  StackId& now = current_[state];
  if (now == kNone) {
    now = stack;
    met_.push_back(state);
  } else {
    const StackId both = unite(now, stack);
    if (both == now) return;
    now = both;
  }
  if (waiting_[state]) return;
  waiting_[state] = true;
  pending_.push_back(state);
}

// What can be reached without input from the states met. A state whose stacks grew is looked at again; without left
// recursion stacks cannot grow for ever.
void Matcher::close() {
  for (size_t next = 0; next < pending_.size(); ++next) {
    const uint32_t s = pending_[next];
    waiting_[s] = false;
    const StackId stack = current_[s];
    for (const auto* e = grammar_->edges(s); e != grammar_->edges_end(s); ++e) {
      if (!spend(1)) return;
      if (e->callee == Grammar::kBytes) continue;
      if (e->callee == Grammar::kEmpty) {
        add(e->to, stack);
      } else if (grammar_->state(e->to).tail) {
        add(e->callee, stack);
      } else if (const StackId deeper = push(e->to, stack); deeper != kNone) {
        add(e->callee, deeper);
      } else {
        escaped_ |= stacks_[stack].local;   // too deep perhaps: the real stack decides
      }
    }
    if (!grammar_->state(s).final) continue;
    accepting_ |= stacks_[stack].bottom;
    escaped_ |= stacks_[stack].unknown;
    for (uint32_t i = 0; i < stacks_[stack].count; ++i) {
      if (!spend(1)) return;
      const Frame f = frames_[stacks_[stack].first + i];
      add(f.to, f.below);
    }
  }
}

Matcher::StateId Matcher::finish_state() {
  close();
  std::vector<Item> items;
  for (const uint32_t s : met_) {
    const bool reads = std::any_of(grammar_->edges(s), grammar_->edges_end(s), [](const Grammar::Edge& e) { return e.callee == Grammar::kBytes; });
    if (reads) items.push_back({s, current_[s]});
    current_[s] = kNone;
  }
  met_.clear();
  for (const uint32_t s : pending_) waiting_[s] = false;
  pending_.clear();
  std::ranges::sort(items, {}, &Item::state);
  const bool accepting = std::exchange(accepting_, false), escaped = std::exchange(escaped_, false);
  return status_ ? intern_state(items, accepting, escaped) : kDead;
}

Matcher::StateId Matcher::intern_state(std::span<const Item> items, bool accepting, bool escaped) {
  if (items.empty() && !accepting && !escaped) return kDead;
  uint64_t h = hash_word(seed_, (items.size() << 2) | (accepting ? 2u : 0u) | (escaped ? 1u : 0u));
  for (const Item& i : items) h = hash_mix(h, uint64_t{i.state} << 32 | i.stack);
  const auto [begin, end] = state_index_.equal_range(h);
  for (auto it = begin; it != end; ++it) {
    const State& s = states_[it->second];
    if (s.accepting == accepting && s.escaped == escaped && std::ranges::equal(std::span(items_).subspan(s.first, s.count), items)) return it->second;
  }
  // A new state costs a row of steps.
  spend(items.size() + 1 + classes_);
  const auto id = static_cast<StateId>(states_.size());
  states_.push_back({static_cast<uint32_t>(items_.size()), static_cast<uint32_t>(items.size()), accepting, escaped});
  items_.insert(items_.end(), items.begin(), items.end());
  steps_.resize(steps_.size() + classes_, kUnset);
  state_index_.emplace(h, id);
  return id;
}

Matcher::StateId Matcher::start() {
  add(grammar_->start(), kBottom);
  return finish_state();
}

Matcher::StateId Matcher::compute(StateId from, uint8_t byte) {
  if (!status_) return kDead;
  const uint32_t first = states_[from].first, count = states_[from].count;
  for (uint32_t i = first; i < first + count; ++i) {
    const Item item = items_[i];
    if (!spend(static_cast<uint64_t>(grammar_->edges_end(item.state) - grammar_->edges(item.state)))) break;
    for (const auto* e = grammar_->edges(item.state); e != grammar_->edges_end(item.state); ++e)
      if (e->callee == Grammar::kBytes && e->low <= byte && byte <= e->high) add(e->to, item.stack);
  }
  const StateId to = finish_state();
  if (status_) steps_[size_t{from} * classes_ + class_of_[byte]] = to;
  return to;
}

// The stack with `cut` below it taken as unknown; kNone where another bottom shows.
Matcher::StackId Matcher::replace(StackId stack, StackId cut, std::unordered_map<StackId, StackId>& done) {
  if (stack == cut) return kUnknown;
  if (const auto it = done.find(stack); it != done.end()) return it->second;
  StackId out = kNone;
  const Stack s = stacks_[stack];
  if (!spend(s.count + 1)) return kNone;
  if (!s.bottom && !s.unknown && s.count > 0 && s.depth > stacks_[cut].depth) {
    std::vector<Frame> frames;
    for (uint32_t i = 0; i < s.count; ++i) {
      const Frame f = frames_[s.first + i];
      const StackId below = replace(f.below, cut, done);
      if (below == kNone) break;
      frames.push_back({f.to, below});
    }
    if (frames.size() == s.count) out = intern_stack(frames, false, false);
  }
  done.emplace(stack, out);
  return out;
}

Matcher::StateId Matcher::localise(StateId from) {
  const State s = states_[from];
  if (s.count == 0 || s.escaped) return from;
  StackId cut = items_[s.first].stack;
  for (uint32_t i = 1; i < s.count; ++i) {
    const StackId other = items_[s.first + i].stack;
    if (stacks_[other].depth < stacks_[cut].depth) cut = other;
  }
  if (stacks_[cut].depth > limits_.depth / 2) return from;
  std::unordered_map<StackId, StackId> done;
  std::vector<Item> items;
  for (uint32_t i = 0; i < s.count; ++i) {
    const Item item = items_[s.first + i];
    const StackId stack = replace(item.stack, cut, done);
    if (stack == kNone) return from;
    items.push_back({item.state, stack});
  }
  return intern_state(items, false, false);
}

bool Matcher::collect(StateId& keep) {
  work_ = 0;
  if (states_.size() <= limits_.states && stacks_.size() <= 4 * size_t{limits_.states} && unions_.size() <= 16 * size_t{limits_.states}) return false;
  // Copies the stacks below the state kept, those beneath first.
  const State state = states_[keep];
  const std::vector<Item> items(items_.begin() + state.first, items_.begin() + state.first + state.count);
  const std::vector<Stack> old_stacks = std::move(stacks_);
  const std::vector<Frame> old_frames = std::move(frames_);
  clear();
  std::unordered_map<StackId, StackId> moved{{kBottom, kBottom}, {kUnknown, kUnknown}};
  std::vector<StackId> todo;
  for (const Item& i : items) todo.push_back(i.stack);
  while (!todo.empty()) {
    const StackId id = todo.back();
    const Stack& s = old_stacks[id];
    const std::span frames = std::span(old_frames).subspan(s.first, s.count);
    bool ready = true;
    for (const Frame& f : frames)
      if (!moved.contains(f.below)) todo.push_back(f.below), ready = false;
    if (!ready) continue;
    todo.pop_back();
    if (moved.contains(id)) continue;
    std::vector<Frame> copy(frames.begin(), frames.end());
    for (Frame& f : copy) f.below = moved.at(f.below);
    moved.emplace(id, intern_stack(copy, s.bottom, s.unknown));
  }
  std::vector<Item> kept = items;
  for (Item& i : kept) i.stack = moved.at(i.stack);
  keep = intern_state(kept, state.accepting, state.escaped);
  work_ = 0;
  return true;
}

}  // namespace onebit
