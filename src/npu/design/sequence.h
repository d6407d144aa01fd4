// One run of a program: which part of which buffer argument goes where, as an instruction stream. Streams
// are made per shape; the xclbin serves all of them.
//
//   Sequence s(lowered);
//   s.set(rows, m).raise(go);
//   s.move(a, 0, {0, {{m / 64, 64 * k}, {k / 64, 64}, {64, k}, {64, 1}}});
//   s.move(c, 2, linear(0, m * n));
//   ONEBIT_ASSIGN(Transaction stream, s.finish());
//
// Moves between two waits are concurrent: they are issued so that all channels advance in proportion, with
// at most four tasks queued on each and descriptors used again as their tasks end. finish() waits for all.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design/lower.h"
#include "npu/image/transaction.h"

namespace onebit::npu::design {

class Sequence {
 public:
  explicit Sequence(const Lowered& lowered) : lowered_(&lowered) {}

  // Moves a region of buffer argument 0..4 (bo0..bo4) into the fifo, or the fifo's next elements into the
  // region; which of both, the fifo's shim end says. Offset, sizes and strides are in elements of the
  // fifo's type. An outermost stride of 0 sends the same data `size` times. Regions with more dimensions
  // or larger sizes than a descriptor holds become several tasks.
  Sequence& move(Fifo fifo, unsigned argument, Pattern region);

  // Sets a parameter, raises a signal: at once, that is after the last wait and before this phase's moves.
  // The core must have read the parameter of the run before (wait for an output that depends on it).
  Sequence& set(Parameter parameter, int32_t value);
  Sequence& raise(Signal signal);

  // An operation of the caller's own, in order with set and raise: descriptors, locks and tasks of a store.
  Sequence& add(TxnOp operation);

  // Waits until all moves of a fifo so far, or of all fifos, have ended.
  Sequence& wait(Fifo fifo);
  Sequence& wait();

  // Waits for everything and gives the stream; or the first error of any call.
  Result<Transaction> finish(bool compact = false);

 private:
  struct Task {
    std::vector<uint32_t> words;  // of the descriptor
    unsigned argument = 0;
    uint64_t byte_offset = 0;
    uint32_t repeat = 1;
    uint64_t bytes = 0;  // moved, all repeats together
  };
  using QueuedTask = std::pair<size_t, unsigned>;  // position of its queue write in ops_, descriptor
  struct Channel {
    std::vector<Task> pending;
    size_t next = 0;                // of pending
    uint64_t issued = 0, total = 0; // bytes of this phase
    std::vector<QueuedTask> queued;
    bool controlled = false;
  };
  using ChannelKey = std::pair<TileId, std::pair<Direction, uint8_t>>;

  void fail_once(Error error);
  const ShimEnd* find(Fifo fifo);
  Result<std::vector<Task>> cut_tasks(Fifo fifo, unsigned argument, const Pattern& region);
  void flush();
  void issue(const ChannelKey& key, Channel& channel);
  void wait_task(const ChannelKey& key, const QueuedTask& task);
  void wait_oldest(const ChannelKey& key, Channel& channel);
  void drain(const ChannelKey& key, Channel& channel);

  const Lowered* lowered_;
  std::vector<TxnOp> ops_;
  std::map<ChannelKey, Channel> channels_;
  std::map<TileId, uint32_t> busy_bds_;  // one bit each
  std::map<uint32_t, uint64_t> moved_;   // bytes by fifo
  std::vector<Error> errors_;            // the first one only
};

}  // namespace onebit::npu::design
