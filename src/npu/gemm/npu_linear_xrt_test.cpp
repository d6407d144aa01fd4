// Linear layers on an NPU behind the tests' libxrt: the image that reaches it has machine code in every core or is refused.
// What the NPU is sent, image and streams, is executed by the simulator.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

#include "npu/compiled/stand_in_elf.h"
#include "npu/gemm/npu_linear.h"
#include "npu/kernels/registry.h"
#include "npu/programs/programs.h"
#include "npu/sim/simulator.h"
#include "stub_xrt.h"

namespace onebit::npu::gemm {
namespace {

class NpuLinearXrt : public testing::Test {
 protected:
  void SetUp() override {
    stub_xrt::reset();
    stub_xrt::set_executor([this](uint32_t context, std::span<const char> image, std::span<const uint8_t> stream, std::span<const std::span<uint8_t>> buffers) {
      auto& sim = contexts_[context];
      if (!sim) {
        SimOptions options;
        options.kernels = builtin_kernels();
        const Bytes bytes(reinterpret_cast<const uint8_t*>(image.data()), image.size());
        auto opened = Simulator::open(device(Generation::aie2p), bytes, options);
        if (!opened) return false;
        sim = std::make_unique<Simulator>(std::move(*opened));
        images_.emplace_back(bytes.begin(), bytes.end());
      }
      std::vector<std::span<uint8_t>> list(buffers.begin(), buffers.end());
      return sim->run(stream, list).has_value();
    });
  }
  static std::unique_ptr<NpuDevice> open() {
    NpuOptions o;
    o.kind = DeviceKind::xrt;
    o.xrt_module = ONEBIT_XRT_STUB_MODULE;
    return NpuDevice::open(o).value();
  }

  std::map<uint32_t, std::unique_ptr<Simulator>> contexts_;
  std::vector<std::vector<uint8_t>> images_;
};

std::string refusal(NpuDevice& device, std::span<const CoreCode> code) {
  const auto linear = NpuLinear::open(device, nullptr, code);
  return linear ? "" : linear.error().message;
}

TEST_F(NpuLinearXrt, WithoutCodeForEveryCoreTheImageIsRefused) {
  const std::string why =
      " has no machine code, so this image runs in the simulator only (npu-sim); an NPU needs a build with the compiler for the cores (PEANO_INSTALL_DIR)";
  EXPECT_EQ(refusal(*open(), {}), "core (0,2)" + why);
  const StandInTable other(find_example_program("add_one")->build().value());
  EXPECT_EQ(refusal(*open(), other.entries()), "core (0,2)" + why);
}

TEST_F(NpuLinearXrt, WithCodeTheImageCarriesItAndProductsAreExact) {
  constexpr uint32_t n = 170, k = 300, tokens = 70;
  std::mt19937 random(5);
  std::vector<uint8_t> codes(size_t{n} * k);
  std::vector<int8_t> x(size_t{tokens} * k);
  for (uint8_t& c : codes) c = static_cast<uint8_t>(random() % 3);
  for (int8_t& v : x) v = static_cast<int8_t>(random());

  const StandInTable table(ArrayProgram::program());
  const auto npu = open();
  auto linear = NpuLinear::open(*npu, nullptr, table.entries());
  ASSERT_TRUE(linear.has_value()) << linear.error().message;
  EXPECT_TRUE(linear->program().lowered().machine_code);
  const NpuLinear::Matrix matrix{n, [&](uint32_t row, uint8_t* out) { std::copy_n(&codes[size_t{row} * k], k, out); }};
  const uint32_t set = linear->add({&matrix, 1}, k).value();
  std::vector<int32_t> out(size_t{tokens} * n, 0x5A5A5A5A);
  const NpuLinear::Sums sums{out.data(), n};
  ASSERT_TRUE(linear->start(set, x.data(), tokens, k));
  const Status finished = linear->finish({&sums, 1});
  ASSERT_TRUE(finished) << finished.error().message;
  for (size_t t = 0; t < tokens; ++t)
    for (size_t r = 0; r < n; ++r) {
      int32_t want = 0;
      for (size_t i = 0; i < k; ++i) want += (codes[r * k + i] - 1) * x[t * k + i];
      ASSERT_EQ(out[t * n + r], want) << "token " << t << ", row " << r;
    }
  ASSERT_EQ(images_.size(), 1u);
  EXPECT_EQ(core_without_machine_code(images_[0], device(Generation::aie2p)).value(), std::nullopt);
}

}  // namespace
}  // namespace onebit::npu::gemm
