// What a grammar allows next, token by token: the constraint of one text being generated.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "grammar/token_trie.h"

namespace onebit {

class Constraint {
 public:
  // Both are shared and never change; a constraint belongs to one thread at a time. Errors: a grammar that takes more
  // work to begin than the limits allow.
  static Result<Constraint> create(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
                                   const MatcherLimits& limits = {});

  // Whether the token may come next. A token that ends a text may where the grammar may end; other tokens without
  // bytes never may. Errors: beyond a limit (Errc::out_of_range).
  Result<bool> allows(Token token);
  // The same for the whole vocabulary, bit t % 64 of word t / 64, bits past the vocabulary 0. Valid until the next call.
  Result<std::span<const uint64_t>> mask();
  // Goes on by one token. Errors: a token that is not allowed (Errc::usage), a limit. After an error nothing has changed.
  Status accept(Token token);

  bool may_end() const { return !ended_ && matcher_.accepting(state_); }   // the text so far is whole
  bool finished() const { return ended_ || (may_end() && !matcher_.can_continue(state_)); }  // and nothing else may follow
  Status reset();             // back to the start of the text

 private:
  // What the part of a state says for which alone all is decided, and the nodes where what lies below decides.
  struct Local {
    std::vector<uint64_t> allowed;
    std::vector<uint32_t> open;
  };

  Constraint(Matcher matcher, std::shared_ptr<const TokenTrie> trie) : matcher_(std::move(matcher)), trie_(std::move(trie)) {}
  void collect();
  Matcher::StateId walk(std::string_view bytes);
  const Local& local(Matcher::StateId state);
  void visit(uint32_t node, Matcher::StateId state, std::vector<uint64_t>& allowed, std::vector<uint32_t>* open);
  Matcher::StateId at_node(uint32_t node);

  Matcher matcher_;
  std::shared_ptr<const TokenTrie> trie_;
  Matcher::StateId state_ = Matcher::kDead;
  bool ended_ = false;
  std::vector<uint64_t> mask_;
  std::unordered_map<Matcher::StateId, Local> locals_;
};

}  // namespace onebit
