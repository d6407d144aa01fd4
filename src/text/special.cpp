#include "text/special.h"

#include <algorithm>
#include <numeric>
#include <ranges>

namespace onebit {

void SpecialMatcher::add(std::string_view text, Token token) {
  trie_.set_token(trie_.insert(text | std::views::reverse), token);
}

uint32_t SpecialMatcher::step(uint32_t node, uint8_t byte) const {
  uint32_t next = trie_.child(node, byte);
  while (next == ByteTrie::kRoot && node != ByteTrie::kRoot) {
    node = links_[node].fail;
    next = trie_.child(node, byte);
  }
  return next;
}

void SpecialMatcher::build() {
  links_.assign(trie_.size(), {});
  // Breadth first: a failure link leads to a shallower node.
  std::vector<uint32_t> order(trie_.size() - 1);
  std::iota(order.begin(), order.end(), 1);
  std::ranges::sort(order, {}, [this](uint32_t n) { return std::pair(trie_.depth(n), n); });
  for (const uint32_t n : order) {
    Links& l = links_[n];
    if (trie_.parent(n) != ByteTrie::kRoot) l.fail = step(links_[trie_.parent(n)].fail, trie_.byte(n));
    l.longest = trie_.token(n) >= 0 ? n : links_[l.fail].longest;
  }
}

std::vector<SpecialMatcher::Match> SpecialMatcher::find(std::string_view text) const {
  std::vector<Match> found;
  if (trie_.size() == 1) return found;
  uint32_t node = ByteTrie::kRoot;
  for (size_t i = text.size(); i-- > 0;) {
    node = step(node, static_cast<uint8_t>(text[i]));
    if (const uint32_t hit = links_[node].longest; hit != ByteTrie::kRoot)
      found.push_back({i, i + trie_.depth(hit), trie_.token(hit)});
  }
  std::ranges::reverse(found);
  size_t end = 0;
  std::erase_if(found, [&](const Match& m) {
    if (m.begin < end) return true;
    end = m.end;
    return false;
  });
  return found;
}

}  // namespace onebit
