// onebit npu: makes, runs, looks at and checks the files that configure the NPU.
#include "verb_npu.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "verb.h"

namespace onebit::cli {
namespace {

struct SubVerb {
  const char* name;
  const char* summary;
  Status (*run)(NpuArguments args);
};

constexpr SubVerb kSubVerbs[] = {
    {"inspect", "explain an xclbin, PDI, CDO or instruction stream", npu_inspect},
    {"roundtrip", "parse a file into its typed form and write it again", npu_roundtrip},
    {"lint", "apply the hardware rules to files", npu_lint},
    {"list", "name the example programs", npu_list},
    {"build", "write a program's PDI, xclbin and instruction streams", npu_build},
    {"show", "draw a program placed and routed on the array", npu_show},
    {"run", "execute a configuration and an instruction stream in the array simulator", npu_run},
    {"estimate", "time of a GEMM program on the array, from the performance model", npu_estimate},
    {"evaluate", "whether an NPU path is worth having: a report with a verdict", npu_evaluate},
};

void print_usage(std::FILE* out) {
  fmt::print(out, "usage: onebit npu SUBVERB [flags]\n\n");
  for (const SubVerb& v : kSubVerbs) fmt::print(out, "  {:<12} {}\n", v.name, v.summary);
  fmt::print(out, "\n'onebit npu SUBVERB --help' lists the flags of a sub-verb.\n");
}

std::string sub_verb_names() {
  std::string names;
  for (const SubVerb& v : kSubVerbs) names += fmt::format("{}{}", names.empty() ? "" : ", ", v.name);
  return names;
}

Status run(NpuArguments args) {
  if (args.empty()) return fail(Errc::usage, "a sub-verb is missing, expected {}", sub_verb_names());
  if (!std::strcmp(args[0], "--help") || !std::strcmp(args[0], "-h")) {
    print_usage(stdout);
    return {};
  }
  for (const SubVerb& v : kSubVerbs)
    if (!std::strcmp(v.name, args[0])) return v.run(args.subspan(1));
  return fail(Errc::usage, "unknown sub-verb '{}', expected {}", args[0], sub_verb_names());
}

}  // namespace

Result<OpenedNpuFile> open_npu_file(const std::string& path) {
  ONEBIT_ASSIGN(MappedFile mapping, MappedFile::open(path));
  auto file = npu::read_npu_file(mapping.bytes());
  if (!file) return with_context(std::move(file).error(), path);
  return OpenedNpuFile{std::move(mapping), std::move(*file)};
}

std::string printable(std::string text) {
  for (char& c : text)
    if (c < 0x20 || c > 0x7E) c = '?';
  return text;
}

const npu::Device& npu_device(const std::string& name) {
  return npu::device(name == "npu1" ? npu::Generation::aie2 : npu::Generation::aie2p);
}

Status npu_roundtrip(NpuArguments args) {
  std::vector<std::string> files;
  std::string output;
  Flags flags("onebit npu roundtrip", "parse a file into its typed form and write it again", "onebit npu roundtrip a.xclbin -o b.xclbin");
  flags.text("-o,--output", "FILE", "where to write", &output);
  flags.positional("FILE", "xclbin, PDI, CDO or instruction stream", &files, 1);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (files.empty()) return fail(Errc::usage, "FILE is missing");
  if (output.empty()) return fail(Errc::usage, "-o: an output file is expected");

  ONEBIT_ASSIGN(const OpenedNpuFile in, open_npu_file(files[0]));
  std::vector<std::string> opaque;
  ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, npu::write_npu_file(in.file, &opaque));
  const npu::Bytes original = in.mapping.bytes();
  const bool same = std::equal(bytes.begin(), bytes.end(), original.begin(), original.end());
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(output));
  ONEBIT_TRY(out.write(bytes.data(), bytes.size()));
  ONEBIT_TRY(out.commit());
  fmt::print("{}: {}, {} bytes, {}\n", files[0], npu::name(in.file), bytes.size(), same ? "identical" : "DIFFERENT");
  for (const std::string& part : opaque) fmt::print("  carried as bytes: {}\n", part);
  if (!same) return fail(Errc::format, "{}: the typed form does not give the same bytes", files[0]);
  return {};
}

std::vector<const char*> sub_verbs() {
  std::vector<const char*> names;
  for (const SubVerb& v : kSubVerbs) names.push_back(v.name);
  return names;
}

const Verb npu_verb{"npu", "build, draw, run, inspect and lint NPU programs (xclbin, PDI, instruction streams)", run, sub_verbs};

}  // namespace onebit::cli
