// Context-free grammars over bytes, from GBNF (the notation of llama.cpp, docs/grammars.md). A grammar is immutable and
// may be shared by threads; Matcher (matcher.h) runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit {

struct GrammarLimits {
  size_t source_bytes = size_t{1} << 20;
  size_t depth = 64;               // nesting of groups
  uint32_t rules = 20'000;
  uint32_t states = 200'000;       // of all rules together; a repetition {m,n} takes at least n
};

class Grammar {
 public:
  // `root`: the rule to begin with. Errors name the line: syntax, a rule that is missing, defined twice or left-recursive
  // (directly or through others, which a recogniser from left to right cannot follow), a limit.
  static Result<std::shared_ptr<const Grammar>> parse(std::string_view gbnf, std::string_view root = "root",
                                                      const GrammarLimits& limits = {});

  // The compiled form: one nondeterministic automaton per rule, all in one table. A state's edges are
  // edges[states[s].first .. states[s + 1].first).
  struct Edge {
    uint32_t to;
    uint32_t callee;     // kBytes: an edge on a byte low..high; kEmpty: no input; else the first state of a rule,
    uint8_t low, high;   // after which the automaton goes on at `to`
  };
  static constexpr uint32_t kBytes = UINT32_MAX, kEmpty = UINT32_MAX - 1;
  struct State {
    uint32_t first;      // of its edges
    bool final;          // the rule may end here
    bool tail;           // nothing but the rule's end can follow: a call that returns here needs no frame
  };

  uint32_t start() const { return start_; }
  uint32_t size() const { return static_cast<uint32_t>(states_.size()) - 1; }
  const State& state(uint32_t s) const { return states_[s]; }
  const Edge* edges(uint32_t s) const { return edges_.data() + states_[s].first; }
  const Edge* edges_end(uint32_t s) const { return edges_.data() + states_[s + 1].first; }

 private:
  friend class GrammarCompiler;
  Grammar() = default;
  uint32_t start_ = 0;
  std::vector<State> states_;   // one more than there are states
  std::vector<Edge> edges_;
};

}  // namespace onebit
