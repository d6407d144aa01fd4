// onebit npu list, build: the example programs, and the files they make.
#include <filesystem>

#include "npu/compiled/core_code.h"
#include "npu/programs/programs.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {
namespace {

Status write_file(const std::string& path, std::span<const uint8_t> bytes) {
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(path));
  ONEBIT_TRY(out.write(bytes.data(), bytes.size()));
  ONEBIT_TRY(out.commit());
  fmt::print("{}: {} bytes\n", path, bytes.size());
  return {};
}

// The first shape, one in the middle and the last.
std::vector<npu::ExampleShape> example_shapes(const npu::ExampleProgram& p) {
  const auto& all = p.shapes;
  if (all.size() < 3) return all;
  return {all.front(), all[all.size() / 2], all.back()};
}

Result<npu::ExampleShape> parse_shape(const std::string& text, const npu::ExampleProgram& p) {
  for (const npu::ExampleShape& s : p.shapes)
    if (s.name() == text) return s;
  npu::ExampleShape shape;
  uint64_t value = 0;
  bool digits = false;
  for (const char c : text + "x") {
    if (c == 'x' && digits) {
      shape.sizes.push_back(static_cast<uint32_t>(value));
      value = 0;
      digits = false;
      continue;
    }
    value = value * 10 + static_cast<uint64_t>(c - '0');
    if (c < '0' || c > '9' || value > 1u << 24) break;
    digits = true;
  }
  if (digits || value || shape.sizes.size() != p.shapes.front().sizes.size())
    return fail(Errc::usage, "--shape {}: expected {} sizes up to 16777216, such as {}", text, p.shapes.front().sizes.size(), p.shapes.back().name());
  return shape;
}

Status build_one(const npu::ExampleProgram& p, const std::filesystem::path& directory, const std::string& shape, bool compact) {
  ONEBIT_ASSIGN(const npu::design::Program program, p.build());
  auto lowered = npu::lower_with_code(program);
  if (!lowered) return with_context(std::move(lowered).error(), p.name);
  std::vector<npu::ExampleShape> shapes = example_shapes(p);
  if (!shape.empty()) {
    ONEBIT_ASSIGN(npu::ExampleShape one, parse_shape(shape, p));
    shapes = {std::move(one)};
  }
  ONEBIT_TRY(write_file(directory / (p.name + ".pdi"), lowered->pdi));
  ONEBIT_TRY(write_file(directory / (p.name + ".xclbin"), lowered->xclbin));
  for (const npu::ExampleShape& s : shapes) {
    auto stream = p.sequence(*lowered, s);
    if (!stream) return with_context(std::move(stream).error(), p.name);
    if (compact) stream->major = 1, stream->minor = 0;
    ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, npu::write_transaction(*stream));
    ONEBIT_TRY(write_file(directory / fmt::format("{}.{}.insts.bin", p.name, s.name()), bytes));
  }
  return {};
}

}  // namespace

Result<const npu::ExampleProgram*> npu_program(const std::string& name) {
  if (const npu::ExampleProgram* p = npu::find_example_program(name)) return p;
  std::string names;
  for (const npu::ExampleProgram& p : npu::example_programs()) names += (names.empty() ? "" : ", ") + p.name;
  return fail(Errc::usage, "unknown program '{}', expected {}", name, names);
}

Result<npu::ExampleShape> npu_program_shape(const std::string& text, const npu::ExampleProgram& program) { return parse_shape(text, program); }

Status npu_list(NpuArguments args) {
  Flags flags("onebit npu list", "name the example programs", "onebit npu list");
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  for (const npu::ExampleProgram& p : npu::example_programs()) fmt::print("{:<20} {}\n", p.name, p.summary);
  return {};
}

Status npu_build(NpuArguments args) {
  std::vector<std::string> names;
  std::string output, shape;
  bool all = false, compact = false;
  Flags flags("onebit npu build", "write a program's PDI, xclbin and example instruction streams", "onebit npu build add_one -o out");
  flags.toggle("--all", "every program", &all);
  flags.text("-o,--output", "DIR", "where to write; made if missing", &output);
  flags.text("--shape", "SIZES", "one stream for this shape, such as 96x64, instead of three examples", &shape);
  flags.toggle("--compact", "streams in the compact encoding 1.0", &compact);
  flags.positional("NAME...", "programs, see 'onebit npu list'", &names, 64);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (names.empty() && !all) return fail(Errc::usage, "NAME or --all is missing");
  if (output.empty()) return fail(Errc::usage, "-o: an output directory is expected");
  std::vector<const npu::ExampleProgram*> programs;
  if (all)
    for (const npu::ExampleProgram& p : npu::example_programs()) programs.push_back(&p);
  for (const std::string& n : names) {
    ONEBIT_ASSIGN(const npu::ExampleProgram* p, npu_program(n));
    if (!all) programs.push_back(p);
  }
  std::error_code error;
  std::filesystem::create_directories(output, error);
  if (error) return fail(Errc::io, "{}: {}", output, error.message());
  for (const npu::ExampleProgram* p : programs) ONEBIT_TRY(build_one(*p, output, shape, compact));
  return {};
}

}  // namespace onebit::cli
