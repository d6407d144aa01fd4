// The rates and costs of the timed simulation, in one place. Every figure states where it was measured; what was
// measured on other silicon or is only a bound says so. Nothing here is fitted to a program.
//
// Sources: the bandwidth, dispatch and clock tables of docs/npu-performance-model.md (Strix Halo, fabric clock
// pinned), there with their origins.
#pragma once

#include <cstdint>

namespace onebit::npu {

struct TimingModel {
  // Array clock: delay loop on Strix Halo, 1.80 to 1.81 GHz.
  double clock_hz = 1.8e9;

  // DDR <-> one shim channel: 16 MiB transfers, one column, one channel: 12.8 read, 13.5 write.
  double ddr_channel_read_bytes_per_s = 12.8e9;
  double ddr_channel_write_bytes_per_s = 13.5e9;
  // The plateau over all channels: 55.5 read, 55.3 write (8 columns x 2 channels).
  double ddr_total_read_bytes_per_s = 55.5e9;
  double ddr_total_write_bytes_per_s = 55.3e9;
  // Reads and writes together: 33.7 + 33.7 at equal volume over all channels. Ratios away from 1 may reach more: 46.7 + 33
  // was derived from a GEMM by taking its fixed part off.
  double ddr_mixed_bytes_per_s = 67.4e9;

  // One stream of the array. The fastest seen: a shim channel that writes 13.5e9 B/s, 7.5 bytes per cycle. Memory tile
  // -> core was measured at >= 4.8 bytes per cycle per channel with two channels running, a lower bound only.
  double stream_bytes_per_cycle = 7.5;

  // First word of a descriptor that reads DDR, after the descriptor is loaded; and of one that writes it. Measured on
  // Phoenix (other silicon): about 750 and 170 cycles.
  double shim_mm2s_start_cycles = 750;
  double shim_s2mm_start_cycles = 170;
  // Descriptor load and address set-up in the array. Assumed: no measurement isolates it.
  double tile_bd_cycles = 8;
  // Every lock request costs one cycle more (Phoenix).
  double lock_cycles = 1;
  // A word's way through one switch, per route. Assumed.
  double route_cycles = 4;
  // A core's lock operation: the stall and resume stages (2 and 8) of the itinerary.
  double core_lock_cycles = 10;

  // Submit to start of execution plus completion: no-op round trip 59 us single, 20-25 us pipelined or chained.
  double dispatch_single_s = 59e-6;
  double dispatch_chained_s = 22e-6;
  // Executing the instruction stream: 50 KB in about 150 us, 11 KB in about 50 us, so 3 to 4.5 ns per byte or about
  // 0.1 us per operation. The cost is charged per byte.
  double stream_s_per_byte = 3.0e-9;
  double stream_s_per_op = 0.1e-6;
  // Beyond a warm run, the first one in a fresh context: 1.5 to 2.2 ms in all.
  double fresh_context_s = 1.6e-3;

  double cycles(double seconds) const { return seconds * clock_hz; }
  double seconds(double cycles) const { return cycles / clock_hz; }
};

}  // namespace onebit::npu
