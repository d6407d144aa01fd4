// Kernels with packed ternary weights, and the bfloat16 GEMM, against plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "npu/kernels/kernels.h"
#include "npu/kernels/registry.h"

namespace onebit::npu {
namespace {

// Starts at a multiple of 64 bytes, poisoned, with a guard behind it.
template <class T>
struct Aligned {
  explicit Aligned(size_t n) : count(n), bytes(n * sizeof(T) + 192, 0xCD) {}
  Aligned(const Aligned&) = delete;  // another place, another alignment
  T* data() { return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64); }
  T& operator[](size_t i) { return data()[i]; }
  KernelArg arg() { return {reinterpret_cast<uint8_t*>(data()), static_cast<uint32_t>(count * sizeof(T)), 0}; }
  bool guard_holds() {
    const auto* end = reinterpret_cast<uint8_t*>(data() + count);
    return std::all_of(end, end + 64, [](uint8_t b) { return b == 0xCD; });
  }
  size_t count;
  std::vector<uint8_t> bytes;
};
KernelArg number(int v) { return {nullptr, 0, v}; }

Status run(std::string_view name, std::vector<KernelArg> args) {
  const HostKernel* k = find_kernel(builtin_kernels(), name);
  if (!k) return fail(Errc::unsupported, "no kernel {}", name);
  ONEBIT_TRY(k->check(args));
  k->invoke(args);
  EXPECT_GT(k->cycles(args), 0u);
  return {};
}

// Where the code of (k, n) lies: byte, shift.
std::pair<size_t, int> code_place(int depth, int k, int n) {
  const int nibble = k % 16 / 8 * 64 + k % 8 * 8 + n % 8;
  return {static_cast<size_t>(n / 16 * depth * 4 + k / 16 * 64 + nibble / 2), nibble % 2 * 4 + n % 16 / 8 * 2};
}
struct Codes {
  int depth, width;
  std::vector<uint8_t> codes;
  Aligned<uint8_t> packed;
  Codes(int k, int n, std::mt19937& random) : depth(k), width(n), codes(static_cast<size_t>(k * n)), packed(static_cast<size_t>(k * n / 4)) {
    std::memset(packed.data(), 0, packed.count);
    for (int l = 0; l < k; ++l)
      for (int j = 0; j < n; ++j) {
        const uint8_t c = codes[static_cast<size_t>(l * n + j)] = static_cast<uint8_t>(random() % 3);
        const auto [byte, shift] = code_place(k, l, j);
        packed[byte] = static_cast<uint8_t>(packed[byte] | c << shift);
      }
  }
  int at(int k, int n) const { return codes[static_cast<size_t>(k * width + n)]; }
};

TEST(TernaryKernels, GemmEqualsTheTripleLoop) {
  std::mt19937 random(4);
  for (const auto& [m, k, n, column, width] : {std::tuple{16, 16, 16, 0, 16}, {32, 256, 32, 128, 160}, {48, 48, 32, 16, 64}, {16, 512, 64, 0, 64}})
    for (const bool accumulate : {false, true}) {
      Codes b(k, width, random);
      Aligned<int8_t> a(m * k);
      Aligned<int32_t> c(m * n);
      std::vector<int32_t> want(m * n);
      for (int i = 0; i < m * k; ++i) a[i] = static_cast<int8_t>(random());
      for (int i = 0; i < m * n; ++i) want[i] = accumulate ? c[i] = static_cast<int32_t>(random()) : 0;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
          uint32_t sum = 0;
          for (int l = 0; l < k; ++l) sum += static_cast<uint32_t>(a[(i / 8 * (k / 8) + l / 8) * 64 + i % 8 * 8 + l % 8] * b.at(l, column + j));
          int32_t& w = want[(i / 8 * (n / 8) + j / 8) * 64 + i % 8 * 8 + j % 8];
          w = static_cast<int32_t>(static_cast<uint32_t>(w) + (j / 8 % 2 ? 4 * sum : sum));
        }
      const Status status =
          run("gemm_i8_t2_i32", {a.arg(), b.packed.arg(), c.arg(), number(m), number(k), number(n), number(column), number(accumulate)});
      ASSERT_TRUE(status) << status.error().message;
      for (int i = 0; i < m * n; ++i) ASSERT_EQ(c[i], want[i]) << m << "x" << k << "x" << n << " at " << i;
      EXPECT_TRUE(c.guard_holds());
    }
}

TEST(TernaryKernels, GemvEqualsTheLoops) {
  std::mt19937 random(5);
  for (const auto& [k, n] : {std::pair{16, 32}, {256, 160}, {2560, 64}})
    for (const bool accumulate : {false, true}) {
      Codes b(k, n, random);
      Aligned<int8_t> x(k * 2);
      Aligned<int32_t> y(n);
      std::vector<int32_t> want(n);
      for (int i = 0; i < k; ++i) x[i / 8 * 16 + i % 8] = static_cast<int8_t>(random()), x[i / 8 * 16 + 8 + i % 8] = 0;
      for (int j = 0; j < n; ++j) {
        want[j] = accumulate ? y[j] = static_cast<int32_t>(random() % 1000) : 0;
        for (int l = 0; l < k; ++l) want[j] += x[l / 8 * 16 + l % 8] * b.at(l, j) * (j / 8 % 2 ? 4 : 1);
      }
      const Status status = run("gemv_t2_i32", {x.arg(), b.packed.arg(), y.arg(), number(k), number(n), number(accumulate)});
      ASSERT_TRUE(status) << status.error().message;
      for (int j = 0; j < n; ++j) ASSERT_EQ(y[j], want[j]) << k << "x" << n << " at " << j;
      EXPECT_TRUE(y.guard_holds());
    }
}

// Small integers are exact in bfloat16 and their sums in fp32; whatever the order.
TEST(TernaryKernels, Bf16GemmEqualsTheTripleLoop) {
  std::mt19937 random(6);
  for (const auto& [m, k, n] : {std::tuple{16, 8, 16}, {32, 64, 48}})
    for (const bool accumulate : {false, true}) {
      Aligned<uint16_t> a(m * k), b(k * n);
      Aligned<float> c(m * n);
      std::vector<float> want(m * n);
      const auto value = [](uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); };
      const auto small = [&random] { return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(static_cast<int>(random() % 31) - 15)) >> 16); };
      for (int i = 0; i < m * k; ++i) a[i] = small();
      for (int i = 0; i < k * n; ++i) b[i] = small();
      for (int i = 0; i < m * n; ++i) want[i] = accumulate ? c[i] = static_cast<float>(random() % 100) : 0;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j)
          for (int l = 0; l < k; ++l)
            want[(i / 8 * (n / 8) + j / 8) * 64 + i % 8 * 8 + j % 8] +=
                value(a[(i / 8 * (k / 8) + l / 8) * 64 + i % 8 * 8 + l % 8]) * value(b[(j / 8 * (k / 8) + l / 8) * 64 + l % 8 * 8 + j % 8]);
      const Status status = run("gemm_bf16", {a.arg(), b.arg(), c.arg(), number(m), number(k), number(n), number(accumulate)});
      ASSERT_TRUE(status) << status.error().message;
      for (int i = 0; i < m * n; ++i) ASSERT_EQ(c[i], want[i]) << m << "x" << k << "x" << n << " at " << i;
      EXPECT_TRUE(c.guard_holds());
    }
}

TEST(TernaryKernels, ScaleGivesRoundedProducts) {
  std::mt19937 random(7);
  for (const auto& [m, n] : {std::pair{8, 16}, {32, 32}, {16, 160}}) {
    Aligned<int32_t> sums(m * n), rows(m * 16);
    Aligned<uint16_t> out(m * n);
    for (int i = 0; i < m * n; ++i) sums[i] = static_cast<int32_t>(random() % 2000000) - 1000000;
    for (int i = 0; i < m * 8; ++i) {
      rows[i] = i % 8 ? rows[i - 1] : static_cast<int32_t>(random() % 20000) - 10000;
      rows[m * 8 + i] = i % 8 ? rows[m * 8 + i - 1] : std::bit_cast<int32_t>(static_cast<float>(random() % 1000 + 1) / 65536);
    }
    const Status status = run("scale_bf16", {sums.arg(), rows.arg(), out.arg(), number(m), number(n)});
    ASSERT_TRUE(status) << status.error().message;
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        const int at = (i / 8 * (n / 8) + j / 8) * 64 + i % 8 * 8 + j % 8;
        const int factor = j / 8 % 2 ? 4 : 1;
        const float want = static_cast<float>(sums[at] - factor * rows[i * 8]) * (std::bit_cast<float>(rows[m * 8 + i * 8]) / static_cast<float>(factor));
        const float got = std::bit_cast<float>(uint32_t{out[at]} << 16);
        ASSERT_LE(std::abs(got - want), std::abs(want) / 256) << m << "x" << n << " at " << i << ", " << j;  // half a unit of 8 bits
      }
    EXPECT_TRUE(out.guard_holds());
  }
}

TEST(TernaryKernels, RefuseWhatDoesNotFit) {
  Aligned<int32_t> buffer(64);
  const auto message = [](Status s) { return s ? std::string() : s.error().message; };
  const KernelArg b = buffer.arg();
  EXPECT_EQ(message(run("gemm_i8_t2_i32", {b, b, b, number(16), number(8), number(16), number(0), number(0)})),
            "argument 4 is 8, expected 16 to 65536 and a multiple of 16");
  EXPECT_EQ(message(run("gemm_i8_t2_i32", {b, b, b, number(16), number(16), number(16), number(64), number(0)})),
            "argument 1 has 256 bytes, expected at least 320 elements of 1");
  EXPECT_EQ(message(run("gemm_i8_t2_i32", {b, b, b, number(16), number(16), number(16), number(-16), number(0)})),
            "argument 6 is -16, expected 0 to 65536 and a multiple of 16");
  EXPECT_EQ(message(run("gemv_t2_i32", {b, b, b, number(16), number(48), number(0)})), "argument 4 is 48, expected 32 to 65536 and a multiple of 32");
  EXPECT_EQ(message(run("gemm_bf16", {b, b, b, number(16), number(16), number(16), number(0)})), "argument 0 has 256 bytes, expected at least 256 elements of 2");
}

// A chunk of the array's GEMM: 2560 multiplications of 8 x 8 x 8 in five calls.
TEST(TernaryKernels, CyclesOfAChunk) {
  EXPECT_EQ(gemm_i8_t2_i32_cycles(32, 256, 32), kCallCycles + 4 * (32 * 4 + 33));
  EXPECT_EQ(5 * gemm_i8_t2_i32_cycles(32, 256, 32), 3380u);
}

}  // namespace
}  // namespace onebit::npu
