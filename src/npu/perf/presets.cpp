#include "npu/perf/presets.h"

#include <iterator>

namespace onebit::npu::perf {
namespace {

// --- Kernels, in core cycles ---

constexpr double kMacsPerVmac = 512;

double vmacs(const Tile& t) { return 1.0 * t.m * t.n * t.k / kMacsPerVmac; }

// Hand-scheduled wavefront of 2 x 2 blocks, K 64 (npu-design 5.3): 1127 issue cycles per 1024 VMAC with the locks of a
// pair. Measured on the chunk slope of long runs: 1335 with the accumulators outside B's 16 KiB window ("layout 0"),
// 1480 to 1530 with them inside; the rest are stalls on memory.
constexpr double kPairIssue = 1127, kLayout0 = 1335, kOldMap = 1505;
constexpr double kStallLayout0 = kLayout0 / kPairIssue, kStallOldMap = kOldMap / kPairIssue;

// The same schedule for 128 x 80: 1776 cycles measured per chunk of 1280 VMAC.
constexpr double kG80Chunk = 1776;

// Narrowing a wave's sums to int8: issue cycles for 128 x 64.
constexpr double kNarrowIssue = 530;

// One operation per bundle, each eight cycles apart: 30.0 us per chunk of 1024 VMAC at M 4096, N 1280, K 2560.
constexpr double kSerialPerVmac = 52.7;

// Compiled aie_api kernel, 2 x 2 blocks of 8 x 8 in one loop over k: one core repeats 64 x 64 x 64 every 1.580 us =
// 2844 cycles = 16 x 178, of which 32 VMAC at the array's usual 0.75 per cycle; what is left is loading and storing
// the accumulators and filling the loop. With B stored by columns the program is 35 % faster.
constexpr double kVmacPerCycle = 0.75;
constexpr double kBlockCycles = 2844.0 / 16, kBlockVmacs = 32;
constexpr double kColumnMajorGain = 1.35;

double compiled_chunk(const Tile& t, bool b_by_columns) {
  const double blocks = 1.0 * t.m * t.n / (16 * 16);
  const double block = b_by_columns ? kBlockCycles / kColumnMajorGain : kBlockCycles;
  const double overhead = block - kBlockVmacs / kVmacPerCycle;
  return blocks * overhead + vmacs(t) / kVmacPerCycle;
}

// --- Instruction streams, in bytes (npu-design 1.2, 1.4, 1.7) ---
constexpr double kFullStream = 50500, kLeanStream = 11000, kV6Stream = 38112;
constexpr double kArrayPdi = 477600;

Launch array_launch(double full) { return {.full_stream_bytes = full, .lean_stream_bytes = kLeanStream, .configuration_bytes = kArrayPdi}; }

// --- Hand-made designs (npu-design 1.2 to 1.6): host packs A and B in the order of use ---

Dataflow v6(const Tile& tile) {
  Dataflow f;
  f.tile = tile;
  f.a.channels = 4;  // columns 0 to 3
  f.c = {.bits = 32, .channels = 8, .own_buffer = false};
  // 1067 issue cycles per 1024 VMAC without a partner's locks; accumulators share B's window.
  f.kernel = {.cycles_per_chunk = 1067 * kStallOldMap};
  f.launch = array_launch(kV6Stream);
  return f;
}

Dataflow v6_serial(const Tile& tile) {
  Dataflow f = v6(tile);
  f.kernel.cycles_per_chunk = kSerialPerVmac * vmacs(tile);
  return f;
}

// Two cores share each block of A: each receives half.
Dataflow v8_map(const Tile& tile, double chunk, double stall) {
  Dataflow f;
  f.tile = tile;
  f.a.shared_by = 2;
  f.c = {.bits = 8, .channels = 16};
  f.kernel = {.cycles_per_chunk = chunk, .cycles_per_wave = kNarrowIssue * stall};
  f.launch = array_launch(kFullStream);
  return f;
}

Dataflow v8(const Tile& tile) { return v8_map(tile, kOldMap, kStallOldMap); }
Dataflow v8_layout0(const Tile& tile) { return v8_map(tile, kLayout0, kStallLayout0); }
Dataflow v8_i32(const Tile& tile) { return with_types(v8(tile), 8, 8, 32); }

// Partial sums of every 128 of K leave as int32.
Dataflow iu4_epochs(const Tile& tile) {
  Dataflow f = v8_i32(tile);
  f.c.every_k = 128;
  return f;
}

Dataflow v9_of(Dataflow f) {
  f.b.reuse = Reuse::every_pass;
  f.b.slots = 2;
  f.resident_bytes = 108 * 4096;
  f.max_waves_m = 16;
  return f;
}
Dataflow v9(const Tile& tile) { return v9_of(v8(tile)); }
Dataflow v9_layout0(const Tile& tile) { return v9_of(v8_layout0(tile)); }

Dataflow v10(const Tile& tile) {
  Dataflow f = v8_layout0(tile);
  f.inner_m = false;
  f.a.reuse = Reuse::every_pass;
  f.a.slots = 2;
  f.b.reuse = Reuse::once;
  f.resident_bytes = 112 * 4096;
  f.b.whole_before_start = true;
  return f;
}
Dataflow v10_prefix(const Tile& tile) {
  Dataflow f = v10(tile);
  f.b.whole_before_start = false;
  return f;
}

// The narrowed tile lies in the accumulators: they are free again only when it has left.
Dataflow g80(const Tile& tile) {
  Dataflow f;
  f.tile = tile;
  f.cores_m = 2;
  f.cores_n = 16;
  f.a.channels = 4;
  f.a.shared_by = 2;
  f.b.reuse = Reuse::every_pass;
  f.c = {.bits = 8, .channels = 16, .own_buffer = false};
  f.kernel = {.cycles_per_chunk = kG80Chunk, .cycles_per_wave = kNarrowIssue * 1.25 * kStallLayout0};
  f.launch = array_launch(kFullStream);
  f.resident_bytes = 80 * 5120;
  return f;
}

// int4 x int4, unpacked in the core, folded into float32 after every 128 of K. 549 issue cycles per 512 VMAC with the
// stalls of layout 0; the fold of 64 x 32 sums is set so that 8192 x 17408 x 1024 takes 13.02 ms. How its operands
// travel is not published: taken as V8's.
Dataflow ief15(const Tile& tile) {
  Dataflow f;
  f.tile = tile;
  f.a.bits = f.b.bits = 4;
  f.c = {.bits = 32, .channels = 16};
  f.kernel = {.cycles_per_chunk = 549 * kStallLayout0 + 564};
  f.launch = array_launch(kFullStream);
  return f;
}

// One output tile after the other, each queued and waited for.
Dataflow one_core(const Tile& tile) {
  Dataflow f;
  f.tile = tile;
  f.cores_m = f.cores_n = 1;
  f.a.channels = f.b.channels = f.c.channels = 1;
  f.kernel.cycles_per_chunk = compiled_chunk(tile, false);
  // Three descriptors (48), patches (48) and queue writes (24 bytes) and a wait. The PDI's size is a guess.
  f.launch = {.full_stream_bytes = 400, .lean_stream_bytes = 400, .configuration_bytes = 16000, .body_per_wave = true};
  return f;
}

// --- mlir-aie's whole_array (npu-design 1.8): row-major operands, tiles cut by descriptors ---

Dataflow whole_array(const Tile& tile, bool b_by_columns, bool c_twice) {
  Dataflow f;
  f.tile = tile;
  f.a.channels = 4;
  f.a.run_bytes = tile.k;
  f.b.run_bytes = b_by_columns ? tile.k : tile.n;
  f.c = {.bits = 32, .channels = 8, .own_buffer = c_twice};
  f.kernel.cycles_per_chunk = compiled_chunk(tile, b_by_columns);
  f.launch.xrt = true;
  return f;
}

// Its fifo of C is two deep where a core has room for that: 2mk + 2kn + 8mn.
Dataflow bn_stock(const Tile& t) {
  const uint64_t bytes = 2 * uint64_t{t.k} * (uint64_t{t.m} + t.n) + 8 * uint64_t{t.m} * t.n;
  return whole_array(t, false, bytes <= 62 * 1024);
}
Dataflow bn_tuned(const Tile& tile) { return whole_array(tile, true, false); }

// 4 x 16 x 16 multiplications: 1.527 us where int8 takes 1.580.
Dataflow iron_i4(const Tile& tile) {
  Dataflow f = bn_tuned(tile);
  f.b.bits = 4;
  f.b.run_bytes /= 2;
  f.kernel.cycles_per_chunk *= 1.527 / 1.580;
  return f;
}

// The stock bf16 kernel with row-major B: set so that 2048 x 2048 x 2048 takes 24.68 ms.
Dataflow bf16_stock(const Tile& tile) {
  Dataflow f = with_types(whole_array(tile, false, true), 16, 16, 32);
  f.a.run_bytes *= 2;
  f.b.run_bytes *= 2;
  f.c.own_buffer = true;
  f.kernel.cycles_per_chunk = 84 * vmacs(tile);
  return f;
}

constexpr Tile kWide{128, 64, 64}, kSquare{64, 64, 64};

constexpr Preset kPresets[] = {
    {"v6", "v6", "8x4 cores, int8 -> int32, A from four columns, nothing resident", false, v6, kWide},
    {"v6-serial", "v6", "v6 with one operation per bundle", false, v6_serial, kWide},
    {"v8", "v8", "pairs of cores share A, int8 out, first memory map", false, v8, kWide},
    {"v8-layout0", "v8", "v8, accumulators outside B's memory window", false, v8_layout0, kWide},
    {"v8-i32", "v8", "v8, int32 out from the accumulators", false, v8_i32, kWide},
    {"v9", "v9", "v8 with B of one N wave resident in memory tiles, first memory map", false, v9, kWide},
    {"v9-layout0", "v9", "v9, accumulators outside B's memory window", false, v9_layout0, kWide},
    {"v10", "v10", "A of one M wave and all of B resident, B awaited whole", false, v10, kWide},
    {"v10-prefix", "v10", "v10, B used as it arrives", false, v10_prefix, kWide},
    {"g80", "g80", "128 x 80 core tile, B resident, int8 out", false, g80, {128, 80, 64}},
    {"iu4-epochs", "v8", "v8-i32 whose sums leave after every 128 of K", false, iu4_epochs, kWide},
    {"ief15", "ief15", "int4 x int4 unpacked in the core, folded to float32", false, ief15, {64, 32, 128}},
    {"one-core", "one-core", "one core, one output tile per wait", true, one_core, kSquare},
    {"bn-stock", "whole_array stock", "mlir-aie whole_array, int8 -> int32, row-major B, XRT", true, bn_stock, kSquare},
    {"bn-tuned", "whole_array tuned", "whole_array, column-major B, C once in the core, XRT", true, bn_tuned, {128, 64, 64}},
    {"iron-stock", "whole_array stock", "as bn-stock", true, bn_stock, kSquare},
    {"iron-i8", "whole_array tuned", "as bn-tuned with depth 128", true, bn_tuned, {64, 64, 128}},
    {"iron-i4", "whole_array tuned", "iron-i8 with int4 weights", true, iron_i4, {64, 64, 128}},
    {"bf16-stock", "whole_array stock", "whole_array, bf16 -> float32, row-major B, XRT", true, bf16_stock, kSquare},
};

}  // namespace

std::span<const Preset> presets() { return kPresets; }

const Preset* find_preset(std::string_view name) {
  for (const Preset& p : kPresets)
    if (p.name == name) return &p;
  return nullptr;
}

Result<Dataflow> preset(std::string_view name, std::optional<Tile> tile) {
  if (const Preset* p = find_preset(name)) {
    if (tile && !p->free_tile) return fail(Errc::usage, "{} has a fixed tile of m {} k {} n {}", name, p->tile.m, p->tile.k, p->tile.n);
    Dataflow f = p->make(tile.value_or(p->tile));
    f.name = p->name;
    f.summary = p->summary;
    return f;
  }
  std::string names;
  for (const Preset& p : kPresets) names += fmt::format("{}{}", names.empty() ? "" : ", ", p.name);
  return fail(Errc::usage, "unknown design '{}', expected {}", name, names);
}

Dataflow with_types(Dataflow f, double a_bits, double b_bits, double c_bits) {
  if (c_bits > 8 && f.c.bits <= 8) f.c.own_buffer = false;
  f.a.bits = a_bits;
  f.b.bits = b_bits;
  f.c.bits = c_bits;
  return f;
}

}  // namespace onebit::npu::perf
