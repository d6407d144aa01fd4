// One DMA channel: a queue of tasks, and the chain of buffer descriptors that a task runs.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>

#include "npu/device/buffer_descriptor.h"
#include "npu/sim/bd_walk.h"
#include "npu/sim/fifo.h"
#include "npu/sim/scheduler.h"

namespace onebit::npu {

class Array;
struct Tile;
struct LockRef;
struct Link;

class DmaChannel : public Actor {
 public:
  DmaChannel(Array& array, Tile& tile, Direction direction, unsigned channel);

  Status step() override;
  std::string name() const override;
  Wait wait() const override { return wait_; }
  std::string activity() const override;

  // A word written to the task queue, at `time`.
  Status push(uint32_t word, double time);
  bool queue_full() const { return queue_.size() >= kTaskQueueDepth; }
  // The buffers of the host are others from here on: a transfer in the middle goes on in those.
  Status rebind() { return host_ && state_ != State::idle && state_ != State::load ? check_memory(bd_) : Status{}; }
  // Drops everything: the reset bit of CTRL was set.
  void reset();
  void rewire() { link_known_ = false; }

  Tile& tile() const { return tile_; }
  Direction direction() const { return direction_; }
  unsigned channel() const { return channel_; }
  bool active() const { return state_ != State::idle || !queue_.empty(); }
  size_t queued() const { return queue_.size(); }
  uint64_t tasks_done() const { return tasks_done_; }
  uint64_t tasks_pushed() const { return tasks_pushed_; }

  // Whether a descriptor of the running chain releases this lock.
  bool releases(const Tile& tile, unsigned lock) const;
  // The descriptors that its tasks run: of all tasks it was ever given, or of those not finished.
  void for_each_bd(const std::function<void(const BufferDescriptor&)>& visit, bool only_waiting) const;
  bool feeds(const Fifo* fifo) const;


  // Of the run in progress; kept by the array.
  uint64_t words = 0, tasks = 0, pushed_before_run = 0;

 private:
  enum class State : uint8_t { idle, load, acquire, header, move, release };
  struct Task {
    unsigned bd = 0;
    unsigned repeat = 1;
    bool token = false;
    double time = 0;
  };

  Status load();
  Status check(const BufferDescriptor& bd) const;
  Status check_unused(const BufferDescriptor& bd) const;
  Status check_memory(const BufferDescriptor& bd);
  Result<LockRef> lock(unsigned id) const;
  Result<BufferDescriptor> descriptor(unsigned index) const;
  Result<bool> wired();                 // finds fifo_ or link_; false while there is none
  Result<bool> move_in();               // false when it has to wait
  Result<bool> move_out();
  Status finish();                      // lock release, iteration, next descriptor
  uint8_t* word(uint64_t address, uint64_t* words_left) const;  // in memory; the address was checked
  void copy(uint32_t* words, unsigned n, bool out);             // the next n words of the walk, out of or into memory
  uint32_t pad_value_offset() const;
  void block(Wait wait);
  double word_cycles() const;
  // Timed runs: fills times_ with when each of n words passes, not before its slot is free or it is there.
  void time_words(unsigned n);
  std::string at_bd() const;

  Array& array_;
  Tile& tile_;
  const Direction direction_;
  const unsigned channel_;

  std::deque<Task> queue_;
  State state_ = State::idle;
  Task task_;
  unsigned bd_index_ = 0;
  BufferDescriptor bd_;
  BdWalk walk_;
  Wait wait_;
  bool link_known_ = false;
  Fifo* fifo_ = nullptr;   // S2MM
  Link* link_ = nullptr;   // MM2S
  uint8_t* host_ = nullptr;
  uint64_t host_first_ = 0;  // word address of host_
  std::array<double, Fifo::kWords> times_{};
  double bd_start_ = 0;
  uint64_t tasks_done_ = 0, tasks_pushed_ = 0;
  uint64_t started_ = 0;  // a bit per descriptor that a task started with
  uint64_t bd_version_ = 0;
};

}  // namespace onebit::npu
