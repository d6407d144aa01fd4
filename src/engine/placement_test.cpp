// The share of an NPU that is measured: the measurement over a device and a clock of the test's own, and the whole way
// over the tests' libxrt, whose runs the array simulator executes.
#include "engine/placement.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/byte_tokenizer.h"
#include "engine/session.h"
#include "model/tiny_model.h"
#include "npu/compiled/stand_in_elf.h"
#include "npu/gemm/array_program.h"
#include "npu/kernels/registry.h"
#include "npu/sim/simulator.h"
#include "stub_xrt.h"

namespace onebit {
namespace {

namespace fs = std::filesystem;
using onebit::testing::TinyModel;

// Durations of the CPU's and the device's product by turns.
class ScriptedClock {
 public:
  explicit ScriptedClock(std::vector<double> durations) : durations_(std::move(durations)) {}
  double operator()() {
    if (reads_++ % 2) now_ += durations_.at(reads_ / 2 - 1);
    else now_ += 100;  // between products
    return now_;
  }
  size_t reads() const { return reads_; }

 private:
  std::vector<double> durations_;
  size_t reads_ = 0;
  double now_ = 5;
};

class FakeDevice : public cpu::TernaryDevice {
 public:
  Status start(const cpu::QuantActs& x, std::span<const Product> products) override {
    ++starts;
    if (starts == fail_start) return fail(Errc::device, "no start");
    EXPECT_EQ(x.tokens, kShareTokens);
    EXPECT_EQ(products.size(), 1u);
    EXPECT_EQ(products[0].matrix, 7u);
    for (size_t t = 0; t < x.tokens; ++t) std::fill_n(products[0].sums + t * products[0].ld, rows, 1);
    return {};
  }
  Status finish() override {
    ++finishes;
    if (finishes == fail_finish) return fail(Errc::device, "no finish");
    return {};
  }
  int starts = 0, finishes = 0, fail_start = 0, fail_finish = 0;
  uint32_t rows = 0;
};

class MeasuredShare : public ::testing::Test {
 protected:
  void SetUp() override {
    compute_.emplace(cpu::Compute::create(cpu::Isa::scalar, pool_).value());
    w_.rows = 48, w_.cols = 64, w_.device_matrix = 7, w_.device_groups = 3;
    const auto codes = [](uint32_t row, uint8_t* out) { for (uint32_t k = 0; k < 64; ++k) out[k] = static_cast<uint8_t>((row + k) % 3); };
    w_.ternary = cpu::pack_ternary(w_.rows, w_.cols, compute_->ternary->layout, pool_, codes).value();
    device_.rows = w_.rows;
  }
  Result<int> share(std::vector<double> durations) {
    clock_.emplace(std::move(durations));
    return measured_share(device_, *compute_, w_, [this] { return (*clock_)(); });
  }

  ThreadPool pool_{1};
  std::optional<cpu::Compute> compute_;
  cpu::Linear w_;
  FakeDevice device_;
  std::optional<ScriptedClock> clock_;
};

TEST_F(MeasuredShare, IsTheOneWithWhichBothEndTogether) {
  EXPECT_EQ(share({3, 1, 3, 1, 3, 1}).value(), 75);
  EXPECT_EQ(share({1, 3, 1, 3, 1, 3}).value(), 25);
  EXPECT_EQ(share({2, 2, 2, 2, 2, 2}).value(), 50);
  EXPECT_EQ(clock_->reads(), 12u);
  EXPECT_EQ(device_.starts, 9);
  EXPECT_EQ(device_.finishes, 9);
}

// The first product of either may pay for what happens once.
TEST_F(MeasuredShare, TheShortestTimesCount) { EXPECT_EQ(share({9, 50, 4, 7, 6, 1}).value(), 80); }

TEST_F(MeasuredShare, StaysWithinItsRange) {
  EXPECT_EQ(share({1e-9, 10, 1e-9, 10, 1e-9, 10}).value(), 0);
  EXPECT_EQ(share({10, 1e-9, 10, 1e-9, 10, 1e-9}).value(), 100);
  EXPECT_EQ(share({0, 0, 0, 0, 0, 0}).value(), 100);
}

TEST_F(MeasuredShare, LeavesTheAttachedDeviceAndTheCountsAlone) {
  FakeDevice attached;
  std::vector<cpu::LinearRuns> runs(1);
  compute_->device = &attached;
  compute_->device_tokens = 1;
  compute_->runs = &runs;
  EXPECT_EQ(share({2, 2, 2, 2, 2, 2}).value(), 50);
  EXPECT_EQ(attached.starts, 0);
  EXPECT_EQ(runs[0].cpu + runs[0].device + runs[0].failed, 0u);
  EXPECT_EQ(compute_->device, &attached);
  EXPECT_EQ(compute_->runs, &runs);
}

TEST_F(MeasuredShare, AFailingDeviceIsAnError) {
  device_.fail_start = 2;
  EXPECT_EQ(share({1, 1, 1, 1, 1, 1}).error().message, "no start");
  EXPECT_EQ(device_.starts, 2);
  device_.fail_finish = device_.finishes + 3;
  EXPECT_EQ(share({1, 1, 1, 1, 1, 1}).error().message, "no finish");
  EXPECT_EQ(compute_->device, nullptr);
}

// The whole way: a model whose prompts go to an NPU, the share by the clock.
class PlacementOnXrt : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::temp_directory_path() / ("onebit_placement_" + std::to_string(getpid()) + ".gguf")).string();
    const Status s = TinyModel({.vocab = 259, .context = 64}).write(path_, testing::byte_tokenizer());
    ASSERT_TRUE(s) << s.error().message;
    stub_xrt::reset();
    stub_xrt::set_executor([this](uint32_t context, std::span<const char> image, std::span<const uint8_t> stream, std::span<const std::span<uint8_t>> buffers) {
      auto& sim = contexts_[context];
      if (!sim) {
        npu::SimOptions options;
        options.kernels = npu::builtin_kernels();
        auto opened = npu::Simulator::open(npu::device(npu::Generation::aie2p), npu::Bytes(reinterpret_cast<const uint8_t*>(image.data()), image.size()), options);
        if (!opened) return false;
        sim = std::make_unique<npu::Simulator>(std::move(*opened));
      }
      std::vector<std::span<uint8_t>> list(buffers.begin(), buffers.end());
      return sim->run(stream, list).has_value();
    });
  }
  void TearDown() override { fs::remove(path_); }

  // The report after a prompt, and the text generated.
  std::pair<PlacementReport, std::vector<Token>> run(PlacementOptions placement) {
    auto engine = Engine::load({.path = path_, .threads = 1, .placement = std::move(placement)});
    EXPECT_TRUE(engine) << engine.error().message;
    Session session = *Session::create(**engine, {});
    EXPECT_TRUE(session.feed(*(*engine)->tokenizer().encode("a prompt of some length")));
    SamplerOptions greedy;
    greedy.temperature = 0;
    Sampler sampler(greedy);
    std::vector<Token> text;
    EXPECT_TRUE(session.generate(sampler, 12, true, [&](Token t, const std::string&) {
      text.push_back(t);
      return true;
    }));
    return {(*engine)->placement().report(), text};
  }
  PlacementOptions automatic(std::vector<double> durations, std::span<const npu::CoreCode> code) {
    PlacementOptions o;
    o.npu.xrt_module = ONEBIT_XRT_STUB_MODULE;
    o.npu.code = code;
    clock_.emplace(std::move(durations));
    o.npu.clock = [this] { return (*clock_)(); };
    return o;
  }

  std::string path_;
  std::map<uint32_t, std::unique_ptr<npu::Simulator>> contexts_;
  std::optional<ScriptedClock> clock_;
};

TEST_F(PlacementOnXrt, RowsAreDividedAsMeasuredAndTheTextIsTheSame) {
  PlacementOptions on_cpu;
  on_cpu.on = {Where::cpu, Where::cpu};
  const auto [cpu_report, want] = run(on_cpu);
  EXPECT_EQ(want.size(), 12u);
  const npu::StandInTable table(npu::gemm::ArrayProgram::program());
  for (const auto& [durations, percent] : {std::pair{std::vector<double>{3, 1, 3, 1, 3, 1}, 75}, {{1e-9, 1, 1e-9, 1, 1e-9, 1}, 0}, {{1, 1e-9, 1, 1e-9, 1, 1e-9}, 100}}) {
    SCOPED_TRACE(percent);
    const auto [report, text] = run(automatic(durations, table.entries()));
    EXPECT_EQ(clock_->reads(), 12u);
    EXPECT_EQ(report.on[0], Where::npu);
    EXPECT_EQ(report.npu_share, percent);
    EXPECT_EQ(report.failures, 0u);
    EXPECT_TRUE(check_strict(report));
    for (const PlacementLine& line : report.lines) {
      EXPECT_EQ(line.runs[0].device > 0, percent > 0) << line.kind;
      EXPECT_EQ(line.runs[0].cpu > 0, percent < 100) << line.kind;
    }
    EXPECT_EQ(text, want);
  }
}

TEST_F(PlacementOnXrt, WithoutCompiledCoresPromptsStayOnTheCpuAndTheReportSaysWhy) {
  const auto [report, text] = run(automatic({}, {}));
  EXPECT_EQ(report.on[0], Where::cpu);
  EXPECT_NE(report.why_cpu.find("core (0,2) has no machine code"), std::string::npos) << report.why_cpu;
  EXPECT_EQ(report.dispatches, 0u);
}

TEST_F(PlacementOnXrt, AnNpuThatFailsTheMeasurementIsNotTaken) {
  const npu::StandInTable table(npu::gemm::ArrayProgram::program());
  stub_xrt::end_runs_in(ERT_CMD_STATE_ERROR);
  const auto [report, text] = run(automatic({1, 1, 1, 1, 1, 1}, table.entries()));
  EXPECT_EQ(report.on[0], Where::cpu);
  EXPECT_NE(report.why_cpu, "");
  for (const PlacementLine& line : report.lines) EXPECT_EQ(line.runs[0].device + line.runs[0].failed, 0u) << line.kind;
}

}  // namespace
}  // namespace onebit
