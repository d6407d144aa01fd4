// One is added to every int32: on one core, on all, and as one half of a pair.
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint32_t kBlock = 64;   // words of one call
constexpr unsigned kColumns = 8, kRows = 4, kFirstRow = 2;

// For ever: one element in, one out, through a kernel of the form (in, out, count, more...).
void each_element(Body& b, Fifo in, Fifo out, const std::string& kernel, std::vector<Argument> more = {}) {
  std::vector<Argument> arguments{in[0], out[0], kBlock};
  arguments.insert(arguments.end(), more.begin(), more.end());
  b.forever([&] {
    b.acquire(in);
    b.acquire(out);
    b.call(kernel, arguments);
    b.release(in);
    b.release(out);
  });
}

std::vector<ExampleBuffer> add_one_data(const ExampleShape& shape, uint64_t seed) {
  const std::vector<uint8_t> in = example_bytes(size_t{4} * shape.sizes[0], seed);
  return {{false, in}, {true, example_words(in, [](uint32_t v) { return v + 1; })}};
}

Result<Program> build_add_one_32() {
  Program p("add_one_32");
  const Type part = type<int32_t>(kBlock), whole = type<int32_t>(kRows * kBlock);
  for (unsigned c = 0; c < kColumns; ++c) {
    const Fifo in = p.fifo(fmt::format("in{}", c), p.shim(c), {p.mem(c)}, whole);
    const Fifo out = p.fifo(fmt::format("out{}", c), p.mem(c), {p.shim(c)}, whole);
    std::vector<Fifo> ins, outs;
    for (unsigned r = 0; r < kRows; ++r) {
      const TileId core = p.core(c, kFirstRow + r);
      ins.push_back(p.fifo(fmt::format("in{}.{}", c, r), p.mem(c), {core}, part));
      outs.push_back(p.fifo(fmt::format("out{}.{}", c, r), core, {p.mem(c)}, part));
      p.run(core, [&](Body& b) { each_element(b, ins.back(), outs.back(), "add_one_i32"); });
    }
    p.split(in, ins);
    p.join(outs, out);
  }
  return p;
}

// Column c takes blocks c, c + 8, ... of kRows * kBlock words.
Result<Transaction> add_one_32_sequence(const Lowered& lowered, const ExampleShape& shape) {
  constexpr uint64_t kWhole = uint64_t{kRows} * kBlock;
  if (shape.sizes[0] == 0 || shape.sizes[0] % kWhole) return fail(Errc::out_of_range, "add_one_32: {} words, expected a multiple of {}", shape.sizes[0], kWhole);
  const uint64_t blocks = shape.sizes[0] / kWhole;
  const uint32_t fifos = 2 + 2 * kRows;  // of one column
  Sequence s(lowered);
  for (uint32_t c = 0; c < kColumns && c < blocks; ++c) {
    const Pattern region{c * kWhole, {{(blocks - c + kColumns - 1) / kColumns, kColumns * kWhole}, {kWhole, 1}}};
    s.move({fifos * c}, 0, region).move({fifos * c + 1}, 1, region);
  }
  return s.finish();
}

}  // namespace

ExampleProgram add_one_program() {
  ExampleProgram e;
  e.name = "add_one";
  e.summary = "one core adds 1 to N int32";
  e.build = [] {
    Program p("add_one");
    const TileId core = p.core(0, 2);
    const Fifo in = p.fifo("in", p.shim(0), {core}, type<int32_t>(kBlock)), out = p.fifo("out", core, {p.shim(0)}, type<int32_t>(kBlock));
    p.run(core, [&](Body& b) { each_element(b, in, out, "add_one_i32"); });
    return p;
  };
  e.shapes = example_shapes(kExampleCounts, kBlock);
  e.sequence = [](const Lowered& l, const ExampleShape& s) {
    return Sequence(l).move({0}, 0, linear(0, s.sizes[0])).move({1}, 1, linear(0, s.sizes[0])).finish();
  };
  e.data = add_one_data;
  return e;
}

ExampleProgram add_one_32_program() {
  ExampleProgram e;
  e.name = "add_one_32";
  e.summary = "32 cores add 1 to N int32, split and joined in the memory tile of each column";
  e.build = build_add_one_32;
  e.shapes = example_shapes(kExampleCounts, kRows * kBlock);
  e.sequence = add_one_32_sequence;
  e.data = add_one_data;
  return e;
}

ExampleProgram pipeline_program() {
  ExampleProgram e;
  e.name = "pipeline";
  e.summary = "one core adds 1, its neighbour multiplies by a run-time factor; memory shared between them; N int32, factor";
  e.build = [] {
    Program p("pipeline");
    const TileId first = p.core(0, 2), second = p.core(0, 3);
    const Type block = type<int32_t>(kBlock);
    const Fifo in = p.fifo("in", p.shim(0), {first}, block);
    const Fifo between = p.fifo("between", first, {second}, block, {3, Transport::shared, 1});
    const Fifo out = p.fifo("out", second, {p.shim(0)}, block);
    const Parameter factor = p.parameter(second, "factor", 1);
    p.run(first, [&](Body& b) { each_element(b, in, between, "add_one_i32"); });
    p.run(second, [&](Body& b) { each_element(b, between, out, "scale_i32", {factor}); });
    return p;
  };
  for (const uint32_t n : kExampleCounts) e.shapes.push_back({{n * kBlock, 2 * n + 1}});
  e.sequence = [](const Lowered& l, const ExampleShape& s) {
    return Sequence(l).set({0}, static_cast<int32_t>(s.sizes[1])).move({0}, 0, linear(0, s.sizes[0])).move({2}, 1, linear(0, s.sizes[0])).finish();
  };
  e.data = [](const ExampleShape& s, uint64_t seed) -> std::vector<ExampleBuffer> {
    const std::vector<uint8_t> in = example_bytes(size_t{4} * s.sizes[0], seed);
    return {{false, in}, {true, example_words(in, [&s](uint32_t v) { return (v + 1) * s.sizes[1]; })}};
  };
  return e;
}

}  // namespace onebit::npu
