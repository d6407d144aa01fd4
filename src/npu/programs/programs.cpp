#include "npu/programs/programs.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "npu/programs/gemm.h"
#include "npu/programs/ternary.h"

namespace onebit::npu {

std::string ExampleShape::name() const { return fmt::format("{}", fmt::join(sizes, "x")); }

std::span<const ExampleProgram> example_programs() {
  static const std::vector<ExampleProgram> kPrograms{
      passthrough_program(), passthrough_core_program(), transpose_program(1), transpose_program(2), transpose_program(4),
      add_one_program(),     add_one_32_program(),       pipeline_program(),   broadcast_join_program(),
      gemm_1_program(),      gemm_8x4_program(),         gemm_bf16_1_program(), gemm_bf16_8x4_program(),
      gemv_ternary_program(), linear_bf16_program(),
  };
  return kPrograms;
}

const ExampleProgram* find_example_program(std::string_view name) {
  const auto programs = example_programs();
  const auto it = std::find_if(programs.begin(), programs.end(), [name](const ExampleProgram& p) { return p.name == name; });
  return it == programs.end() ? nullptr : &*it;
}

std::vector<uint8_t> example_bytes(size_t size, uint64_t seed) {
  // SplitMix64.
  std::vector<uint8_t> bytes(size);
  uint64_t state = seed, word = 0;
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) {
      word = state += 0x9E3779B97F4A7C15;
      word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9;
      word = (word ^ word >> 27) * 0x94D049BB133111EB;
      word ^= word >> 31;
    }
    bytes[i] = static_cast<uint8_t>(word >> (8 * (i % 8)));
  }
  return bytes;
}

std::vector<ExampleShape> example_shapes(std::span<const uint32_t> counts, uint32_t unit) {
  std::vector<ExampleShape> shapes;
  for (const uint32_t n : counts) shapes.push_back({{n * unit}});
  return shapes;
}

std::vector<uint8_t> example_words(const std::vector<uint8_t>& in, const std::function<uint32_t(uint32_t)>& f) {
  std::vector<uint8_t> out(in.size());
  for (size_t i = 0; i + 4 <= in.size(); i += 4) {
    const uint32_t v = f(load_u32(&in[i]));
    for (size_t b = 0; b < 4; ++b) out[i + b] = static_cast<uint8_t>(v >> (8 * b));
  }
  return out;
}

}  // namespace onebit::npu
