#include "npu/runtime/failure.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace onebit::npu {
namespace {

constexpr HostFacts kGood{.accel_node = true, .accel_readable = true, .memlock_bytes = 8u << 20};

NpuFailure failure(const char* call, const char* text, int error = 0) {
  NpuFailure f;
  f.call = call;
  f.text = text;
  f.error = error;
  return f;
}

void expect(const NpuFailure& f, const HostFacts& facts, Errc code, const char* part) {
  const Error e = explain(f, facts);
  EXPECT_EQ(e.code, code) << e.message;
  EXPECT_NE(e.message.find(part), std::string::npos) << "is: " << e.message << "\nwithout: " << part;
  EXPECT_TRUE(e.message.starts_with(f.call + ": ")) << e.message;
}

TEST(NpuFailure, OpeningSaysWhatTheMachineLacks) {
  const NpuFailure none = failure("xrt::device", "No such device with index '0'");
  expect(none, {}, Errc::device, "no /dev/accel device; load the driver (`modprobe amdxdna`");
  expect(none, {.accel_node = true}, Errc::device, "add it to the group render");
  expect(none, kGood, Errc::device, "install XRT's NPU plug-in");
  expect(failure("xrt::device", "open", EACCES), kGood, Errc::device, "add it to the group render");
}

TEST(NpuFailure, ErrorNumbersComeFromTheCodeOrFromTheWords) {
  expect(failure("xrt::bo", "mmap(addr=(nil), len=67108864) failed (err=-11): Resource temporarily unavailable"), kGood, Errc::out_of_memory,
         "locked memory and its limit is 8192 KiB; raise it (`ulimit -l unlimited`");
  expect(failure("xrt::bo", "mmap failed (err=11)"), {.accel_node = true}, Errc::out_of_memory, "its limit is unlimited");
  expect(failure("xrt::bo", "mmap failed", EAGAIN), kGood, Errc::out_of_memory, "locked memory");
  expect(failure("xrt::bo", "", ENOMEM), kGood, Errc::out_of_memory, "out of memory or of locked memory");
  expect(failure("xrt::hw_context", "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-22): Invalid argument"), kGood, Errc::device,
         "driver, firmware and image may not match");
  expect(failure("xrt::bo", "ioctl failed (err=-22)"), kGood, Errc::device, "driver and XRT may be of different versions");
  expect(failure("xrt::device::register_xclbin", "IOCTL failed (err=95): Operation not supported"), kGood, Errc::device, "different versions");
  expect(failure("xrt::hw_context", "IOCTL failed (err=62): Timer expired"), kGood, Errc::device, "the firmware does not answer");
  expect(failure("xrt::run::start", "DRM_IOCTL_AMDXDNA_EXEC_CMD IOCTL failed (err=5)"), kGood, Errc::device, "lost the firmware or the context");
  expect(failure("xrt::run::start", "", ENODEV), kGood, Errc::device, "the device is gone");
  expect(failure("xrt::hw_context", "", EBUSY), kGood, Errc::device, "close other programs");
  expect(failure("xrt::hw_context", "", EPERM), kGood, Errc::device, "group render");
}

TEST(NpuFailure, WordsOfUnknownMeaningAreKept) {
  EXPECT_EQ(explain(failure("xrt::kernel", "no such kernel"), kGood).message, "xrt::kernel: no such kernel");
  EXPECT_EQ(explain(failure("xrt::kernel", "err=99999999999999999999"), kGood).message, "xrt::kernel: err=99999999999999999999");
  EXPECT_EQ(explain(failure("xrt::kernel", "err="), kGood).message, "xrt::kernel: err=");
  EXPECT_EQ(explain(failure("xrt::kernel", " no such kernel\n"), kGood).message, "xrt::kernel: no such kernel");
  expect(failure("xrt::kernel", "err=-2147483648"), kGood, Errc::device, "err=-2147483648");
}

TEST(NpuFailure, StatesHaveNames) {
  EXPECT_EQ(ert_name(4), "ERT_CMD_STATE_COMPLETED");
  EXPECT_EQ(ert_name(7), "ERT_CMD_STATE_SUBMITTED");
  EXPECT_EQ(ert_name(11), "ERT_CMD_STATE_SKCRASHED");
  EXPECT_EQ(ert_name(0), "ERT state 0");
  EXPECT_EQ(ert_name(12), "ERT state 12");
}

TEST(NpuFailure, TheSimulatorsWordsStandAlone) {
  NpuFailure f = failure("simulator: run", "core (0,2): err=-11");
  f.simulated = true;
  EXPECT_EQ(explain(f, {}).message, "simulator: run: core (0,2): err=-11");
}

}  // namespace
}  // namespace onebit::npu
