// TQ1_0: 256 elements in 54 bytes: 32 + 16 bytes of five trits, 4 bytes of four, f16 d.
// A byte holds ceil(256 * q / 243), q the five trits as a base-3 number, first trit highest: multiplying by
// 3 modulo 256 shifts trits out at the top, and (byte * 3) >> 8 is the one at the top.
#include "format/blocks.h"

namespace onebit {
namespace {

constexpr uint8_t kPow3[5] = {1, 3, 9, 27, 81};

// One run of bytes: trit n of byte m is element `bytes * n + m` of the run.
struct Run {
  uint32_t byte, bytes, trits, element;
};
constexpr Run kRuns[3] = {{0, 32, 5, 0}, {32, 16, 5, 160}, {48, 4, 4, 240}};

void codes_of(const uint8_t* block, uint8_t* codes) {
  for (const Run& r : kRuns)
    for (uint32_t n = 0; n < r.trits; ++n)
      for (uint32_t m = 0; m < r.bytes; ++m) {
        const auto q = static_cast<uint8_t>(block[r.byte + m] * kPow3[n]);
        codes[r.element + r.bytes * n + m] = static_cast<uint8_t>((q * 3u) >> 8);
      }
}

void pack(const uint8_t* codes, uint8_t* block) {
  for (const Run& r : kRuns)
    for (uint32_t m = 0; m < r.bytes; ++m) {
      uint32_t q = 0;
      for (uint32_t n = 0; n < 5; ++n) q = q * 3 + (n < r.trits ? codes[r.element + r.bytes * n + m] : 0);
      block[r.byte + m] = static_cast<uint8_t>((q * 256 + 242) / 243);
    }
}

// The top trit of a byte is at most (255 * 3) >> 8 = 2.
bool never(const uint8_t*) { return false; }

}  // namespace

const TernaryBlockFormat tq1_0_format{54, 52, never, codes_of, pack};

}  // namespace onebit
