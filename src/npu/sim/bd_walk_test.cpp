#include "npu/sim/bd_walk.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace onebit::npu {
namespace {

// Nothing stands for a padding word.
using Order = std::vector<std::optional<uint64_t>>;

// The order by nested counting: an index per dimension, the address from all of them, each word on its own.
Order by_counting(TileKind kind, const BufferDescriptor& bd) {
  const size_t count = kind == TileKind::mem ? 4 : 3;
  std::vector<uint64_t> index(count, 0);
  Order order;
  while (order.size() < bd.length) {
    bool padding = false;
    uint64_t address = (kind == TileKind::shim ? bd.base / 4 : bd.base) + uint64_t{bd.iteration_current} * bd.iteration_step;
    for (size_t d = 0; d < count; ++d) {
      const uint64_t before = d < 3 ? bd.pad_before[d] : 0;
      const uint64_t wrap = d + 1 < count ? bd.dims[d].wrap : 0;
      padding |= index[d] < before || (wrap && index[d] >= before + wrap);
      address += (index[d] - before) * bd.dims[d].step;
    }
    order.push_back(padding ? std::nullopt : std::optional(address));
    for (size_t d = 0; d < count; ++d) {
      const uint64_t wrap = d + 1 < count ? bd.dims[d].wrap : 0;
      const uint64_t end = wrap ? wrap + (d < 3 ? bd.pad_before[d] + bd.pad_after[d] : 0) : 0;
      if (++index[d] != end) break;
      index[d] = 0;
    }
  }
  return order;
}

Order by_walk(TileKind kind, const BufferDescriptor& bd, std::mt19937& random) {
  BdWalk walk;
  EXPECT_TRUE(walk.start(kind, bd));
  Order order;
  while (walk.left()) {
    const BdWalk::Run run = walk.peek(1 + random() % 40);
    EXPECT_GT(run.words, 0u);
    for (uint32_t i = 0; i < run.words; ++i) order.push_back(run.padding ? std::nullopt : std::optional(run.address + uint64_t{i} * run.step));
    walk.take(run.words);
  }
  return order;
}

TEST(BdWalk, VisitsWordsInTheOrderOfNestedCounters) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const TileKind kind = static_cast<TileKind>(random() % 3);
    BufferDescriptor bd;
    bd.base = random() % 1000 * 4;
    bd.length = 1 + random() % 300;
    const unsigned limited = random() % 4;
    for (unsigned d = 0; d < 4; ++d) {
      bd.dims[d].step = 1 + random() % 50;
      bd.dims[d].wrap = d < limited ? 1 + random() % 9 : 0;
      if (kind == TileKind::mem && d < 3 && bd.dims[d].wrap && random() % 3 == 0) {
        bd.pad_before[d] = random() % 4;
        bd.pad_after[d] = random() % 4;
      }
    }
    bd.iteration_step = 1 + random() % 100;
    bd.iteration_wrap = 8;
    bd.iteration_current = random() % 8;
    ASSERT_EQ(by_walk(kind, bd, random), by_counting(kind, bd)) << round;
  }
}

TEST(BdWalk, RefusesPaddingWithoutAWrap) {
  BufferDescriptor bd;
  bd.length = 8;
  bd.pad_before[0] = 2;
  BdWalk walk;
  const auto started = walk.start(TileKind::mem, bd);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "pads dimension 0 by 2 and 0 without a wrap, expected a wrap of 1 or more");
}

}  // namespace
}  // namespace onebit::npu
