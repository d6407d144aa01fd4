#include "cpu/head_kernels.h"
#include "cpu/vec16_scalar.h"

namespace onebit::cpu {
namespace {

constexpr int kDotTokens = 1;
template <int>
inline void block_dots(const uint8_t* block, const HeadInput* x, size_t at, Vi* dots) {
  const int8_t *hi = x->hi + at, *lo = x->lo + at;
  Vi acc = set1(int32_t{0});
  for (uint32_t t = 0; t < kHeadBlock / 16; ++t) {
    const uint8_t* const tile = block + t * kHeadTileBytes;
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        const uint32_t column = 16 * t + 4 * i + j;
        const int32_t x = 128 * hi[column] + lo[column];
        for (int row = 0; row < 16; ++row) {
          const int at = 4 * row + j;
          const int32_t low = tile[64 * (i / 2) + at] >> (4 * (i % 2)) & 15, upper = tile[128 + at] >> (2 * i) & 3;
          acc.v[row] += (low | upper << 4) * x;
        }
      }
    }
  }
  *dots = acc;
}

}  // namespace
}  // namespace onebit::cpu

#include "cpu/head.inl"

namespace onebit::cpu {

constinit const HeadKernels head_scalar = kHead;

}  // namespace onebit::cpu
