// The catalogue of example programs: what `onebit npu list`, `build`, `show` and `run NAME` know, each with
// data and a reference that the simulated result equals byte for byte.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "npu/design/lower.h"
#include "npu/design/program.h"
#include "npu/design/sequence.h"

namespace onebit::npu {

struct ExampleShape {
  std::vector<uint32_t> sizes;  // what they mean, the program's summary says
  std::string name() const;     // "96x64"
};

// A buffer argument of one run.
struct ExampleBuffer {
  bool output = false;
  std::vector<uint8_t> bytes{};  // an input's contents; what an output has to hold afterwards
};

struct ExampleProgram {
  std::string name;
  std::string summary;  // one line
  std::function<Result<design::Program>()> build;
  std::vector<ExampleShape> shapes;  // at least 20, odd counts among them
  // The instruction stream of one shape. Errors for sizes that the program does not take.
  std::function<Result<Transaction>(const design::Lowered&, const ExampleShape&)> sequence;
  // bo0.. of one run; `seed` varies the contents.
  std::function<std::vector<ExampleBuffer>(const ExampleShape&, uint64_t seed)> data;
};

std::span<const ExampleProgram> example_programs();
const ExampleProgram* find_example_program(std::string_view name);

// The entries, one function each.
ExampleProgram passthrough_program();
ExampleProgram passthrough_core_program();
ExampleProgram transpose_program(unsigned element_words);  // 1: "transpose", 2: "transpose_8byte", ...
ExampleProgram add_one_program();
ExampleProgram add_one_32_program();
ExampleProgram pipeline_program();
ExampleProgram broadcast_join_program();

// Bytes that depend on the seed only.
std::vector<uint8_t> example_bytes(size_t size, uint64_t seed);
// One-dimensional shapes: counts times `unit`.
std::vector<ExampleShape> example_shapes(std::span<const uint32_t> counts, uint32_t unit);
// f of every 32-bit word, little endian.
std::vector<uint8_t> example_words(const std::vector<uint8_t>& in, const std::function<uint32_t(uint32_t)>& f);
// Counts of elements for programs that stream: 1, small odd ones, around powers of two, a larger prime.
inline constexpr uint32_t kExampleCounts[] = {1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 97, 128, 251};

}  // namespace onebit::npu
