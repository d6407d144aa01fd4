// One stream to the four cores of a column, each of which multiplies by its own run-time factor; the memory
// tile joins the four results. The number of elements is a run-time parameter too: the cores serve any shape.
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint32_t kBlock = 64;
constexpr unsigned kCores = 4, kFirstRow = 2;
// Handles, in the order in which build() makes them: per core its factor, its count, its signal.
constexpr uint32_t kIn = 0, kOut = 2;

Result<Program> build() {
  Program p("broadcast_join");
  const Type block = type<int32_t>(kBlock);
  std::vector<TileId> cores;
  for (unsigned r = 0; r < kCores; ++r) cores.push_back(p.core(1, kFirstRow + r));
  const Fifo in = p.fifo("in", p.shim(1), {p.mem(1)}, block);
  const Fifo all = p.fifo("all", p.mem(1), ends(cores), block);
  const Fifo out = p.fifo("out", p.mem(1), {p.shim(1)}, type<int32_t>(kCores * kBlock));
  p.forward(in, all);
  std::vector<Fifo> parts;
  for (unsigned r = 0; r < kCores; ++r) {
    const Fifo part = p.fifo(fmt::format("part{}", r), cores[r], {p.mem(1)}, block);
    const Parameter factor = p.parameter(cores[r], fmt::format("factor{}", r)), count = p.parameter(cores[r], fmt::format("count{}", r));
    const Signal go = p.signal(cores[r], fmt::format("go{}", r));
    p.run(cores[r], [&](Body& b) {
      b.forever([&] {
        b.wait(go);
        b.loop(count, [&] {
          b.acquire(all);
          b.acquire(part);
          b.call("scale_i32", {all[0], part[0], kBlock, factor});
          b.release(all);
          b.release(part);
        });
      });
    });
    parts.push_back(part);
  }
  p.join(parts, out);
  return p;
}

uint32_t factor_of(const ExampleShape& shape, uint32_t core) { return shape.sizes[1] + 3 * core; }

Result<Transaction> sequence(const Lowered& lowered, const ExampleShape& shape) {
  Sequence s(lowered);
  for (uint32_t r = 0; r < kCores; ++r) {
    s.set({2 * r}, static_cast<int32_t>(factor_of(shape, r)));
    s.set({2 * r + 1}, static_cast<int32_t>(shape.sizes[0] / kBlock));
    s.raise({r});
  }
  if (shape.sizes[0] == 0 || shape.sizes[0] % kBlock) return fail(Errc::out_of_range, "broadcast_join: {} words, expected a multiple of {}", shape.sizes[0], kBlock);
  // The result of core r is row r of a 4 x N matrix: block by block, the four rows in turn.
  const uint64_t n = shape.sizes[0];
  s.move({kIn}, 0, linear(0, n)).move({kOut}, 1, {0, {{n / kBlock, kBlock}, {kCores, n}, {kBlock, 1}}});
  return s.finish();
}

std::vector<ExampleBuffer> data(const ExampleShape& shape, uint64_t seed) {
  const std::vector<uint8_t> in = example_bytes(size_t{4} * shape.sizes[0], seed);
  std::vector<uint8_t> out;
  for (uint32_t r = 0; r < kCores; ++r) {
    const std::vector<uint8_t> row = example_words(in, [&](uint32_t v) { return v * factor_of(shape, r); });
    out.insert(out.end(), row.begin(), row.end());
  }
  return {{false, in}, {true, std::move(out)}};
}

}  // namespace

ExampleProgram broadcast_join_program() {
  ExampleProgram e;
  e.name = "broadcast_join";
  e.summary = "N int32 to 4 cores, each times its own run-time factor F + 3 r, joined as rows of 4 x N; N, F";
  e.build = build;
  for (const uint32_t n : kExampleCounts) e.shapes.push_back({{n * kBlock, n + 2}});
  e.sequence = sequence;
  e.data = data;
  return e;
}

}  // namespace onebit::npu
