#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "npu/evaluate/energy.h"
#include "npu/evaluate/estimates.h"
#include "npu/evaluate/plan.h"
#include "npu/kernels/registry.h"
#include "stub_xrt.h"

namespace onebit::npu::evaluate {
namespace {

Report all_good(Label label) {
  Report r;
  Section s{.title = "figures"};
  for (const auto& [id, value] : {std::pair{"dispatch.us", 200.0}, {"ternary.tops.m512", 26.0}, {"prefill.ratio.128", 1.2}, {"prefill.ratio.512", 2.0},
                                  {"ternary.bytes.m512", 1.0}, {"energy.npu", 5.0}, {"energy.cpu", 9.0}})
    s.figures.push_back({id, id, value, "x", label, "test"});
  r.sections.push_back(std::move(s));
  r.checks = {.products = 1, .elements = 10, .wrong = 0};
  return r;
}

Figure& figure(Report& r, const std::string& id) {
  for (Figure& f : r.sections[0].figures)
    if (f.id == id) return f;
  ADD_FAILURE() << id;
  return r.sections[0].figures[0];
}

TEST(EvaluateVerdict, PassesOnlyWhereEverythingIsMeasured) {
  EXPECT_EQ(decide(all_good(Label::measured)).outcome, Outcome::pass);
  EXPECT_EQ(decide(all_good(Label::simulated)).outcome, Outcome::unknown);
  EXPECT_EQ(decide(all_good(Label::estimated)).outcome, Outcome::unknown);
  EXPECT_EQ(decide(Report{}).outcome, Outcome::unknown);
}

TEST(EvaluateVerdict, EveryCriterionCanFail) {
  const std::vector<std::pair<std::string, double>> bad{{"dispatch.us", 251},       {"ternary.tops.m512", 13.1},  {"prefill.ratio.128", 0.99},
                                                        {"prefill.ratio.512", 1.49}, {"ternary.bytes.m512", 1.16}, {"energy.npu", 9.0}};
  for (const auto& [id, value] : bad) {
    Report r = all_good(Label::measured);
    figure(r, id).value = value;
    const Verdict v = decide(r);
    EXPECT_EQ(v.outcome, Outcome::fail) << id;
    EXPECT_EQ(std::count_if(v.criteria.begin(), v.criteria.end(), [](const Criterion& c) { return c.outcome == Outcome::fail; }), 1) << id;
  }
}

TEST(EvaluateVerdict, AWrongResultFailsWhateverTheSpeed) {
  Report r = all_good(Label::measured);
  r.checks.wrong = 1;
  const Verdict v = decide(r);
  EXPECT_EQ(v.outcome, Outcome::fail);
  EXPECT_EQ(v.criteria[0].outcome, Outcome::fail);
  EXPECT_EQ(v.text, "Results are wrong: no speed makes up for that.");
}

TEST(EvaluateVerdict, TheBestLabelDecides) {
  Report r = all_good(Label::estimated);
  r.sections[0].figures.push_back({"ternary.tops.m512", "", 3.0, "TOPS", Label::measured, ""});
  EXPECT_EQ(r.find("ternary.tops.m512")->value, 3.0);
  EXPECT_EQ(decide(r).outcome, Outcome::fail);
}

TEST(EvaluateVerdict, TheWholeModelDecidesBeforeItsLinears) {
  Report r = all_good(Label::measured);
  r.sections[0].figures.push_back({"prefill.whole.ratio.512", "", 1.1, "x", Label::estimated, ""});
  EXPECT_EQ(decide(r).outcome, Outcome::fail);
}

TEST(EvaluateReport, SaysWhatEveryFigureIs) {
  Report r = all_good(Label::simulated);
  figure(r, "ternary.tops.m512").unit = "TOPS";
  figure(r, "dispatch.us").what = "a|b\nc";
  r.device = "a <device> & more";
  r.verdict = decide(r);
  const std::string text = markdown(r, "plot.svg");
  EXPECT_NE(text.find("| ternary.tops.m512 | 26.0 TOPS | simulated | test |"), std::string::npos) << text;
  EXPECT_NE(text.find("| a\\|b c | 200 x | simulated | test |"), std::string::npos) << text;
  EXPECT_NE(text.find("![Rates beside published results](plot.svg)"), std::string::npos);
  EXPECT_EQ(text.find("measured)"), std::string::npos);
  const std::string plot = svg(r);
  EXPECT_NE(plot.find("a &lt;device&gt; &amp; more"), std::string::npos);
  EXPECT_NE(plot.find("(simulated)</title>"), std::string::npos);
  EXPECT_NE(plot.find("(published)</title>"), std::string::npos);
  EXPECT_TRUE(plot.ends_with("</svg>\n"));
}

class EvaluateEnergy : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& zone, const std::string& file, const std::string& text) {
    std::filesystem::create_directories(root_ / zone);
    std::ofstream(root_ / zone / file) << text;
  }
  const std::filesystem::path root_ =
      std::filesystem::path(::testing::TempDir()) / (std::string("powercap_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(EvaluateEnergy, CountsPackagesOnceAndThroughTheEndOfTheCounter) {
  put("intel-rapl:0", "max_energy_range_uj", "10000000\n");
  put("intel-rapl:0", "energy_uj", "9000000\n");
  put("intel-rapl:0:0", "max_energy_range_uj", "10000000\n");  // a part of the package
  put("intel-rapl:0:0", "energy_uj", "0\n");
  put("intel-rapl:1", "max_energy_range_uj", "10000000\n");
  put("intel-rapl:1", "energy_uj", "1000000\n");
  auto meter = EnergyMeter::open(root_.string());
  ASSERT_TRUE(meter.has_value()) << meter.error().message;
  EXPECT_EQ(meter->packages(), 2u);
  put("intel-rapl:0", "energy_uj", "500000\n");   // 1.5 J, past the end
  put("intel-rapl:0:0", "energy_uj", "9000000\n");
  put("intel-rapl:1", "energy_uj", "3000000\n");  // 2 J
  EXPECT_DOUBLE_EQ(meter->joules().value(), 3.5);
  ASSERT_TRUE(meter->restart().has_value());
  EXPECT_DOUBLE_EQ(meter->joules().value(), 0);
}

TEST_F(EvaluateEnergy, SaysWhyThereIsNone) {
  EXPECT_FALSE(EnergyMeter::open(root_.string()).has_value());
  put("intel-rapl:0", "max_energy_range_uj", "many\n");
  put("intel-rapl:0", "energy_uj", "1\n");
  const auto meter = EnergyMeter::open(root_.string());
  ASSERT_FALSE(meter.has_value());
  EXPECT_NE(meter.error().message.find("is not a number of microjoules"), std::string::npos) << meter.error().message;
}

TEST(EvaluateEstimates, TernaryMovesFewerBytesThanInt8AndSlicesLongPrompts) {
  const gemm::ArrayProgram program = gemm::ArrayProgram::make().value();
  const Layer layer{"down", 2560, 6912};
  const GemmTime ternary = estimate_ternary(program, 512, layer).value(), int8 = estimate_int8(512, layer).value();
  EXPECT_EQ(ternary.ops, 2.0 * 512 * 2560 * 6912);
  EXPECT_EQ(int8.ops, ternary.ops);
  EXPECT_LT(ternary.bytes, int8.bytes);
  EXPECT_LT(ternary.seconds, int8.seconds);
  const GemmTime twice = estimate_ternary(program, 2 * gemm::most_tokens(layer.n, layer.k), layer).value();
  EXPECT_EQ(twice.ops, 2.0 * 2 * gemm::most_tokens(layer.n, layer.k) * 2560 * 6912);
}

// The whole plan on a small model in the simulator: everything exact, nothing of the NPU called measured.
TEST(Evaluate, ASmallModelInTheSimulator) {
  Options options;
  options.quick = true;
  options.powercap = "no/such/folder";
  const ModelShape model{.name = "small", .layers = 2, .linears = {{"query, key, value", 320, 256}, {"down", 256, 512}}};
  ThreadPool pool(2);
  const auto report = evaluate(options, model, pool);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->checks.wrong, 0u) << report->checks.first_wrong;
  EXPECT_GT(report->checks.products, 8u);
  EXPECT_GT(report->checks.elements, 100000u);
  for (const char* id : {"dispatch.us", "passthrough.gb_s", "gemm_1.tops", "gemm_8x4.tops", "ternary.probe.us", "ternary.tops.m128", "gemv.gb_s", "gemm_bf16_1.tflops",
                         "gemm_bf16_8x4.tflops", "gemv.program.gb_s", "ternary.bf16.us"}) {
    const Figure* f = report->find(id);
    ASSERT_NE(f, nullptr) << id;
    EXPECT_EQ(f->label, Label::simulated) << id;
    EXPECT_GT(f->value, 0) << id;
  }
  for (const char* id : {"bf16.tflops", "int8.tops.m1024", "ternary.bytes.m512"}) {
    const Figure* f = report->find(id);
    ASSERT_NE(f, nullptr) << id;
    EXPECT_NE(f->label, Label::measured) << id;
  }
  EXPECT_EQ(report->find("prefill.cpu.ms.128")->label, Label::measured);
  EXPECT_NE(report->find("prefill.ratio.128")->label, Label::measured);
  EXPECT_NE(report->verdict.outcome, Outcome::pass);
  EXPECT_EQ(report->verdict.criteria.front().outcome, Outcome::pass);
}

// A kernel that adds one too much to its first sum.
TEST(Evaluate, AWrongKernelFails) {
  std::vector<HostKernel> kernels(builtin_kernels().begin(), builtin_kernels().end());
  for (HostKernel& k : kernels)
    if (k.name == "gemm_i8_t2_i32")
      k.invoke = [](std::span<const KernelArg> args) {
        find_kernel(builtin_kernels(), "gemm_i8_t2_i32")->invoke(args);
        ++*reinterpret_cast<int32_t*>(args[2].data);
      };
  Options options;
  options.quick = true;
  options.powercap = "no/such/folder";
  options.device.sim.kernels = kernels;
  const ModelShape model{.name = "small", .layers = 1, .linears = {{"down", 64, 256}}};
  ThreadPool pool(1);
  const auto report = evaluate(options, model, pool);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_GT(report->checks.wrong, 0u);
  EXPECT_TRUE(report->checks.first_wrong.starts_with("ternary 128 x 1280 x 512, token ")) << report->checks.first_wrong;
  EXPECT_EQ(report->verdict.outcome, Outcome::fail);
  EXPECT_NE(markdown(*report, "").find("## Verdict: FAIL"), std::string::npos);
}

// A real device as far as this program sees: it is timed by the clock of the host, programs without core code are named, and
// results that never came are wrong ones.
TEST(Evaluate, OverXrtFiguresAreMeasuredAndMissingResultsFail) {
  stub_xrt::reset();
  Options options;
  options.quick = true;
  options.powercap = "no/such/folder";
  options.device.kind = DeviceKind::xrt;
  options.device.xrt_module = ONEBIT_XRT_STUB_MODULE;
  const ModelShape model{.name = "small", .layers = 1, .linears = {{"down", 64, 256}}};
  ThreadPool pool(1);
  const auto report = evaluate(options, model, pool);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->device, "stub NPU");
  for (const char* id : {"dispatch.us", "dispatch.first.us", "dispatch.queued.us"}) {
    ASSERT_NE(report->find(id), nullptr) << id;
    EXPECT_EQ(report->find(id)->label, Label::measured) << id;
  }
  EXPECT_EQ(report->find("gemm_8x4.tops"), nullptr);
  EXPECT_EQ(report->find("ternary.tops.m512")->label, Label::estimated);
  const std::string text = markdown(*report, "");
  EXPECT_NE(text.find("gemm_8x4 256x512x256: not run: "), std::string::npos) << text;
  EXPECT_EQ(text.find("| simulated |"), std::string::npos) << text;
  EXPECT_GT(report->checks.wrong, 0u);
  EXPECT_EQ(report->verdict.outcome, Outcome::fail);
  EXPECT_EQ(stub_xrt::live_names(), "");
}

}  // namespace
}  // namespace onebit::npu::evaluate
