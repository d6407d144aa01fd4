#include "npu/runtime/device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "npu/programs/programs.h"
#include "npu/programs/run_example.h"
#include "stub_xrt.h"

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
const Built& passthrough() {
  static const Built built("passthrough");
  return built;
}

template <class T>
std::string message(const T& result) {
  return result ? "no error" : result.error().message;
}
#define EXPECT_MESSAGE(result, part)                                                                                    \
  do {                                                                                                                  \
    const auto& checked = (result);                                                                                     \
    EXPECT_FALSE(checked.has_value());                                                                                  \
    EXPECT_NE(message(checked).find(part), std::string::npos) << "is: " << message(checked) << "\nwithout: " << (part); \
  } while (false)

// Buffers of one run: inputs uploaded, outputs wrong in every byte on both sides.
struct Prepared {
  std::vector<ExampleBuffer> data;
  NpuCommand command;
};
Prepared prepare(NpuDevice& device, size_t shape, uint64_t seed) {
  Prepared p{passthrough().data(shape, seed), {device.instructions(passthrough().stream(shape)).value(), {}}};
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

// The array behind the stub: one simulator per context.
class StubArray {
 public:
  bool operator()(uint32_t context, std::span<const char> image, std::span<const uint8_t> stream, std::span<const std::span<uint8_t>> buffers) {
    auto found = contexts_.find(context);
    if (found == contexts_.end()) {
      auto opened = open_example(device(Generation::aie2p), {image.begin(), image.end()});
      if (!opened) return false;
      found = contexts_.emplace(context, std::move(*opened)).first;
    }
    return found->second.run(stream, buffers).has_value();
  }

 private:
  std::map<uint32_t, Simulator> contexts_;
};

class Device : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    stub_xrt::reset();
    stub_xrt::set_executor([array = std::make_shared<StubArray>()](auto... arguments) { return (*array)(arguments...); });
  }
  void TearDown() override {
    EXPECT_EQ(stub_xrt::live_names(), "");
    EXPECT_EQ(stub_xrt::violations(), std::vector<std::string>{});
  }
  static NpuOptions options() {
    NpuOptions o;
    o.kind = GetParam();
    o.xrt_module = ONEBIT_XRT_STUB_MODULE;
    return o;
  }
  static std::unique_ptr<NpuDevice> open() {
    auto device = NpuDevice::open(options());
    EXPECT_TRUE(device) << message(device);
    const Status loaded = (*device)->load(passthrough().lowered.xclbin);
    EXPECT_TRUE(loaded) << message(loaded);
    return std::move(*device);
  }
};

TEST_P(Device, ThreeRunsOfAPassthrough) {
  const auto device = open();
  for (uint64_t seed = 0; seed < 3; ++seed) {
    const Prepared p = prepare(*device, 8, seed);
    const auto run = device->submit(p.command);
    ASSERT_TRUE(run) << message(run);
    const Status done = device->wait(*run);
    ASSERT_TRUE(done) << message(done);
    expect_outputs(*device, p);
  }
  EXPECT_EQ(device->stats().runs, 3u);
  EXPECT_FALSE(device->lost());
}

TEST_P(Device, EveryShapeInOneContext) {
  const auto device = open();
  for (size_t shape = 0; shape < passthrough().program->shapes.size(); ++shape) {
    const Prepared p = prepare(*device, shape, shape);
    ASSERT_TRUE(device->wait(device->submit(p.command).value()));
    expect_outputs(*device, p);
  }
}

TEST_P(Device, SeveralRunsInFlightAreWaitedForInAnyOrder) {
  const auto device = open();
  std::vector<Prepared> prepared;
  std::vector<NpuRun> runs;
  for (uint64_t i = 0; i < 5; ++i) {
    prepared.push_back(prepare(*device, i, i));
    runs.push_back(device->submit(prepared.back().command).value());
  }
  EXPECT_EQ(device->in_flight(), 5u);
  for (const size_t i : {3, 0, 4, 1, 2}) {
    ASSERT_TRUE(device->wait(runs[i]));
    expect_outputs(*device, prepared[i]);
  }
  EXPECT_EQ(device->in_flight(), 0u);
}

// The output of one is the input of the next, without the host between them.
TEST_P(Device, RunsAndCommandsOfARunKeepTheirOrder) {
  const auto device = open();
  Prepared p = prepare(*device, 5, 1);
  const NpuBufferRef first = p.command.arguments[0], last = p.command.arguments[1];
  const NpuBufferRef between[] = {device->allocate(first->size(), BufferUse::data).value(), device->allocate(first->size(), BufferUse::data).value()};
  const NpuBufferRef chain[] = {first, between[0], between[1], between[0], last};
  std::vector<NpuCommand> commands;
  for (size_t i = 0; i < 4; ++i) commands.push_back({p.command.instructions, {chain[i], chain[i + 1]}});

  const auto run = device->submit(commands);
  ASSERT_TRUE(run) << message(run);
  ASSERT_TRUE(device->wait(*run));
  expect_outputs(*device, p);
  EXPECT_EQ(device->stats().runs, 1u);
  EXPECT_EQ(device->stats().commands, 4u);

  std::ranges::fill(last->bytes(), 0x55);
  ASSERT_TRUE(device->upload(last));
  std::vector<NpuRun> runs;
  for (const NpuCommand& c : commands) runs.push_back(device->submit(c).value());
  for (const NpuRun r : runs) ASSERT_TRUE(device->wait(r));
  expect_outputs(*device, p);
}

TEST_P(Device, TheQueueHasALimit) {
  const auto device = open();
  const Prepared p = prepare(*device, 0, 1);
  std::vector<NpuRun> runs;
  for (unsigned i = 0; i < kNpuQueueDepth; ++i) runs.push_back(device->submit(p.command).value());
  EXPECT_MESSAGE(device->submit(p.command), "16 runs are in flight");
  ASSERT_TRUE(device->wait(runs[0]));
  const auto again = device->submit(p.command);
  ASSERT_TRUE(again) << message(again);
}  // the destructor waits for the rest

TEST_P(Device, AForgottenUploadOrDownloadShows) {
  const auto device = open();
  Prepared p = prepare(*device, 3, 1);
  const NpuBufferRef in = p.command.arguments[0], out = p.command.arguments[1];
  std::ranges::fill(in->bytes(), 0x11);  // after the upload
  ASSERT_TRUE(device->wait(device->submit(p.command).value()));
  EXPECT_NE(out->bytes()[0], p.data[1].bytes[0]);
  expect_outputs(*device, p);
}

TEST_P(Device, PartsOfABufferMove) {
  const auto device = open();
  Prepared p = prepare(*device, 3, 1);
  const NpuBufferRef out = p.command.arguments[1];
  ASSERT_TRUE(device->wait(device->submit(p.command).value()));
  ASSERT_TRUE(device->download(out, 8, 16));
  for (size_t i = 0; i < out->size(); ++i) {
    const uint8_t expected = p.data[1].bytes[i];
    EXPECT_EQ(out->bytes()[i], i >= 8 && i < 24 ? expected : static_cast<uint8_t>(~expected)) << i;
  }
  EXPECT_MESSAGE(device->download(out, 8, out->size()), "expected inside the buffer's");
  EXPECT_MESSAGE(device->upload(out, out->size() + 1, 0), "expected inside the buffer's");
  EXPECT_EQ(device->stats().downloaded_bytes, 16u);
  EXPECT_EQ(device->stats().downloads, 1u);
}

TEST_P(Device, ABufferOfARunInFlightIsNotTheHosts) {
  const auto device = open();
  const Prepared p = prepare(*device, 3, 1);
  const NpuRun run = device->submit(p.command).value();
  EXPECT_MESSAGE(device->upload(p.command.arguments[0]), "a run in flight uses the buffer");
  EXPECT_MESSAGE(device->download(p.command.arguments[1]), "a run in flight uses the buffer");
  EXPECT_MESSAGE(device->upload(p.command.instructions), "a run in flight uses the buffer");
  ASSERT_TRUE(device->wait(run));
  EXPECT_TRUE(device->upload(p.command.arguments[0]));
}

TEST_P(Device, MisuseIsAnErrorThatNamesIt) {
  auto bare = NpuDevice::open(options()).value();
  EXPECT_MESSAGE(bare->allocate(4, BufferUse::data), "no image is loaded");
  EXPECT_MESSAGE(bare->submit(NpuCommand{}), "no image is loaded");
  EXPECT_MESSAGE(bare->reopen(), "no image is loaded");
  EXPECT_MESSAGE(bare->load(std::vector<uint8_t>(512, 0)), "");
  EXPECT_MESSAGE(bare->load({}), "");
  bare.reset();

  const auto device = open();
  const Prepared p = prepare(*device, 3, 1);
  EXPECT_MESSAGE(device->load(passthrough().lowered.xclbin), "loaded already");
  EXPECT_MESSAGE(device->allocate(0, BufferUse::data), "buffer of 0 bytes");
  EXPECT_MESSAGE(device->allocate(size_t{1} << 40, BufferUse::data), "buffer of 1099511627776 bytes");
  EXPECT_MESSAGE(device->allocate(4, BufferUse::data, 5), "bo5");
  EXPECT_MESSAGE(device->upload(nullptr), "no buffer");
  EXPECT_MESSAGE(device->submit(std::vector<NpuCommand>{}), "0 commands");
  EXPECT_MESSAGE(device->submit(NpuCommand{nullptr, {}}), "no buffer");
  EXPECT_MESSAGE(device->submit({p.command.arguments[0], {}}), "the stream lies in a data buffer");
  EXPECT_MESSAGE(device->submit({p.command.instructions, {p.command.instructions}}), "an instruction buffer as argument");
  EXPECT_MESSAGE(device->submit({p.command.instructions, {nullptr}}), "no buffer");
  EXPECT_MESSAGE(device->submit({p.command.instructions, p.command.arguments, 6}), "a stream of 6 bytes");
  EXPECT_MESSAGE(device->submit({p.command.instructions, p.command.arguments, 1 << 20}), "expected inside the buffer's");
  EXPECT_MESSAGE(device->submit({p.command.instructions, std::vector<NpuBufferRef>(6, p.command.arguments[0])}), "6 buffers, expected at most 5");
  const NpuBufferRef empty = device->allocate(64, BufferUse::instructions).value();
  EXPECT_MESSAGE(device->submit({empty, p.command.arguments}), "never uploaded");
  EXPECT_MESSAGE(device->wait({77}), "not in flight");
  const NpuRun run = device->submit(p.command).value();
  EXPECT_MESSAGE(device->wait(run, std::chrono::milliseconds(0)), "time limit of 0 ms");
  ASSERT_TRUE(device->wait(run));
  EXPECT_MESSAGE(device->wait(run), "waited for once");
  EXPECT_MESSAGE(device->reopen(), "not lost");

  const auto other = open();
  EXPECT_MESSAGE(other->submit(p.command), "another device");
  EXPECT_MESSAGE(other->upload(p.command.arguments[0]), "another device");
  EXPECT_FALSE(device->lost());
}

// Images of any bytes: an error or an image, no crash.
TEST_P(Device, DamagedImagesAreErrorsOrImages) {
  const std::vector<uint8_t>& good = passthrough().lowered.xclbin;
  for (size_t i = 0; i < good.size(); i += 97) {
    std::vector<uint8_t> bytes = good;
    bytes[i] ^= static_cast<uint8_t>(1 + i % 255);
    const auto device = NpuDevice::open(options()).value();
    if (const Status loaded = device->load(bytes); !loaded) {
      EXPECT_FALSE(loaded.error().message.empty());
      EXPECT_TRUE(device->load(good)) << i;
    }
    bytes.resize(i);
    EXPECT_FALSE(NpuDevice::open(options()).value()->load(bytes)) << i;
  }
}

TEST_P(Device, ALongerBufferMayHoldAShorterStream) {
  const auto device = open();
  const Prepared p = prepare(*device, 3, 1);
  const std::vector<uint8_t> stream = passthrough().stream(3);
  const NpuBufferRef large = device->allocate(stream.size() + 4096, BufferUse::instructions).value();
  std::ranges::fill(large->bytes(), 0xFF);
  std::ranges::copy(stream, large->bytes().begin());
  ASSERT_TRUE(device->upload(large));
  ASSERT_TRUE(device->wait(device->submit({large, p.command.arguments, stream.size()}).value()));
  expect_outputs(*device, p);
}

TEST_P(Device, AFailedRunLosesTheContextAndReopenBringsItBack) {
  const auto device = open();
  const Prepared good = prepare(*device, 3, 1), later = prepare(*device, 4, 2);
  std::vector<uint8_t> broken = passthrough().stream(3);
  std::fill(broken.begin() + 16, broken.end(), 0xFF);
  const NpuBufferRef bad = device->instructions(broken).value();

  const NpuRun a = device->submit(good.command).value(), b = device->submit({bad, good.command.arguments}).value(),
               c = device->submit(later.command).value();
  ASSERT_TRUE(device->wait(a));
  const Status failed = device->wait(b);
  EXPECT_MESSAGE(failed, "run 2: ");
  EXPECT_EQ(failed.error().code, Errc::device);
  EXPECT_TRUE(device->lost());
  EXPECT_MESSAGE(device->wait(c), "lost with its context");
  EXPECT_MESSAGE(device->submit(later.command), "the context was lost and not reopened");
  EXPECT_MESSAGE(device->allocate(4, BufferUse::data), "the context was lost and not reopened");

  const Status reopened = device->reopen();
  ASSERT_TRUE(reopened) << message(reopened);
  EXPECT_FALSE(device->lost());
  EXPECT_EQ(device->stats().failures, 1u);
  EXPECT_EQ(device->stats().reopens, 1u);
  ASSERT_TRUE(device->wait(device->submit(later.command).value()));
  expect_outputs(*device, later);
  ASSERT_TRUE(device->wait(device->submit(good.command).value()));
  expect_outputs(*device, good);
}

TEST_P(Device, BuffersMayOutliveTheDevice) {
  auto device = open();
  const Prepared p = prepare(*device, 3, 1);
  device.reset();
  EXPECT_TRUE(std::ranges::equal(p.command.arguments[0]->bytes(), p.data[0].bytes));
}

TEST_P(Device, UploadsAreCounted) {
  const auto device = open();
  const Prepared p = prepare(*device, 3, 1);
  const NpuStats before = device->stats();
  EXPECT_EQ(before.uploads, 3u);
  EXPECT_EQ(before.uploaded_bytes, passthrough().stream(3).size() + p.data[0].bytes.size() + p.data[1].bytes.size());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(device->wait(device->submit(p.command).value()));
  EXPECT_EQ(device->stats().uploads, 3u);
  const bool sim = GetParam() == DeviceKind::sim;
  EXPECT_EQ(device->stats().simulated.ddr_read_bytes, sim ? 3 * p.data[0].bytes.size() : 0);
  EXPECT_EQ(device->stats().simulated.ddr_write_bytes, sim ? 3 * p.data[1].bytes.size() : 0);
}

INSTANTIATE_TEST_SUITE_P(Both, Device, testing::Values(DeviceKind::sim, DeviceKind::xrt),
                         [](const auto& info) { return info.param == DeviceKind::sim ? "Simulator" : "StubXrt"; });

TEST(SimDevice, CoresRunTheirKernels) {
  const Built built("add_one");
  const auto device = NpuDevice::open({}).value();
  ASSERT_TRUE(device->load(built.lowered.xclbin));
  EXPECT_EQ(device->description(), "array simulator (npu2)");
  const std::vector<ExampleBuffer> data = built.data(9, 3);
  NpuCommand command{device->instructions(built.stream(9)).value(), {}};
  for (const ExampleBuffer& d : data) {
    const NpuBufferRef b = device->allocate(d.bytes.size(), BufferUse::data).value();
    if (!d.output) std::ranges::copy(d.bytes, b->bytes().begin());
    ASSERT_TRUE(device->upload(b));
    command.arguments.push_back(b);
  }
  const Status done = device->wait(device->submit(command).value());
  ASSERT_TRUE(done) << message(done);
  for (size_t i = 0; i < data.size(); ++i) {
    ASSERT_TRUE(device->download(command.arguments[i]));
    EXPECT_TRUE(std::ranges::equal(command.arguments[i]->bytes(), data[i].bytes)) << "bo" << i;
  }
  EXPECT_GT(device->stats().simulated.kernel_calls, 0u);
}

}  // namespace
}  // namespace onebit::npu
