// The device level through libonebit.so: every kind gives the integers of a product written down plainly.
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "capi/capi_testing.h"
#include "cpu/isa.h"

namespace onebit {
namespace {

using onebit::testing::Owned;

constexpr int32_t kUntouched = 0x5A5A5A5A;

#define OK(call) ASSERT_EQ(call, ONEBIT_OK) << onebit_last_error()

Owned<onebit_device> open(int32_t kind, const char* isa = nullptr) {
  onebit_device_options o;
  EXPECT_EQ(onebit_device_options_init(&o, sizeof o), ONEBIT_OK);
  o.kind = kind;
  o.threads = 2;
  o.isa = isa;
  onebit_device* d = nullptr;
  EXPECT_EQ(onebit_device_open(&o, &d), ONEBIT_OK) << onebit_last_error();
  return Owned<onebit_device>(d);
}

struct Problem {
  uint32_t rows, columns, tokens;
  size_t w_stride, x_stride, out_stride;
  std::vector<int8_t> w, x;

  Problem(uint32_t r, uint32_t c, uint32_t t, size_t extra) : rows(r), columns(c), tokens(t), w_stride(c + extra), x_stride(c + 2 * extra), out_stride(r + 3 * extra) {
    std::mt19937 random(r * 31 + c * 7 + t);
    // What lies between rows is no weight, and is not looked at.
    w.assign(rows * w_stride, 99);
    x.assign(tokens * x_stride, 77);
    for (uint32_t i = 0; i < rows; ++i)
      for (uint32_t k = 0; k < columns; ++k) w[i * w_stride + k] = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
    for (uint32_t m = 0; m < tokens; ++m)
      for (uint32_t k = 0; k < columns; ++k) x[m * x_stride + k] = static_cast<int8_t>(random());
    if (columns > 1) x[0] = -128, x[1] = 127;
  }
  std::vector<int32_t> plain() const {
    std::vector<int32_t> out(tokens * out_stride, kUntouched);
    for (uint32_t m = 0; m < tokens; ++m)
      for (uint32_t r = 0; r < rows; ++r) {
        int32_t sum = 0;
        for (uint32_t k = 0; k < columns; ++k) sum += w[r * w_stride + k] * x[m * x_stride + k];
        out[m * out_stride + r] = sum;
      }
    return out;
  }
  std::vector<int32_t> poisoned() const { return std::vector<int32_t>(tokens * out_stride, kUntouched); }
  Owned<onebit_weights> upload(onebit_device* device, bool codes) const {
    std::vector<uint8_t> as_codes(w.size());
    for (size_t i = 0; i < w.size(); ++i) as_codes[i] = static_cast<uint8_t>(w[i] + 1);
    onebit_weights* out = nullptr;
    EXPECT_EQ(onebit_weights_create(device, codes ? ONEBIT_TERNARY_CODES : ONEBIT_TERNARY_I8, rows, columns,
                                    codes ? static_cast<const void*>(as_codes.data()) : w.data(), w_stride, &out),
              ONEBIT_OK)
        << onebit_last_error();
    return Owned<onebit_weights>(out);
  }
  onebit_status multiply(const onebit_weights* weights, int32_t* out) const { return onebit_gemm(weights, x.data(), tokens, x_stride, out, out_stride); }
};

void expect_exact(onebit_device* device, const Problem& p) {
  for (const bool codes : {false, true}) {
    const auto weights = p.upload(device, codes);
    std::vector<int32_t> out = p.poisoned();
    ASSERT_EQ(p.multiply(weights.get(), out.data()), ONEBIT_OK) << onebit_last_error();
    ASSERT_EQ(out, p.plain()) << p.rows << " x " << p.columns << ", " << p.tokens << " tokens";
  }
}

std::vector<Problem> ragged() {
  std::vector<Problem> list;
  for (const uint32_t rows : {1u, 15u, 16u, 65u, 161u})
    for (const uint32_t columns : {1u, 20u, 63u, 257u})
      for (const uint32_t tokens : {1u, 2u, 33u}) list.emplace_back(rows, columns, tokens, rows % 4);
  return list;
}

TEST(CapiDevice, CpuIsExactWithEveryInstructionSet) {
  for (const cpu::Isa isa : cpu::available_isas()) {
    const auto device = open(ONEBIT_DEVICE_CPU, std::string(cpu::isa_name(isa)).c_str());
    for (const Problem& p : ragged()) expect_exact(device.get(), p);
    expect_exact(device.get(), Problem(70, 700, 600, 0));
  }
}

TEST(CapiDevice, SimulatedNpuIsExact) {
  const auto device = open(ONEBIT_DEVICE_NPU_SIM);
  for (const Problem& p : {Problem(1, 1, 1, 0), Problem(37, 300, 33, 1), Problem(161, 257, 129, 2), Problem(1281, 64, 2, 0)}) expect_exact(device.get(), p);
  onebit_device_stats stats;
  stats.struct_size = sizeof stats;
  OK(onebit_device_get_stats(device.get(), &stats));
  EXPECT_EQ(stats.products, 8u);
  EXPECT_EQ(stats.dispatches, 8u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_EQ(stats.macs, 2u * (1 + 37 * 300 * 33 + 161 * 257 * 129 + 1281 * 64 * 2));
  EXPECT_GT(stats.simulated_ddr_bytes, 0u);
  EXPECT_EQ(stats.weight_bytes, 0u) << "matrices are freed";
  onebit_device_info info;
  info.struct_size = sizeof info;
  OK(onebit_device_get_info(device.get(), &info));
  EXPECT_STREQ(info.description, "array simulator (npu2)");
  EXPECT_EQ(info.simulated, 1);
  EXPECT_EQ(info.kind, ONEBIT_DEVICE_NPU_SIM);
  const int8_t w = 0;
  onebit_weights* none = nullptr;
  EXPECT_EQ(onebit_weights_create(device.get(), ONEBIT_TERNARY_I8, info.max_rows + 1, 1, &w, 0, &none), ONEBIT_ERROR_OUT_OF_RANGE);
}

TEST(CapiDevice, EventsInAnyOrder) {
  for (const int32_t kind : {ONEBIT_DEVICE_CPU, ONEBIT_DEVICE_NPU_SIM}) {
    auto device = open(kind);
    const Problem a(40, 100, 3, 1), b(17, 64, 40, 0);
    auto wa = a.upload(device.get(), false), wb = b.upload(device.get(), false);
    std::vector<std::vector<int32_t>> outs;
    std::vector<Owned<onebit_event>> events;
    for (int i = 0; i < 6; ++i) outs.push_back((i % 2 ? b : a).poisoned());
    for (size_t i = 0; i < 6; ++i) {
      const Problem& p = i % 2 ? b : a;
      onebit_event* e = nullptr;
      OK(onebit_gemm_submit((i % 2 ? wb : wa).get(), p.x.data(), p.tokens, p.x_stride, outs[i].data(), p.out_stride, &e));
      events.emplace_back(e);
    }
    // Events keep what they need.
    wa.reset();
    wb.reset();
    device.reset();
    for (const size_t i : {5u, 0u, 3u}) {
      OK(onebit_event_wait(events[i].get()));
      int32_t done = 0;
      OK(onebit_event_query(events[i].get(), &done));
      EXPECT_EQ(done, 1);
      EXPECT_EQ(outs[i], (i % 2 ? b : a).plain());
    }
    events.clear();  // waits for the others
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(outs[i], (i % 2 ? b : a).plain());
  }
}

TEST(CapiDevice, ThreadsShareADevice) {
  const auto device = open(ONEBIT_DEVICE_CPU);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const Problem p(30 + i, 80 + i, 5, i);
      for (int round = 0; round < 20; ++round) {
        const auto w = p.upload(device.get(), round % 2);
        std::vector<int32_t> out = p.poisoned(), later = p.poisoned();
        onebit_event* e = nullptr;
        EXPECT_EQ(onebit_gemm_submit(w.get(), p.x.data(), p.tokens, p.x_stride, later.data(), p.out_stride, &e), ONEBIT_OK);
        EXPECT_EQ(p.multiply(w.get(), out.data()), ONEBIT_OK);
        EXPECT_EQ(onebit_event_wait(e), ONEBIT_OK);
        onebit_event_free(e);
        EXPECT_EQ(out, p.plain());
        EXPECT_EQ(later, out);
      }
    });
  for (std::thread& t : threads) t.join();
  onebit_device_stats stats;
  stats.struct_size = sizeof stats;
  OK(onebit_device_get_stats(device.get(), &stats));
  EXPECT_EQ(stats.products, 160u);
}

TEST(CapiDevice, ErrorsAreExplained) {
  char text[1024];
  size_t n = 0;
  OK(onebit_device_explain(ONEBIT_DEVICE_NPU, 8, 0, text, sizeof text, &n));
  EXPECT_NE(std::string(text, n).find("ERT_CMD_STATE_TIMEOUT"), std::string::npos) << std::string(text, n);
  OK(onebit_device_explain(ONEBIT_DEVICE_NPU, 0, ENODEV, text, sizeof text, &n));
  EXPECT_NE(std::string(text, n).find("reload the driver"), std::string::npos) << std::string(text, n);
}

}  // namespace
}  // namespace onebit
