// The byte code of the dense layout p16: five trits in a byte, made for 64-entry table lookups (vpermb,
// tbl) instead of divisions by three.
//
//   bits 1:0 = t0 (0, 1, 2): bits 7:2 index `direct`, whose entry is t1 | t2 << 2 | t3 << 4 | t4 << 6.
//                            The 64 entries are the combinations t1 + 3 t2 + 9 t3 + 27 t4 = 0 .. 63.
//   bits 1:0 = 3: an escape for the other 17 combinations: bits 7:2 = 3 * (combination - 64) + t0 index
//                 `escape` (same form) and `escape_first` (t0).
//
// 3 * 64 + 17 * 3 = 243 codes are in use. Any byte decodes to trits 0..2.
#pragma once

#include <stdint.h>

namespace onebit::cpu {

struct DenseTables {
  alignas(64) uint8_t direct[64];
  alignas(64) uint8_t escape[64];
  alignas(64) uint8_t escape_first[64];
  alignas(64) uint8_t encode[256];  // index t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4
};

static consteval DenseTables make_dense_tables() {
  DenseTables t{};
  for (int n = 0; n < 243; ++n) {
    const int first = n % 3, rest = n / 3;
    const uint8_t fields = static_cast<uint8_t>(rest % 3 | rest / 3 % 3 << 2 | rest / 9 % 3 << 4 | rest / 27 << 6);
    if (rest < 64) {
      t.direct[rest] = fields;
      t.encode[n] = static_cast<uint8_t>(rest << 2 | first);
    } else {
      const int index = 3 * (rest - 64) + first;
      t.escape[index] = fields;
      t.escape_first[index] = static_cast<uint8_t>(first);
      t.encode[n] = static_cast<uint8_t>(index << 2 | 3);
    }
  }
  return t;
}

// A copy per file that includes this: see ternary_kernel.h for why nothing here is shared.
static constexpr DenseTables kDense = make_dense_tables();


// One tile: first[b] = trit 0 of byte b, rest[b] = trits 1..4 in two bits each. For instruction sets
// without a 64-entry lookup.
[[maybe_unused]] static inline void unpack_dense(const uint8_t* tile, uint8_t* first, uint8_t* rest) {
  for (int b = 0; b < 64; ++b) {
    const uint8_t index = tile[b] >> 2, low = tile[b] & 3;
    first[b] = low == 3 ? kDense.escape_first[index] : low;
    rest[b] = low == 3 ? kDense.escape[index] : kDense.direct[index];
  }
}

}  // namespace onebit::cpu
