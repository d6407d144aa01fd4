// What a grammar allows next, token by token: the constraint of one text being generated.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"
#include "grammar/matcher.h"
#include "grammar/token_trie.h"

namespace onebit {

class Constraint {
 public:
  // Both are shared and never change; a constraint belongs to one thread at a time. Errors: a grammar that no text meets.
  static Result<Constraint> create(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
                                   const MatcherLimits& limits = {});

  // Whether the token may come next. A token that ends a text may where the grammar may end; other tokens without
  // bytes never may. Errors: beyond a limit (Errc::out_of_range).
  Result<bool> allows(Token token);
  // The same for the whole vocabulary: bit t % 64 of word t / 64. Valid until the next call.
  Result<std::span<const uint64_t>> mask();
  // Goes on by one token. Errors: a token that is not allowed (Errc::usage), a limit.
  Status accept(Token token);

  bool may_end() const;     // the text so far is whole
  bool finished() const;    // whole, and nothing may follow but the end
  void reset();             // back to the start of the text

 private:
  Constraint(Matcher matcher, std::shared_ptr<const TokenTrie> trie);

  Matcher matcher_;
  std::shared_ptr<const TokenTrie> trie_;
  Matcher::StateId state_;
  bool ended_ = false;
  std::vector<uint64_t> mask_;
};

}  // namespace onebit
