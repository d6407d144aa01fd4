// Rates and costs of the analytic model. What the timed simulation has too comes from its TimingModel; here stands what
// only whole programs show: how reads and writes share DDR, what short runs of bytes cost, how well compute and
// transfer overlap. Sources and derivations: docs/npu-performance-model.md.
#pragma once

#include <span>

#include "npu/sim/timing.h"

namespace onebit::npu::perf {

struct RatePoint {
  double at;             // channels, or bytes
  double bytes_per_s;
};

struct Rates {
  TimingModel timing{};

  // One stream inside the array, in bytes per cycle. A shim channel was measured to push 12.8e9 B/s through one to its
  // memory tile; G80 without compute needs at least 6.0 into a core.
  double stream_bytes_per_cycle = 7.1;

  // Executing one instruction stream of the smallest GEMM: 50 KB in about 150 us, 11 KB in about 50 us is a line of
  // 22 us + 2.56 ns per byte, of which 8.5 us are that GEMM's own first chunk, compute and results. What is left is the
  // start of the firmware's work and the way of the completion token.
  double launch_s = 13.5e-6;
  double stream_s_per_byte = 2.56e-9;

  // Round trip through XRT: 8-column designs 197 to 200 us, a one-core kernel 158 us; instruction stream included.
  double xrt_array_s = 197e-6;
  double xrt_one_core_s = 158e-6;

  // Hand-over of one GEMM to a stream that polls a word in DDR (CPU 4.5 us), eight GEMMs per command.
  double ring_hand_off_s = 4.5e-6;
  double ring_gemms_per_command = 8;

  // The configuration that fresh_context_s was seen with: V6's PDI of 477,600 bytes. Smaller ones cost in proportion.
  double fresh_context_bytes = 477600;

  // Filling a kernel's loop and handing the tile over, once per wave: from V10 at M 8192 and 4096.
  double wave_turn_cycles = 620;

  // p in T = (compute^p + transfer^p)^(1/p): cores wait for each other through broadcasts and have two slots only, so
  // that two equal terms cost 2^(1/p) = 1.15 of one. The one constant that no single measurement isolates.
  double coupling = 5;
};

// DDR rate by the number of shim channels that are used together; in between, linear. 1x1, 2x1, 4x1, 8x1, 8x2
// columns x channels, 16 MiB a channel.
inline constexpr RatePoint kReadByChannels[] = {{1, 12.8e9}, {2, 24.5e9}, {4, 44.8e9}, {8, 54.8e9}, {16, 55.5e9}};
inline constexpr RatePoint kWriteByChannels[] = {{1, 13.5e9}, {2, 27.3e9}, {4, 51.6e9}, {8, 54.0e9}, {16, 55.3e9}};
// DDR read rate by burst length. Nothing shorter than 64 bytes is fetched.
inline constexpr RatePoint kReadByBurst[] = {{64, 42.8e9}, {128, 52.2e9}, {256, 53.6e9}, {512, 54.3e9}};
inline constexpr double kMinBurstBytes = 64;

double interpolate(std::span<const RatePoint> points, double at);

}  // namespace onebit::npu::perf
