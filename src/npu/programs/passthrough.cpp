// Data through the array, unchanged: DMA alone.
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint32_t kBlock = 64;  // words of one fifo element

// `in` is the first fifo, `out` the last; sizes: words.
Result<Transaction> copy_sequence(const Lowered& lowered, const ExampleShape& shape, Fifo in, Fifo out) {
  return Sequence(lowered).move(in, 0, linear(0, shape.sizes[0])).move(out, 1, linear(0, shape.sizes[0])).finish();
}

std::vector<ExampleBuffer> copy_data(const ExampleShape& shape, uint64_t seed) {
  const std::vector<uint8_t> bytes = example_bytes(size_t{4} * shape.sizes[0], seed);
  return {{false, bytes}, {true, bytes}};
}

}  // namespace

ExampleProgram passthrough_program() {
  ExampleProgram e;
  e.name = "passthrough";
  e.summary = "shim to memory tile to shim, N words";
  e.build = [] {
    Program p("passthrough");
    const Type block = type<int32_t>(kBlock);
    const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, block);
    const Fifo out = p.fifo("out", p.mem(0), {p.shim(0)}, block);
    p.forward(in, out);
    return p;
  };
  e.shapes = example_shapes(kExampleCounts, kBlock);
  e.sequence = [](const Lowered& l, const ExampleShape& s) { return copy_sequence(l, s, {0}, {1}); };
  e.data = copy_data;
  return e;
}

ExampleProgram passthrough_core_program() {
  ExampleProgram e;
  e.name = "passthrough_core";
  e.summary = "shim through the memories of two core tiles in different columns to another shim, N words";
  e.build = [] {
    Program p("passthrough_core");
    const Type block = type<int32_t>(kBlock);
    const Fifo in = p.fifo("in", p.shim(0), {p.core(0, 2)}, block);
    const Fifo across = p.fifo("across", p.core(0, 2), {End(p.core(3, 5)).with_depth(3)}, block);
    const Fifo out = p.fifo("out", p.core(3, 5), {p.shim(3)}, block);
    p.forward(in, across);
    p.forward(across, out);
    return p;
  };
  e.shapes = example_shapes(kExampleCounts, kBlock);
  e.sequence = [](const Lowered& l, const ExampleShape& s) { return copy_sequence(l, s, {0}, {2}); };
  e.data = copy_data;
  return e;
}

}  // namespace onebit::npu
