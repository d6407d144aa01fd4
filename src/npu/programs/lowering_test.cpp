// What descriptions mean, tried in the simulator: patterns at every kind of end against plain index loops, repeats,
// constants, splits, shared memory in every direction, long and deep transfers, routes.
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <set>

#include "npu/design/router.h"
#include "npu/image/lint.h"
#include "npu/image/npu_file.h"
#include "npu/programs/run_example.h"

namespace onebit::npu {
namespace {

using namespace design;
using Words = std::vector<uint32_t>;

Words counting(size_t n, uint32_t first = 1) {
  Words w(n);
  std::iota(w.begin(), w.end(), first);
  return w;
}

std::vector<uint8_t> bytes(const Words& words) {
  std::vector<uint8_t> out;
  for (const uint32_t w : words)
    for (unsigned b = 0; b < 4; ++b) out.push_back(static_cast<uint8_t>(w >> (8 * b)));
  return out;
}

// The indices that a pattern visits, in order.
std::vector<uint64_t> visited(const Pattern& p) {
  std::vector<uint64_t> at{p.offset};
  for (const Dim& d : p.dims) {
    std::vector<uint64_t> next;
    for (const uint64_t a : at)
      for (uint64_t i = 0; i < d.size; ++i) next.push_back(a + i * d.stride);
    at = std::move(next);
  }
  return at;
}

// Input bo0, expected bo1; three runs in one context, the linter silent.
void expect_run(const Program& program, const std::function<void(Sequence&)>& moves, const Words& in, const Words& out) {
  const auto lowered = lower(program);
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  Sequence s(*lowered);
  moves(s);
  const auto stream = s.finish();
  ASSERT_TRUE(stream.has_value()) << stream.error().message;
  const std::vector<uint8_t> image = lowered->xclbin, insts = write_transaction(*stream).value();
  std::string findings;
  for (const Finding& f : lint(std::vector<NpuFile>{read_npu_file(image).value(), read_npu_file(insts).value()}, program.device()))
    findings += fmt::format("{}: {} [{}]\n", f.where, f.message, f.rule);
  EXPECT_EQ(findings, "");
  auto context = open_example(program.device(), image);
  ASSERT_TRUE(context.has_value()) << context.error().message;
  for (unsigned run = 0; run < 3; ++run) {
    const auto report = run_example(*context, insts, {{false, bytes(in)}, {true, bytes(out)}});
    ASSERT_TRUE(report.has_value()) << "run " << run << ": " << report.error().message;
  }
}

// Loops of these sizes, in the order given, over a dense array whose dimensions are `order` of them.
Pattern permuted(const std::vector<uint64_t>& sizes, const std::vector<size_t>& order) {
  std::vector<uint64_t> strides(sizes.size());
  uint64_t stride = 1;
  for (auto d = order.rbegin(); d != order.rend(); ++d) {
    strides[*d] = stride;
    stride *= sizes[*d];
  }
  Pattern p;
  for (size_t i = 0; i < sizes.size(); ++i) p.dims.push_back({sizes[i], strides[i]});
  return p;
}

TEST(Lowering, PatternsOfAMemoryTileInEveryOrder) {
  const std::vector<uint64_t> sizes{3, 5, 2, 4};
  const size_t n = 120;
  std::vector<size_t> order{0, 1, 2, 3};
  do {
    const Pattern pattern = permuted(sizes, order);
    const std::vector<uint64_t> at = visited(pattern);
    for (const bool sends : {false, true}) {
      Program p("p");
      const Type t = type<int32_t>(n);
      const Fifo in = p.fifo("in", p.shim(2), {sends ? End(p.mem(2)) : End(p.mem(2)).with_pattern(pattern)}, t);
      const Fifo out = p.fifo("out", sends ? End(p.mem(2)).with_pattern(pattern) : End(p.mem(2)), {p.shim(2)}, t);
      p.forward(in, out);
      const Words source = counting(3 * n);
      Words expected(3 * n);
      for (size_t e = 0; e < 3; ++e)
        for (size_t i = 0; i < n; ++i) {
          if (sends) expected[e * n + i] = source[e * n + at[i]];
          else expected[e * n + at[i]] = source[e * n + i];
        }
      expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 3 * n)).move(out, 1, linear(0, 3 * n)); }, source, expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Lowering, PatternsOfACore) {
  const std::vector<uint64_t> sizes{6, 7, 5};
  std::vector<size_t> order{0, 1, 2};
  do {
    const Pattern pattern = permuted(sizes, order);
    const std::vector<uint64_t> at = visited(pattern);
    Program p("p");
    const Type t = type<int32_t>(210);
    const Fifo in = p.fifo("in", p.shim(0), {End(p.core(0, 3)).with_pattern(pattern)}, t), out = p.fifo("out", p.core(0, 3), {p.shim(0)}, t);
    p.forward(in, out);
    const Words source = counting(210);
    Words expected(210);
    for (size_t i = 0; i < 210; ++i) expected[at[i]] = source[i];
    expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 210)).move(out, 1, linear(0, 210)); }, source, expected);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Lowering, SmallElementsAndPartsOfAnElement) {
  // An 8 x 16 int8 block; its even rows, the right halves first.
  Program p("p");
  const Type t = type<int8_t>(8, 16);
  const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, t);
  const Fifo out = p.fifo("out", End(p.mem(0)).with_pattern({8, {{4, 32}, {8, 1}}}), {p.shim(0)}, t);
  p.forward(in, out);
  const Words source = counting(32, 0x01020304);
  Words expected;
  for (size_t row = 0; row < 8; row += 2)
    for (size_t w = 2; w < 4; ++w) expected.push_back(source[row * 4 + w]);
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 128)).move(out, 1, linear(0, 32)); }, source, expected);
}

TEST(Lowering, RepeatedElements) {
  for (const unsigned depth : {1u, 2u, 3u})
    for (const unsigned repeat : {2u, 5u, 7u}) {
      Program p("p");
      const Type t = type<int32_t>(16);
      const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, t, {depth}), out = p.fifo("out", p.mem(0), {p.shim(0)}, t, {depth, Transport::automatic, repeat});
      p.forward(in, out);
      const Words source = counting(16 * 5);
      Words expected;
      for (size_t e = 0; e < 5; ++e)
        for (unsigned r = 0; r < repeat; ++r) expected.insert(expected.end(), source.begin() + 16 * static_cast<long>(e), source.begin() + 16 * static_cast<long>(e + 1));
      expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 80)).move(out, 1, linear(0, expected.size())); }, source, expected);
    }
}

TEST(Lowering, ConstantsAreSentForEver) {
  Program p("p");
  const Words table = counting(24, 1000);
  const Fifo out = p.fifo("out", p.mem(5), {p.core(5, 2)}, type<int32_t>(24)), result = p.fifo("result", p.core(5, 2), {p.shim(5)}, type<int32_t>(24));
  p.feed(p.buffer(p.mem(5), "table", type<int32_t>(24), bytes(table)), out);
  p.run(p.core(5, 2), [&](Body& b) {
    b.forever([&] {
      b.acquire(out);
      b.acquire(result);
      b.call("copy_i32", {out[0], result[0], 24});
      b.release(out);
      b.release(result);
    });
  });
  Words expected;
  for (unsigned i = 0; i < 5; ++i) expected.insert(expected.end(), table.begin(), table.end());
  expect_run(p, [&](Sequence& s) { s.move(result, 1, linear(0, 120)); }, counting(1), expected);
}

TEST(Lowering, SplitAtOffsetsAndJoinInAnotherOrder) {
  Program p("p");
  const Fifo in = p.fifo("in", p.shim(0), {End(p.mem(0)).with_depth(3)}, type<int32_t>(48));
  const Fifo a = p.fifo("a", p.mem(0), {p.mem(1)}, type<int32_t>(8)), b = p.fifo("b", p.mem(0), {p.mem(1)}, type<int32_t>(32)),
             c = p.fifo("c", p.mem(0), {p.mem(1)}, type<int32_t>(8));
  const Fifo out = p.fifo("out", p.mem(1), {p.shim(1)}, type<int32_t>(48));
  p.split(in, {a, b, c}, {0, 8, 40});
  p.join({c, a, b}, out, {0, 8, 16});
  const Words source = counting(48 * 7);
  Words expected;
  for (size_t e = 0; e < 7; ++e)
    for (const auto& [first, count] : {std::pair{40u, 8u}, {0u, 8u}, {8u, 32u}})
      for (size_t i = 0; i < count; ++i) expected.push_back(source[48 * e + first + i]);
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 336)).move(out, 1, linear(0, 336)); }, source, expected);
}

TEST(Lowering, OneStreamIntoTwoMemoryTiles) {
  // Two copies on different ways, joined again.
  Program p("p");
  const Type t = type<int32_t>(16);
  const Fifo in = p.fifo("in", p.shim(1), {p.mem(0), End(p.mem(3)).with_depth(4)}, t);
  const Fifo a = p.fifo("a", p.mem(0), {p.core(2, 4)}, t), b = p.fifo("b", p.mem(3), {p.core(2, 5)}, t);
  const Fifo c = p.fifo("c", p.core(2, 4), {p.mem(2)}, t), d = p.fifo("d", p.core(2, 5), {p.mem(2)}, t);
  const Fifo out = p.fifo("out", p.mem(2), {p.shim(2)}, type<int32_t>(32));
  p.forward(in, a);
  p.forward(in, b);
  p.forward(a, c);
  p.forward(b, d);
  p.join({c, d}, out);
  const Words source = counting(16 * 9);
  Words expected;
  for (long e = 0; e < 9; ++e)
    for (unsigned copy = 0; copy < 2; ++copy) expected.insert(expected.end(), source.begin() + 16 * e, source.begin() + 16 * e + 16);
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 144)).move(out, 1, linear(0, 288)); }, source, expected);
}

TEST(Lowering, TheOlderArray) {
  Program p("p", npu::device(Generation::aie2));
  const Type t = type<int32_t>(16);
  const Fifo in = p.fifo("in", p.shim(1), {p.mem(1)}, t), out = p.fifo("out", p.mem(1), {p.shim(1)}, t);
  p.forward(in, out);
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 80)).move(out, 1, linear(0, 80)); }, counting(80), counting(80));
}

TEST(Lowering, EndsThatCutTheStreamDifferently) {
  Program p("p");
  const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, type<int32_t>(96));
  const Fifo out = p.fifo("out", p.mem(0), {End(p.core(0, 2)).with_type(type<int32_t>(32))}, type<int32_t>(96));
  const Fifo back = p.fifo("back", p.core(0, 2), {p.shim(0)}, type<int32_t>(32));
  p.forward(in, out);
  p.forward(out, back);
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 288)).move(back, 1, linear(0, 288)); }, counting(288), counting(288));
}

TEST(Lowering, SharedMemoryInEveryDirection) {
  for (const auto& [column, row] : {std::pair{2u, 3u}, {4u, 3u}, {3u, 2u}, {3u, 4u}}) {
    Program p("p");
    const TileId first = p.core(3, 3), second = p.core(column, row);
    const Type t = type<int32_t>(32);
    const Fifo in = p.fifo("in", p.shim(3), {first}, t), between = p.fifo("between", first, {second}, t, {2, Transport::shared, 1}),
               out = p.fifo("out", second, {p.shim(4)}, t);
    for (const auto& [core, from, to] : {std::tuple{first, in, between}, {second, between, out}})
      p.run(core, [from = from, to = to](Body& b) {
        b.forever([&] {
          b.acquire(from);
          b.acquire(to);
          b.call("add_one_i32", {from[0], to[0], 32});
          b.release(to);
          b.release(from);
        });
      });
    EXPECT_EQ(lower(p)->routes.size(), 2u);
    expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 224)).move(out, 1, linear(0, 224)); }, counting(224), counting(224, 3));
  }
}

TEST(Lowering, SeveralElementsHeldAtOnce) {
  Program p("p");
  const TileId core = p.core(6, 5);
  const Type t = type<int32_t>(16);
  const Fifo in = p.fifo("in", p.shim(6), {End(core).with_depth(5)}, t), out = p.fifo("out", core, {p.shim(7)}, t);
  // Of every three elements the last, then the first.
  p.run(core, [&](Body& b) {
    b.forever([&] {
      b.acquire(in, 3);
      for (const unsigned i : {2u, 0u}) {
        b.acquire(out);
        b.call("copy_i32", {in[i], out[0], 16});
        b.release(out);
      }
      b.release(in, 3);
    });
  });
  const Words source = counting(16 * 21);
  Words expected;
  for (size_t e = 0; e < 21; e += 3)
    for (const size_t i : {e + 2, e}) expected.insert(expected.end(), source.begin() + 16 * static_cast<long>(i), source.begin() + 16 * static_cast<long>(i + 1));
  expect_run(p, [&](Sequence& s) { s.move(in, 0, linear(0, 336)).move(out, 1, linear(0, 224)); }, source, expected);
}

struct Through {
  Program p{"p"};
  Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, type<int32_t>(4)), out = p.fifo("out", p.mem(0), {p.shim(0)}, type<int32_t>(4));
  Through() { p.forward(in, out); }
};

TEST(Lowering, RegionsOfManyDimensionsAndTasks) {
  const Pattern regions[] = {
      {3, {{3, 7000}, {5, 1000}, {2, 300}, {3, 50}, {4, 7}}},   // five loops
      {0, {{150, 13}, {4, 1}}},                                 // 2 dimensions
      {0, {{150, 4000}, {3, 100}, {2, 30}, {4, 2}}},            // iterations in chunks of 64
      {0, {{2, 1500000}, {4, 1}}},                              // a step beyond the register
      {0, {{2, 1 << 20}, {1024, 2}, {4, 5000}}},                // a wrap beyond the register
      {1, {{300, 0}, {4, 3}}},                                  // the same data 300 times
      {1, {{3, 0}, {5, 40000}, {3, 3000}, {2, 200}, {4, 3}}},
  };
  for (const Pattern& region : regions) {
    const std::vector<uint64_t> at = visited(region);
    const Words source = counting(*std::max_element(at.begin(), at.end()) + 1);
    Words expected;
    for (const uint64_t a : at) expected.push_back(source[a]);
    Through d;
    expect_run(d.p, [&](Sequence& s) { s.move(d.in, 0, region).move(d.out, 1, linear(0, expected.size())); }, source, expected);
  }
}

TEST(Lowering, MoreTasksThanDescriptorsAndQueues) {
  // 40 inputs against one output, and the other way round; words in between stay as they were.
  Words source = counting(40 * 8), expected;
  for (size_t i = 0; i < 40; ++i) expected.insert(expected.end(), source.begin() + 8 * static_cast<long>(i), source.begin() + 8 * static_cast<long>(i) + 4);
  Through a, b;
  expect_run(a.p, [&](Sequence& s) {
    for (uint64_t i = 0; i < 40; ++i) s.move(a.in, 0, linear(8 * i, 4));
    s.move(a.out, 1, linear(0, 160));
  }, source, expected);
  expect_run(b.p, [&](Sequence& s) {
    s.move(b.in, 0, linear(0, 160));
    for (uint64_t i = 0; i < 40; ++i) s.move(b.out, 1, linear(4 * (39 - i), 4));
  }, counting(160), [] {
    Words reversed;
    for (uint32_t i = 40; i-- > 0;)
      for (uint32_t k = 1; k <= 4; ++k) reversed.push_back(4 * i + k);
    return reversed;
  }());
}

TEST(Lowering, WaitsInBetween) {
  Through d;
  expect_run(d.p, [&](Sequence& s) {
    for (uint64_t i = 0; i < 9; ++i) s.move(d.in, 0, linear(4 * i, 4)).move(d.out, 1, linear(4 * i, 4)).wait(d.out);
    s.move(d.in, 0, linear(36, 12)).wait();
    s.move(d.out, 1, linear(36, 12));
  }, counting(48), counting(48));
}

// Random streams: every switch port serves one, every connection exists, and each sink is reached from its source.
TEST(Router, RandomNetsAreDisjointTrees) {
  const Device& device = npu::device(Generation::aie2p);
  std::mt19937 random(1);
  for (unsigned round = 0; round < 30; ++round) {
    std::vector<PortAt> sources, sinks;
    for (uint8_t c = 0; c < 8; ++c)
      for (uint8_t r = 1; r < 6; ++r)
        for (uint8_t n = 0; n < 2; ++n) {
          sources.push_back({{c, r}, {Bundle::dma, n}});
          sinks.push_back({{c, r}, {Bundle::dma, n}});
        }
    std::shuffle(sources.begin(), sources.end(), random);
    std::shuffle(sinks.begin(), sinks.end(), random);
    std::vector<Net> nets;
    for (size_t n = 0; n < 12; ++n) nets.push_back({fmt::format("n{}", n), sources[n], {sinks[2 * n], sinks[2 * n + 1]}});
    // A DMA port does not connect to another channel of its own tile.
    std::erase_if(nets, [](const Net& n) { return n.sinks[0].tile == n.source.tile || n.sinks[1].tile == n.source.tile; });
    const auto routes = route(device, nets);
    ASSERT_TRUE(routes.has_value()) << routes.error().message;
    std::set<std::pair<TileId, Port>> taken;
    for (size_t n = 0; n < nets.size(); ++n) {
      std::set<std::pair<TileId, Port>> reached{{nets[n].source.tile, nets[n].source.port}}, ends;
      for (const Hop& h : (*routes)[n]) {
        EXPECT_TRUE(taken.insert({h.tile, h.master}).second) << name(h.tile) << name(h.master);
        EXPECT_TRUE(connection_legal(device.kind(h.tile.row), h.slave, h.master));
        EXPECT_TRUE(reached.contains({h.tile, h.slave}));
        if (const auto next = slave_driven_by(device, h.tile, h.master)) reached.insert({next->tile, next->port});
        else ends.insert({h.tile, h.master});
      }
      for (const PortAt& s : nets[n].sinks) EXPECT_TRUE(ends.contains({s.tile, s.port}));
      EXPECT_EQ(ends.size(), nets[n].sinks.size());
    }
  }
}

}  // namespace
}  // namespace onebit::npu
