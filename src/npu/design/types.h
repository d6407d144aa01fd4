// Element types, shapes and access patterns of a program description.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

namespace onebit::npu::design {

enum class Element : uint8_t { int8, uint8, int16, uint16, bfloat16, int32, uint32, float32 };
uint32_t bytes_of(Element element);
const char* name(Element element);

// The type of a buffer or of one element of a fifo: a dense array, last dimension fastest.
struct Type {
  Element element = Element::int32;
  std::vector<uint32_t> shape;

  uint64_t count() const;  // elements; 0 where a dimension is 0
  uint64_t bytes() const { return count() * bytes_of(element); }
};
std::string name(const Type& type);  // "int32[64x64]"

// type<int8_t>(64, 64); bfloat16 has no C++ name here: type(Element::bfloat16, {64}).
template <class T, std::integral... N>
Type type(N... sizes) {
  Element element = Element::int32;
  if constexpr (std::same_as<T, int8_t>) element = Element::int8;
  else if constexpr (std::same_as<T, uint8_t>) element = Element::uint8;
  else if constexpr (std::same_as<T, int16_t>) element = Element::int16;
  else if constexpr (std::same_as<T, uint16_t>) element = Element::uint16;
  else if constexpr (std::same_as<T, uint32_t>) element = Element::uint32;
  else if constexpr (std::same_as<T, float>) element = Element::float32;
  else static_assert(std::same_as<T, int32_t>, "no such element type in the array");
  return {element, {static_cast<uint32_t>(sizes)...}};
}
inline Type type(Element element, std::vector<uint32_t> shape) { return {element, std::move(shape)}; }

// One dimension of an access pattern: `size` steps of `stride` elements.
struct Dim {
  uint64_t size = 1;
  uint64_t stride = 1;
  bool operator==(const Dim&) const = default;
};

// The order in which a DMA walks memory: nested loops, outermost first, from `offset`; sizes, strides and
// offset in elements. Without dimensions: all of it, in order. A row-major R x C matrix column by column
// is {0, {{C, 1}, {R, C}}}.
//
// The DMA addresses 32-bit words: with elements below 4 bytes the innermost stride is 1 and its size, the
// other strides and the offset fall on whole words.
struct Pattern {
  uint64_t offset = 0;
  std::vector<Dim> dims{};
  bool operator==(const Pattern&) const = default;

  bool whole() const { return offset == 0 && dims.empty(); }
};
// `count` elements in order from `offset`.
inline Pattern linear(uint64_t offset, uint64_t count) { return {offset, {{count, 1}}}; }

}  // namespace onebit::npu::design
