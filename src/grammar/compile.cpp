// Rules to automata, with what a recogniser must be able to rely on: no left recursion, and from every state some text
// leads to the end of its rule.
#include <algorithm>
#include <array>
#include <span>

#include "grammar/gbnf.h"
#include "grammar/grammar.h"

namespace onebit {

using grammar::CodeRange;
using grammar::kUnlimited;
using grammar::Node;
using grammar::Rule;

class GrammarCompiler {
 public:
  GrammarCompiler(std::vector<Rule> rules, const GrammarLimits& limits) : rules_(std::move(rules)), limits_(limits) {}

  Result<std::shared_ptr<const Grammar>> compile();

 private:
  struct Fragment {
    uint32_t begin, end;   // of a rule: its first state and its only final one
  };

  uint32_t new_state() {
    edges_.emplace_back();
    return static_cast<uint32_t>(edges_.size() - 1);
  }
  void empty(uint32_t from, uint32_t to) { edges_[from].push_back({to, Grammar::kEmpty, 0, 0}); }
  void byte(uint32_t from, uint32_t to, unsigned low, unsigned high) {
    edges_[from].push_back({to, Grammar::kBytes, static_cast<uint8_t>(low), static_cast<uint8_t>(high)});
  }
  Result<uint32_t> emit(const Node& node, uint32_t from);
  Result<uint32_t> emit_repeat(const Node& node, uint32_t from);
  void emit_set(const std::vector<CodeRange>& ranges, uint32_t from, uint32_t to);
  void emit_range(uint32_t from, uint32_t to, std::span<const uint8_t> low, std::span<const uint8_t> high);
  Status within_limit() const;
  std::vector<bool> reachable_end(bool without_input) const;
  Status refuse_left_recursion() const;
  void mark_tails(Grammar& g) const;

  std::vector<Rule> rules_;
  const GrammarLimits& limits_;
  std::vector<std::vector<Grammar::Edge>> edges_;   // callee: the number of a rule until compile() ends
  std::vector<Fragment> fragments_;                 // by rule; rules of repeated groups come behind the named ones
  uint32_t line_ = 0;
  uint64_t emitted_ = 0;   // nodes, each copy of a repetition on its own
};

// Copies of nothing take no state, so they are counted too.
Status GrammarCompiler::within_limit() const {
  if (edges_.size() > limits_.states || emitted_ > 4 * uint64_t{limits_.states})
    return fail(Errc::out_of_range, "grammar: line {}: rules and repetitions take more than {} states", line_, limits_.states);
  return {};
}

// Bytes low[0..n) to high[0..n) in lexical order, where both are UTF-8 of n bytes.
void GrammarCompiler::emit_range(uint32_t from, uint32_t to, std::span<const uint8_t> low, std::span<const uint8_t> high) {
  if (low.size() == 1) return byte(from, to, low[0], high[0]);
  const auto all = [](std::span<const uint8_t> s, uint8_t value) { return std::ranges::all_of(s, [&](uint8_t b) { return b == value; }); };
  const auto step = [&](unsigned first, unsigned last) {
    const uint32_t next = new_state();
    byte(from, next, first, last);
    return next;
  };
  static constexpr std::array<uint8_t, 3> kLeast{0x80, 0x80, 0x80}, kMost{0xBF, 0xBF, 0xBF};
  const size_t rest = low.size() - 1;
  const auto least = std::span(kLeast).first(rest), most = std::span(kMost).first(rest);
  if (low[0] == high[0]) return emit_range(step(low[0], low[0]), to, low.subspan(1), high.subspan(1));
  unsigned first = low[0], last = high[0];
  if (!all(low.subspan(1), 0x80)) emit_range(step(first, first), to, low.subspan(1), most), ++first;
  if (!all(high.subspan(1), 0xBF)) emit_range(step(last, last), to, least, high.subspan(1)), --last;
  if (first <= last) emit_range(step(first, last), to, least, most);
}

void GrammarCompiler::emit_set(const std::vector<CodeRange>& ranges, uint32_t from, uint32_t to) {
  const auto encode = [](char32_t c, size_t n, std::array<uint8_t, 4>& out) {
    static constexpr std::array<unsigned, 5> kLead{0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; c >>= 6) out[i] = static_cast<uint8_t>(0x80 | (c & 0x3F));
    out[0] = static_cast<uint8_t>(kLead[n] | c);
  };
  static constexpr std::array<char32_t, 5> kEnds{0, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
  for (const auto& [low, high] : ranges)
    for (size_t n = 1; n <= 4; ++n) {
      const char32_t a = std::max<char32_t>(low, n == 1 ? 0 : kEnds[n - 1] + 1), b = std::min(high, kEnds[n]);
      if (a > b) continue;
      std::array<uint8_t, 4> la{}, lb{};
      encode(a, n, la);
      encode(b, n, lb);
      emit_range(from, to, std::span(la).first(n), std::span(lb).first(n));
    }
}

Result<uint32_t> GrammarCompiler::emit_repeat(const Node& node, uint32_t from) {
  const Node* child = &node.children[0];
  uint32_t min = node.min;
  // (x?){m,n} is x{0,n}: copies that may all be empty would be looked through one by one at every step.
  while (child->kind == Node::Kind::repeat && child->min == 0 && child->max == 1) {
    child = &child->children[0];
    min = 0;
  }
  const uint64_t copies = node.max == kUnlimited ? uint64_t{min} + 1 : node.max;
  Node call{.kind = Node::Kind::rule};
  const bool small = child->kind == Node::Kind::rule || (child->kind == Node::Kind::bytes && child->text.size() <= 2) ||
                     (child->kind == Node::Kind::set && child->ranges.size() <= 2 && !child->ranges.empty() && child->ranges.back().second < 0x80);
  if (copies > 2 && !small) {
    // A rule of its own, so that a copy is one state.
    call.rule = static_cast<uint32_t>(fragments_.size());
    const uint32_t begin = new_state();
    fragments_.push_back({begin, begin});
    ONEBIT_ASSIGN(const uint32_t end, emit(*child, begin));
    fragments_[call.rule].end = end;
    child = &call;
  }
  uint32_t at = from;
  for (uint32_t i = 0; i < min; ++i) {
    ONEBIT_ASSIGN(at, emit(*child, at));
  }
  if (node.max == kUnlimited) {
    const uint32_t loop = new_state();
    empty(at, loop);
    ONEBIT_ASSIGN(const uint32_t back, emit(*child, loop));
    empty(back, loop);
    const uint32_t out = new_state();
    empty(loop, out);
    return out;
  }
  std::vector<uint32_t> exits{at};
  for (uint32_t i = min; i < node.max; ++i) {
    ONEBIT_ASSIGN(at, emit(*child, at));
    exits.push_back(at);
  }
  const uint32_t out = new_state();
  for (const uint32_t e : exits) empty(e, out);
  return out;
}

// Gives the state after the node; `from` may have other edges.
Result<uint32_t> GrammarCompiler::emit(const Node& node, uint32_t from) {
  ONEBIT_TRY(within_limit());
  ++emitted_;
  switch (node.kind) {
    case Node::Kind::bytes: {
      uint32_t at = from;
      for (const char c : node.text) {
        const uint32_t next = new_state();
        byte(at, next, static_cast<uint8_t>(c), static_cast<uint8_t>(c));
        at = next;
      }
      return at;
    }
    case Node::Kind::set: {
      const uint32_t to = new_state();
      emit_set(node.ranges, from, to);
      return to;
    }
    case Node::Kind::rule: {
      const uint32_t to = new_state();
      edges_[from].push_back({to, node.rule, 0, 0});
      return to;
    }
    case Node::Kind::sequence: {
      uint32_t at = from;
      for (const Node& child : node.children) {
        ONEBIT_ASSIGN(at, emit(child, at));
      }
      return at;
    }
    case Node::Kind::choice: {
      const uint32_t to = new_state();
      for (const Node& child : node.children) {
        const uint32_t begin = new_state();
        empty(from, begin);
        ONEBIT_ASSIGN(const uint32_t end, emit(child, begin));
        empty(end, to);
      }
      return to;
    }
    case Node::Kind::repeat: return emit_repeat(node, from);
  }
  return from;
}

// States from which the end of their rule can be reached; `without_input`: without reading a byte.
std::vector<bool> GrammarCompiler::reachable_end(bool without_input) const {
  // Backwards from the final states. An edge that calls a rule counts once the rule's first state does.
  std::vector<bool> good(edges_.size());
  std::vector<std::vector<uint32_t>> into(edges_.size()), waiting(fragments_.size());
  std::vector<std::pair<uint32_t, uint32_t>> calls;   // of an edge: from, to
  std::vector<std::vector<uint32_t>> calls_into(edges_.size()), calls_of(fragments_.size());
  std::vector<uint8_t> met;
  std::vector<std::vector<uint32_t>> first_of(edges_.size());
  for (uint32_t s = 0; s < edges_.size(); ++s)
    for (const Grammar::Edge& e : edges_[s]) {
      if (e.callee == Grammar::kBytes && without_input) continue;
      if (e.callee == Grammar::kBytes || e.callee == Grammar::kEmpty) {
        into[e.to].push_back(s);
      } else {
        const auto call = static_cast<uint32_t>(calls.size());
        calls.emplace_back(s, e.to);
        calls_into[e.to].push_back(call);
        calls_of[e.callee].push_back(call);
      }
    }
  met.assign(calls.size(), 0);
  for (uint32_t r = 0; r < fragments_.size(); ++r) first_of[fragments_[r].begin].push_back(r);
  std::vector<uint32_t> work;
  const auto mark = [&](uint32_t s) {
    if (good[s]) return;
    good[s] = true;
    work.push_back(s);
  };
  const auto count = [&](uint32_t call) {
    if (++met[call] == 2) mark(calls[call].first);
  };
  for (const Fragment& f : fragments_) mark(f.end);
  while (!work.empty()) {
    const uint32_t s = work.back();
    work.pop_back();
    for (const uint32_t from : into[s]) mark(from);
    for (const uint32_t call : calls_into[s]) count(call);
    for (const uint32_t r : first_of[s])
      for (const uint32_t call : calls_of[r]) count(call);
  }
  return good;
}

// A rule that can call itself before it reads a byte.
Status GrammarCompiler::refuse_left_recursion() const {
  const std::vector<bool> nullable = reachable_end(true);
  std::vector<std::vector<uint32_t>> calls(fragments_.size());
  std::vector<uint32_t> seen(edges_.size(), UINT32_MAX), work;
  for (uint32_t r = 0; r < fragments_.size(); ++r) {
    work.assign(1, fragments_[r].begin);
    seen[fragments_[r].begin] = r;
    while (!work.empty()) {
      const uint32_t s = work.back();
      work.pop_back();
      for (const Grammar::Edge& e : edges_[s]) {
        if (e.callee == Grammar::kBytes) continue;
        if (e.callee != Grammar::kEmpty) {
          calls[r].push_back(e.callee);
          if (!nullable[fragments_[e.callee].begin]) continue;
        }
        if (seen[e.to] == r) continue;
        seen[e.to] = r;
        work.push_back(e.to);
      }
    }
  }
  // Rules that no rule left over calls are taken away until none is; what stays calls in a circle.
  std::vector<uint32_t> callers(calls.size());
  for (const auto& list : calls)
    for (const uint32_t c : list) ++callers[c];
  work.clear();
  for (uint32_t r = 0; r < calls.size(); ++r)
    if (callers[r] == 0) work.push_back(r);
  size_t left = calls.size();
  for (; !work.empty(); --left) {
    const uint32_t r = work.back();
    work.pop_back();
    for (const uint32_t c : calls[r])
      if (--callers[c] == 0) work.push_back(c);
  }
  if (left == 0) return {};
  // Walk up from any of those to come into the circle itself; a rule with a name tells more.
  std::vector<bool> stays(calls.size());
  for (uint32_t r = 0; r < calls.size(); ++r) stays[r] = callers[r] != 0;
  uint32_t r = 0;
  while (!stays[r]) ++r;
  std::vector<uint32_t> caller(calls.size(), UINT32_MAX);
  for (uint32_t from = 0; from < calls.size(); ++from)
    if (stays[from])
      for (const uint32_t c : calls[from]) caller[c] = from;
  for (size_t i = 0; i < 2 * calls.size() && (i < calls.size() || r >= rules_.size()); ++i) r = caller[r];
  if (r >= rules_.size()) r = 0;
  return fail(Errc::format, "grammar: line {}: the rule '{}' is left-recursive: it can begin with itself before any character",
              rules_[r].line, rules_[r].name);
}

// A state is a tail when without input the end of the rule can be reached, and nothing else can follow.
void GrammarCompiler::mark_tails(Grammar& g) const {
  const std::vector<bool> nullable = reachable_end(true);
  // Everything that reaches a byte or a call through empty edges is not a tail.
  std::vector<bool> more(edges_.size());
  std::vector<std::vector<uint32_t>> into(edges_.size());
  std::vector<uint32_t> work;
  for (uint32_t s = 0; s < edges_.size(); ++s)
    for (const Grammar::Edge& e : edges_[s]) {
      if (e.callee == Grammar::kEmpty)
        into[e.to].push_back(s);
      else if (!more[s])
        more[s] = true, work.push_back(s);
    }
  while (!work.empty()) {
    const uint32_t s = work.back();
    work.pop_back();
    for (const uint32_t from : into[s])
      if (!more[from]) more[from] = true, work.push_back(from);
  }
  for (uint32_t s = 0; s < edges_.size(); ++s) g.states_[s].tail = nullable[s] && !more[s];
}

Result<std::shared_ptr<const Grammar>> GrammarCompiler::compile() {
  for (size_t r = 0; r < rules_.size(); ++r) {
    const uint32_t begin = new_state();
    fragments_.push_back({begin, begin});
  }
  for (size_t r = 0; r < rules_.size(); ++r) {
    line_ = rules_[r].line;
    ONEBIT_ASSIGN(const uint32_t end, emit(rules_[r].body, fragments_[r].begin));
    // The end must be a state of its own: a loop may lead back to the last state of the body.
    fragments_[r].end = new_state();
    empty(end, fragments_[r].end);
    ONEBIT_TRY(within_limit());
  }
  ONEBIT_TRY(refuse_left_recursion());
  const std::vector<bool> productive = reachable_end(false);
  if (!productive[fragments_[0].begin])
    return fail(Errc::format, "grammar: line {}: no text ever ends the rule '{}'", rules_[0].line, rules_[0].name);
  for (auto& list : edges_)
    std::erase_if(list, [&](const Grammar::Edge& e) {
      const bool call = e.callee != Grammar::kBytes && e.callee != Grammar::kEmpty;
      return !productive[e.to] || (call && !productive[fragments_[e.callee].begin]);
    });

  std::shared_ptr<Grammar> g(new Grammar());
  g->start_ = fragments_[0].begin;
  for (const auto& list : edges_) {
    g->states_.push_back({static_cast<uint32_t>(g->edges_.size()), false, false});
    for (Grammar::Edge e : list) {
      if (e.callee != Grammar::kBytes && e.callee != Grammar::kEmpty) e.callee = fragments_[e.callee].begin;
      g->edges_.push_back(e);
    }
  }
  g->states_.push_back({static_cast<uint32_t>(g->edges_.size()), false, false});
  for (const Fragment& f : fragments_) g->states_[f.end].final = true;
  mark_tails(*g);
  return g;
}

Result<std::shared_ptr<const Grammar>> Grammar::parse(std::string_view gbnf, std::string_view root, const GrammarLimits& limits) {
  ONEBIT_ASSIGN(std::vector<Rule> rules, grammar::parse_gbnf(gbnf, root, limits));
  return GrammarCompiler(std::move(rules), limits).compile();
}

}  // namespace onebit
