// The words in flight towards one sink: a DMA channel, a packet port, a core, or a wire that ends nowhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "npu/sim/scheduler.h"

namespace onebit::npu {

class Fifo {
 public:
  // The buffering between two ends of a route on hardware: about 4 words a switch and 15 in front of a DMA channel.
  static constexpr unsigned kWords = 32;

  explicit Fifo(std::string sink, bool to_core = false) : to_core(to_core), sink_(std::move(sink)) {}

  const std::string& sink() const { return sink_; }
  unsigned size() const { return static_cast<unsigned>(tail_ - head_); }
  unsigned space() const { return kWords - size(); }

  // `n` words, at most space(). `last`: the final one carries TLAST.
  void push(const uint32_t* words, unsigned n, bool last) {
    for (unsigned i = 0; i < n;) {
      const unsigned at = (tail_ + i) % kWords, run = std::min(n - i, kWords - at);
      std::memcpy(&words_[at], words + i, run * sizeof(uint32_t));
      std::memset(&last_[at], 0, run);
      i += run;
    }
    tail_ += n;
    last_[(tail_ - 1) % kWords] = last;
  }
  uint32_t front() const { return words_[head_ % kWords]; }
  // Words up to and with the next TLAST, or all there are.
  unsigned packet_words(bool* complete) const {
    for (unsigned i = 0; i < size(); ++i)
      if (last_[(head_ + i) % kWords]) return *complete = true, i + 1;
    return *complete = false, size();
  }
  void peek(uint32_t* words, unsigned n) const {
    for (unsigned i = 0; i < n;) {
      const unsigned at = (head_ + i) % kWords, run = std::min(n - i, kWords - at);
      std::memcpy(words + i, &words_[at], run * sizeof(uint32_t));
      i += run;
    }
  }
  void pop(unsigned n) { head_ += n; }
  void clear() { head_ = tail_; }

  // Timed runs: when the i-th word from the front may be read, and when the slot of the i-th word to be pushed became free.
  double ready(unsigned i) const { return ready_[(head_ + i) % kWords]; }
  double freed(unsigned i) const { return freed_[(tail_ + i) % kWords]; }
  void set_ready(unsigned i, double t) { ready_[(tail_ + i) % kWords] = t; }  // before push
  void set_freed(unsigned i, double t) { freed_[(head_ + i) % kWords] = t; }  // before pop

  const bool to_core;               // the sink is a core's stream port
  Actor* reader = nullptr;          // woken when words come
  Actor* blocked_writer = nullptr;  // woken when space comes

 private:
  std::string sink_;
  uint64_t head_ = 0, tail_ = 0;
  std::array<uint32_t, kWords> words_{};
  std::array<uint8_t, kWords> last_{};
  std::array<double, kWords> ready_{}, freed_{};
};

}  // namespace onebit::npu
