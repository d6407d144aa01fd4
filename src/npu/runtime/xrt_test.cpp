// The libxrt implementation over the stub: order and flags of calls, injected errors, runs that do not end well.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "npu/programs/programs.h"
#include "npu/runtime/device.h"
#include "stub_xrt.h"

namespace onebit::npu {
namespace {

using stub_xrt::Fault;
using Lines = std::vector<std::string>;

constexpr size_t kBufferBytes = 256;

const design::Lowered& lowered() {
  static const design::Lowered l = design::lower(find_example_program("passthrough")->build().value()).value();
  return l;
}
const std::vector<uint8_t>& stream() {
  static const std::vector<uint8_t> s = [] {
    const ExampleProgram& p = *find_example_program("passthrough");
    return write_transaction(p.sequence(lowered(), p.shapes[0]).value()).value();
  }();
  return s;
}

NpuOptions options() {
  NpuOptions o;
  o.kind = DeviceKind::xrt;
  o.xrt_module = ONEBIT_XRT_STUB_MODULE;
  return o;
}

Lines calls_since(size_t& position) {
  const Lines& all = stub_xrt::calls();
  Lines lines(all.begin() + static_cast<ptrdiff_t>(position), all.end());
  position = all.size();
  return lines;
}

class Xrt : public testing::Test {
 protected:
  void SetUp() override { stub_xrt::reset(); }
  void TearDown() override {
    EXPECT_EQ(stub_xrt::live_names(), "");
    EXPECT_EQ(stub_xrt::violations(), Lines{});
  }
  std::unique_ptr<NpuDevice> open() {
    auto device = NpuDevice::open(options()).value();
    EXPECT_TRUE(device->load(lowered().xclbin));
    return device;
  }
  static NpuCommand command(NpuDevice& device) {
    NpuCommand c{device.instructions(stream()).value(), {}};
    for (unsigned i = 0; i < 2; ++i) c.arguments.push_back(device.allocate(kBufferBytes, BufferUse::data, i).value());
    return c;
  }
};

TEST_F(Xrt, OneDispatchMakesTheseCalls) {
  size_t at = 0;
  const std::string size = std::to_string(stream().size());
  auto device = NpuDevice::open(options()).value();
  EXPECT_EQ(device->description(), "stub NPU");
  EXPECT_EQ(calls_since(at), (Lines{"device(0)", "get_info()"}));
  ASSERT_TRUE(device->load(lowered().xclbin));
  EXPECT_EQ(calls_since(at), (Lines{"xclbin(" + std::to_string(lowered().xclbin.size()) + ")", "register_xclbin()", "get_uuid()", "hw_context()",
                                    "kernel(MLIR_AIE)"}));

  NpuBufferRef code = device->instructions(stream()).value();
  EXPECT_EQ(calls_since(at), (Lines{"group_id(1)", "bo(" + size + ", cacheable, group 0x10001)", "map()", "sync(to device, " + size + " from 0)"}));
  NpuBufferRef in = device->allocate(kBufferBytes, BufferUse::data, 0).value(), out = device->allocate(kBufferBytes, BufferUse::data, 1).value();
  EXPECT_EQ(calls_since(at),
            (Lines{"group_id(3)", "bo(256, host_only, group 0x10000)", "map()", "group_id(4)", "bo(256, host_only, group 0x10000)", "map()"}));
  ASSERT_TRUE(device->upload(in, 64, 128));
  EXPECT_EQ(calls_since(at), (Lines{"sync(to device, 128 from 64)"}));

  const NpuRun run = device->submit({code, {in, out}}).value();
  EXPECT_EQ(calls_since(at),
            (Lines{"run()", "set_arg(0, 8 bytes, 3)", "set_arg(1, bo)", "set_arg(2, 4 bytes, " + std::to_string(stream().size() / 4) + ")",
                   "set_arg(3, bo)", "set_arg(4, bo)", "start()"}));
  ASSERT_TRUE(device->wait(run, std::chrono::milliseconds(1500)));
  EXPECT_EQ(calls_since(at), (Lines{"wait2(1500)", "~run"}));
  ASSERT_TRUE(device->download(out));
  EXPECT_EQ(calls_since(at), (Lines{"sync(from device, 256 from 0)"}));

  code.reset(), in.reset(), out.reset();
  calls_since(at);
  device.reset();
  EXPECT_EQ(calls_since(at), (Lines{"~kernel", "~hw_context", "~xclbin", "~device"}));
}

TEST_F(Xrt, SeveralCommandsAreARunlist) {
  const auto device = open();
  const NpuCommand c = command(*device);
  size_t at = stub_xrt::calls().size();
  const NpuRun run = device->submit({c, c, c}).value();
  Lines lines = calls_since(at);
  std::erase_if(lines, [](const std::string& l) { return l.starts_with("set_arg"); });
  EXPECT_EQ(lines, (Lines{"run()", "run()", "run()", "runlist()", "add()", "add()", "add()", "execute()"}));
  ASSERT_TRUE(device->wait(run));
  EXPECT_EQ(calls_since(at)[0], "runlist_wait(20000)");
}

TEST_F(Xrt, RunsInFlightAreWaitedForBeforeTheContextCloses) {
  auto device = open();
  NpuCommand c = command(*device);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(device->submit(c));
  c = {};
  size_t at = stub_xrt::calls().size();
  device.reset();
  Lines lines = calls_since(at);
  std::erase(lines, "~bo");
  EXPECT_EQ(lines, (Lines{"wait2(20000)", "~run", "wait2(20000)", "~run", "~kernel", "~hw_context", "~xclbin", "~device"}));
}

// Everything a user does, up to the first error.
Status scenario() {
  ONEBIT_ASSIGN(const auto device, NpuDevice::open(options()));
  ONEBIT_TRY(device->load(lowered().xclbin));
  NpuCommand c;
  ONEBIT_ASSIGN(c.instructions, device->instructions(stream()));
  for (unsigned i = 0; i < 2; ++i) {
    ONEBIT_ASSIGN(NpuBufferRef b, device->allocate(kBufferBytes, BufferUse::data, i));
    ONEBIT_TRY(device->upload(b));
    c.arguments.push_back(std::move(b));
  }
  ONEBIT_ASSIGN(const NpuRun first, device->submit(c));
  ONEBIT_ASSIGN(const NpuRun second, device->submit({c, c, c}));
  ONEBIT_ASSIGN(const NpuRun third, device->submit(c));
  ONEBIT_TRY(device->wait(second));
  ONEBIT_TRY(device->wait(first));
  ONEBIT_TRY(device->wait(third));
  return device->download(c.arguments[1]);
}

TEST_F(Xrt, EveryInjectedErrorIsATypedErrorAndNothingLeaks) {
  ASSERT_TRUE(scenario());
  std::map<std::string, unsigned> counts;
  for (const std::string& call : stub_xrt::calls()) ++counts[call.substr(0, call.find('('))];
  const Lines& points = stub_xrt::fault_points();
  for (const auto& [name, count] : counts)
    EXPECT_TRUE(name[0] == '~' || name == "get_info" || std::ranges::count(points, name) == 1) << name << " is called and no fault point";

  for (const std::string& point : points) {
    ASSERT_GT(counts[point], 0u) << point;
    for (unsigned nth = 1; nth <= counts[point]; ++nth)
      for (const Fault fault : {Fault::system_error, Fault::runtime_error, Fault::out_of_memory, Fault::unknown}) {
        stub_xrt::reset();
        stub_xrt::fail(point, fault, 22, "injected words", nth);
        const Status status = scenario();
        const std::string where = point + " call " + std::to_string(nth) + " fault " + std::to_string(static_cast<int>(fault));
        ASSERT_FALSE(status) << where;
        EXPECT_EQ(status.error().code, fault == Fault::out_of_memory ? Errc::out_of_memory : Errc::device) << where;
        EXPECT_NE(status.error().message.find("xrt::"), std::string::npos) << where << ": " << status.error().message;
        const bool words = fault == Fault::system_error || fault == Fault::runtime_error;
        EXPECT_EQ(status.error().message.find("injected words") != std::string::npos, words) << where;
        EXPECT_EQ(stub_xrt::live_names(), "") << where;
        EXPECT_EQ(stub_xrt::violations(), Lines{}) << where;
      }
  }
}

TEST_F(Xrt, ADeviceWithoutANameIsADevice) {
  stub_xrt::fail("get_info", Fault::runtime_error);
  const auto device = NpuDevice::open(options());
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ((*device)->description(), "NPU");
}

TEST_F(Xrt, LoadMayBeTriedAgain) {
  const auto device = NpuDevice::open(options()).value();
  for (const char* call : {"xclbin", "register_xclbin", "hw_context", "kernel"}) {
    stub_xrt::fail(call, Fault::system_error, 16, "busy");
    EXPECT_FALSE(device->load(lowered().xclbin));
  }
  ASSERT_TRUE(device->load(lowered().xclbin));
  ASSERT_TRUE(device->wait(device->submit(command(*device)).value()));
}

// A run that never ends, in each state it can stay in; and each state in which it can end badly.
TEST_F(Xrt, EveryStateOfARunIsDecoded) {
  struct Case {
    ert_cmd_state state;
    bool ends;
    const char* part;
  };
  const Case cases[] = {
      {ERT_CMD_STATE_NEW, false, "ERT_CMD_STATE_NEW (the command never started"},
      {ERT_CMD_STATE_QUEUED, false, "ERT_CMD_STATE_QUEUED (the command never started"},
      {ERT_CMD_STATE_SUBMITTED, false, "ERT_CMD_STATE_SUBMITTED (the command never started"},
      {ERT_CMD_STATE_RUNNING, false, "ERT_CMD_STATE_RUNNING (the array still works or waits"},
      {ERT_CMD_STATE_ERROR, true, "ERT_CMD_STATE_ERROR, Command failed to complete successfully (the firmware refused"},
      {ERT_CMD_STATE_ABORT, true, "ERT_CMD_STATE_ABORT, Command failed to complete successfully (the driver stopped"},
      {ERT_CMD_STATE_TIMEOUT, true, "ERT_CMD_STATE_TIMEOUT, Command failed to complete successfully (the driver's time limit"},
      {ERT_CMD_STATE_NORESPONSE, true, "ERT_CMD_STATE_NORESPONSE, Command failed to complete successfully (the firmware does not answer"},
      {ERT_CMD_STATE_SKERROR, true, "ERT_CMD_STATE_SKERROR"},
      {ERT_CMD_STATE_SKCRASHED, true, "ERT_CMD_STATE_SKCRASHED"},
      {static_cast<ert_cmd_state>(13), true, "ERT state 13"},
  };
  for (const Case& c : cases)
    for (const size_t commands : {1, 3}) {
      stub_xrt::reset();
      const auto device = open();
      const NpuCommand one = command(*device);
      stub_xrt::end_runs_in(c.state);
      const NpuRun bad = device->submit(std::vector(commands, one)).value(), next = device->submit(one).value();
      const Status status = device->wait(bad);
      ASSERT_FALSE(status) << c.part;
      EXPECT_EQ(status.error().code, Errc::device);
      EXPECT_NE(status.error().message.find(c.part), std::string::npos) << status.error().message << "\nexpected: " << c.part;
      EXPECT_EQ(status.error().message.find("not finished within the time limit") == std::string::npos, c.ends) << status.error().message;
      EXPECT_TRUE(device->lost());
      ASSERT_FALSE(device->wait(next));
      ASSERT_FALSE(device->submit(one));
    }
}

TEST_F(Xrt, ARunThatEndsBetweenTheTimeoutAndTheLookAtItsStateIsDone) {
  const auto device = open();
  const NpuCommand c = command(*device);
  stub_xrt::end_runs_in(ERT_CMD_STATE_RUNNING);
  const NpuRun run = device->submit(c).value();
  stub_xrt::finish_before_next_state();
  EXPECT_TRUE(device->wait(run));
}

// A lost context: contents of every buffer come back in fresh memory of the fresh context.
TEST_F(Xrt, ReopenMakesEverythingAgainInOrder) {
  const auto device = open();
  const NpuCommand c = command(*device);
  std::ranges::fill(c.arguments[0]->bytes(), 0x5A);
  ASSERT_TRUE(device->upload(c.arguments[0]));
  stub_xrt::end_runs_in(ERT_CMD_STATE_TIMEOUT);
  ASSERT_FALSE(device->wait(device->submit(c).value()));
  stub_xrt::end_runs_in(ERT_CMD_STATE_COMPLETED);

  size_t at = stub_xrt::calls().size();
  ASSERT_TRUE(device->reopen());
  const Lines lines = calls_since(at);
  const std::string size = std::to_string(stream().size());
  EXPECT_EQ(lines, (Lines{"~run",
                          "~kernel",
                          "~hw_context",
                          "~xclbin",
                          "~device",
                          "device(0)",
                          "get_info()",
                          "xclbin(" + std::to_string(lowered().xclbin.size()) + ")",
                          "register_xclbin()",
                          "get_uuid()",
                          "hw_context()",
                          "kernel(MLIR_AIE)",
                          "group_id(1)",
                          "bo(" + size + ", cacheable, group 0x20001)",
                          "map()",
                          "sync(to device, " + size + " from 0)",
                          "~bo",
                          "group_id(3)",
                          "bo(256, host_only, group 0x20000)",
                          "map()",
                          "sync(to device, 256 from 0)",
                          "~bo",
                          "group_id(4)",
                          "bo(256, host_only, group 0x20000)",
                          "map()",
                          "sync(to device, 256 from 0)",
                          "~bo"}));
  EXPECT_TRUE(std::ranges::all_of(c.arguments[0]->bytes(), [](uint8_t b) { return b == 0x5A; }));
  bool seen = false;
  stub_xrt::set_executor([&](uint32_t context, auto, std::span<const uint8_t> code, auto buffers) {
    EXPECT_EQ(context, 2u);
    EXPECT_TRUE(std::ranges::equal(code, stream()));
    seen = std::ranges::all_of(buffers[0], [](uint8_t b) { return b == 0x5A; });
    return true;
  });
  ASSERT_TRUE(device->wait(device->submit(c).value()));
  EXPECT_TRUE(seen);
}

TEST_F(Xrt, AReopenThatFailsLosesNothingAndMayBeTriedAgain) {
  for (const char* call : {"device", "xclbin", "register_xclbin", "hw_context", "kernel", "group_id", "bo", "map", "sync"})
    for (const unsigned nth : {1, 3}) {
      if (nth > 1 && !std::ranges::count(Lines{"group_id", "bo", "map", "sync"}, call)) continue;
      stub_xrt::reset();
      const auto device = open();
      const NpuCommand c = command(*device);
      std::ranges::fill(c.arguments[1]->bytes(), 0x77);
      stub_xrt::end_runs_in(ERT_CMD_STATE_NORESPONSE);
      ASSERT_FALSE(device->wait(device->submit(c).value()));
      stub_xrt::end_runs_in(ERT_CMD_STATE_COMPLETED);
      stub_xrt::fail(call, Fault::system_error, 19, "injected", nth);
      ASSERT_FALSE(device->reopen()) << call;
      EXPECT_TRUE(device->lost());
      const Status again = device->reopen();
      ASSERT_TRUE(again) << call << ": " << again.error().message;
      EXPECT_TRUE(std::ranges::all_of(c.arguments[1]->bytes(), [](uint8_t b) { return b == 0x77; }));
      ASSERT_TRUE(device->wait(device->submit(c).value())) << call;
    }
}

TEST_F(Xrt, AnImageForTheSimulatorIsRefused) {
  const design::Lowered l = design::lower(find_example_program("add_one")->build().value()).value();
  const auto core = core_without_machine_code(l.xclbin, npu::device(Generation::aie2p));
  ASSERT_TRUE(core);
  EXPECT_EQ(core->has_value(), !l.machine_code);
  const auto device = NpuDevice::open(options()).value();
  const size_t before = stub_xrt::calls().size();
  const Status loaded = device->load(l.xclbin);
  ASSERT_EQ(loaded.has_value(), l.machine_code);
  if (loaded) return;
  EXPECT_EQ(loaded.error().code, Errc::unsupported);
  EXPECT_NE(loaded.error().message.find("has no machine code, so this image runs in the simulator only"), std::string::npos)
      << loaded.error().message;
  EXPECT_EQ(stub_xrt::calls().size(), before);
}

TEST_F(Xrt, AnotherNpuThatIsNotThere) {
  NpuOptions o = options();
  o.index = 3;
  const auto device = NpuDevice::open(o);
  ASSERT_FALSE(device);
  EXPECT_NE(device.error().message.find("xrt::device: No such device with index '3' ("), std::string::npos) << device.error().message;
}

TEST_F(Xrt, AModuleThatIsNotThere) {
  NpuOptions o = options();
  o.xrt_module = "/nonexistent/libonebit_xrt.so";
  const auto device = NpuDevice::open(o);
  ASSERT_FALSE(device);
  EXPECT_NE(device.error().message.find("/nonexistent/libonebit_xrt.so"), std::string::npos) << device.error().message;
}

}  // namespace
}  // namespace onebit::npu
