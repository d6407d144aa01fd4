// The clocks against measurements on Strix Halo: DDR bandwidth by columns and channels, and short transfers.
#include <cmath>

#include "npu/sim/test_array.h"

namespace onebit::npu {
namespace {

using namespace testing;

// Shim channels 0 and 1 of a column, to and from endless buffers of the memory tile above.
void column(ConfigBuilder& c, uint8_t col) {
  constexpr uint32_t kWords = 1024;
  const TileId shim{col, 0}, mem{col, 1};
  for (const uint8_t k : {0, 1}) {
    const uint8_t in = k ? 24 : 0, out = static_cast<uint8_t>(in + 1), lane = k;
    for (const uint8_t id : {in, out}) {
      BufferDescriptor bd = linear_bd(kMemOwn + id * kWords, kWords);
      bd.use_next = true;
      bd.next = id;
      c.bd(mem, id, bd);
    }
    c.circuit(shim, {Bundle::south, static_cast<uint8_t>(k ? 7 : 3)}, {Bundle::north, lane});
    c.circuit(mem, {Bundle::south, lane}, {Bundle::dma, k});
    c.circuit(mem, {Bundle::dma, k}, {Bundle::south, lane});
    c.circuit(shim, {Bundle::north, lane}, {Bundle::south, static_cast<uint8_t>(k ? 3 : 2)});
    c.start(mem, Direction::s2mm, k, in);
    c.start(mem, Direction::mm2s, k, out);
  }
  c.shim(col);
}

// Seconds of one warm run that moves `words` on each channel, read and write as asked.
double seconds(unsigned columns, unsigned channels, uint32_t words, bool read, bool write) {
  ConfigBuilder c;
  for (uint8_t col = 0; col < columns; ++col) column(c, col);
  SimOptions options;
  options.timed = true;
  auto sim = Simulator::open(npu2(), c.bytes(), options);
  EXPECT_TRUE(sim) << sim.error().message;
  StreamBuilder s;
  for (uint8_t col = 0; col < columns; ++col)
    for (uint8_t k = 0; k < channels; ++k) {
      if (read) s.linear(col, Direction::mm2s, k, k, 0, words, true);
      if (write) s.linear(col, Direction::s2mm, k, 2 + k, 1, words, true);
    }
  for (uint8_t col = 0; col < columns; ++col)
    for (uint8_t k = 0; k < channels; ++k) {
      if (read) s.sync(col, Direction::mm2s, k);
      if (write) s.sync(col, Direction::s2mm, k);
    }
  Buffers b({words, words});
  double last = 0;
  for (int run = 0; run < 2; ++run) {
    const auto report = sim->run(s.bytes(), b.spans());
    EXPECT_TRUE(report) << report.error().message;
    last = report ? report->seconds : 0;
  }
  return last;
}

// GB/s of long transfers: the difference of two lengths.
double rate(unsigned columns, unsigned channels, bool read, bool write) {
  constexpr uint32_t kWords = 1 << 15;
  const double time = seconds(columns, channels, 2 * kWords, read, write) - seconds(columns, channels, kWords, read, write);
  return 4e-9 * kWords * columns * channels / time;
}

struct Row {
  unsigned columns, channels;
  double read, write;  // GB/s, 16 MiB per channel
};
constexpr Row kMeasured[] = {{1, 1, 12.8, 13.5}, {1, 2, 23.8, 27.2}, {2, 1, 24.5, 27.3}, {2, 2, 45.5, 47.0},
                             {4, 1, 44.8, 51.6}, {4, 2, 55.3, 52.6}, {8, 1, 54.8, 54.0}, {8, 2, 55.5, 55.3}};

TEST(SimBandwidth, IsTheMeasuredOneByColumnsAndChannels) {
  for (const Row& r : kMeasured) {
    EXPECT_NEAR(rate(r.columns, r.channels, true, false) / r.read, 1, 0.15) << r.columns << "x" << r.channels << " read";
    EXPECT_NEAR(rate(r.columns, r.channels, false, true) / r.write, 1, 0.15) << r.columns << "x" << r.channels << " write";
  }
  EXPECT_NEAR(rate(8, 2, true, true) / 33.7, 1, 0.15);
}

// One descriptor on each of 16 channels: 4 KiB 0.9, 64 KiB 11.3, 1 MiB 44.4 GB/s, the submission in it.
TEST(SimBandwidth, ShortTransfersPayForTheirSubmission) {
  for (const auto& [bytes, measured] : {std::pair{4096u, 0.9}, {65536u, 11.3}, {1048576u, 44.4}})
    EXPECT_NEAR(16e-9 * bytes / seconds(8, 2, bytes / 4, true, false) / measured, 1, 0.15) << bytes;
}

}  // namespace
}  // namespace onebit::npu
