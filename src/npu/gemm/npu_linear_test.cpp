#include "npu/gemm/npu_linear.h"

#include <gtest/gtest.h>

#include <random>

namespace onebit::npu::gemm {
namespace {

struct Stack {
  uint32_t cols;
  std::vector<uint32_t> rows;
  std::vector<uint8_t> codes;  // of all matrices, row after row

  Stack(uint32_t k, std::vector<uint32_t> n, uint64_t seed) : cols(k), rows(std::move(n)) {
    std::mt19937_64 random(seed);
    size_t all = 0;
    for (const uint32_t r : rows) all += r;
    codes.resize(all * cols);
    for (uint8_t& c : codes) c = static_cast<uint8_t>(random() % 3);
  }
  std::vector<NpuLinear::Matrix> matrices() const {
    std::vector<NpuLinear::Matrix> list;
    size_t first = 0;
    for (const uint32_t r : rows) {
      list.push_back({r, [this, first](uint32_t row, uint8_t* out) { std::copy_n(&codes[(first + row) * cols], cols, out); }});
      first += r;
    }
    return list;
  }
};

void expect_exact(NpuLinear& linear, uint32_t set, const Stack& stack, uint32_t tokens, uint64_t seed) {
  const size_t stride = stack.cols + 13;
  std::mt19937_64 random(seed);
  std::vector<int8_t> x(tokens * stride);
  for (int8_t& v : x) v = static_cast<int8_t>(random());
  std::vector<std::vector<int32_t>> out;
  std::vector<NpuLinear::Sums> sums;
  for (const uint32_t r : stack.rows) out.emplace_back(size_t{tokens} * (r + 3), 0x5A5A5A5A);
  for (size_t i = 0; i < out.size(); ++i) sums.push_back({out[i].data(), stack.rows[i] + 3});
  Status status = linear.start(set, x.data(), tokens, stride);
  ASSERT_TRUE(status) << status.error().message;
  status = linear.finish(sums);
  ASSERT_TRUE(status) << status.error().message;
  size_t first = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t t = 0; t < tokens; ++t)
      for (size_t r = 0; r < stack.rows[i] + 3; ++r) {
        int32_t want = 0x5A5A5A5A;  // between rows nothing is written
        if (r < stack.rows[i]) {
          want = 0;
          for (size_t k = 0; k < stack.cols; ++k) want += (stack.codes[(first + r) * stack.cols + k] - 1) * x[t * stride + k];
        }
        ASSERT_EQ(out[i][t * (stack.rows[i] + 3) + r], want) << "matrix " << i << ", token " << t << ", row " << r;
      }
    first += stack.rows[i];
  }
}

TEST(NpuLinear, StackedMatricesAndBatchesOfManySizes) {
  const auto device = NpuDevice::open({}).value();
  ThreadPool pool(2);
  auto linear = NpuLinear::open(*device, &pool);
  ASSERT_TRUE(linear.has_value()) << linear.error().message;
  const Stack qkv(300, {100, 37, 50}, 1), down(700, {300}, 2);
  const uint32_t a = linear->add(qkv.matrices(), qkv.cols).value(), b = linear->add(down.matrices(), down.cols).value();
  for (const uint32_t tokens : {1u, 31u, 32u, 33u, 128u, 129u, 500u}) {
    expect_exact(*linear, a, qkv, tokens, tokens);
    expect_exact(*linear, b, down, tokens, tokens + 1);
  }
  EXPECT_EQ(linear->counts().dispatches, 14u);
  EXPECT_EQ(linear->counts().products, 28u);
  EXPECT_EQ(linear->counts().macs, (31u + 1 + 32 + 33 + 128 + 129 + 500) * (187ull * 300 + 300 * 700));
}

TEST(NpuLinear, MoreTokensThanOneProgramTakes) {
  const auto device = NpuDevice::open({}).value();
  auto linear = NpuLinear::open(*device).value();
  const Stack stack(64, {40}, 3);
  const uint32_t set = linear.add(stack.matrices(), stack.cols).value();
  expect_exact(linear, set, stack, kMaxM + 5, 1);
  EXPECT_EQ(linear.counts().dispatches, 2u);
}

TEST(NpuLinear, RefusesWhatMakesNoSense) {
  const auto device = NpuDevice::open({}).value();
  auto linear = NpuLinear::open(*device).value();
  const Stack stack(64, {40}, 3);
  EXPECT_EQ(linear.finish({}).error().message, "NPU products: finish without a start");
  EXPECT_EQ(linear.start(0, nullptr, 1, 64).error().message, "NPU products: there is no set 0");
  EXPECT_EQ(linear.add({}, 64).error().message, "GEMM: N is 0, expected 1 to 131072");
  EXPECT_EQ(linear.add(stack.matrices(), 0).error().message, "GEMM: K is 0, expected 1 to 131072");
}

}  // namespace
}  // namespace onebit::npu::gemm
