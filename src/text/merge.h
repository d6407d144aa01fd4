// The merge loop that BPE and llama-spm share: join the adjacent pair of best rank until no pair is
// left, in O(n log n) for n symbols.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace onebit {

inline constexpr uint32_t kNoSymbol = UINT32_MAX;
inline constexpr uint32_t kNoMerge = UINT32_MAX;

struct Symbol {
  int32_t id;        // what the model calls it
  uint32_t begin;    // first byte in the word; it ends where the next one begins
  uint32_t prev, next;
  uint32_t rank;     // of the pair with `next`: lower merges first; kNoMerge when they do not merge
  int32_t merged;    // id of that pair
};

struct Pair {
  uint32_t rank = kNoMerge;
  int32_t merged = -1;
};

// Scratch memory for words, reused from one to the next.
class MergeList {
 public:
  void clear() { symbols_.clear(); }
  void add(int32_t id, uint32_t begin) {
    const uint32_t i = static_cast<uint32_t>(symbols_.size());
    symbols_.push_back({id, begin, i - 1, i + 1, kNoMerge, -1});
  }

  // pair_of(left, right, end): the merge of two adjacent symbols; `end` is the byte after the right
  // one. size: bytes of the word. Among equal ranks the leftmost pair merges first.
  template <class PairOf>
  void run(uint32_t size, PairOf&& pair_of) {
    if (symbols_.empty()) return;
    symbols_.front().prev = kNoSymbol;
    symbols_.back().next = kNoSymbol;
    queue_.clear();
    const auto rate = [&](uint32_t left) {
      Symbol& l = symbols_[left];
      if (l.next == kNoSymbol) {
        l.rank = kNoMerge;
        return false;
      }
      const Symbol& r = symbols_[l.next];
      const Pair pair = pair_of(l, r, r.next == kNoSymbol ? size : symbols_[r.next].begin);
      l.rank = pair.rank;
      l.merged = pair.merged;
      return pair.rank != kNoMerge;
    };
    const auto entry = [&](uint32_t left) { return uint64_t{symbols_[left].rank} << 32 | left; };
    const auto push = [&](uint32_t left) {
      if (!rate(left)) return;
      queue_.push_back(entry(left));
      std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
    };
    for (uint32_t i = 0; i + 1 < symbols_.size(); ++i)
      if (rate(i)) queue_.push_back(entry(i));
    std::make_heap(queue_.begin(), queue_.end(), std::greater<>());

    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
      const uint64_t top = queue_.back();
      queue_.pop_back();
      const uint32_t left = static_cast<uint32_t>(top);
      Symbol& l = symbols_[left];
      // An entry is stale when the pair it rated has changed since; its rank then differs.
      if (l.rank != static_cast<uint32_t>(top >> 32)) continue;
      Symbol& r = symbols_[l.next];
      l.id = l.merged;
      l.next = r.next;
      r.rank = kNoMerge;
      if (l.next != kNoSymbol) symbols_[l.next].prev = left;
      push(left);
      if (l.prev != kNoSymbol) push(l.prev);
    }
  }

  // visit(symbol, end) for each remaining symbol, left to right.
  template <class Visit>
  void for_each(uint32_t size, Visit&& visit) const {
    if (symbols_.empty()) return;
    for (uint32_t i = 0; i != kNoSymbol; i = symbols_[i].next)
      visit(symbols_[i], symbols_[i].next == kNoSymbol ? size : symbols_[symbols_[i].next].begin);
  }

 private:
  std::vector<Symbol> symbols_;
  std::vector<uint64_t> queue_;   // rank in the high half, left symbol in the low half
};

}  // namespace onebit
