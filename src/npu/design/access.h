// Access patterns as the DMA engines hold them: words, innermost dimension first, within the widths of
// their registers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "npu/design/types.h"
#include "npu/device/buffer_descriptor.h"

namespace onebit::npu::design {

// A loop of the walk, in words.
struct WordDim {
  uint64_t size = 1, step = 1;
  bool operator==(const WordDim&) const = default;
};
struct Walk {
  uint64_t offset = 0;          // words
  std::vector<WordDim> dims{};  // innermost first; no loops of size 1, no two that are one
  uint64_t words() const;
  uint64_t last() const;  // the highest word touched
};

// What a descriptor of this tile kind can hold.
struct WalkLimits {
  size_t dims;
  uint64_t wrap;    // of every dimension but the outermost
  uint64_t step;
  uint64_t length;  // words
};
WalkLimits walk_limits(TileKind kind);

// The pattern in words. `whole`: elements that a pattern without dimensions covers.
Result<Walk> to_words(const Pattern& pattern, Element element, uint64_t whole);

// Cuts loops that exceed `wrap` into two where their size has a divisor that fits.
Result<std::vector<WordDim>> fit_wraps(std::vector<WordDim> dims, const WalkLimits& limits);

// Length and dimensions of a descriptor for the walk.
Status set_walk(TileKind kind, const Walk& walk, BufferDescriptor& bd);

}  // namespace onebit::npu::design
