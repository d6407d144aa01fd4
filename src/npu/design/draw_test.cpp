#include "npu/design/draw.h"

#include <gtest/gtest.h>

namespace onebit::npu::design {
namespace {

Lowered example() {
  Program p("a < b & \"c\"");
  const Type t = type<int32_t>(16, 4);
  const TileId first = p.core(1, 2), second = p.core(1, 3);
  const Fifo in = p.fifo("in", p.shim(1), {p.mem(1)}, t);
  const Fifo all = p.fifo("all", End(p.mem(1)).with_pattern({0, {{4, 1}, {16, 4}}}), {first}, t, {2, Transport::automatic, 3});
  const Fifo between = p.fifo("between", first, {second}, t), out = p.fifo("out", second, {p.shim(1)}, t);
  p.forward(in, all);
  const Parameter factor = p.parameter(second, "factor");
  for (const auto& [core, from, to] : {std::tuple{first, all, between}, {second, between, out}})
    p.run(core, [&, from = from, to = to](Body& b) {
      b.forever([&] {
        b.acquire(from);
        b.acquire(to);
        b.call("scale_i32", {from[0], to[0], 64, to == out ? Argument(factor) : Argument(3)});
        b.release(from);
        b.release(to);
      });
    });
  return lower(p).value();
}

void expect_all(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in\n" << text;
}

TEST(Draw, TextShowsGridFifosMemoryBodiesAndBudgets) {
  const std::string text = draw_text(example());
  expect_all(text, {"row 2 core   |     .      |1in 0out 4% |", "row 1 memory |     .      |1in 1out 1% |", "row 0 shim   |     .      |  1in 1out  |",
                    "  all  int32[16x4], each sent 3 times\n    from (1,1) MM2S 0 depth 2 walks 4@1 16@4\n    to   (1,2) S2MM 0 depth 2\n",
                    "via  (1,0) SOUTH3>NORTH0, (1,1) SOUTH0>DMA0", "in memory that both cores reach", "forward in -> all",
                    "(1,3) 0x00400       4 bytes  parameter factor", "scale_i32(ring 0+0, ring 1+0, 64, [0x70400])",
                    "memory tile (1,1)         512/524288             -    8/48    2/64   1/6   1/6"});
}

TEST(Draw, SvgHasEveryFifoAndClosesItsTags) {
  const std::string svg = draw_svg(example());
  expect_all(svg, {"<svg xmlns", "a &lt; b &amp; &quot;c&quot;", ">in <tspan", ">all <tspan", ">between <tspan", ">out <tspan", "between, in shared memory",
                   "memory tile (1,1)", "scale_i32", "</svg>"});
  // Every element is closed.
  long open = 0;
  for (size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const size_t end = svg.find('>', at);
    ASSERT_NE(end, std::string::npos);
    if (svg[at + 1] == '/') --open;
    else if (svg[end - 1] != '/') ++open;
  }
  EXPECT_EQ(open, 0);
}

}  // namespace
}  // namespace onebit::npu::design
