// Who moves next. Everything that can make progress on its own (a DMA channel, a packet port, a core) is an actor;
// an actor that cannot go on says what it waits for and is woken when that may have changed. When no actor is
// awake, nothing will ever move again.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "npu/device/device.h"

namespace onebit::npu {

class Fifo;

struct Wait {
  enum class For : uint8_t {
    nothing,  // idle or done
    lock,     // lock `lock` of `tile` to be >= `wanted` (or == with `equal`)
    words,    // `fifo` to hold something
    space,    // `fifo` to take something
    wires,    // the stream port to be connected
    arbiter,  // the packet arbiter `lock` of `tile`
  } what = For::nothing;
  TileId tile{};
  unsigned lock = 0;
  int wanted = 0;
  bool equal = false;
  const Fifo* fifo = nullptr;
};

class Actor {
 public:
  virtual ~Actor() = default;
  // Goes on until it has to wait, is done, or has done enough for a turn (and then wakes itself).
  virtual Status step() = 0;
  virtual std::string name() const = 0;
  virtual Wait wait() const = 0;
  // What it is busy with: "BD 3, 12 of 64 words". May be empty.
  virtual std::string activity() const { return {}; }

  double clock = 0;  // array cycles, timed runs only

 private:
  friend class Scheduler;
  bool queued_ = false;
};

class Scheduler {
 public:
  // Timed: the actor with the earliest clock goes first, so that shared resources are given out in order of time.
  Scheduler(bool timed, uint64_t max_steps) : timed_(timed), budget_(max_steps), max_steps_(max_steps) {}

  void wake(Actor* actor);
  // Until nothing is awake, or `done()`; true in the second case.
  Result<bool> run(const std::function<bool()>& done);
  // One unit per word moved, lock operation or step of a core.
  Status spend(uint64_t units, const Actor& who);
  void refill() { budget_ = max_steps_; }
  uint64_t spent() const { return max_steps_ - budget_; }

 private:
  using Entry = std::pair<double, Actor*>;
  Actor* pop();

  bool timed_;
  uint64_t budget_, max_steps_;
  std::deque<Actor*> ready_;
  std::vector<std::pair<Entry, uint64_t>> heap_;  // with a serial number: ties go in order of arrival
  uint64_t serial_ = 0;
};

}  // namespace onebit::npu
