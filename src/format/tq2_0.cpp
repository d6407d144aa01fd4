// TQ2_0: 256 elements in 66 bytes: 64 bytes of four codes, f16 d. Byte j + m (j = 0, 32; m < 32) holds
// element 4j + 32l + m in bits 2l.
#include "format/blocks.h"

namespace onebit {
namespace {

constexpr uint32_t kCodeBytes = 64;

bool has_code3(const uint8_t* block) {
  uint64_t seen = 0;
  for (uint32_t i = 0; i < kCodeBytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, block + i, 8);
    seen |= word & word >> 1;
  }
  return seen & 0x5555555555555555;
}

void codes_of(const uint8_t* block, uint8_t* codes) {
  for (uint32_t j = 0; j < kCodeBytes; j += 32)
    for (uint32_t l = 0; l < 4; ++l)
      for (uint32_t m = 0; m < 32; ++m) codes[4 * j + 32 * l + m] = (block[j + m] >> (2 * l)) & 3;
}

void pack(const uint8_t* codes, uint8_t* block) {
  for (uint32_t j = 0; j < kCodeBytes; j += 32)
    for (uint32_t m = 0; m < 32; ++m) {
      const uint8_t* c = codes + 4 * j + m;
      block[j + m] = static_cast<uint8_t>(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
    }
}

}  // namespace

const TernaryBlockFormat tq2_0_format{66, 64, has_code3, codes_of, pack};

}  // namespace onebit
