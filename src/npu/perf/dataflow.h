// What the performance model has to know about a GEMM program on the array: C[M x N] = A[M x K] * B[K x N].
//
// Work is cut into waves: in a wave every core computes one m x n tile of C over the whole of K, in chunks of k. Waves
// run in passes, the outer loop: the inner loop of a pass goes over M (B stays) or over N (A stays).
#pragma once

#include <cstdint>
#include <string>

namespace onebit::npu::perf {

struct Tile {
  uint32_t m = 0, n = 0, k = 0;  // of one core: rows of A, columns of B, depth of a chunk
};

// When an operand is read from DDR again; in between it is replayed from the memory tiles.
enum class Reuse {
  every_wave,
  every_pass,
  once,
};

struct Operand {
  double bits = 8;                      // of one element in DDR and in streams: 16 bf16, 8 int8, 4 int4, 2 packed ternary
  uint32_t channels = 8;                // shim channels that inject it
  Reuse reuse = Reuse::every_wave;
  uint32_t slots = 1;                   // copies kept in memory tiles: with 2 the next pass's is fetched during this one
  uint32_t shared_by = 1;               // cores that receive one share each of a tile and read the rest next door
  double run_bytes = 0;                 // contiguous bytes in DDR; 0: packed in the order of use
  bool whole_before_start = false;      // Reuse::once only: no core starts before all of it is there
};

struct Output {
  double bits = 32;
  uint32_t channels = 8;
  bool own_buffer = true;   // the core computes on while its tile of the wave before drains
  uint32_t every_k = 0;     // partial sums leave after so much of K, reduced elsewhere; 0: only the full sum leaves
};

// Core cycles, memory stalls included.
struct Kernel {
  double cycles_per_chunk = 0;  // expansion of packed operands included
  double cycles_per_wave = 0;   // epilogue
};

// How the program gets to the array.
struct Launch {
  bool xrt = false;                    // through XRT: round trip as measured there, instruction stream included
  double full_stream_bytes = 0;        // resets and configures cores, locks and descriptors
  double lean_stream_bytes = 0;        // right after a completed run of the same program
  double configuration_bytes = 0;      // PDI, loaded into a fresh context
  bool body_per_wave = false;          // each wave is queued and waited for by itself
};

struct Dataflow {
  std::string name{}, summary{};
  Tile tile{};
  uint32_t cores_m = 4, cores_n = 8;   // a wave is cores_m * m by cores_n * n
  bool inner_m = true;                 // the inner loop of a pass goes over M
  Operand a{}, b{};
  Output c{};
  Kernel kernel{};
  Launch launch{};
  // Limits of the program; 0: none known.
  uint32_t resident_bytes = 0;         // of each of 8 memory tiles, for operands that are replayed
  uint32_t max_waves_m = 0;

  uint32_t wave_m() const { return cores_m * tile.m; }
  uint32_t wave_n() const { return cores_n * tile.n; }
};

struct Shape {
  uint64_t m = 0, k = 0, n = 0;
};

enum class Mode {
  single,    // submitted and waited for alone
  chained,   // one of an endless queue
  prepared,  // `count` commands built beforehand and submitted together
  grouped,   // one command, `count` GEMMs in its instruction stream: the first full, the others lean
  ring,      // the instruction stream polls for work
};

struct Condition {
  Mode mode = Mode::single;
  uint32_t count = 1;
  bool lean = false;
  double fresh_share = 0;   // of the submits averaged, how many were the first in their context: 0 to 1
  double compute = 1;       // repetitions of the kernel on each chunk; 0: transfers and locks only
};

}  // namespace onebit::npu::perf
