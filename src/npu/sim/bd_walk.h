// The words of one buffer descriptor in the order in which the DMA touches them, as runs with a constant step.
//
// Per word the address moves by the step of dimension 0; when a dimension has made `wrap` elements it starts over and
// the next one steps. The last dimension has no wrap. Padding (memory tile MM2S) adds constant elements before and
// after the elements of a dimension; the length counts them.
#pragma once

#include <array>
#include <cstdint>

#include "base/result.h"
#include "npu/device/buffer_descriptor.h"

namespace onebit::npu {

class BdWalk {
 public:
  struct Run {
    uint64_t address = 0;  // in words; of the first word, meaningless for padding
    uint32_t words = 0;
    uint32_t step = 1;     // words between two of them
    bool padding = false;
  };

  // Starts at base + iteration_current * iteration_step. Padding wants a wrap in its dimension.
  Status start(TileKind kind, const BufferDescriptor& bd);
  uint64_t left() const { return left_; }
  // The next run, of at most `most` words, without taking it.
  Run peek(uint32_t most) const;
  void take(uint32_t words);

 private:
  struct Dimension {
    uint64_t step = 1;
    uint32_t wrap = 0;  // with padding; 0: no limit
    uint32_t before = 0, data = 0;
    uint64_t at = 0;
  };
  std::array<Dimension, 4> dims_{};
  unsigned count_ = 3;
  uint64_t base_ = 0;
  uint64_t left_ = 0;
};

}  // namespace onebit::npu
