// onebit npu run NAME: an example program in the array simulator, compared with its reference.
#include "npu/programs/programs.h"
#include "npu/programs/run_example.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

struct Options {
  std::string shape;
  int64_t runs = 3, seed = 1;
  bool timed = false;
};

// One shape in a context of its own; false where a result differs.
Result<bool> run_shape(const npu::ExampleProgram& p, const npu::design::Lowered& lowered, const npu::ExampleShape& shape, const Options& o) {
  auto stream = p.sequence(lowered, shape);
  if (!stream) return with_context(std::move(stream).error(), p.name);
  ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, npu::write_transaction(*stream));
  ONEBIT_ASSIGN(npu::Simulator context, npu::open_example(lowered.program.device(), lowered.xclbin, o.timed));
  std::string times;
  for (int64_t run = 0; run < o.runs; ++run) {
    const auto report = npu::run_example(context, bytes, p.data(shape, static_cast<uint64_t>(o.seed + run)));
    if (!report) {
      fmt::print("{:<16} DIFFERENT in run {}: {}\n", shape.name(), run + 1, report.error().message);
      return false;
    }
    if (o.timed) times += fmt::format("{}{:.0f}", times.empty() ? "" : ", ", report->cycles);
  }
  fmt::print("{:<16} ok, {} run{}{}\n", shape.name(), o.runs, o.runs == 1 ? "" : "s", o.timed ? fmt::format(", cycles {} (simulated)", times) : "");
  return true;
}

}  // namespace

Status npu_run_program(const std::string& name, NpuArguments args) {
  Options o;
  std::vector<std::string> names;
  Flags flags("onebit npu run NAME", "run an example program in the array simulator against its reference", "onebit npu run add_one --shape 640 --timed");
  flags.text("--shape", "SIZES", "one shape, such as 96x64, instead of all examples", &o.shape);
  flags.integer("--runs", "runs per context", &o.runs, 1, 1000);
  flags.integer("--seed", "of the inputs", &o.seed, 0, 1'000'000'000);
  flags.toggle("--timed", "estimate cycles (simulated)", &o.timed);
  flags.positional("NAME", "a program, see 'onebit npu list'", &names, 1);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  ONEBIT_ASSIGN(const npu::ExampleProgram* p, npu_program(name));
  ONEBIT_ASSIGN(const npu::design::Program program, p->build());
  ONEBIT_ASSIGN(const npu::design::Lowered lowered, npu::design::lower(program));
  std::vector<npu::ExampleShape> shapes = p->shapes;
  if (!o.shape.empty()) {
    ONEBIT_ASSIGN(npu::ExampleShape one, npu_program_shape(o.shape, *p));
    shapes = {std::move(one)};
  }
  size_t failed = 0;
  for (const npu::ExampleShape& s : shapes) {
    ONEBIT_ASSIGN(const bool same, run_shape(*p, lowered, s, o));
    failed += !same;
  }
  if (failed) return fail(Errc::format, "{}: {} of {} shapes differ from the reference", p->name, failed, shapes.size());
  return {};
}

}  // namespace onebit::cli
