#include "format/gguf_read.h"

#include "base/checked.h"

namespace onebit {
namespace {

constexpr uint64_t kMaxNameBytes = 65535;  // GGUF specification: keys are at most 2^16 - 1 bytes

// The value types of the specification, in their numbering.
enum class ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

std::unexpected<Error> truncated(const std::string& what, const GgufCursor& in) {
  return fail(Errc::format, "{}: the file ends inside it ({} bytes left at byte {})", what, in.left(), in.position());
}

std::string key_label(std::string_view name) { return fmt::format("key '{}'", gguf_printable(name)); }

template <class T>
Result<GgufValue> read_scalar(GgufCursor& in, std::string_view name) {
  T v{};
  if (!in.read(&v)) return truncated(key_label(name), in);
  return GgufValue(v);
}

Result<bool> as_bool(uint8_t v, std::string_view name) {
  if (v > 1) return fail(Errc::format, "{}: boolean {}, expected 0 or 1", key_label(name), v);
  return v == 1;
}

// Space for the elements is taken only after the count was compared with the bytes that are left.
template <class T>
Result<GgufValue> read_array(GgufCursor& in, std::string_view name, uint64_t count) {
  const auto bytes = checked_mul<uint64_t>(count, sizeof(T));
  const uint8_t* p = bytes ? in.take(*bytes) : nullptr;
  if (!p) return fail(Errc::format, "{}: array of {} elements of {} bytes, but only {} bytes are left in the file",
                      key_label(name), count, sizeof(T), in.left());
  GgufArray<T> values(count);
  if (count) std::memcpy(values.data(), p, *bytes);
  return GgufValue(std::move(values));
}

Result<GgufValue> read_bools(GgufCursor& in, std::string_view name, uint64_t count) {
  const uint8_t* p = in.take(count);
  if (!p) return fail(Errc::format, "{}: array of {} booleans, but only {} bytes are left in the file",
                      key_label(name), count, in.left());
  GgufArray<bool> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    ONEBIT_ASSIGN(const bool v, as_bool(p[i], name));
    values[i] = v;
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> read_strings(GgufCursor& in, std::string_view name, uint64_t count) {
  // A string takes at least its 8-byte length.
  if (count > in.left() / 8)
    return fail(Errc::format, "{}: array of {} strings, but only {} bytes are left in the file", key_label(name),
                count, in.left());
  GgufArray<std::string> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view text;
    if (!in.read_text(&text)) return truncated(fmt::format("{}, string {} of {}", key_label(name), i, count), in);
    values.emplace_back(text);
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> read_array_value(GgufCursor& in, std::string_view name) {
  uint32_t type = 0;
  uint64_t count = 0;
  if (!in.read(&type) || !in.read(&count)) return truncated(key_label(name), in);
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8: return read_array<uint8_t>(in, name, count);
    case ValueType::i8: return read_array<int8_t>(in, name, count);
    case ValueType::u16: return read_array<uint16_t>(in, name, count);
    case ValueType::i16: return read_array<int16_t>(in, name, count);
    case ValueType::u32: return read_array<uint32_t>(in, name, count);
    case ValueType::i32: return read_array<int32_t>(in, name, count);
    case ValueType::f32: return read_array<float>(in, name, count);
    case ValueType::u64: return read_array<uint64_t>(in, name, count);
    case ValueType::i64: return read_array<int64_t>(in, name, count);
    case ValueType::f64: return read_array<double>(in, name, count);
    case ValueType::boolean: return read_bools(in, name, count);
    case ValueType::string: return read_strings(in, name, count);
    case ValueType::array:
      return fail(Errc::unsupported, "{}: an array of arrays, expected an array of plain values", key_label(name));
  }
  return fail(Errc::format, "{}: array element type {}, expected 0 to 12", key_label(name), type);
}

Result<GgufValue> read_value(GgufCursor& in, std::string_view name, uint32_t type) {
  switch (static_cast<ValueType>(type)) {
    case ValueType::u8: return read_scalar<uint8_t>(in, name);
    case ValueType::i8: return read_scalar<int8_t>(in, name);
    case ValueType::u16: return read_scalar<uint16_t>(in, name);
    case ValueType::i16: return read_scalar<int16_t>(in, name);
    case ValueType::u32: return read_scalar<uint32_t>(in, name);
    case ValueType::i32: return read_scalar<int32_t>(in, name);
    case ValueType::f32: return read_scalar<float>(in, name);
    case ValueType::u64: return read_scalar<uint64_t>(in, name);
    case ValueType::i64: return read_scalar<int64_t>(in, name);
    case ValueType::f64: return read_scalar<double>(in, name);
    case ValueType::boolean: {
      uint8_t v = 0;
      if (!in.read(&v)) return truncated(key_label(name), in);
      ONEBIT_ASSIGN(const bool b, as_bool(v, name));
      return GgufValue(b);
    }
    case ValueType::string: {
      std::string_view text;
      if (!in.read_text(&text)) return truncated(key_label(name), in);
      return GgufValue(std::string(text));
    }
    case ValueType::array: return read_array_value(in, name);
  }
  return fail(Errc::format, "{}: value type {}, expected 0 to 12", key_label(name), type);
}

// Types of llama.cpp and its forks that occur in files people have, so that the refusal can say what it met.
std::unexpected<Error> unsupported_type(uint32_t id) {
  struct Known { uint32_t id; const char* text; };
  static constexpr Known kKnown[] = {
      {3, "Q4_1"}, {6, "Q5_0"}, {7, "Q5_1"}, {9, "Q8_1"}, {10, "Q2_K"}, {11, "Q3_K"}, {13, "Q5_K"}, {15, "Q8_K"},
      {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},
      {23, "IQ4_XS"}, {24, "I8"}, {25, "I16"}, {26, "I32"}, {27, "I64"}, {28, "F64"}, {29, "IQ1_M"},
      {37, "I8_S"},
      {38, "TL1: its tiling parameters are not in the file, so it cannot be decoded"},
      {39, "TL2 (MXFP4 in llama.cpp): the tiling parameters of TL2 are not in the file, so it cannot be decoded"},
      {134, "IQ1_BN"}, {135, "IQ2_BN"},
  };
  for (const auto& k : kKnown)
    if (k.id == id) return fail(Errc::unsupported, "type {} is not supported: {}", id, k.text);
  return fail(Errc::unsupported, "type {} is not known", id);
}

}  // namespace

std::string gguf_printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string out;
  for (const char c : text) {
    if (out.size() >= kLongest) return out + "...";
    if (c >= ' ' && c <= '~') out += c;
    else out += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
  }
  return out;
}

Result<GgufKey> read_gguf_key(GgufCursor& in, uint64_t index) {
  std::string_view name;
  uint32_t type = 0;
  if (!in.read_text(&name)) return truncated(fmt::format("name of key {}", index), in);
  if (name.empty() || name.size() > kMaxNameBytes)
    return fail(Errc::format, "name of key {}: {} bytes, expected 1 to {}", index, name.size(), kMaxNameBytes);
  if (!in.read(&type)) return truncated(key_label(name), in);
  ONEBIT_ASSIGN(GgufValue value, read_value(in, name, type));
  return GgufKey{std::string(name), std::move(value)};
}

Result<GgufTensor> read_gguf_tensor(GgufCursor& in, uint64_t index) {
  std::string_view name;
  if (!in.read_text(&name)) return truncated(fmt::format("name of tensor {}", index), in);
  if (name.empty() || name.size() > kMaxNameBytes)
    return fail(Errc::format, "name of tensor {}: {} bytes, expected 1 to {}", index, name.size(), kMaxNameBytes);
  GgufTensor t{};
  t.name = name;
  const std::string label = fmt::format("tensor '{}'", gguf_printable(name));
  if (!in.read(&t.dims)) return truncated(label, in);
  if (t.dims < 1 || t.dims > 4) return fail(Errc::format, "{}: {} dimensions, expected 1 to 4", label, t.dims);
  t.ne = {1, 1, 1, 1};
  uint64_t rows = 1;
  for (uint32_t d = 0; d < t.dims; ++d) {
    if (!in.read(&t.ne[d])) return truncated(label, in);
    if (t.ne[d] == 0) return fail(Errc::format, "{}: dimension {} is 0", label, d);
    if (d == 0) continue;
    const auto product = checked_mul(rows, t.ne[d]);
    if (!product) return fail(Errc::out_of_range, "{}: dimension {} is {}: the number of rows exceeds 64 bits", label, d, t.ne[d]);
    rows = *product;
  }
  uint32_t type = 0;
  if (!in.read(&type) || !in.read(&t.offset)) return truncated(label, in);
  const TensorTypeInfo* info = tensor_type_info(type);
  if (!info) return with_context(unsupported_type(type).error(), label);
  t.type = info->type;
  const auto size = tensor_bytes(t.type, t.ne[0], rows);
  if (!size) return with_context(size.error(), label);
  t.size = *size;
  return t;
}

}  // namespace onebit
