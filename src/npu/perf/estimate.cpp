#include "npu/perf/estimate.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace onebit::npu::perf {

double interpolate(std::span<const RatePoint> points, double at) {
  if (at <= points.front().at) return points.front().bytes_per_s;
  for (size_t i = 1; i < points.size(); ++i) {
    if (at > points[i].at) continue;
    const double t = (at - points[i - 1].at) / (points[i].at - points[i - 1].at);
    return points[i - 1].bytes_per_s + t * (points[i].bytes_per_s - points[i - 1].bytes_per_s);
  }
  return points.back().bytes_per_s;
}

namespace {

constexpr uint64_t kMaxWaves = 4u << 20;
constexpr uint32_t kCoreDataBytes = 64 << 10;

uint64_t div_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

double norm(double a, double b, double p) {
  const double large = std::max(a, b), small = std::min(a, b);
  return large <= 0 ? 0 : large * std::pow(1 + std::pow(small / large, p), 1 / p);
}

// Bytes that pass the DDR interface at its full rate in the time that this operand's bytes take in their short runs.
double weighted_bytes(double bytes, const Operand& o) {
  if (o.run_bytes <= 0) return bytes;
  const double fetched = bytes * std::max(1.0, kMinBurstBytes / o.run_bytes);
  return fetched * std::end(kReadByBurst)[-1].bytes_per_s / interpolate(kReadByBurst, o.run_bytes);
}

// What stays the same from wave to wave.
struct Walk {
  uint64_t waves_m, waves_n, chunks, epochs;
  uint64_t outer, inner;
  double a_bytes, b_bytes, c_bytes;      // of one wave; C of one epoch
  double chunk_s, wave_compute_s;        // one core
  double chunk_stream_s;
  double kernel_s;                       // as wave_compute_s, without waiting for the stream
  double core_drain_s;                   // one core's tile into its memory tile
};

// In each of the 8 memory tiles, for what is replayed from there.
double resident_bytes(const Dataflow& f, const Shape& s) {
  const auto part = [&](const Operand& o, uint64_t wave, uint64_t size) {
    if (o.reuse == Reuse::every_wave) return 0.0;
    const double copies = o.reuse == Reuse::once ? static_cast<double>(div_up(size, wave)) : o.slots;
    return copies * static_cast<double>(wave) * static_cast<double>(div_up(s.k, f.tile.k)) * f.tile.k * o.bits / 8 / 8;
  };
  return part(f.a, f.wave_m(), s.m) + part(f.b, f.wave_n(), s.n);
}

// Of a core's data memory: two slots for each operand, 32-bit accumulators, and a second place for C where there is one.
double core_bytes(const Dataflow& f) {
  const double m = f.tile.m, n = f.tile.n, k = f.tile.k;
  return 2 * (m * k * f.a.bits / f.a.shared_by + n * k * f.b.bits / f.b.shared_by) / 8 + m * n * (4 + (f.c.own_buffer ? f.c.bits / 8 : 0));
}

Status check(const Dataflow& f, const Shape& s, const Condition& c) {
  for (const auto& [what, value] : {std::pair("M", s.m), std::pair("K", s.k), std::pair("N", s.n)})
    if (value == 0 || value > kMaxDimension) return fail(Errc::out_of_range, "{} is {}, expected 1 to {}", what, value, kMaxDimension);
  const auto tile_ok = [](uint32_t v) { return v > 0 && v <= 65536; };
  if (!tile_ok(f.tile.m) || !tile_ok(f.tile.n) || !tile_ok(f.tile.k))
    return fail(Errc::out_of_range, "{}: tile m {} k {} n {}, expected 1 to 65536", f.name, f.tile.m, f.tile.k, f.tile.n);
  if (f.cores_m == 0 || f.cores_n == 0 || uint64_t{f.cores_m} * f.cores_n > 32)
    return fail(Errc::out_of_range, "{}: {} x {} cores, expected 1 to 32 in all", f.name, f.cores_m, f.cores_n);
  for (const auto& [what, channels] : {std::pair("A", f.a.channels), std::pair("B", f.b.channels), std::pair("C", f.c.channels)})
    if (channels == 0 || channels > 16) return fail(Errc::out_of_range, "{}: {} has {} shim channels, expected 1 to 16", f.name, what, channels);
  for (const auto& [what, bits] : {std::pair("A", f.a.bits), std::pair("B", f.b.bits), std::pair("C", f.c.bits)})
    if (!(bits > 0 && bits <= 64))
      return fail(Errc::out_of_range, "{}: {} has {} bits per element, expected more than 0, at most 64", f.name, what, bits);
  if (f.a.shared_by == 0 || f.b.shared_by == 0) return fail(Errc::out_of_range, "{}: an operand is shared by 0 cores", f.name);
  if (core_bytes(f) > kCoreDataBytes)
    return fail(Errc::out_of_range, "{}: tile m {} k {} n {} takes {:.0f} bytes of a core, there are {}", f.name, f.tile.m, f.tile.k, f.tile.n,
                core_bytes(f), kCoreDataBytes);
  const uint64_t waves_m = div_up(s.m, f.wave_m());
  if (f.max_waves_m && waves_m > f.max_waves_m)
    return fail(Errc::out_of_range, "M is {}, {} takes at most {}", s.m, f.name, uint64_t{f.max_waves_m} * f.wave_m());
  const double resident = resident_bytes(f, s);
  if (f.resident_bytes && resident > f.resident_bytes)
    return fail(Errc::out_of_range, "{} x {} x {}: {} keeps {:.0f} bytes in each memory tile, there is room for {}", s.m, s.k, s.n, f.name,
                resident, f.resident_bytes);
  if (c.count == 0) return fail(Errc::out_of_range, "a command of 0 GEMMs, expected at least 1");
  const uint64_t epochs = f.c.every_k ? div_up(s.k, f.c.every_k) : 1;
  if (waves_m * div_up(s.n, f.wave_n()) > kMaxWaves / epochs)
    return fail(Errc::out_of_range, "{} x {} x {} takes more than {} waves of {} x {}", s.m, s.k, s.n, kMaxWaves, f.wave_m(), f.wave_n());
  return {};
}

Walk make_walk(const Dataflow& f, const Shape& s, const Condition& c, const Rates& r) {
  const TimingModel& t = r.timing;
  Walk w{};
  w.waves_m = div_up(s.m, f.wave_m());
  w.waves_n = div_up(s.n, f.wave_n());
  w.outer = f.inner_m ? w.waves_n : w.waves_m;
  w.inner = f.inner_m ? w.waves_m : w.waves_n;
  w.chunks = div_up(s.k, f.tile.k);
  w.epochs = f.c.every_k ? div_up(s.k, f.c.every_k) : 1;
  const double depth = static_cast<double>(w.chunks) * f.tile.k;
  w.a_bytes = f.wave_m() * depth * f.a.bits / 8;
  w.b_bytes = f.wave_n() * depth * f.b.bits / 8;
  w.c_bytes = 1.0 * f.wave_m() * f.wave_n() * f.c.bits / 8;

  const double a_chunk = 1.0 * f.tile.m * f.tile.k * f.a.bits / 8 / f.a.shared_by;
  const double b_chunk = 1.0 * f.tile.n * f.tile.k * f.b.bits / 8 / f.b.shared_by;
  w.chunk_stream_s = t.seconds(std::max(a_chunk, b_chunk) / r.stream_bytes_per_cycle);
  w.core_drain_s = t.seconds(1.0 * f.tile.m * f.tile.n * f.c.bits / 8 / r.stream_bytes_per_cycle);
  // A core without a kernel still works its locks: about five operations a chunk.
  const double cycles = std::max(5 * t.core_lock_cycles, c.compute * f.kernel.cycles_per_chunk);
  w.chunk_s = std::max(t.seconds(cycles), w.chunk_stream_s);
  const double turns = static_cast<double>(w.epochs);
  const double per_wave = turns * (c.compute > 0 ? t.seconds(f.kernel.cycles_per_wave + r.wave_turn_cycles) : 0);
  const double drains = f.c.own_buffer ? 0 : turns * w.core_drain_s;
  w.wave_compute_s = static_cast<double>(w.chunks) * w.chunk_s + per_wave + drains;
  w.kernel_s = static_cast<double>(w.chunks) * t.seconds(cycles) + per_wave;
  return w;
}

double read_seconds(const Dataflow& f, double a, double b) {
  a = weighted_bytes(a, f.a);
  b = weighted_bytes(b, f.b);
  const double channels = (a > 0 ? f.a.channels : 0) + (b > 0 ? f.b.channels : 0);
  return std::max({(a + b) / interpolate(kReadByChannels, channels), a / interpolate(kReadByChannels, f.a.channels),
                   b / interpolate(kReadByChannels, f.b.channels)});
}

double write_seconds(const Dataflow& f, double bytes) { return bytes / interpolate(kWriteByChannels, f.c.channels); }

// What an operand has DDR deliver during wave `i` of pass `p`, in units of one wave's bytes.
// own_loop: the operand changes with every wave of a pass (so one pass needs all of its parts).
double parts_read(const Operand& o, bool own_loop, uint64_t p, uint64_t i, const Walk& w) {
  switch (o.reuse) {
    case Reuse::every_wave: return 1;
    case Reuse::every_pass:
      if (own_loop) return 1;
      if (o.slots < 2) return i == 0 ? 1 : 0;
      if (p == 0 && i == 0) return 1 + (w.outer > 1 ? 1.0 / static_cast<double>(w.inner) : 0);
      return p + 1 < w.outer ? 1.0 / static_cast<double>(w.inner) : 0;
    case Reuse::once:
      if (o.whole_before_start) return 0;
      return own_loop ? (p == 0 ? 1 : 0) : (i == 0 ? 1 : 0);
  }
  return 0;
}

void walk_waves(const Dataflow& f, const Walk& w, const Rates& r, Estimate& e) {
  const double c_bytes = w.c_bytes * static_cast<double>(w.epochs);
  const double c_seconds = write_seconds(f, c_bytes);
  double pending = 0;  // seconds of writing left over from the wave before
  // Partial sums leave while the wave still runs; the full sum leaves during the next one.
  const double own = w.epochs > 1 ? c_seconds * (1 - 1.0 / static_cast<double>(w.epochs)) : 0;
  for (uint64_t p = 0; p < w.outer; ++p)
    for (uint64_t i = 0; i < w.inner; ++i) {
      const double a = w.a_bytes * parts_read(f.a, f.inner_m, p, i, w), b = w.b_bytes * parts_read(f.b, !f.inner_m, p, i, w);
      const double read = read_seconds(f, a, b);
      const double transfer = std::hypot(read, pending + own);
      const double together = norm(w.wave_compute_s, transfer, r.coupling);
      e.array += std::max(w.wave_compute_s, transfer);
      e.overlap_loss += together - std::max(w.wave_compute_s, transfer);
      e.ddr_read += read;
      e.ddr_write += c_seconds;
      e.read_bytes += a + b;
      e.write_bytes += c_bytes;
      pending = f.launch.body_per_wave ? 0 : c_seconds - own;
    }
}

// Reading what has to be there, whole, before the first wave.
void load_first(const Dataflow& f, const Walk& w, Estimate& e) {
  const double a = f.a.reuse == Reuse::once && f.a.whole_before_start ? w.a_bytes * static_cast<double>(w.waves_m) : 0;
  const double b = f.b.reuse == Reuse::once && f.b.whole_before_start ? w.b_bytes * static_cast<double>(w.waves_n) : 0;
  const double seconds = a + b > 0 ? read_seconds(f, a, b) : 0;
  e.fill += seconds;
  e.ddr_read += seconds;
  e.read_bytes += a + b;
}

void add_host(const Dataflow& f, const Condition& c, const Rates& r, double bodies, Estimate& e) {
  const TimingModel& t = r.timing;
  const double count = c.count;
  const double fresh = t.fresh_context_s * f.launch.configuration_bytes / r.fresh_context_bytes;
  e.dispatch = c.fresh_share * fresh;
  if (f.launch.xrt) {
    e.dispatch += f.cores_m * f.cores_n == 1 ? r.xrt_one_core_s : r.xrt_array_s;
    return;
  }
  const auto body = [&](double bytes) { return r.launch_s + bytes * r.stream_s_per_byte; };
  const double full = body(f.launch.full_stream_bytes), lean = body(f.launch.lean_stream_bytes);
  e.instruction_stream = bodies * (c.lean ? lean : full);
  switch (c.mode) {
    case Mode::single: e.dispatch += t.dispatch_single_s; break;
    case Mode::chained: e.dispatch += t.dispatch_chained_s; break;
    case Mode::prepared: e.dispatch += (t.dispatch_single_s + (count - 1) * t.dispatch_chained_s) / count; break;
    case Mode::grouped:
      e.dispatch += t.dispatch_single_s / count;
      e.instruction_stream = bodies * (full + (count - 1) * lean) / count;
      break;
    case Mode::ring: e.dispatch += t.dispatch_single_s / r.ring_gemms_per_command + r.ring_hand_off_s; break;
  }
}

Resource binding(const Estimate& e, const Walk& w) {
  if (e.dispatch + e.instruction_stream > e.array) return Resource::host;
  if (std::hypot(e.ddr_read, e.ddr_write) >= static_cast<double>(e.waves) * w.wave_compute_s) return Resource::ddr;
  return e.stream > e.compute ? Resource::stream : Resource::compute;
}

}  // namespace

const char* name(Resource resource) {
  switch (resource) {
    case Resource::compute: return "compute";
    case Resource::stream: return "stream";
    case Resource::ddr: return "DDR";
    case Resource::host: return "host";
  }
  return "?";
}

Result<Estimate> estimate(const Dataflow& f, const Shape& s, const Condition& c, const Rates& r) {
  ONEBIT_TRY(check(f, s, c));
  const TimingModel& t = r.timing;
  const Walk w = make_walk(f, s, c, r);
  Estimate e;
  e.waves = w.waves_m * w.waves_n;
  e.chunks = e.waves * w.chunks;
  e.useful_ops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.k) * static_cast<double>(s.n);
  load_first(f, w, e);
  walk_waves(f, w, r, e);
  e.compute = static_cast<double>(e.waves) * w.kernel_s;
  e.stream = static_cast<double>(e.chunks) * w.chunk_stream_s;

  // First chunk: shim to memory tile, memory tile to core. Last tile: the other way, then to DDR.
  const double first = t.seconds(t.shim_mm2s_start_cycles) + 2 * w.chunk_stream_s;
  const double last = t.seconds(t.shim_s2mm_start_cycles) + w.core_drain_s + write_seconds(f, w.c_bytes);
  const double times = f.launch.body_per_wave ? static_cast<double>(e.waves) : 1;
  e.fill += times * first;
  e.drain = times * last;
  add_host(f, c, r, times, e);
  e.total = e.dispatch + e.instruction_stream + e.fill + e.array + e.overlap_loss + e.drain;
  e.bound = binding(e, w);
  return e;
}

}  // namespace onebit::npu::perf
