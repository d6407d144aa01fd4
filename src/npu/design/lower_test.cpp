#include "npu/design/lower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "npu/design/sequence.h"
#include "npu/image/lint.h"
#include "npu/image/xclbin.h"

namespace onebit::npu::design {
namespace {

std::string findings(const Lowered& lowered, const Transaction* stream) {
  std::vector<NpuFile> files{read_xclbin(lowered.xclbin).value()};
  if (stream) files.emplace_back(read_transaction(write_transaction(*stream).value()).value());
  std::string text;
  for (const Finding& f : lint(files, lowered.program.device())) text += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
  return text;
}

struct Passthrough {
  Program p{"passthrough"};
  Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, type<int32_t>(1024));
  Fifo out = p.fifo("out", p.mem(0), {p.shim(0)}, type<int32_t>(1024));
  Passthrough() { p.forward(in, out); }
};

TEST(Lower, PassthroughThroughAMemoryTile) {
  Passthrough d;
  const auto lowered = lower(d.p);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  Sequence s(*lowered);
  const auto stream = s.move(d.in, 0, linear(0, 4096)).move(d.out, 1, linear(0, 4096)).finish();
  ASSERT_TRUE(stream.has_value()) << stream.error().message;
  EXPECT_EQ(findings(*lowered, &*stream), "");

  // The ring lies above the low part of the memory tile; even channels use descriptors below 24.
  ASSERT_EQ(lowered->buffers.size(), 2u);
  EXPECT_EQ(lowered->buffers[0].address, 0x14000u);
  EXPECT_EQ(lowered->buffers[1].address, 0x15000u);
  ASSERT_EQ(lowered->channels.size(), 4u);
  EXPECT_EQ(lowered->channels[0].bds[1].id, 1);
  EXPECT_EQ(lowered->channels[1].bds[0].id, 2);
  // Shim SOUTH3 -> lane up -> memory tile DMA.
  ASSERT_EQ(lowered->routes.size(), 2u);
  EXPECT_EQ(lowered->routes[0].hops.size(), 2u);
  EXPECT_EQ(lowered->routes[0].hops[0].slave, (Port{Bundle::south, 3}));
}

TEST(Lower, SameProgramSameBytes) {
  const auto a = lower(Passthrough().p), b = lower(Passthrough().p);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->xclbin, b->xclbin);
  EXPECT_EQ(a->pdi, b->pdi);
}


// Two operands, the result and a table of one core: each in a 16 KiB window of its own, with the parameter words and
// the stack kept free.
TEST(Lower, OperandsLieInDifferentBanks) {
  Program p("p");
  const TileId core = p.core(0, 2);
  const Type t = type<int8_t>(64, 64);
  const Fifo a = p.fifo("a", p.shim(0), {core}, t), b = p.fifo("b", p.shim(0), {core}, t), c = p.fifo("c", core, {p.shim(0)}, type<int32_t>(16, 64));
  const Buffer table = p.buffer(core, "table", type<int32_t>(1024));
  const Parameter n = p.parameter(core, "n", 5);
  p.run(core, [&](Body& body) {
    body.forever([&] {
      for (const Fifo f : {a, b, c}) body.acquire(f);
      body.call("kernel", {a[0], b[0], c[0], table, n});
      for (const Fifo f : {a, b, c}) body.release(f);
    });
  });
  const auto lowered = lower(p);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  std::map<std::string, std::set<uint32_t>> windows;  // by operand
  for (const PlacedBuffer& buffer : lowered->buffers) {
    EXPECT_GE(buffer.address, 1024u + 64u);
    EXPECT_EQ(buffer.address % 64, 0u);
    windows[buffer.name.substr(0, buffer.name.find('['))].insert(buffer.address / kBankBytes);
  }
  std::set<uint32_t> all;
  for (const auto& [operand, set] : windows) {
    EXPECT_EQ(set.size(), 1u) << operand;
    all.insert(set.begin(), set.end());
  }
  EXPECT_EQ(all.size(), 4u);
  EXPECT_EQ(lowered->parameters[0].address, 1024u);
}

// What is larger than a window, and what fills the memory to the last byte.
TEST(Lower, LargeOperandsStillFit) {
  Program p("p");
  const TileId core = p.core(0, 2);
  const Fifo a = p.fifo("a", p.shim(0), {core}, type<int8_t>(8, 1024)), c = p.fifo("c", core, {p.shim(0)}, type<int32_t>(8, 1024), {1});
  p.buffer(core, "rest", type<int8_t>(65536 - 1024 - 2 * 8192 - 32768));
  p.run(core, [&](Body& body) {
    body.forever([&] {
      for (const Fifo f : {a, c}) body.acquire(f);
      for (const Fifo f : {a, c}) body.release(f);
    });
  });
  const auto lowered = lower(p);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  std::vector<std::pair<uint32_t, uint32_t>> ranges{{0, 1024}};
  for (const PlacedBuffer& b : lowered->buffers) ranges.emplace_back(b.address, b.address + b.bytes);
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) EXPECT_LE(ranges[i - 1].second, ranges[i].first);
  EXPECT_EQ(ranges.back().second, 65536u);
}

// A store gets memory, channels, descriptors and locks, and the configuration starts nothing of it.
TEST(Lower, StoresAreHandedOutButNotStarted) {
  const auto build = [](uint32_t bytes) {
    Program p("p");
    const TileId core = p.core(0, 2);
    const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, type<int8_t>(256)), out = p.fifo("out", p.mem(0), {core}, type<int8_t>(256));
    p.store(in, out, bytes, 4);
    p.run(core, [&](Body& body) {
      body.forever([&] {
        body.acquire(out);
        body.release(out);
      });
    });
    return p;
  };
  const auto lowered = lower(build(4096));
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  ASSERT_EQ(lowered->stores.size(), 1u);
  const PlacedStore& store = lowered->stores[0];
  EXPECT_EQ(store.bytes, 4096u);
  EXPECT_EQ(store.tile, (TileId{0, 1}));
  std::vector<uint8_t> bds = store.in_bds, locks = store.empty;
  bds.insert(bds.end(), store.out_bds.begin(), store.out_bds.end());
  locks.insert(locks.end(), store.full.begin(), store.full.end());
  for (std::vector<uint8_t>* ids : {&bds, &locks}) {
    EXPECT_EQ(ids->size(), 8u);
    std::sort(ids->begin(), ids->end());
    EXPECT_EQ(std::adjacent_find(ids->begin(), ids->end()), ids->end());
  }
  for (const PlacedChannel& c : lowered->channels) EXPECT_NE(c.tile, store.tile);

  const auto odd = lower(build(4096 + 64));
  ASSERT_FALSE(odd.has_value());
  EXPECT_EQ(odd.error().message, "store of fifo 'in': 4160 bytes, expected a multiple of 256");
}

}  // namespace
}  // namespace onebit::npu::design
