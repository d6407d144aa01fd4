// The clocks: what bounds them from below, and the trace.
#include <nlohmann/json.hpp>

#include "npu/sim/test_array.h"
#include "npu/sim/trace.h"

namespace onebit::npu {
namespace {

using namespace testing;

double cycles_of(uint32_t words, uint32_t buffer, const SimOptions& options) {
  auto sim = Simulator::open(npu2(), passthrough(buffer).bytes(), options);
  EXPECT_TRUE(sim) << sim.error().message;
  double cycles = 0;
  for (int run = 0; run < 2; ++run) {  // the first run pays for a fresh context
    Buffers b({words, words});
    const auto report = sim->run(passthrough_stream(words).bytes(), b.spans());
    EXPECT_TRUE(report) << report.error().message;
    EXPECT_EQ(b.data[1], b.data[0]);
    EXPECT_TRUE(report->timed);
    cycles = report->cycles;
  }
  return cycles;
}

TEST(SimTimed, AChannelMovesAtItsMeasuredRate) {
  SimOptions options;
  options.timed = true;
  const TimingModel& t = options.timing;
  // Twice the words cost the time of the words at the slower of the two ends; start-up and dispatch cancel out.
  constexpr uint32_t kWords = 1 << 16;
  const double slope = cycles_of(2 * kWords, 256, options) - cycles_of(kWords, 256, options);
  const double read = t.cycles(4.0 * kWords / t.ddr_channel_read_bytes_per_s);
  const double stream = 4.0 * kWords / t.stream_bytes_per_cycle;
  EXPECT_GT(slope, std::max(read, stream) * 0.99);
  EXPECT_LT(slope, 2.5 * std::max(read, stream));  // one buffer: filling and draining take turns
}

TEST(SimTimed, ATinyRunCostsTheDispatch) {
  SimOptions options;
  options.timed = true;
  const double cycles = cycles_of(4, 4, options);
  EXPECT_GT(cycles, options.timing.cycles(options.timing.dispatch_single_s));
  EXPECT_LT(cycles, options.timing.cycles(options.timing.dispatch_single_s) + 10000);
}

TEST(SimTimed, WritesATraceThatIsJson) {
  Trace trace;
  SimOptions options;
  options.timed = true;
  options.trace = &trace;
  cycles_of(16, 4, options);
  const auto json = nlohmann::json::parse(trace.to_json(options.timing.clock_hz));
  EXPECT_EQ(json["otherData"]["times"], "simulated");
  size_t slices = 0;
  std::vector<std::string> tracks;
  for (const auto& e : json["traceEvents"]) {
    if (e["ph"] == "X") {
      ++slices;
      EXPECT_GE(e["dur"].get<double>(), 0);
    }
    if (e["name"] == "thread_name") tracks.push_back(e["args"]["name"]);
  }
  // Per run: 1 + 1 shim descriptors, 4 + 4 in the memory tile, 8 operations.
  EXPECT_EQ(slices, 2u * (2 + 8 + 8));
  EXPECT_EQ(tracks, (std::vector<std::string>{"(0,0) MM2S 0", "(0,0) S2MM 0", "(0,1) MM2S 0", "(0,1) S2MM 0", "instruction stream"}));
}

TEST(SimTimed, ResultsDoNotDependOnTheClock) {
  for (const bool timed : {false, true}) {
    SimOptions options;
    options.timed = timed;
    auto sim = Simulator::open(npu2(), passthrough(8).bytes(), options);
    ASSERT_TRUE(sim);
    Buffers b({64, 64});
    const auto report = sim->run(passthrough_stream(64).bytes(), b.spans());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(b.data[1], b.data[0]);
    EXPECT_EQ(report->cycles > 0, timed);
  }
}

}  // namespace
}  // namespace onebit::npu
