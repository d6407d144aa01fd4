// The sub-verbs of `onebit npu`, one file verb_npu_NAME.cpp each.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "npu/device/device.h"
#include "npu/image/npu_file.h"
#include "npu/programs/programs.h"

namespace onebit::cli {

using NpuArguments = std::span<const char* const>;
Status npu_inspect(NpuArguments args);
Status npu_roundtrip(NpuArguments args);
Status npu_lint(NpuArguments args);
Status npu_run(NpuArguments args);
Status npu_estimate(NpuArguments args);
Status npu_evaluate(NpuArguments args);
Status npu_list(NpuArguments args);
Status npu_build(NpuArguments args);
Status npu_show(NpuArguments args);
// `onebit npu run NAME`, where NAME is an example program.
Status npu_run_program(const std::string& name, NpuArguments args);

// The example program of that name; Errc::usage names those there are.
Result<const npu::ExampleProgram*> npu_program(const std::string& name);
// "96x64"; as many sizes as the program has.
Result<npu::ExampleShape> npu_program_shape(const std::string& text, const npu::ExampleProgram& program);

// A file and what it was read as; errors name the path.
struct OpenedNpuFile {
  MappedFile mapping;
  npu::NpuFile file;
};
Result<OpenedNpuFile> open_npu_file(const std::string& path);

// Text from a file, safe for a terminal: bytes that are not printable ASCII become '?'.
std::string printable(std::string text);

// "npu1" or "npu2".
const npu::Device& npu_device(const std::string& name);

}  // namespace onebit::cli
