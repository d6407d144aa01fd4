#include "npu/runtime/device.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

// What a program needs to run: its image, and per shape a stream and data.
struct Built {
  const ExampleProgram* program;
  design::Lowered lowered;

  explicit Built(const char* name) : program(find_example_program(name)), lowered(design::lower(program->build().value()).value()) {}
  std::vector<uint8_t> stream(size_t shape) const { return write_transaction(program->sequence(lowered, program->shapes[shape]).value()).value(); }
  std::vector<ExampleBuffer> data(size_t shape, uint64_t seed) const { return program->data(program->shapes[shape], seed); }
};

// Buffers of one run: inputs uploaded, outputs wrong in every byte on both sides.
struct Prepared {
  std::vector<ExampleBuffer> data;
  NpuCommand command;
};
Prepared prepare(NpuDevice& device, const NpuBufferRef& stream, std::vector<ExampleBuffer> data) {
  Prepared p{std::move(data), {stream, {}}};
  for (const ExampleBuffer& d : p.data) {
    const NpuBufferRef b = device.allocate(d.bytes.size(), BufferUse::data).value();
    std::transform(d.bytes.begin(), d.bytes.end(), b->bytes().begin(), [&](uint8_t v) { return static_cast<uint8_t>(d.output ? ~v : v); });
    EXPECT_TRUE(device.upload(b));
    p.command.arguments.push_back(b);
  }
  return p;
}
void expect_outputs(NpuDevice& device, const Prepared& p) {
  for (size_t i = 0; i < p.data.size(); ++i) {
    if (!p.data[i].output) continue;
    const NpuBufferRef& b = p.command.arguments[i];
    const Status status = device.download(b);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_TRUE(std::ranges::equal(b->bytes(), p.data[i].bytes)) << "bo" << i;
  }
}

class Device : public testing::Test {
 protected:
  std::unique_ptr<NpuDevice> open() { return NpuDevice::open({}).value(); }
  std::unique_ptr<NpuDevice> open(const Built& built) {
    auto device = open();
    const Status status = device->load(built.lowered.xclbin);
    EXPECT_TRUE(status) << status.error().message;
    return device;
  }
};

TEST_F(Device, ThreeRunsOfAPassthrough) {
  const Built built("passthrough");
  const auto device = open(built);
  for (uint64_t run = 0; run < 3; ++run) {
    const Prepared p = prepare(*device, device->instructions(built.stream(8)).value(), built.data(8, run));
    const auto r = device->submit(p.command);
    ASSERT_TRUE(r) << r.error().message;
    const Status done = device->wait(*r);
    ASSERT_TRUE(done) << done.error().message;
    expect_outputs(*device, p);
  }
  EXPECT_EQ(device->stats().runs, 3u);
}

}  // namespace
}  // namespace onebit::npu
