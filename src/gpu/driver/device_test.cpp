#include "gpu/driver/device.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <thread>

#include "stub_driver.h"

namespace onebit::gpu {
namespace {

using stub_driver::Machine;

struct Library {
  Backend backend;
  const char* path;
  const char* architecture;
  const char* launch;  // what the library calls its functions
  const char* alloc;
};
const Library kHip = {Backend::hip, ONEBIT_STUB_HIP, "gfx1151", "hipModuleLaunchKernel", "hipMalloc"};
const Library kHip5 = {Backend::hip, ONEBIT_STUB_HIP5, "gfx1151", "hipModuleLaunchKernel", "hipMalloc"};
const Library kCuda = {Backend::cuda, ONEBIT_STUB_CUDA, "sm_90", "cuLaunchKernelEx", "cuMemAlloc_v2"};

void PrintTo(const Library& library, std::ostream* out) { *out << library.path; }

// The machine inside a stub library; it starts anew.
Machine& machine_of(const Library& library) {
  void* handle = dlopen(library.path, RTLD_NOW | RTLD_LOCAL);
  EXPECT_TRUE(handle) << dlerror();
  auto* f = reinterpret_cast<Machine* (*)()>(dlsym(handle, "stub_machine"));
  EXPECT_TRUE(f);
  f()->reset();
  return *f();
}

const char kImage[] = "code of the kernels";

// Everything the runtime does with a device, once.
Status everything(const Library& library) {
  ONEBIT_ASSIGN(Api api, open_library(library.backend, library.path));
  ONEBIT_ASSIGN(const auto device, Device::open(std::move(api)));
  ONEBIT_ASSIGN(const Memory weights, device->allocate(64, "weights"));
  ONEBIT_ASSIGN(const Memory inputs, device->allocate_mapped(64, "inputs"));
  std::vector<uint8_t> host(64, 3);
  ONEBIT_ASSIGN(const Memory mapped, device->map(host.data(), host.size(), "the file"));
  ONEBIT_TRY(device->free_memory());
  ONEBIT_TRY(device->copy_to_device(weights.address(), host.data(), 64));
  ONEBIT_TRY(device->copy_on_device(weights.at(32), weights.address(), 32));
  ONEBIT_TRY(device->fill(weights.address(), 0, 16));
  ONEBIT_ASSIGN(const Module module, device->load(kImage, "test"));
  ONEBIT_ASSIGN(const Function f, device->function(module, "first_kernel"));
  uint32_t seven = 7;
  void* parameters[] = {&seven};
  ONEBIT_TRY(device->launch(f, "first_kernel", {1, 2, 3}, {4, 5, 6}, 8, parameters));
  ONEBIT_TRY(device->begin_capture());
  Status launched = device->launch(f, "first_kernel", {1}, {32}, 0, parameters);
  auto graph = device->end_capture();
  ONEBIT_TRY(launched);
  if (!graph) return std::unexpected(graph.error());
  ONEBIT_ASSIGN(const Event start, device->event());
  ONEBIT_ASSIGN(const Event end, device->event());
  ONEBIT_TRY(device->record(start));
  ONEBIT_TRY(device->launch(*graph));
  ONEBIT_TRY(device->launch(*graph));
  ONEBIT_TRY(device->record(end));
  ONEBIT_TRY(device->elapsed(start, end));
  ONEBIT_TRY(device->copy_to_host(host.data(), weights.address(), 64));
  ONEBIT_TRY(device->wait());
  EXPECT_EQ(host[0], 0);
  EXPECT_EQ(host[16], 3);
  EXPECT_EQ(device->counts().launches, 3u);
  EXPECT_EQ(device->counts().graph_launches, 2u);
  EXPECT_EQ(device->counts().uploaded_bytes, 64u);
  EXPECT_EQ(device->counts().downloaded_bytes, 64u);
  return {};
}

class DriverLibrary : public testing::TestWithParam<Library> {};

TEST_P(DriverLibrary, DoesEverythingAndLeavesNothing) {
  Machine& m = machine_of(GetParam());
  const auto done = everything(GetParam());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(m.violations.empty()) << m.violations[0];
  EXPECT_TRUE(m.live.empty()) << m.live.begin()->second << " is left";
  ASSERT_EQ(m.launches.size(), 1u);
  EXPECT_EQ(m.launches[0], "first_kernel grid 1x2x3 block 4x5x6 shared 8 first 7");
  EXPECT_EQ(m.captured, 1);
}

// Every call of the run above fails in turn: with a fault that loses the device, and out of memory.
TEST_P(DriverLibrary, AnErrorAtAnyCallIsAValueAndNothingLeaks) {
  Machine& m = machine_of(GetParam());
  ASSERT_TRUE(everything(GetParam()));
  const std::vector<std::string> calls = m.calls;
  for (const int error : {719, 2}) {
    std::map<std::string, int> seen;
    for (size_t i = 0; i < calls.size(); ++i) {
      m.reset();
      m.fail_at = calls[i];
      m.fail_with = error;
      m.nth = ++seen[calls[i]];
      SCOPED_TRACE(fmt::format("call {} of {}, number {}, error {}", i, calls[i], m.nth, error));
      const auto done = everything(GetParam());
      // What gives things back has nobody to tell.
      const bool gives_back = calls[i].find("Free") != std::string::npos || calls[i].find("Destroy") != std::string::npos ||
                              calls[i].find("Unload") != std::string::npos || calls[i].find("Release") != std::string::npos ||
                              calls[i].find("Unregister") != std::string::npos;
      EXPECT_EQ(done.has_value(), gives_back);
      if (!done && calls[i].find("Properties") == std::string::npos && calls[i].find("GetAttribute") == std::string::npos) {
        EXPECT_EQ(done.error().code, error == 2 ? Errc::out_of_memory : Errc::device) << done.error().message;
        EXPECT_NE(done.error().message.find(error == 2 ? "out of memory (2)" : "unspecified launch failure (719)"), std::string::npos)
            << done.error().message;
      }
      EXPECT_TRUE(m.violations.empty()) << m.violations[0];
      EXPECT_TRUE(m.live.empty()) << m.live.begin()->second << " is left";
    }
  }
}

TEST_P(DriverLibrary, SaysWhatTheDeviceIs) {
  machine_of(GetParam());
  auto api = open_library(GetParam().backend, GetParam().path);
  ASSERT_TRUE(api);
  const auto device = Device::open(std::move(*api));
  ASSERT_TRUE(device) << device.error().message;
  const DeviceInfo& info = (*device)->info();
  EXPECT_EQ(info.name, "Stub GPU");
  EXPECT_EQ(info.architecture, GetParam().architecture);
  EXPECT_EQ(info.memory, size_t{1} << 30);
  EXPECT_EQ(info.units, GetParam().backend == Backend::hip ? 40 : 132);
  EXPECT_EQ(info.warp_size, 32);
  EXPECT_EQ(info.integrated, GetParam().backend == Backend::hip);
}

TEST_P(DriverLibrary, ALostDeviceStaysLostAndSaysWhy) {
  Machine& m = machine_of(GetParam());
  auto api = open_library(GetParam().backend, GetParam().path);
  ASSERT_TRUE(api);
  auto device = Device::open(std::move(*api));
  ASSERT_TRUE(device);
  auto module = (*device)->load(kImage, "test");
  ASSERT_TRUE(module);
  const auto f = (*device)->function(*module, "second_kernel");
  ASSERT_TRUE(f);
  m.errors[GetParam().launch] = 719;
  uint32_t x = 0;
  void* parameters[] = {&x};
  const auto launched = (*device)->launch(*f, "second_kernel", {}, {}, 0, parameters);
  ASSERT_FALSE(launched);
  EXPECT_EQ(launched.error().message, "Stub GPU: launching second_kernel: unspecified launch failure (719)");
  m.errors.clear();
  const auto later = (*device)->wait();
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().message, "the GPU was lost: Stub GPU: launching second_kernel: unspecified launch failure (719)");
  module = Module();
  device->reset();
  EXPECT_TRUE(m.live.empty());
}

TEST_P(DriverLibrary, MemoryThatRunsOutLosesNothing) {
  Machine& m = machine_of(GetParam());
  auto api = open_library(GetParam().backend, GetParam().path);
  ASSERT_TRUE(api);
  const auto device = Device::open(std::move(*api));
  ASSERT_TRUE(device);
  const auto too_much = (*device)->allocate(size_t{2} << 30, "weights");
  ASSERT_FALSE(too_much);
  EXPECT_EQ(too_much.error().code, Errc::out_of_memory);
  EXPECT_EQ(too_much.error().message, "Stub GPU: allocating 2147483648 bytes for weights: out of memory (2)");
  EXPECT_FALSE((*device)->lost());
  EXPECT_TRUE((*device)->allocate(16, "weights"));
  const auto image = (*device)->load("no code at all", "test");
  ASSERT_FALSE(image);
  EXPECT_NE(image.error().message.find("loading the code object test on " + std::string(GetParam().architecture)), std::string::npos);
  const auto module = (*device)->load(kImage, "test");
  ASSERT_TRUE(module);
  const auto unknown = (*device)->function(*module, "third_kernel");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("finding the kernel third_kernel: named symbol not found (500)"), std::string::npos);
  EXPECT_FALSE((*device)->lost());
  EXPECT_TRUE(m.violations.empty());
}

TEST_P(DriverLibrary, AnyThreadMayCall) {
  Machine& m = machine_of(GetParam());
  auto api = open_library(GetParam().backend, GetParam().path);
  ASSERT_TRUE(api);
  const auto device = Device::open(std::move(*api));
  ASSERT_TRUE(device);
  const char* current = GetParam().backend == Backend::hip ? "hipSetDevice" : "cuCtxSetCurrent";
  const auto times = [&] { return std::count(m.calls.begin(), m.calls.end(), current); };
  const auto before = times();
  EXPECT_TRUE((*device)->wait());
  EXPECT_EQ(times(), before);
  std::thread([&] { EXPECT_TRUE((*device)->wait() && (*device)->wait()); }).join();
  EXPECT_EQ(times(), before + 1);
}

TEST_P(DriverLibrary, NoDeviceIsAnError) {
  Machine& m = machine_of(GetParam());
  m.devices = 0;
  auto api = open_library(GetParam().backend, GetParam().path);
  ASSERT_TRUE(api);
  auto device = Device::open(std::move(*api));
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, fmt::format("{}: counting devices: no device (100)", name(GetParam().backend)));
  m.reset();
  api = open_library(GetParam().backend, GetParam().path);
  device = Device::open(std::move(*api), 3);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, fmt::format("{}: there is no GPU 3, 1 found", name(GetParam().backend)));
}

INSTANTIATE_TEST_SUITE_P(Stub, DriverLibrary, testing::Values(kHip, kHip5, kCuda),
                         [](const auto& info) { return std::string(info.index == 0 ? "Hip6" : info.index == 1 ? "Hip5" : "Cuda"); });

TEST(DriverLibraryNames, ThoseThatAreMissingAreNamed) {
  const auto none = open_library(Backend::hip, "libno_such_hip.so.1:libno_such_hip.so.2");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::device);
  EXPECT_NE(none.error().message.find("libno_such_hip.so.1"), std::string::npos);
  EXPECT_NE(none.error().message.find("libno_such_hip.so.2"), std::string::npos);
  const auto second = open_library(Backend::hip, std::string("libno_such_hip.so.1:") + ONEBIT_STUB_HIP);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->library, ONEBIT_STUB_HIP);
}

TEST(DriverLibraryNames, AFunctionThatIsMissingIsNamed) {
  const auto old = open_library(Backend::cuda, ONEBIT_STUB_CUDA_OLD);
  ASSERT_FALSE(old);
  EXPECT_NE(old.error().message.find("has no function cuGraphLaunch"), std::string::npos) << old.error().message;
}

TEST(DriverLibraryNames, AnArchitectureThatIsNotATextIsRefused) {
  Machine& m = machine_of(kHip);
  m.architecture = "Radeon \x01";
  auto api = open_library(Backend::hip, ONEBIT_STUB_HIP);
  ASSERT_TRUE(api);
  const auto device = Device::open(std::move(*api));
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, "Stub GPU: its architecture is not known");
}

}  // namespace
}  // namespace onebit::gpu
