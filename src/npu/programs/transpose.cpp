// A row-major matrix transposed by access patterns alone. The matrix goes through a memory tile in blocks of
// kSide x kSide elements: the shim's patterns pick the blocks, the memory tile's turns each.
#include <algorithm>

#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint32_t kSide = 16;

// Elements of w words are rows of w int32; sizes: rows, columns, multiples of kSide.
Result<Transaction> transpose_sequence(const Lowered& lowered, const ExampleShape& shape, uint64_t w) {
  const uint64_t rows = shape.sizes[0], columns = shape.sizes[1];
  if (rows % kSide || columns % kSide) return fail(Errc::out_of_range, "transpose: {} x {}, expected multiples of {}", rows, columns, kSide);
  const uint64_t down = rows / kSide, across = columns / kSide;
  // Blocks in row-major order of the source; so in column-major order of the destination.
  const Pattern source{0, {{down, kSide * columns * w}, {across, kSide * w}, {kSide, columns * w}, {kSide * w, 1}}};
  const Pattern destination{0, {{down, kSide * w}, {across, kSide * rows * w}, {kSide, rows * w}, {kSide * w, 1}}};
  return Sequence(lowered).move({0}, 0, source).move({1}, 1, destination).finish();
}

std::vector<ExampleBuffer> transpose_data(const ExampleShape& shape, uint64_t seed, size_t element_bytes) {
  const size_t rows = shape.sizes[0], columns = shape.sizes[1];
  const std::vector<uint8_t> in = example_bytes(rows * columns * element_bytes, seed);
  std::vector<uint8_t> out(in.size());
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c)
      std::copy_n(&in[(r * columns + c) * element_bytes], element_bytes, &out[(c * rows + r) * element_bytes]);
  return {{false, in}, {true, std::move(out)}};
}

}  // namespace

ExampleProgram transpose_program(unsigned element_words) {
  const uint64_t w = element_words;
  ExampleProgram e;
  e.name = w == 1 ? "transpose" : fmt::format("transpose_{}byte", 4 * w);
  e.summary = fmt::format("R x C matrix of {}-byte elements transposed by access patterns, multiples of {}", 4 * w, kSide);
  e.build = [w, name = e.name] {
    Program p(name);
    const Type block = type<int32_t>(kSide, kSide, w);
    const Pattern turned{0, {{kSide, w}, {kSide, kSide * w}, {w, 1}}};
    const Fifo in = p.fifo("in", p.shim(0), {p.mem(0)}, block);
    const Fifo out = p.fifo("out", End(p.mem(0)).with_pattern(turned), {p.shim(0)}, block);
    p.forward(in, out);
    return p;
  };
  for (const auto& [r, c] : {std::pair{1u, 1u}, {1u, 2u}, {2u, 1u}, {2u, 2u}, {3u, 1u}, {1u, 3u}, {3u, 3u}, {2u, 5u}, {5u, 2u}, {4u, 4u}, {7u, 3u},
                             {3u, 7u}, {5u, 5u}, {1u, 17u}, {17u, 1u}, {9u, 4u}, {4u, 9u}, {8u, 8u}, {11u, 6u}, {65u, 1u}, {1u, 65u}, {67u, 2u}})
    e.shapes.push_back({{r * kSide, c * kSide}});
  e.sequence = [w](const Lowered& l, const ExampleShape& s) { return transpose_sequence(l, s, w); };
  e.data = [w](const ExampleShape& s, uint64_t seed) { return transpose_data(s, seed, 4 * w); };
  return e;
}

}  // namespace onebit::npu
