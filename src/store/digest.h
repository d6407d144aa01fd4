// SHA-256 (FIPS 180-4) of a stream of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace onebit::store {

class Sha256 {
 public:
  Sha256();
  void update(const void* data, size_t size);
  // 64 lower-case hexadecimal digits; the next update() begins a new stream.
  std::string finish();

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

// 64 hexadecimal digits of either case.
bool is_sha256(std::string_view text);

// The first `size` bytes of a file into `hash`; fewer are an error. Does not follow a symbolic link.
Status hash_file(const std::string& path, uint64_t size, Sha256& hash);

}  // namespace onebit::store
