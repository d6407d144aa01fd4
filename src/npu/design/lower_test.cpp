#include "npu/design/lower.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace onebit::npu::design
