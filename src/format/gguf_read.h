// The parser's view of a GGUF header: a cursor that cannot leave the bytes, and values read through it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "format/gguf.h"

namespace onebit {

class GgufCursor {
 public:
  explicit GgufCursor(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint64_t position() const { return at_; }
  uint64_t left() const { return bytes_.size() - at_; }

  // The next n bytes, or nullptr when fewer are left.
  const uint8_t* take(uint64_t n) {
    if (n > left()) return nullptr;
    const uint8_t* p = bytes_.data() + at_;
    at_ += n;
    return p;
  }

  template <class T>
  bool read(T* out) {
    static_assert(std::is_arithmetic_v<T>);
    const uint8_t* p = take(sizeof(T));
    if (p) std::memcpy(out, p, sizeof(T));
    return p != nullptr;
  }

  // A 64-bit length and that many bytes.
  bool read_text(std::string_view* out) {
    uint64_t n = 0;
    if (!read(&n)) return false;
    const uint8_t* p = take(n);
    if (p) *out = {reinterpret_cast<const char*>(p), static_cast<size_t>(n)};
    return p != nullptr;
  }

 private:
  std::span<const uint8_t> bytes_;
  uint64_t at_ = 0;
};

// Text from a file, fit for a message: bytes outside printable ASCII as \xNN, at most 80 characters.
std::string gguf_printable(std::string_view text);

// Reads one key with its value. `index` names the key in errors before its name is known.
Result<GgufKey> read_gguf_key(GgufCursor& in, uint64_t index);

// What the tensor table says of one tensor: size set, offset relative to the data section, data null.
Result<GgufTensor> read_gguf_tensor(GgufCursor& in, uint64_t index);

}  // namespace onebit
