// A lock that is given in the order of asking, so that sessions of one model take turns token by token.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace onebit::capi {

class Turns {
 public:
  void lock() {
    std::unique_lock guard(mutex_);
    const uint64_t mine = last_++;
    moved_.wait(guard, [&] { return now_ == mine; });
  }
  void unlock() {
    {
      const std::lock_guard guard(mutex_);
      ++now_;
    }
    moved_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  uint64_t last_ = 0, now_ = 0;
};

}  // namespace onebit::capi
