#include "roofline/machines.h"

#include <algorithm>

#include "cpu/limits.h"

namespace onebit::roofline {

const char* name(Label label) {
  switch (label) {
    case Label::measured: return "measured";
    case Label::measured_by_others: return "measured by others";
    case Label::nominal: return "nominal";
    case Label::estimated: break;
  }
  return "estimated";
}

const char* name(Unit unit) { return unit == Unit::cpu ? "CPU" : unit == Unit::gpu ? "iGPU" : "NPU"; }

namespace {

constexpr double kGiga = 1e9, kTera = 1e12;

// The array is the same 8 x 4 in all three machines. Sources of its figures: docs/npu-performance-model.md.
void add_npu(Machine& m, bool measured_there) {
  m.has_npu = true;
  const std::string where = measured_there ? "" : "; taken on Strix Halo, assumed to hold here";
  const Label label = measured_there ? Label::measured_by_others : Label::estimated;
  m.bandwidths.push_back({Unit::npu, "DDR read, low", 45 * kGiga, label, "casual use, 45 to 49 GB/s under Windows (public note 'AMD XDNA NPU: Phase 0 and 0b')" + where});
  m.bandwidths.push_back({Unit::npu, "DDR read, plateau", 56 * kGiga, label, "55 to 56 GB/s over 16 channels, fabric clock pinned (HUSRCF/hipscope)" + where});
  m.rates.push_back({Unit::npu, "int8 GEMM, int32 out", 12.9 * kTera, label, "1024 x 2560 x 2560, 12.86 TOPS (casselc/bitnet-xdna2-strix-halo)" + where});
  m.rates.push_back({Unit::npu, "int8 GEMM, int8 out", 25.3 * kTera, label, "4096 x 2560 x 1280, 25.36 TOPS (HUSRCF/hipscope, V9)" + where});
  m.rates.push_back({Unit::npu, "vendor's GEMM", 51.3 * kTera, label, "xrt-smi validate, 51.0 to 51.3 TOPS" + where});
  m.rates.push_back({Unit::npu, "array peak", 59.0 * kTera, Label::estimated, "32 cores x 512 multiply-accumulates x 2 x 1.80 GHz (clock measured by others on Strix Halo)"});
}

Figure cpu_rate(double cores, double per_cycle, double ghz, const std::string& how) {
  return {Unit::cpu, "int8 peak", cores * per_cycle * 2 * ghz * kGiga, Label::estimated, how};
}
Figure gpu_rate(double units, double ghz, const std::string& how) {
  return {Unit::gpu, "int8 matrix peak", units * 512 * ghz * kGiga, Label::estimated, how};
}

Machine strix_halo() {
  Machine m{.name = "strix-halo", .title = "Strix Halo (Ryzen AI Max+ 395, Radeon 8060S)", .nominal_bandwidth = 256 * kGiga,
            .nominal_source = "256 bit LPDDR5X-8000", .bandwidths = {}, .rates = {}};
  m.bandwidths.push_back({Unit::cpu, "links of two dies", 128 * kGiga, Label::estimated, "2 dies x 32 bytes x 2.0 GHz fabric clock; below the memory's 256 GB/s"});
  m.bandwidths.push_back({Unit::gpu, "memory", 256 * kGiga, Label::nominal, "256 bit LPDDR5X-8000"});
  m.bandwidths.push_back({Unit::gpu, "read, low", 212 * kGiga, Label::measured_by_others, "low end of 212 to 240 GB/s reported for the Radeon 8060S"});
  m.bandwidths.push_back({Unit::gpu, "read, high", 240 * kGiga, Label::measured_by_others, "239 GB/s (public note), 222 to 241 GB/s (HUSRCF/hipscope)"});
  add_npu(m, true);
  m.rates.insert(m.rates.begin(), gpu_rate(40, 2.9, "40 units x 512 operations (WMMA iu8) x 2.9 GHz"));
  m.rates.insert(m.rates.begin(), cpu_rate(16, 128, 4.0, "16 cores x 2 x 64 multiply-accumulates (512-bit vpdpbusd) x 2 x 4.0 GHz assumed under load"));
  return m;
}

Machine strix() {
  Machine m{.name = "strix", .title = "Strix Point (Ryzen AI 9 HX 370, Radeon 890M)", .nominal_bandwidth = 120 * kGiga,
            .nominal_source = "128 bit LPDDR5X-7500", .bandwidths = {}, .rates = {}};
  m.bandwidths.push_back({Unit::cpu, "memory", 120 * kGiga, Label::nominal, "128 bit LPDDR5X-7500"});
  m.bandwidths.push_back({Unit::gpu, "memory", 120 * kGiga, Label::nominal, "128 bit LPDDR5X-7500"});
  m.bandwidths.push_back({Unit::gpu, "read", 0.92 * 120 * kGiga, Label::estimated, "92 % of nominal, the best share of peak reported on a Radeon 8060S"});
  add_npu(m, false);
  m.rates.insert(m.rates.begin(), gpu_rate(16, 2.9, "16 units x 512 operations (WMMA iu8) x 2.9 GHz"));
  m.rates.insert(m.rates.begin(), cpu_rate(12, 64, 3.3, "12 cores x 64 multiply-accumulates (256-bit units) x 2 x 3.3 GHz assumed under load"));
  return m;
}

Machine krackan() {
  Machine m{.name = "krackan", .title = "Krackan Point (Ryzen AI 7 350, Radeon 860M)", .nominal_bandwidth = 128 * kGiga,
            .nominal_source = "128 bit LPDDR5X-8000", .bandwidths = {}, .rates = {}};
  m.bandwidths.push_back({Unit::cpu, "memory", 128 * kGiga, Label::nominal, "128 bit LPDDR5X-8000"});
  m.bandwidths.push_back({Unit::gpu, "memory", 128 * kGiga, Label::nominal, "128 bit LPDDR5X-8000"});
  m.bandwidths.push_back({Unit::gpu, "read", 0.92 * 128 * kGiga, Label::estimated, "92 % of nominal, the best share of peak reported on a Radeon 8060S"});
  add_npu(m, false);
  m.rates.push_back({Unit::npu, "peak loop", 56 * kTera, Label::measured_by_others, "multiply-accumulates without data, Ryzen AI 7 350 (ROCm/FastFlowLM 636)"});
  m.rates.insert(m.rates.begin(), gpu_rate(8, 3.0, "8 units x 512 operations (WMMA iu8) x 3.0 GHz"));
  m.rates.insert(m.rates.begin(), cpu_rate(8, 64, 3.5, "8 cores x 64 multiply-accumulates (256-bit units) x 2 x 3.5 GHz assumed under load"));
  return m;
}

constexpr const char* kNames[] = {"strix-halo", "strix", "krackan"};

}  // namespace

std::span<const char* const> machine_names() { return kNames; }

Result<Machine> machine(std::string_view name) {
  if (name == kNames[0]) return strix_halo();
  if (name == kNames[1]) return strix();
  if (name == kNames[2]) return krackan();
  return fail(Errc::usage, "--machine: '{}', expected strix-halo, strix, krackan or this", name);
}

Result<Machine> measure_this(size_t bytes) {
  ThreadPool pool;
  const cpu::Isa isa = cpu::best_isa();
  ONEBIT_ASSIGN(const cpu::LimitProbe probe, cpu::LimitProbe::create(isa, pool, bytes));
  double read = 0, peak = 0;
  for (int i = 0; i < 3; ++i) {
    read = std::max(read, probe.read_bandwidth());
    peak = std::max(peak, probe.int8_peak());
  }
  const std::string how = fmt::format("best of 3 on this machine, {} threads, {}", pool.size(), cpu::isa_name(isa));
  Machine m{.name = "this", .title = "this machine", .nominal_bandwidth = 0, .nominal_source = {}, .bandwidths = {}, .rates = {}};
  m.bandwidths.push_back({Unit::cpu, "read", read, Label::measured, how + fmt::format(", {} MiB read once", bytes >> 20)});
  m.rates.push_back({Unit::cpu, "int8 peak", peak, Label::measured, how + ", from registers"});
  return m;
}

}  // namespace onebit::roofline
