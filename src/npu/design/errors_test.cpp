// Ill-formed and over-budget programs, each with its exact message.
#include <gtest/gtest.h>

#include "npu/design/lower.h"
#include "npu/design/sequence.h"

namespace onebit::npu::design {
namespace {

const Type kBlock = type<int32_t>(64);

// For ever one element in, one out.
void copy_body(Program& p, TileId core, std::vector<Fifo> ins, std::vector<Fifo> outs) {
  p.run(core, [&](Body& b) {
    b.forever([&] {
      for (const auto* list : {&ins, &outs})
        for (const Fifo f : *list) b.acquire(f);
      for (const auto* list : {&ins, &outs})
        for (const Fifo f : *list) b.release(f);
    });
  });
}

// shim -> memory tile -> shim; the ends may be replaced.
Program through_mem(End receives, End sends, Type t = kBlock, FifoOptions options = {}) {
  Program p("p");
  const Fifo in = p.fifo("in", p.shim(0), {std::move(receives)}, t);
  const Fifo out = p.fifo("out", std::move(sends), {p.shim(0)}, t, options);
  p.forward(in, out);
  return p;
}
constexpr TileId kMem{0, 1}, kCore{0, 2};

// shim -> core -> shim, the body given.
Program on_core(const std::function<void(Program&, Body&, Fifo in, Fifo out)>& steps, Type t = kBlock) {
  Program p("p");
  const Fifo in = p.fifo("in", p.shim(0), {kCore}, t), out = p.fifo("out", kCore, {p.shim(0)}, t);
  p.run(kCore, [&](Body& b) { steps(p, b, in, out); });
  return p;
}

struct Case {
  const char* name;
  std::function<Program()> build;
  const char* message;
};

const Case kCases[] = {
    // Names, tiles, types.
    {"EmptyName", [] { return Program(""); }, "program: the name is empty"},
    {"DuplicateName",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {p.shim(1)}, kBlock);
       p.fifo("in", p.shim(0), {p.shim(1)}, kBlock);
       return p;
     },
     "fifo 'in': the name is used twice"},
    {"TileOutside", [] { return through_mem(kMem, TileId{9, 1}); }, "fifo 'out': tile (9,1) lies outside the 8 x 6 array"},
    {"NoElements", [] { return through_mem(kMem, kMem, type<int32_t>(64, 0)); }, "fifo 'in': int32[64x0] has no elements"},
    {"PartOfAWord", [] { return through_mem(kMem, kMem, type<int8_t>(6)); }, "fifo 'in': int8[6] has 6 bytes, expected a multiple of 4"},
    {"NoConsumer",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {}, kBlock);
       return p;
     },
     "fifo 'in': has no consumer"},
    {"ConsumerTwice",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {kCore, kCore}, kBlock);
       return p;
     },
     "fifo 'in': (0,2) is named twice as a consumer"},
    {"ProducerIsConsumer",
     [] {
       Program p("p");
       p.fifo("loop", kCore, {kCore}, kBlock);
       return p;
     },
     "fifo 'loop': (0,2) is producer and consumer"},
    {"DepthBeyondALock", [] { return through_mem(End(kMem).with_depth(64), kMem); }, "fifo 'in': depth at (0,1) is 64, expected 1 to 63"},
    {"PatternInAShim",
     [] {
       Program p("p");
       p.fifo("in", End(p.shim(0)).with_depth(2), {kCore}, kBlock);
       return p;
     },
     "fifo 'in': the end in shim tile (0,0) has a depth, pattern or type, expected none: the sequence gives each transfer its own"},
    {"RepeatOutsideAMemoryTile",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {kCore}, kBlock, {2, Transport::automatic, 4});
       return p;
     },
     "fifo 'in': repeat is 4, but the producer (0,0) is no memory tile"},
    {"SharedBetweenStrangers",
     [] {
       Program p("p");
       p.fifo("x", kCore, {p.core(2, 2)}, kBlock, {2, Transport::shared, 1});
       return p;
     },
     "fifo 'x': shared memory cannot carry it: (0,2) and (2,2) are no neighbours"},
    {"SharedAndBroadcast",
     [] {
       Program p("p");
       p.fifo("x", kCore, {p.core(0, 3), p.core(1, 2)}, kBlock, {2, Transport::shared, 1});
       return p;
     },
     "fifo 'x': shared memory cannot carry it: it has 2 consumers"},
    {"TwoShims",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {p.shim(1)}, kBlock);
       return p;
     },
     "fifo 'in': 2 ends in shim tiles, expected at most 1: the sequence moves one"},
    {"SharedInALink",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {kCore}, kBlock), across = p.fifo("across", kCore, {p.core(0, 3)}, kBlock, {2, Transport::shared, 1});
       p.forward(in, across);
       copy_body(p, p.core(0, 3), {across}, {});
       return p;
     },
     "fifo 'across': shared memory cannot carry it: an end belongs to a link"},
    // Links.
    {"MemoryTileWithoutALink",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {kMem}, kBlock);
       return p;
     },
     "fifo 'in': ends in memory tile (0,1), but no forward, split or join takes it on"},
    {"UnknownFifo",
     [] {
       Program p("p");
       p.forward(p.fifo("in", p.shim(0), {kMem}, kBlock), {7});
       return p;
     },
     "forward: unknown fifo 7, the program has 1"},
    {"LinkAcrossTiles", [] { return through_mem(kMem, TileId{1, 1}); }, "forward of fifo 'in': fifo 'in' has no end in (1,1), where 'out' starts"},
    {"LinkedTwice",
     [] {
       Program p = through_mem(kMem, kMem);
       p.forward({0}, p.fifo("more", kMem, {p.shim(1)}, kBlock));
       return p;
     },
     "fifo 'in': its end belongs to two links"},
    {"UnevenParts",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {kMem}, type<int32_t>(100));
       std::vector<Fifo> outs;
       for (unsigned i = 0; i < 3; ++i) outs.push_back(p.fifo(fmt::format("out{}", i), kMem, {p.shim(i)}, type<int32_t>(33)));
       p.split(in, outs);
       return p;
     },
     "split of fifo 'in': 400 bytes do not divide into 3 parts of whole words"},
    {"FeedWithoutContents",
     [] {
       Program p("p");
       p.feed(p.buffer(kMem, "table", kBlock), p.fifo("in", kMem, {p.shim(0)}, kBlock));
       return p;
     },
     "feed of fifo 'in': buffer 'table' has no contents"},
    {"ContentsOfAnotherSize",
     [] {
       Program p("p");
       p.buffer(kMem, "table", kBlock, std::vector<uint8_t>(100));
       return p;
     },
     "buffer 'table': 100 bytes of contents, expected 256"},
    // Streams and patterns.
    {"LengthsDisagree",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {kMem}, type<int32_t>(96)), out = p.fifo("out", kMem, {kCore}, kBlock);
       p.forward(in, out);
       copy_body(p, kCore, {out}, {});
       return p;
     },
     "fifo 'out': (0,1) pushes 384 bytes per element, (0,2) takes 256; expected one to be a multiple of the other"},
    {"PatternLeavesTheElement", [] { return through_mem(kMem, End(kMem).with_pattern({0, {{8, 16}, {8, 1}}})); },
     "fifo 'out' at (0,1): the pattern reaches byte 479 of an element of 256 bytes"},
    {"SingleBytes", [] { return through_mem(kMem, End(kMem).with_pattern({0, {{8, 1}, {8, 8}}}), type<int8_t>(64)); },
     "fifo 'out' at (0,1): pattern: the innermost loop takes 8 int8 elements with stride 8, expected stride 1 and a multiple of 4 bytes"},
    {"TooManyDimensions",
     [] { return through_mem(kMem, End(kMem).with_pattern({0, {{2, 1}, {2, 4}, {2, 16}, {2, 64}, {2, 256}}}), type<int32_t>(1024)); },
     "fifo 'out' at (0,1): pattern dimensions: 5 used, 4 available"},
    {"WrapWithoutADivisor",
     [] { return through_mem(kMem, End(kMem).with_pattern({0, {{2, 1}, {1031, 2}}}), type<int32_t>(2062)); },
     "fifo 'out' at (0,1): pattern: wrap is 1031, expected at most 1023 or a product of such"},
    {"StepTooWide",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {End(kCore).with_pattern({0, {{2, 8200}, {4, 1}}})}, type<int32_t>(8208), {1});
       copy_body(p, kCore, {in}, {});
       return p;
     },
     "fifo 'in' at (0,2): pattern: step is 8200 words, expected 1 to 8192"},
    {"DescriptorTooLong", [] { return through_mem(End(kMem).with_depth(1), kMem, type<int32_t>(131072)); },
     "fifo 'in' at (0,1): descriptor length: 131072 words used, 131071 available"},
    {"StrideZero", [] { return through_mem(kMem, End(kMem).with_pattern({0, {{4, 0}, {16, 1}}})); },
     "fifo 'out' at (0,1): pattern: step is 0 words, expected 1 to 131072"},
    // Bodies.
    {"NoBody",
     [] {
       Program p("p");
       p.fifo("in", p.shim(0), {kCore}, kBlock);
       return p;
     },
     "fifo 'in': core tile (0,2) has no body"},
    {"BodyInAMemoryTile",
     [] {
       Program p("p");
       copy_body(p, kMem, {}, {});
       return p;
     },
     "memory tile (0,1): has a body, but runs no programs"},
    {"ConsumerNeverUsed",
     [] {
       return on_core([](Program&, Body& b, Fifo, Fifo out) {
         b.forever([&] {
           b.acquire(out);
           b.release(out);
         });
       });
     },
     "fifo 'in': core tile (0,2) receives it, but its body never acquires an element"},
    {"HoldsTooMany",
     [] { return on_core([](Program&, Body& b, Fifo in, Fifo) { b.acquire(in, 3); }); },
     "core tile (0,2): the body holds 3 elements of fifo 'in', whose depth there is 2"},
    {"ReleasesTooMany",
     [] { return on_core([](Program&, Body& b, Fifo in, Fifo) { b.release(in); }); },
     "core tile (0,2): the body releases 1 elements of fifo 'in', but holds 0"},
    {"ElementNotHeld",
     [] {
       return on_core([](Program&, Body& b, Fifo in, Fifo) {
         b.acquire(in);
         b.call("add_one_i32", {in[1], 64});
       });
     },
     "core tile (0,2): add_one_i32: element 1 of fifo 'in', but the body holds 1"},
    {"LoopLeavesOneHeld",
     [] { return on_core([](Program&, Body& b, Fifo in, Fifo) { b.loop(4, [&] { b.acquire(in); }); }); },
     "core tile (0,2): a loop's body starts with 0 and ends with 1 elements of fifo 'in', expected as many"},
    {"IdleForEver",
     [] { return on_core([](Program&, Body& b, Fifo, Fifo) { b.forever([&] { b.call("add_one_i32", {}); }); }); },
     "core tile (0,2): a forever loop neither acquires nor waits"},
    {"AfterForEver",
     [] {
       return on_core([](Program&, Body& b, Fifo in, Fifo) {
         b.forever([&] {
           b.acquire(in);
           b.release(in);
         });
         b.call("add_one_i32", {});
       });
     },
     "core tile (0,2): steps after a forever loop are never reached"},
    {"ForeignFifo",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {p.core(1, 2)}, kBlock);
       copy_body(p, kCore, {in}, {});
       return p;
     },
     "core tile (0,2): the body uses fifo 'in', which has no end there"},
    {"ParameterOfAnotherCore",
     [] {
       return on_core([](Program& p, Body& b, Fifo, Fifo) { b.call("scale_i32", {p.parameter(p.core(0, 3), "factor")}); });
     },
     "core tile (0,2): scale_i32: parameter 'factor' is in (0,3)"},
    {"BufferOutOfReach",
     [] { return on_core([](Program& p, Body& b, Fifo, Fifo) { b.call("zero_i32", {p.buffer(p.core(1, 2), "sums", kBlock)}); }); },
     "core tile (0,2): zero_i32: buffer 'sums' in (1,2) is out of reach, expected the core's own tile or its south, west or north neighbour"},
    // Budgets.
    {"CoreMemory",
     [] {
       Program p("p");
       const Fifo in = p.fifo("in", p.shim(0), {kCore}, type<int32_t>(8192));
       copy_body(p, kCore, {in}, {});
       return p;
     },
     "core tile (0,2): data memory: 66560 bytes used (stack and parameters 1024, in 2 x 32768), 65536 available"},
    {"MemoryTileMemory", [] { return through_mem(End(kMem).with_depth(3), kMem, type<int8_t>(64, 3072)); },
     "memory tile (0,1): data memory: 589824 bytes used (in 3 x 196608), 524288 available"},
    {"MemoryTileConstants",
     [] {
       Program p("p");
       p.feed(p.buffer(kMem, "table", type<int8_t>(450000), std::vector<uint8_t>(450000)), p.fifo("in", kMem, {p.shim(0)}, type<int8_t>(450000)));
       return p;
     },
     "memory tile (0,1): data memory for constants: 450048 bytes used, 442368 available (none below 0x14000)"},
    {"ProgramMemory",
     [] {
       Program p = on_core([](Program&, Body& b, Fifo in, Fifo out) {
         b.forever([&] {
           b.acquire(in);
           b.acquire(out);
           b.release(in);
           b.release(out);
         });
       });
       p.code(kCore, {{0, std::vector<uint8_t>(16380)}});
       return p;
     },
     "core tile (0,2): program memory: 16476 bytes used (code 16380, record 96), 16384 available"},
    {"CodeOutsideMemory",
     [] {
       Program p = on_core([](Program&, Body& b, Fifo in, Fifo out) {
         b.acquire(in);
         b.acquire(out);
       });
       p.code(kCore, {{0x74000, std::vector<uint8_t>(16)}});
       return p;
     },
     "core tile (0,2): code segment of 16 bytes at 0x74000, expected program memory below 0x4000 or the 1024 bytes kept at 0x70000"},
    {"CoreChannels",
     [] {
       Program p("p");
       std::vector<Fifo> ins;
       for (unsigned i = 0; i < 3; ++i) ins.push_back(p.fifo(fmt::format("in{}", i), p.shim(i), {kCore}, kBlock));
       copy_body(p, kCore, ins, {});
       return p;
     },
     "core tile (0,2): S2MM channels: 3 used (in0, in1, in2), 2 available"},
    {"MemoryTileChannels",
     [] {
       Program p("p");
       for (unsigned i = 0; i < 7; ++i) {
         const Fifo in = p.fifo(fmt::format("in{}", i), p.shim(i), {kMem}, kBlock), out = p.fifo(fmt::format("out{}", i), kMem, {p.shim(i)}, kBlock);
         p.forward(in, out);
       }
       return p;
     },
     "memory tile (0,1): S2MM channels: 7 used (in0, in1, in2, in3, in4, in5, in6), 6 available"},
    {"ShimChannels",
     [] {
       Program p("p");
       std::vector<Fifo> ins;
       for (unsigned i = 0; i < 3; ++i) {
         ins.push_back(p.fifo(fmt::format("in{}", i), p.shim(0), {p.core(i, 2)}, kBlock));
         copy_body(p, p.core(i, 2), {ins.back()}, {});
       }
       return p;
     },
     "shim tile (0,0): MM2S channels: 3 used (in0, in1, in2), 2 available"},
    {"CoreDescriptors",
     [] {
       Program p("p");
       const Fifo a = p.fifo("a", p.shim(0), {kCore}, kBlock, {9}), b = p.fifo("b", p.shim(0), {kCore}, kBlock, {8});
       copy_body(p, kCore, {a, b}, {});
       return p;
     },
     "core tile (0,2): descriptors: 17 used (a 9, b 8), 16 available"},
    {"MemoryTileDescriptors", [] { return through_mem(End(kMem).with_depth(25), kMem); },
     "memory tile (0,1): descriptors (24 for even, 24 for odd channels): 50 used (in 25, out 25), 48 available"},
    {"CoreLocks",
     [] {
       Program p("p");
       std::vector<Signal> signals;
       for (unsigned i = 0; i < 17; ++i) signals.push_back(p.signal(kCore, fmt::format("s{}", i)));
       p.run(kCore, [&](Body& b) { b.forever([&] { for (const Signal s : signals) b.wait(s); }); });
       return p;
     },
     "core tile (0,2): locks: 17 used (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15, s16), 16 available"},
    {"LockValue", [] { return through_mem(End(kMem).with_depth(1), kMem, kBlock, {2, Transport::automatic, 64}); },
     "memory tile (0,1): lock value: 64 used (in), 63 available"},
    {"DeepLoops",
     [] {
       return on_core([](Program&, Body& b, Fifo in, Fifo) {
         std::function<void(unsigned)> nest = [&](unsigned n) {
           if (n == 0) return b.acquire(in), b.release(in);
           b.loop(2, [&] { nest(n - 1); });
         };
         nest(9);
       });
     },
     "core tile (0,2): loops nest 9 deep, 8 available"},
    {"Unroutable",
     [] {
       // Five streams down each column; four lanes lead from the cores to each memory tile.
       Program p("p");
       for (unsigned c = 0; c < 8; ++c)
         for (unsigned i = 0; i < 5; ++i) {
           const TileId core = p.core(c, 2 + i % 4);
           const Fifo part = p.fifo(fmt::format("c{}.{}", c, i), core, {p.mem(c)}, kBlock);
           p.forward(part, p.fifo(fmt::format("d{}.{}", c, i), p.mem(c), {i < 4 ? p.core((c + 1) % 8, 2 + i) : p.shim(c)}, kBlock));
         }
       for (unsigned c = 0; c < 8; ++c)
         for (unsigned r = 0; r < 4; ++r) {
           std::vector<Fifo> ins, outs;
           for (uint32_t f = 0; f < p.fifos().size(); ++f) {
             if (p.fifos()[f].from.tile == p.core(c, 2 + r)) outs.push_back({f});
             if (p.fifos()[f].to[0].tile == p.core(c, 2 + r)) ins.push_back({f});
           }
           copy_body(p, p.core(c, 2 + r), ins, outs);
         }
       return p;
     },
     "core tile (0,2): SOUTH ports of the switch: 5 used (c0.0, c0.1, c0.2, c0.3, c0.4), 4 available"},
};

class Errors : public testing::TestWithParam<Case> {};

TEST_P(Errors, ExactMessage) {
  const auto lowered = lower(GetParam().build());
  ASSERT_FALSE(lowered.has_value()) << "the program was accepted";
  EXPECT_EQ(lowered.error().message, GetParam().message);
  EXPECT_EQ(lowered.error().code, Errc::out_of_range);
}

INSTANTIATE_TEST_SUITE_P(All, Errors, testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param.name); });

// The sequence of a good program.
struct SequenceCase {
  const char* name;
  std::function<void(Sequence&)> moves;
  const char* message;
};

const SequenceCase kSequenceCases[] = {
    {"SixBuffers", [](Sequence& s) { s.move({0}, 5, linear(0, 64)); }, "sequence: fifo 'in': buffer argument is 5, expected 0 to 4"},
    {"UnknownFifo", [](Sequence& s) { s.move({9}, 0, linear(0, 64)); }, "sequence: unknown fifo 9, the program has 2"},
    {"UnknownParameter", [](Sequence& s) { s.set({0}, 1); }, "sequence: unknown parameter 0, the program has 0"},
    {"UnknownSignal", [](Sequence& s) { s.raise({3}); }, "sequence: unknown signal 3, the program has 0"},
    {"EmptyRegion", [](Sequence& s) { s.move({0}, 0, {}); }, "sequence: fifo 'in': the region is empty"},
    {"PartOfAnElement", [](Sequence& s) { s.move({0}, 0, linear(0, 100)); },
     "sequence: fifo 'in': 400 bytes moved in this run, expected a multiple of 256, one element of the other end"},
    {"TooManyTasks", [](Sequence& s) { s.move({0}, 0, {0, {{5000, 1u << 25}, {64, 1u << 22}, {64, 1}}}); },
     "sequence: fifo 'in': the region needs more than 4096 tasks"},
    {"InnerStrideZero", [](Sequence& s) { s.move({0}, 0, {0, {{4, 64}, {4, 0}, {64, 1}}}); },
     "sequence: fifo 'in': pattern: a stride is 0, expected that of the outermost loop only"},
    {"OffsetTooFar", [](Sequence& s) { s.move({0}, 0, linear(uint64_t{1} << 41, 64)); },
     "sequence: fifo 'in': offset is 2199023255552, expected at most 2^40"},
};

class SequenceErrors : public testing::TestWithParam<SequenceCase> {};

TEST_P(SequenceErrors, ExactMessage) {
  const auto lowered = lower(through_mem(kMem, kMem));
  ASSERT_TRUE(lowered.has_value()) << lowered.error().message;
  Sequence s(*lowered);
  GetParam().moves(s);
  const auto stream = s.finish();
  ASSERT_FALSE(stream.has_value()) << "the sequence was accepted";
  EXPECT_EQ(stream.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, SequenceErrors, testing::ValuesIn(kSequenceCases), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace onebit::npu::design
