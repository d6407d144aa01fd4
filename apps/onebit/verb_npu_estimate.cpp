// onebit npu estimate: time of a GEMM program on the array, from the analytic model. Every figure is labelled `estimated`.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

#include <nlohmann/json.hpp>

#include "npu/perf/fit.h"
#include "npu/perf/measured.h"
#include "npu/perf/presets.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;
using namespace npu::perf;

// "512x2560x6912" or "64,64,128": three positive numbers with `separator` between them.
std::optional<std::array<uint64_t, 3>> parse_three(std::string_view text, char separator) {
  std::array<uint64_t, 3> v{};
  const char* at = text.data();
  const char* end = at + text.size();
  for (size_t i = 0; i < 3; ++i) {
    const auto [rest, error] = std::from_chars(at, end, v[i]);
    if (error != std::errc{} || v[i] == 0) return {};
    if (i < 2 && (rest == end || *rest != separator)) return {};
    at = i < 2 ? rest + 1 : rest;
  }
  if (at != end) return {};
  return v;
}

struct ElementType {
  const char* name;
  double bits;
};
constexpr ElementType kTypes[] = {{"i2", 2}, {"i4", 4}, {"i8", 8}, {"i16", 16}, {"bf16", 16}, {"i32", 32}, {"f32", 32}};

// "i8,i2,i32": A, B and C.
Result<Dataflow> apply_types(Dataflow flow, const std::string& text) {
  std::array<double, 3> bits{};
  size_t n = 0, from = 0;
  while (from <= text.size() && n <= 3) {
    const size_t comma = std::min(text.find(',', from), text.size());
    const std::string part = text.substr(from, comma - from);
    double found = 0;
    for (const ElementType& t : kTypes)
      if (part == t.name) found = t.bits;
    if (found == 0 || n == 3) return fail(Errc::usage, "--type: '{}' is not three of i2, i4, i8, i16, bf16, i32, f32, as in i8,i2,i32", text);
    bits[n++] = found;
    from = comma + 1;
  }
  if (n != 3) return fail(Errc::usage, "--type: '{}' has {} types, expected A,B,C as in i8,i2,i32", text, n);
  return with_types(std::move(flow), bits[0], bits[1], bits[2]);
}

// "single", "chained", "ring", "prepared:8", "grouped:64".
Result<Condition> parse_mode(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string word = text.substr(0, colon);
  Condition c;
  if (word == "single")
    c.mode = Mode::single;
  else if (word == "chained")
    c.mode = Mode::chained;
  else if (word == "ring")
    c.mode = Mode::ring;
  else if (word == "prepared")
    c = {.mode = Mode::prepared, .count = 8};
  else if (word == "grouped")
    c = {.mode = Mode::grouped, .count = 64};
  else
    return fail(Errc::usage, "--mode: '{}', expected single, chained, prepared[:COUNT], grouped[:COUNT] or ring", text);
  if (colon == std::string::npos) return c;
  const std::string number = text.substr(colon + 1);
  const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), c.count);
  const bool counted = c.mode == Mode::prepared || c.mode == Mode::grouped;
  if (!counted || error != std::errc{} || rest != number.data() + number.size() || c.count < 1 || c.count > 65536)
    return fail(Errc::usage, "--mode: '{}', expected a count of 1 to 65536 after prepared: or grouped:", text);
  return c;
}

Json estimate_json(const Dataflow& flow, const Shape& s, const Estimate& e) {
  const auto us = [](double seconds) { return seconds * 1e6; };
  return {{"label", "estimated"}, {"design", flow.name}, {"m", s.m}, {"k", s.k}, {"n", s.n},
          {"time_us", us(e.total)}, {"tops", e.tops()}, {"bound", name(e.bound)},
          {"terms_us", {{"dispatch", us(e.dispatch)}, {"instruction_stream", us(e.instruction_stream)}, {"fill", us(e.fill)},
                        {"array", us(e.array)}, {"overlap_loss", us(e.overlap_loss)}, {"drain", us(e.drain)}}},
          {"alone_us", {{"ddr_read", us(e.ddr_read)}, {"ddr_write", us(e.ddr_write)}, {"stream", us(e.stream)}, {"compute", us(e.compute)}}},
          {"waves", e.waves}, {"chunks", e.chunks}, {"ddr_read_bytes", e.read_bytes}, {"ddr_write_bytes", e.write_bytes}};
}

void print_estimate(const Dataflow& flow, const Shape& s, const Estimate& e) {
  fmt::print("{}: {}\n", flow.name, flow.summary);
  fmt::print("{} x {} x {} (M x K x N), {} waves of {} x {}, {} chunks per core\n", s.m, s.k, s.n, e.waves, flow.wave_m(), flow.wave_n(), e.chunks);
  fmt::print("  {:<20} {:>12.1f} us  estimated\n", "time", e.total * 1e6);
  fmt::print("  {:<20} {:>12.2f} TOPS  estimated, bound by {}\n", "rate", e.tops(), name(e.bound));
  fmt::print("terms, which add up (estimated, us)\n");
  for (const auto& [what, seconds] : {std::pair("dispatch", e.dispatch), std::pair("instruction stream", e.instruction_stream),
                                      std::pair("first chunk", e.fill), std::pair("array", e.array),
                                      std::pair("overlap loss", e.overlap_loss), std::pair("last results", e.drain)})
    fmt::print("  {:<20} {:>12.1f}\n", what, seconds * 1e6);
  fmt::print("what each would take alone (estimated, us)\n");
  for (const auto& [what, seconds] : {std::pair("DDR read", e.ddr_read), std::pair("DDR write", e.ddr_write),
                                      std::pair("stream into a core", e.stream), std::pair("compute", e.compute)})
    fmt::print("  {:<20} {:>12.1f}\n", what, seconds * 1e6);
  fmt::print("DDR: {:.2f} MiB read, {:.2f} MiB written (estimated)\n", e.read_bytes / (1 << 20), e.write_bytes / (1 << 20));
}

void list_designs(bool json) {
  Json list = Json::array();
  for (const Preset& p : presets()) {
    if (json)
      list.push_back({{"name", p.name}, {"family", p.family}, {"tile", {{"m", p.tile.m}, {"k", p.tile.k}, {"n", p.tile.n}}},
                      {"free_tile", p.free_tile}, {"summary", p.summary}});
    else
      fmt::print("{:<12} tile {:>3} x {:>3} x {:>3} (m x k x n){}  {}\n", p.name, p.tile.m, p.tile.k, p.tile.n,
                 p.free_tile ? ", free" : "      ", p.summary);
  }
  if (json) fmt::print("{}\n", list.dump(2));
}

Status validate(bool json) {
  ONEBIT_ASSIGN(const std::vector<Comparison> rows, compare());
  const Errors all = summarize(rows, true), free = summarize(rows, false);
  const auto summary = [](const Errors& e) { return Json{{"rows", e.rows}, {"median", e.median}, {"worst", e.worst}}; };
  Json list = Json::array();
  for (const Comparison& c : rows)
    list.push_back({{"row", c.row->row}, {"design", c.row->design}, {"m", c.row->shape.m}, {"k", c.row->shape.k}, {"n", c.row->shape.n},
                    {"condition", c.row->label}, {"measured_us", c.measured_us}, {"estimated_us", c.estimated_us},
                    {"error", c.error()}, {"calibrates", c.row->variant.calibrates}});
  if (json) {
    const Json j{{"rows", std::move(list)}, {"errors", summary(all)}, {"errors_without_calibration_rows", summary(free)}};
    fmt::print("{}\n", j.dump(2));
    return {};
  }
  fmt::print("row design        M x K x N            measured us  estimated us   error  condition\n");
  for (const Comparison& c : rows)
    fmt::print("{:>3} {:<12}  {:<19} {:>12.1f}  {:>12.1f}  {:>+5.1f}%  {}{}\n", c.row->row, c.row->design,
               fmt::format("{} x {} x {}", c.row->shape.m, c.row->shape.k, c.row->shape.n), c.measured_us, c.estimated_us, 100 * c.error(),
               c.row->label, c.row->variant.calibrates ? " (sets a constant)" : "");
  fmt::print("{} rows: median error {:.1f}%, worst {:.1f}%\n", all.rows, 100 * all.median, 100 * all.worst);
  fmt::print("{} rows that set no constant: median error {:.1f}%, worst {:.1f}%\n", free.rows, 100 * free.median, 100 * free.worst);
  fmt::print("each family of designs, with constants fitted to the others:\n");
  ONEBIT_ASSIGN(const std::vector<LeftOut> left, leave_one_family_out());
  for (const LeftOut& l : left)
    fmt::print("  {:<18} {:>2} rows: median {:>4.1f}%, worst {:>4.1f}%  (p {}, launch {} us, wave turn {} cycles)\n", l.family, l.errors.rows,
               100 * l.errors.median, 100 * l.errors.worst, l.coupling, l.launch_s * 1e6, l.wave_turn_cycles);
  for (const NotCovered& n : rows_not_covered()) fmt::print("not covered: rows {}: {}\n", n.rows, n.reason);
  return {};
}

}  // namespace

Status npu_estimate(NpuArguments args) {
  std::vector<std::string> words;
  std::string type, tile_text, stream = "full", mode = "single";
  int64_t compute = 1;
  double fresh = 0, chunk_cycles = 0;
  bool json = false, list = false, check = false;
  Flags flags("onebit npu estimate", "time of a GEMM program on the array, from the performance model (estimated)",
              "onebit npu estimate v9-layout0 512x2560x1280 --mode grouped:64");
  flags.text("--type", "A,B,C", "element types of A, B and C, as in i8,i2,i32 (default: the design's)", &type);
  flags.text("--tile", "M,K,N", "tile of one core, for designs where it is free", &tile_text);
  flags.choice("--stream", "instruction stream: everything, or what a repeated run needs", &stream, {"full", "lean"});
  flags.text("--mode", "MODE", "single, chained, prepared[:COUNT], grouped[:COUNT] or ring", &mode);
  flags.integer("--compute", "times the kernel runs on each chunk; 0: transfers only", &compute, 0, 1000);
  flags.real("--chunk-cycles", "core cycles per chunk, expansion of packed operands included (default: the design's)", &chunk_cycles, 0, 1e9);
  flags.real("--fresh", "share of the submits that are the first in their context", &fresh, 0, 1);
  flags.toggle("--json", "print JSON", &json);
  flags.toggle("--list", "list the designs", &list);
  flags.toggle("--validate", "compare with every measured row", &check);
  flags.positional("DESIGN MxKxN", "a design of --list, and the shape", &words, 2);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (list) {
    list_designs(json);
    return {};
  }
  if (check) return validate(json);
  if (words.size() != 2) return fail(Errc::usage, "DESIGN and MxKxN are expected");

  std::optional<Tile> tile;
  if (!tile_text.empty()) {
    const auto t = parse_three(tile_text, ',');
    if (!t || *std::max_element(t->begin(), t->end()) > 65536) return fail(Errc::usage, "--tile: '{}', expected M,K,N as in 64,128,64", tile_text);
    tile = Tile{.m = static_cast<uint32_t>((*t)[0]), .n = static_cast<uint32_t>((*t)[2]), .k = static_cast<uint32_t>((*t)[1])};
  }
  ONEBIT_ASSIGN(Dataflow flow, preset(words[0], tile));
  const auto three = parse_three(words[1], 'x');
  if (!three) return fail(Errc::usage, "'{}' is not a shape, expected MxKxN as in 512x2560x6912", words[1]);
  const Shape shape{(*three)[0], (*three)[1], (*three)[2]};
  if (!type.empty()) {
    ONEBIT_ASSIGN(flow, apply_types(std::move(flow), type));
  }
  if (flags.given("--chunk-cycles")) flow.kernel.cycles_per_chunk = chunk_cycles;
  ONEBIT_ASSIGN(Condition condition, parse_mode(mode));
  condition.lean = stream == "lean";
  condition.compute = static_cast<double>(compute);
  condition.fresh_share = fresh;
  ONEBIT_ASSIGN(const Estimate e, estimate(flow, shape, condition));
  if (json)
    fmt::print("{}\n", estimate_json(flow, shape, e).dump(2));
  else
    print_estimate(flow, shape, e);
  return {};
}

}  // namespace onebit::cli
