// Little-endian bytes: a bounds-checked reader whose errors name offset and field, and a writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::npu {

using Bytes = std::span<const uint8_t>;

constexpr uint32_t load_u32(const uint8_t* p) {
  return uint32_t{p[0]} | uint32_t{p[1]} << 8 | uint32_t{p[2]} << 16 | uint32_t{p[3]} << 24;
}

class ByteReader {
 public:
  // `what` opens every message: "PDI", "AIE_PARTITION".
  ByteReader(Bytes bytes, const char* what) : bytes_(bytes), what_(what) {}

  size_t size() const { return bytes_.size(); }
  Bytes bytes() const { return bytes_; }

  Result<uint8_t> u8(uint64_t offset, const char* field) const;
  Result<uint16_t> u16(uint64_t offset, const char* field) const;
  Result<uint32_t> u32(uint64_t offset, const char* field) const;
  Result<uint64_t> u64(uint64_t offset, const char* field) const;
  Result<Bytes> slice(uint64_t offset, uint64_t size, const char* field) const;
  // Up to the terminating zero, which must lie inside.
  Result<std::string> c_string(uint64_t offset, const char* field) const;

 private:
  Bytes bytes_;
  const char* what_;
};

class ByteWriter {
 public:
  void u8(uint8_t v) { little(v, 1); }
  void u16(uint16_t v) { little(v, 2); }
  void u32(uint32_t v) { little(v, 4); }
  void u64(uint64_t v) { little(v, 8); }
  void bytes(Bytes b);
  void text(std::string_view s);
  // Cut or padded with zeros to `size` bytes.
  void fixed_text(std::string_view s, size_t size);
  void zeros(size_t n);
  void align(size_t multiple) { zeros((multiple - out_.size() % multiple) % multiple); }
  void set_u32(size_t offset, uint32_t v);
  void set_u64(size_t offset, uint64_t v);

  size_t size() const { return out_.size(); }
  const std::vector<uint8_t>& data() const { return out_; }
  std::vector<uint8_t> take() { return std::move(out_); }

 private:
  void little(uint64_t v, unsigned n);
  std::vector<uint8_t> out_;
};

// The bytes of a zero-padded text field, cut at the first zero.
std::string fixed_text(Bytes field);

}  // namespace onebit::npu
