// onebit npu run: executes a configuration and an instruction stream in the array simulator.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "npu/kernels/registry.h"
#include "npu/sim/simulator.h"
#include "npu/sim/trace.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxBufferBytes = uint64_t{4} << 30;
constexpr uint64_t kMaxArguments = 16;

struct Options {
  std::vector<std::string> files;
  std::string arguments, outputs, trace, generation = "npu2";
  int64_t runs = 1;
  bool stub_cores = false, timed = false, json = false;
};

// "N=VALUE", comma separated.
Result<std::map<uint64_t, std::string>> numbered(const char* flag, const std::string& list) {
  std::map<uint64_t, std::string> values;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const std::string item = list.substr(at, end - at);
    at = end + 1;
    const size_t equals = item.find('=');
    uint64_t n = 0;
    const char* stop = item.data() + std::min(equals, item.size());
    const auto [p, error] = std::from_chars(item.data(), stop, n);
    if (equals == std::string::npos || error != std::errc{} || p != stop || n >= kMaxArguments)
      return fail(Errc::usage, "{}: '{}' is not N=VALUE with N below {}", flag, item, kMaxArguments);
    values[n] = item.substr(equals + 1);
  }
  return values;
}

std::optional<uint64_t> as_number(std::string_view text) {
  uint64_t n = 0;
  const auto [p, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc{} || p != text.data() + text.size()) return std::nullopt;
  return n;
}

// xorshift64*: the same bytes on every machine.
void fill_random(std::vector<uint8_t>& bytes, uint64_t seed) {
  uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
  for (uint8_t& b : bytes) {
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    b = static_cast<uint8_t>(x * 0x2545F4914F6CDD1Du >> 56);
  }
}

// SIZE, random:SIZE or a file's content. What is only sized starts poisoned.
Result<std::vector<uint8_t>> make_buffer(uint64_t n, const std::string& value) {
  const bool random = value.starts_with("random:");
  const auto size = as_number(random ? std::string_view(value).substr(7) : std::string_view(value));
  if (size) {
    if (*size > kMaxBufferBytes) return fail(Errc::usage, "--arg: bo{} has {} bytes, expected at most {}", n, *size, kMaxBufferBytes);
    std::vector<uint8_t> bytes(*size, npu::kPoison);
    if (random) fill_random(bytes, n + 1);
    return bytes;
  }
  if (random) return fail(Errc::usage, "--arg: '{}' is not random:SIZE", value);
  ONEBIT_ASSIGN(const MappedFile file, MappedFile::open(value));
  if (file.bytes().size() > kMaxBufferBytes)
    return fail(Errc::usage, "{}: {} bytes, expected at most {}", value, file.bytes().size(), kMaxBufferBytes);
  return std::vector<uint8_t>(file.bytes().begin(), file.bytes().end());
}

Result<std::vector<std::vector<uint8_t>>> make_buffers(const Options& o, const npu::Device& device, const npu::Transaction& stream) {
  ONEBIT_ASSIGN(const auto given, numbered("--arg", o.arguments));
  auto sizes = npu::buffer_sizes(device, stream);
  uint64_t count = 0;
  for (const auto& [n, bytes] : sizes) count = std::max<uint64_t>(count, n + 1);
  for (const auto& [n, value] : given) count = std::max(count, n + 1);
  if (count > kMaxArguments) return fail(Errc::format, "the stream names bo{}, expected at most bo{}", count - 1, kMaxArguments - 1);
  std::vector<std::vector<uint8_t>> buffers(count);
  for (uint64_t n = 0; n < count; ++n) {
    const auto value = given.find(n);
    const uint64_t derived = sizes.contains(static_cast<uint32_t>(n)) ? sizes[static_cast<uint32_t>(n)] : 0;
    ONEBIT_ASSIGN(buffers[n], make_buffer(n, value != given.end() ? value->second : std::to_string(derived)));
  }
  return buffers;
}

Json to_json(const npu::RunReport& r) {
  Json shim = Json::array();
  for (const npu::ShimTraffic& t : r.shim)
    shim.push_back({{"tile", name(t.tile)}, {"direction", name(t.direction)}, {"channel", t.channel}, {"words", t.words}, {"tasks", t.tasks}});
  Json j{{"operations", r.operations}, {"syncs", r.syncs}, {"tokens", r.tokens}, {"ddr_read_bytes", r.ddr_read_bytes},
         {"ddr_write_bytes", r.ddr_write_bytes}, {"array_words", r.array_words}, {"lock_acquires", r.lock_acquires},
         {"lock_releases", r.lock_releases}, {"kernel_calls", r.kernel_calls}, {"steps", r.steps}, {"shim", std::move(shim)},
         {"still_active", r.still_active}, {"unwaited", r.unwaited}, {"notices", r.notices}};
  if (r.timed) j["simulated"] = {{"cycles", r.cycles}, {"microseconds", r.seconds * 1e6}};
  return j;
}

void print(int64_t run, const npu::RunReport& r) {
  fmt::print("run {}: {} operations, {} waits satisfied, {} bytes read from DDR, {} written, {} words moved in the array, {} kernel calls\n", run,
             r.operations, r.syncs, r.ddr_read_bytes, r.ddr_write_bytes, r.array_words, r.kernel_calls);
  if (r.timed) fmt::print("  {:.1f} us, {:.0f} cycles (simulated)\n", r.seconds * 1e6, r.cycles);
  for (const std::string& s : r.still_active) fmt::print("  still active: {}\n", s);
  for (const std::string& s : r.unwaited) fmt::print("  not waited for: {}\n", s);
  for (const std::string& s : r.notices) fmt::print("  note: {}\n", s);
}

Status write_file(const std::string& path, const void* data, size_t size) {
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(path));
  ONEBIT_TRY(out.write(data, size));
  return out.commit();
}

Status execute(const Options& o) {
  const npu::Device& device = npu_device(o.generation);
  ONEBIT_ASSIGN(const MappedFile image, MappedFile::open(o.files[0]));
  ONEBIT_ASSIGN(const MappedFile stream_file, MappedFile::open(o.files[1]));
  ONEBIT_ASSIGN(const auto outputs, numbered("--out", o.outputs));
  auto stream = npu::read_transaction(stream_file.bytes());
  if (!stream) return with_context(std::move(stream).error(), o.files[1]);
  ONEBIT_ASSIGN(auto buffers, make_buffers(o, device, *stream));
  for (const auto& [n, path] : outputs)
    if (n >= buffers.size()) return fail(Errc::usage, "--out: there is no bo{}, the program has {} buffers", n, buffers.size());

  npu::Trace trace;
  npu::SimOptions options;
  options.kernels = npu::builtin_kernels();
  options.stub_cores = o.stub_cores;
  options.timed = o.timed || !o.trace.empty();
  options.trace = o.trace.empty() ? nullptr : &trace;
  auto sim = npu::Simulator::open(device, image.bytes(), options);
  if (!sim) return with_context(std::move(sim).error(), o.files[0]);
  std::vector<std::span<uint8_t>> spans(buffers.begin(), buffers.end());
  Json reports = Json::array();
  for (int64_t i = 1; i <= o.runs; ++i) {
    auto report = sim->run(stream_file.bytes(), spans);
    if (!report) return with_context(std::move(report).error(), fmt::format("{}: run {}", o.files[1], i));
    if (o.json)
      reports.push_back(to_json(*report));
    else
      print(i, *report);
  }
  for (const auto& [n, path] : outputs) ONEBIT_TRY(write_file(path, buffers[n].data(), buffers[n].size()));
  if (!o.trace.empty()) {
    const std::string text = trace.to_json(options.timing.clock_hz);
    ONEBIT_TRY(write_file(o.trace, text.data(), text.size()));
  }
  if (o.json)
    fmt::print("{}\n",
               Json{{"image", o.files[0]}, {"stream", o.files[1]}, {"cores", o.stub_cores ? "stubs" : "host kernels"}, {"runs", reports}}.dump(
                   2, ' ', false, Json::error_handler_t::replace));
  return {};
}

// A flag may be given several times: the values become one comma list.
std::vector<const char*> join_repeated(NpuArguments args, const char* flag, std::string& joined) {
  std::vector<const char*> rest;
  for (size_t i = 0; i < args.size(); ++i) {
    if (std::string_view(args[i]) == flag && i + 1 < args.size())
      joined += (joined.empty() ? "" : ",") + std::string(args[++i]);
    else
      rest.push_back(args[i]);
  }
  if (!joined.empty()) rest.insert(rest.end(), {flag, joined.c_str()});
  return rest;
}

}  // namespace

Status npu_run(NpuArguments args) {
  // A program of the catalogue, unless a file has its name.
  std::error_code ignored;
  for (const char* a : args)
    if (npu::find_example_program(a) && !std::filesystem::exists(a, ignored)) return npu_run_program(a, args);
  Options o;
  Flags flags("onebit npu run", "execute a configuration and an instruction stream in the array simulator",
              "onebit npu run design.xclbin insts.bin --arg 0=random:4096 --out 1=result.bin --runs 3");
  flags.text("--arg", "N=VALUE", "buffer N: a file, a size in bytes (poisoned), or random:SIZE; by default sized from the stream", &o.arguments);
  flags.text("--out", "N=FILE", "write buffer N after the last run", &o.outputs);
  flags.integer("--runs", "runs in one context", &o.runs, 1, 1000000);
  flags.toggle("--stub-cores", "cores compute nothing but keep data flowing (for images with machine code only)", &o.stub_cores);
  flags.toggle("--timed", "estimate cycles (simulated)", &o.timed);
  flags.text("--trace", "FILE", "write a Chrome trace of simulated times, for Perfetto; implies --timed", &o.trace);
  flags.toggle("--json", "print JSON", &o.json);
  flags.choice("--device", "the array: npu1 (Phoenix), npu2 (Strix, Strix Halo, Krackan)", &o.generation, {"npu1", "npu2"});
  flags.positional("FILE...", "a configuration (xclbin, PDI, CDO), then an instruction stream; or the name of an example program", &o.files, 2);
  std::string joined_args, joined_outs;
  const std::vector<const char*> first = join_repeated(args, "--arg", joined_args);
  const std::vector<const char*> second = join_repeated(first, "--out", joined_outs);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, second, &done));
  if (done) return {};
  if (o.files.empty()) return fail(Errc::usage, "FILE is missing");
  if (!std::filesystem::exists(o.files[0], ignored))
    return fail(Errc::io, "{}: no such file and no such program (see 'onebit npu list')", o.files[0]);
  if (o.files.size() < 2) return fail(Errc::usage, "an instruction stream is missing after {}", o.files[0]);
  return execute(o);
}

}  // namespace onebit::cli
