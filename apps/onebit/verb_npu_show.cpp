// onebit npu show: a program placed and routed on the array, as text or SVG.
#include "npu/design/draw.h"
#include "npu/compiled/core_code.h"
#include "npu/programs/programs.h"
#include "verb.h"
#include "verb_npu.h"

namespace onebit::cli {

Status npu_show(NpuArguments args) {
  std::vector<std::string> names;
  std::string svg;
  Flags flags("onebit npu show", "draw a program placed and routed on the array", "onebit npu show add_one_32 --svg add_one_32.svg");
  flags.text("--svg", "FILE", "write an SVG drawing instead of text", &svg);
  flags.positional("NAME", "a program, see 'onebit npu list'", &names, 1);
  bool done = false;
  ONEBIT_TRY(parse_flags(flags, args, &done));
  if (done) return {};
  if (names.empty()) return fail(Errc::usage, "NAME is missing");
  ONEBIT_ASSIGN(const npu::ExampleProgram* p, npu_program(names[0]));
  ONEBIT_ASSIGN(const npu::design::Program program, p->build());
  ONEBIT_ASSIGN(const npu::design::Lowered lowered, npu::lower_with_code(program));
  if (svg.empty()) {
    fmt::print("{}", npu::design::draw_text(lowered));
    return {};
  }
  ONEBIT_ASSIGN(OutputFile out, OutputFile::create(svg));
  ONEBIT_TRY(out.write(npu::design::draw_svg(lowered)));
  return out.commit();
}

}  // namespace onebit::cli
