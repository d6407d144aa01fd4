#include "npu/design/types.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace onebit::npu::design {
namespace {

struct ElementInfo {
  const char* name;
  uint32_t bytes;
};
constexpr ElementInfo kElements[] = {{"int8", 1},   {"uint8", 1},   {"int16", 2},  {"uint16", 2},
                                     {"bfloat16", 2}, {"int32", 4}, {"uint32", 4}, {"float32", 4}};

}  // namespace

uint32_t bytes_of(Element element) { return kElements[static_cast<size_t>(element)].bytes; }
const char* name(Element element) { return kElements[static_cast<size_t>(element)].name; }

uint64_t Type::count() const {
  // Far above any memory of the array, and far from overflow.
  constexpr uint64_t kLimit = uint64_t{1} << 40;
  uint64_t n = shape.empty() ? 0 : 1;
  for (const uint32_t size : shape) n = n > kLimit ? kLimit : n * size;
  return n;
}

std::string name(const Type& type) { return fmt::format("{}[{}]", name(type.element), fmt::join(type.shape, "x")); }

}  // namespace onebit::npu::design
