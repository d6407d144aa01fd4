// From inside the library: exceptions end at the boundary, a device that fails and is reopened, a queue that is full.
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <system_error>

#include <gtest/gtest.h>

#include "capi/boundary.h"
#include "capi/ternary_device.h"
#include "npu/kernels/registry.h"

namespace onebit::capi {
namespace {

TEST(Boundary, ExceptionsBecomeStatuses) {
  EXPECT_EQ(guarded([]() -> Outcome { throw std::bad_alloc(); }), ONEBIT_ERROR_OUT_OF_MEMORY);
  EXPECT_STREQ(onebit_last_error(), "no memory");
  EXPECT_EQ(guarded([]() -> Outcome { throw std::length_error("vector"); }), ONEBIT_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(guarded([]() -> Outcome { throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again), "thread"); }), ONEBIT_ERROR_IO);
  EXPECT_EQ(guarded([]() -> Outcome { throw std::logic_error("a mistake"); }), ONEBIT_ERROR_INTERNAL);
  EXPECT_STREQ(onebit_last_error(), "a mistake");
  EXPECT_EQ(guarded([]() -> Outcome { throw 7; }), ONEBIT_ERROR_INTERNAL);
  EXPECT_EQ(guarded([]() -> Outcome { return {}; }), ONEBIT_OK);
  EXPECT_STREQ(onebit_last_error(), "an exception of an unknown type");
}

TEST(Boundary, EveryErrorCodeHasAStatusOfItsOwn) {
  std::vector<onebit_status> seen;
  for (const Errc code : {Errc::io, Errc::format, Errc::unsupported, Errc::out_of_range, Errc::out_of_memory, Errc::usage, Errc::device, Errc::cancelled}) {
    const Failure f(Error{code, "x"});
    EXPECT_EQ(std::count(seen.begin(), seen.end(), f.status), 0);
    EXPECT_NE(f.status, ONEBIT_OK);
    EXPECT_NE(f.status, ONEBIT_ERROR_INTERNAL);
    seen.push_back(f.status);
  }
}

// A kernel that fails when told to: the simulated run fails, and with it the context.
bool g_fail = false;

npu::NpuOptions failing_npu(std::vector<npu::HostKernel>& kernels) {
  const auto all = npu::builtin_kernels();
  kernels.assign(all.begin(), all.end());
  for (npu::HostKernel& kernel : kernels) {
    kernel.check = [](std::span<const npu::KernelArg>) -> Status {
      if (g_fail) return fail(Errc::device, "told to fail");
      return {};
    };
  }
  npu::NpuOptions options;
  options.sim.kernels = kernels;
  return options;
}

TEST(TernaryDevice, LostAndReopened) {
  std::vector<npu::HostKernel> kernels;
  auto backend = open_npu_backend(failing_npu(kernels), 1);
  ASSERT_TRUE(backend) << backend.error().message;
  TernaryDevice device(ONEBIT_DEVICE_NPU_SIM, std::move(*backend));
  const auto matrix = device.add(2, 3, [](uint32_t row, uint8_t* codes) { std::fill_n(codes, 3, static_cast<uint8_t>(2 * row)); });
  ASSERT_TRUE(matrix);
  const std::vector<int8_t> x{1, 2, 3, 10, 20, 30};
  std::vector<int32_t> out(4, 5);
  const TernaryBackend::Product product{x.data(), 2, 3, out.data(), 2};
  EXPECT_FALSE(device.reopen());

  g_fail = true;
  const Outcome failed = device.multiply(matrix->id, product, 12);
  g_fail = false;
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().status, ONEBIT_ERROR_DEVICE);
  EXPECT_NE(failed.error().message.find("told to fail"), std::string::npos) << failed.error().message;
  EXPECT_TRUE(device.lost());
  EXPECT_FALSE(device.multiply(matrix->id, product, 12)) << "lost until it is reopened";

  ASSERT_TRUE(device.reopen());
  EXPECT_FALSE(device.lost());
  std::fill(out.begin(), out.end(), 5);
  const Outcome done = device.multiply(matrix->id, product, 12);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(out, (std::vector<int32_t>{-6, 6, -60, 60}));
  const onebit_device_stats stats = device.stats();
  EXPECT_EQ(stats.failures, 2u);
  EXPECT_EQ(stats.products, 1u);
  EXPECT_EQ(stats.macs, 12u);
  EXPECT_EQ(stats.reopens, 1u);
}

// Products wait until the gate opens; the last one fails, with an exception.
class GatedBackend : public TernaryBackend {
 public:
  std::string description() const override { return "gated"; }
  uint32_t max_rows() const override { return 1; }
  uint32_t max_columns() const override { return 1; }
  Result<Matrix> add(uint32_t, uint32_t, const RowCodes&) override { return Matrix{0, 1}; }
  void remove(uint32_t) override {}
  Status multiply(uint32_t, const Product& p) override {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [&] { return open_; });
    *p.out = ++calls_;
    if (calls_ == static_cast<int>(kQueue)) throw std::bad_alloc();
    return {};
  }
  BackendStats stats() const override { return {}; }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
  int calls_ = 0;
};

TEST(TernaryDevice, QueueIsBoundedAndInOrder) {
  auto gated = std::make_unique<GatedBackend>();
  GatedBackend* const gate = gated.get();
  TernaryDevice device(ONEBIT_DEVICE_CPU, std::move(gated));
  std::vector<int32_t> out(kQueue);
  std::vector<std::shared_ptr<Event>> events;
  for (size_t i = 0; i < kQueue; ++i) {
    events.push_back(std::make_shared<Event>());
    ASSERT_TRUE(device.submit(0, {nullptr, 1, 1, &out[i], 1}, 1, events.back()));
  }
  const Outcome full = device.submit(0, {nullptr, 1, 1, nullptr, 1}, 1, std::make_shared<Event>());
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().status, ONEBIT_ERROR_BUSY);
  EXPECT_FALSE(events[0]->done());
  gate->open();
  const Outcome last = events.back()->wait();
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().status, ONEBIT_ERROR_OUT_OF_MEMORY);
  for (size_t i = 0; i < kQueue; ++i) {
    EXPECT_TRUE(events[i]->done());
    EXPECT_EQ(out[i], static_cast<int32_t>(i + 1));
  }
  // Room again.
  const auto event = std::make_shared<Event>();
  int32_t one = 0;
  ASSERT_TRUE(device.submit(0, {nullptr, 1, 1, &one, 1}, 1, event));
  EXPECT_TRUE(event->wait());
}

}  // namespace
}  // namespace onebit::capi
