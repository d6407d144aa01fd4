#include "npu/image/core_program.h"

#include <gtest/gtest.h>

namespace onebit::npu {
namespace {

CoreProgram example() {
  CoreProgram p;
  p.kernels = {"add_one", "zero"};
  p.rings = {{{0x70400, 0x70800}, 64}, {{0x74400}, 128}};
  StepLoop inner{{true, 0, 0x70000}, {}};
  inner.body.push_back({StepAcquire{48, 1, false}});
  inner.body.push_back({StepCall{0, {ArgRing{0, 1}, ArgBuffer{0x60010, 16}, CoreValue{false, -5, 0}, CoreValue{true, 0, 0x70004}}}});
  inner.body.push_back({StepRelease{49, 2}});
  inner.body.push_back({StepAdvance{0, 1}});
  StepLoop outer{{false, -1, 0}, {{StepCall{1, {ArgRing{1, 0}}}}, {std::move(inner)}, {StepAcquire{1, 0, true}}}};
  p.steps.push_back({std::move(outer)});
  return p;
}

std::vector<uint8_t> in_memory(const CoreProgram& p) {
  const auto record = write_core_record(p).value();
  std::vector<uint8_t> memory(16 * 1024, 0xAA);
  std::copy(record.begin(), record.end(), memory.end() - static_cast<ptrdiff_t>(record.size()));
  return memory;
}

TEST(CoreProgram, RoundTrip) {
  const auto read = read_core_record(in_memory(example()));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_TRUE(read->has_value());
  EXPECT_EQ(**read, example());
}

TEST(CoreProgram, NoTrailerIsNoRecord) {
  const std::vector<uint8_t> code(16 * 1024, 0);
  EXPECT_FALSE(read_core_record(code).value().has_value());
  EXPECT_FALSE(read_core_record({}).value().has_value());
}

TEST(CoreProgram, EveryFlippedBitIsFound) {
  const auto good = in_memory(example());
  const size_t size = write_core_record(example()).value().size();
  for (size_t i = good.size() - size; i < good.size(); ++i)
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[i] = static_cast<uint8_t>(bad[i] ^ 1u << bit);
      const auto read = read_core_record(bad);
      EXPECT_TRUE(!read || !*read) << "byte " << i << " bit " << bit;
    }
}

TEST(CoreProgram, RefusesWhatTheProgramCannotMean) {
  const auto message = [](const CoreProgram& p) {
    const auto read = read_core_record(in_memory(p));
    return read ? std::string() : read.error().message;
  };
  CoreProgram p = example();
  p.rings[0].addresses[1] = 0x30000;
  EXPECT_EQ(message(p), "core record: buffer of 64 bytes at 0x30000, expected 4-byte aligned within 0x40000 to 0x80000");
  p = example();
  p.kernels.pop_back();
  EXPECT_EQ(message(p), "core record: kernel 1, expected below 1");
  p = example();
  p.steps.push_back({StepAcquire{64, 1, false}});
  EXPECT_EQ(message(p), "core record: lock 64, expected below 64");
  p = example();
  for (unsigned i = 0; i < kMaxLoopDepth; ++i) p.steps = {{StepLoop{{false, 2, 0}, std::move(p.steps)}}};
  EXPECT_EQ(message(p), "core record: loops nest deeper than 8");
}

TEST(CoreProgram, Text) {
  EXPECT_EQ(to_text(example()),
            "loop for ever\n"
            "  zero(ring 1+0)\n"
            "  loop [0x70000] times\n"
            "    acquire lock 48 >= 1\n"
            "    add_one(ring 0+1, 0x60010:16, -5, [0x70004])\n"
            "    release lock 49 += 2\n"
            "    advance ring 0 by 1\n"
            "  acquire lock 1 == 0\n");
}

}  // namespace
}  // namespace onebit::npu
