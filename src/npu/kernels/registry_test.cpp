#include "npu/kernels/registry.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>

#include "npu/kernels/kernels.h"

namespace onebit::npu {
namespace {

// A buffer at a multiple of 64 bytes with a guard behind it, poisoned.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count), bytes_(count * sizeof(T) + 192, 0xCD) {}
  T* data() {
    auto p = reinterpret_cast<uintptr_t>(bytes_.data());
    return reinterpret_cast<T*>((p + 63) / 64 * 64);
  }
  T& operator[](size_t i) { return data()[i]; }
  KernelArg arg() { return {reinterpret_cast<uint8_t*>(data()), static_cast<uint32_t>(count_ * sizeof(T)), 0}; }
  bool guard_holds() {
    const auto* end = reinterpret_cast<uint8_t*>(data() + count_);
    return std::all_of(end, end + 64, [](uint8_t b) { return b == 0xCD; });
  }

 private:
  size_t count_;
  std::vector<uint8_t> bytes_;
};

KernelArg number(int32_t v) { return {nullptr, 0, v}; }

Status run(std::string_view name, std::vector<KernelArg> args) {
  const HostKernel* k = find_kernel(builtin_kernels(), name);
  if (!k) return fail(Errc::unsupported, "no kernel {}", name);
  ONEBIT_TRY(k->check(args));
  k->invoke(args);
  EXPECT_GT(k->cycles(args), 0u);
  return {};
}

TEST(Kernels, ElementwiseOfEveryLength) {
  std::mt19937 random(1);
  for (const int32_t count : {0, 1, 15, 16, 17, 31, 32, 63, 100, 1024, 4097}) {
    Buffer<int32_t> in(count), one(count), copied(count), scaled(count), zero(count);
    for (int32_t i = 0; i < count; ++i) in[i] = static_cast<int32_t>(random());
    if (count) in[0] = INT32_MAX;
    ASSERT_TRUE(run("add_one_i32", {in.arg(), one.arg(), number(count)}));
    ASSERT_TRUE(run("copy_i32", {in.arg(), copied.arg(), number(count)}));
    ASSERT_TRUE(run("scale_i32", {in.arg(), scaled.arg(), number(count), number(-77)}));
    ASSERT_TRUE(run("zero_i32", {zero.arg(), number(count)}));
    for (int32_t i = 0; i < count; ++i) {
      const auto u = static_cast<uint32_t>(in[i]);
      ASSERT_EQ(static_cast<uint32_t>(one[i]), u + 1);
      ASSERT_EQ(copied[i], in[i]);
      ASSERT_EQ(static_cast<uint32_t>(scaled[i]), u * static_cast<uint32_t>(-77));
      ASSERT_EQ(zero[i], 0);
    }
    EXPECT_TRUE(one.guard_holds() && copied.guard_holds() && scaled.guard_holds() && zero.guard_holds());
  }
}

TEST(Kernels, GemmEqualsTheTripleLoop) {
  std::mt19937 random(2);
  for (const auto& [m, k, n] : {std::tuple{16, 8, 16}, {32, 8, 16}, {16, 64, 48}, {48, 40, 32}, {64, 64, 64}}) {
    Buffer<int8_t> a(m * k), b(k * n);
    Buffer<int32_t> c(m * n);
    std::vector<int32_t> want(m * n);
    for (int i = 0; i < m * k; ++i) a[i] = static_cast<int8_t>(random());
    for (int i = 0; i < k * n; ++i) b[i] = static_cast<int8_t>(random());
    for (int i = 0; i < m * n; ++i) want[i] = c[i] = static_cast<int32_t>(random());
    const auto block = [](int row, int column) { return row % 8 * 8 + column % 8; };
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        uint32_t sum = 0;
        for (int l = 0; l < k; ++l)
          sum += static_cast<uint32_t>(a[(i / 8 * (k / 8) + l / 8) * 64 + block(i, l)] * b[(j / 8 * (k / 8) + l / 8) * 64 + block(l, j)]);
        int32_t& w = want[(i / 8 * (n / 8) + j / 8) * 64 + block(i, j)];
        w = static_cast<int32_t>(static_cast<uint32_t>(w) + sum);
      }
    ASSERT_TRUE(run("gemm_i8_i32", {a.arg(), b.arg(), c.arg(), number(m), number(k), number(n)}));
    for (int i = 0; i < m * n; ++i) ASSERT_EQ(c[i], want[i]) << m << "x" << k << "x" << n << " at " << i;
    EXPECT_TRUE(c.guard_holds());
  }
}

TEST(Kernels, RefuseWhatDoesNotFit) {
  Buffer<int32_t> in(32), out(32);
  const auto message = [](Status s) { return s ? std::string() : s.error().message; };
  EXPECT_EQ(message(run("add_one_i32", {in.arg(), out.arg()})), "2 arguments, expected 3");
  EXPECT_EQ(message(run("add_one_i32", {in.arg(), number(1), number(32)})), "argument 1 is a number, expected a buffer");
  EXPECT_EQ(message(run("add_one_i32", {in.arg(), out.arg(), in.arg()})), "argument 2 is a buffer, expected a number");
  EXPECT_EQ(message(run("add_one_i32", {in.arg(), out.arg(), number(33)})), "argument 0 has 128 bytes, expected at least 33 elements of 4");
  EXPECT_EQ(message(run("zero_i32", {out.arg(), number(-1)})), "argument 1 is -1, expected 0 to 65536 and a multiple of 1");
  EXPECT_EQ(message(run("gemm_i8_i32", {in.arg(), in.arg(), out.arg(), number(16), number(12), number(16)})),
            "argument 4 is 12, expected 8 to 65536 and a multiple of 8");
  EXPECT_EQ(message(run("gemm_i8_i32", {in.arg(), in.arg(), out.arg(), number(65536), number(65536), number(65536)})),
            "argument 0 has 128 bytes, expected at least 4294967296 elements of 1");
  KernelArg odd = in.arg();
  odd.data += 4;
  odd.bytes -= 4;
  EXPECT_EQ(message(run("copy_i32", {odd, out.arg(), number(16)})), "argument 0 starts 4 bytes after a multiple of 64, expected at one");
}

TEST(Kernels, NamesAreUniqueAndCyclesGrow) {
  for (const HostKernel& k : builtin_kernels()) EXPECT_EQ(find_kernel(builtin_kernels(), k.name), &k);
  EXPECT_EQ(find_kernel(builtin_kernels(), "nothing"), nullptr);
  EXPECT_EQ(gemm_i8_i32_cycles(64, 64, 64), kCallCycles + 16 * (32 + 45));
  EXPECT_EQ(add_one_i32_cycles(33), kCallCycles + 2 + kTailCycles);
}

}  // namespace
}  // namespace onebit::npu
