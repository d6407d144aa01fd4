// Writes what the device compiler needs for every core program of the ternary GEMM and of every example: ID.cpp, ID.ld, and their names in
// cores.txt, one a line.
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "npu/gemm/array_program.h"
#include "npu/kernels/start/core_main.h"
#include "npu/programs/programs.h"

namespace onebit::npu {
namespace {

Status write_text(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) return fail(Errc::io, "{}: cannot be written", path);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written) return fail(Errc::io, "{}: could not be written whole", path);
  return {};
}

Result<std::vector<design::Program>> all_programs() {
  std::vector<design::Program> programs{gemm::ArrayProgram::program()};
  for (const ExampleProgram& example : example_programs()) {
    ONEBIT_ASSIGN(design::Program program, example.build());
    programs.push_back(std::move(program));
  }
  return programs;
}

Status write_all(const std::string& directory) {
  std::set<std::string> ids;
  std::string names;
  ONEBIT_ASSIGN(const std::vector<design::Program> programs, all_programs());
  for (const design::Program& program : programs) {
    ONEBIT_ASSIGN(const design::Lowered lowered, design::lower(program));
    for (const design::PlacedCore& core : lowered.cores) {
      ONEBIT_ASSIGN(const std::string id, core_program_id(core.program));
      if (!ids.insert(id).second) continue;
      ONEBIT_ASSIGN(const std::string source, core_main_source(core.program));
      const CoreLayout layout{program.device().tile(TileKind::core).program_bytes - core.record_bytes, program.stack_bytes()};
      ONEBIT_TRY(write_text(fmt::format("{}/{}.cpp", directory, id), source));
      ONEBIT_TRY(write_text(fmt::format("{}/{}.ld", directory, id), core_linker_script(layout)));
      names += id + "\n";
    }
  }
  return write_text(directory + "/cores.txt", names);
}

}  // namespace
}  // namespace onebit::npu

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: npu_write_core_sources DIRECTORY\n", stderr);
    return 2;
  }
  const auto done = onebit::npu::write_all(argv[1]);
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
