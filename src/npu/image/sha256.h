// SHA-256 (FIPS 180-4): uuids and time stamps of our files derive from their content.
#pragma once

#include <array>
#include <cstdint>

#include "npu/image/bytes.h"

namespace onebit::npu {

using Digest = std::array<uint8_t, 32>;
Digest sha256(Bytes bytes);

using Uuid = std::array<uint8_t, 16>;
// RFC 9562 version 8: the digest's first 128 bits with version and variant set.
Uuid uuid_of(const Digest& digest);
std::string to_string(const Uuid& uuid);

}  // namespace onebit::npu
