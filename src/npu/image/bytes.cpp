#include "npu/image/bytes.h"

#include <algorithm>

namespace onebit::npu {

Result<Bytes> ByteReader::slice(uint64_t offset, uint64_t size, const char* field) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset)
    return fail(Errc::format, "{}: {} at offset {:#x} needs {} bytes, expected at most {} in {} bytes", what_, field, offset,
                size, bytes_.size() - std::min<uint64_t>(offset, bytes_.size()), bytes_.size());
  return bytes_.subspan(offset, size);
}

Result<uint8_t> ByteReader::u8(uint64_t offset, const char* field) const {
  ONEBIT_ASSIGN(const Bytes b, slice(offset, 1, field));
  return b[0];
}

Result<uint16_t> ByteReader::u16(uint64_t offset, const char* field) const {
  ONEBIT_ASSIGN(const Bytes b, slice(offset, 2, field));
  return static_cast<uint16_t>(b[0] | b[1] << 8);
}

Result<uint32_t> ByteReader::u32(uint64_t offset, const char* field) const {
  ONEBIT_ASSIGN(const Bytes b, slice(offset, 4, field));
  return load_u32(b.data());
}

Result<uint64_t> ByteReader::u64(uint64_t offset, const char* field) const {
  ONEBIT_ASSIGN(const Bytes b, slice(offset, 8, field));
  return uint64_t{load_u32(b.data())} | uint64_t{load_u32(b.data() + 4)} << 32;
}

Result<std::string> ByteReader::c_string(uint64_t offset, const char* field) const {
  ONEBIT_TRY(slice(offset, 1, field));
  const Bytes rest = bytes_.subspan(offset);
  const auto end = std::find(rest.begin(), rest.end(), uint8_t{0});
  if (end == rest.end()) return fail(Errc::format, "{}: {} at offset {:#x} has no terminating zero", what_, field, offset);
  return std::string(rest.begin(), end);
}

void ByteWriter::little(uint64_t v, unsigned n) {
  for (unsigned i = 0; i < n; ++i) out_.push_back(static_cast<uint8_t>(v >> (8 * i)));
}

void ByteWriter::bytes(Bytes b) { out_.insert(out_.end(), b.begin(), b.end()); }
void ByteWriter::text(std::string_view s) { out_.insert(out_.end(), s.begin(), s.end()); }
void ByteWriter::zeros(size_t n) { out_.resize(out_.size() + n, 0); }

void ByteWriter::fixed_text(std::string_view s, size_t size) {
  s = s.substr(0, size);
  text(s);
  zeros(size - s.size());
}

void ByteWriter::set_u32(size_t offset, uint32_t v) {
  for (unsigned i = 0; i < 4; ++i) out_[offset + i] = static_cast<uint8_t>(v >> (8 * i));
}

void ByteWriter::set_u64(size_t offset, uint64_t v) {
  for (unsigned i = 0; i < 8; ++i) out_[offset + i] = static_cast<uint8_t>(v >> (8 * i));
}

std::string fixed_text(Bytes field) { return std::string(field.begin(), std::find(field.begin(), field.end(), uint8_t{0})); }

}  // namespace onebit::npu
