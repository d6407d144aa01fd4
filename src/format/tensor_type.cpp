#include "format/tensor_type.h"

#include <algorithm>
#include <array>

#include "base/checked.h"

namespace onebit {
namespace {

constexpr std::array<TensorTypeInfo, 10> kTypes{{
    {TensorType::f32, "F32", 1, 4, false},
    {TensorType::f16, "F16", 1, 2, false},
    {TensorType::q4_0, "Q4_0", 32, 18, false},
    {TensorType::q8_0, "Q8_0", 32, 34, false},
    {TensorType::q4_k, "Q4_K", 256, 144, false},
    {TensorType::q6_k, "Q6_K", 256, 210, false},
    {TensorType::bf16, "BF16", 1, 2, false},
    {TensorType::tq1_0, "TQ1_0", 256, 54, true},
    {TensorType::tq2_0, "TQ2_0", 256, 66, true},
    {TensorType::i2_s, "I2_S", 128, 32, true},
}};

// I2_S keeps its scale after the codes, padded to 32 bytes.
constexpr uint64_t kI2sTail = 32;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

const TensorTypeInfo* tensor_type_info(uint32_t id) {
  for (const auto& t : kTypes)
    if (static_cast<uint32_t>(t.type) == id) return &t;
  return nullptr;
}

const TensorTypeInfo& tensor_type_info(TensorType type) { return *tensor_type_info(static_cast<uint32_t>(type)); }

std::optional<TensorType> parse_tensor_type(std::string_view name) {
  for (const auto& t : kTypes)
    if (std::equal(name.begin(), name.end(), t.name.begin(), t.name.end(),
                   [](char a, char b) { return lower(a) == lower(b); }))
      return t.type;
  return std::nullopt;
}

Result<uint64_t> tensor_bytes(TensorType type, uint64_t cols, uint64_t rows) {
  const TensorTypeInfo& info = tensor_type_info(type);
  const auto elements = checked_mul(cols, rows);
  if (!elements) return fail(Errc::out_of_range, "{} x {} elements: the product exceeds 64 bits", cols, rows);
  if (type == TensorType::i2_s) {
    if (*elements % info.block)
      return fail(Errc::format, "{} x {} elements are not a whole number of I2_S blocks of {}", cols, rows, info.block);
    return *elements / 4 + kI2sTail;
  }
  if (cols % info.block)
    return fail(Errc::format, "row length {} is not a multiple of {}, as {} needs", cols, info.block, info.name);
  const auto bytes = checked_mul<uint64_t>(*elements / info.block, info.block_bytes);
  if (!bytes) return fail(Errc::out_of_range, "{} x {} elements of {}: the size exceeds 64 bits", cols, rows, info.name);
  return *bytes;
}

}  // namespace onebit
