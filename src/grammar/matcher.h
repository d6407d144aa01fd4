// Runs a grammar over bytes: all parses at once, as a deterministic automaton built while it is used.
//
// A configuration is a state of the grammar's automaton and the stack of states to return to. All stacks that one
// automaton state can have are one node of a hash-consed graph: a node is a set of (return state, node below), one entry
// for each return state, so equal sets of stacks are the same node and a matcher state never holds an automaton state
// twice. That bounds the work per byte whatever the ambiguity of the grammar. Steps are remembered.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace onebit {

struct MatcherLimits {
  uint32_t depth = 512;              // nesting of rules; what would nest deeper is not offered
  uint32_t states = 1 << 14;         // remembered at a time; more are forgotten between tokens, not an error
  uint64_t work = uint64_t{1} << 22; // units of work between two calls of collect(); more is an error
};

class Matcher {
 public:
  using StateId = uint32_t;
  static constexpr StateId kDead = 0;

  explicit Matcher(std::shared_ptr<const Grammar> grammar, const MatcherLimits& limits = {});

  StateId start();
  // The state after one more byte, kDead where no text of the grammar goes on so.
  StateId step(StateId from, uint8_t byte) {
    StateId& to = steps_[size_t{from} * classes_ + class_of_[byte]];
    return to != kUnset ? to : compute(from, byte);
  }
  bool accepting(StateId s) const { return states_[s].accepting; }
  bool can_continue(StateId s) const { return states_[s].count != 0; }

  // The state with what lies below its lowest stack unknown: many states share one, and what follows from it alone holds
  // for all of them. `escaped` is true of states reached from it where the unknown part would decide. The state itself
  // where nothing can be cut off.
  StateId localise(StateId s);
  bool escaped(StateId s) const { return states_[s].escaped; }

  // The error, once a limit was passed; steps since then are not to be used.
  const Status& status() const { return status_; }
  // Between tokens: starts the count of work anew and, where too many states are remembered, forgets all but `keep`,
  // which may get another id. True when states were forgotten: other ids are void.
  bool collect(StateId& keep);
  size_t remembered() const { return states_.size(); }

 private:
  using StackId = uint32_t;
  struct Frame {
    uint32_t to;
    StackId below;
    bool operator==(const Frame&) const = default;
  };
  struct Stack {
    uint32_t first, count;   // in frames_, ascending by `to`
    uint32_t depth;
    bool bottom, unknown;    // the empty stack, and an unknown one, belong to the set
    bool local;              // an unknown stack is somewhere below
  };
  struct Item {
    uint32_t state;
    StackId stack;
    bool operator==(const Item&) const = default;
  };
  struct State {
    uint32_t first, count;   // in items_, ascending by `state`; only states with edges on bytes
    bool accepting, escaped;
  };
  static constexpr StateId kUnset = UINT32_MAX;
  static constexpr StackId kNone = UINT32_MAX, kBottom = 0, kUnknown = 1;

  void clear();
  void find_classes();
  bool spend(uint64_t units);
  StateId compute(StateId from, uint8_t byte);
  void add(uint32_t state, StackId stack);
  void close();
  StateId finish_state();
  StackId push(uint32_t to, StackId below);
  StackId unite(StackId a, StackId b);
  StackId intern_stack(std::span<const Frame> frames, bool bottom, bool unknown);
  StateId intern_state(std::span<const Item> items, bool accepting, bool escaped);
  StackId replace(StackId stack, StackId cut, std::unordered_map<StackId, StackId>& done);

  std::shared_ptr<const Grammar> grammar_;
  MatcherLimits limits_;
  Status status_;
  uint64_t work_ = 0;
  uint64_t seed_;

  uint32_t classes_ = 0;
  uint8_t class_of_[256] = {};

  std::vector<Frame> frames_;
  std::vector<Stack> stacks_;
  std::vector<Item> items_;
  std::vector<State> states_;
  std::vector<StateId> steps_;   // [states][classes]
  std::unordered_multimap<uint64_t, StackId> stack_index_;
  std::unordered_multimap<uint64_t, StateId> state_index_;
  std::unordered_map<uint64_t, StackId> unions_;

  // The closure being computed: the stack set of each automaton state met, by state.
  std::vector<StackId> current_;
  std::vector<bool> waiting_;   // is behind the place in pending_ that is being looked at
  std::vector<uint32_t> met_, pending_;
  bool accepting_ = false, escaped_ = false;
};

}  // namespace onebit
