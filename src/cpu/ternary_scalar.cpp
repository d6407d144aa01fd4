// The oracle: one weight at a time, straight from the definition of the layouts in ternary.h.
#include "cpu/ternary_kernel.h"
#include "cpu/ternary_pack.h"

namespace onebit::cpu {
namespace {

// The codes of one packed byte; columns 4 i + j of the tile for i in 0..3 (p2) or 0..4 (p16).
void decode_p2(uint8_t byte, int32_t* code) {
  for (int i = 0; i < 4; ++i) code[i] = byte >> 2 * i & 3;
}

void decode_p16(uint8_t byte, int32_t* code) {
  const uint8_t index = byte >> 2, first = byte & 3;
  const uint8_t fields = first == 3 ? kDense.escape[index] : kDense.direct[index];
  code[0] = first == 3 ? kDense.escape_first[index] : first;
  for (int i = 0; i < 4; ++i) code[1 + i] = fields >> 2 * i & 3;
}

void gemv(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, int32_t sum, int32_t* acc) {
  const uint32_t per_byte = w.dense ? 5 : 4;
  for (uint32_t g = g0; g < g1; ++g, acc += 16) {
    for (uint32_t r = 0; r < 16; ++r) acc[r] = -sum;
    const uint8_t* tile = w.data + size_t{g} * w.tiles * 64;
    const int8_t* columns = x;
    for (uint32_t t = 0; t < w.tiles; ++t, tile += 64, columns += 4 * per_byte)
      for (uint32_t b = 0; b < 64; ++b) {
        int32_t code[5];
        w.dense ? decode_p16(tile[b], code) : decode_p2(tile[b], code);
        for (uint32_t i = 0; i < per_byte; ++i) acc[b / 4] += code[i] * columns[4 * i + b % 4];
      }
  }
}

void gemm(const PackedView& w, uint32_t g0, uint32_t g1, const int8_t* x, size_t stride, const int32_t* sum,
          uint32_t tokens, int32_t* acc, size_t ld, uint8_t*) {
  for (uint32_t g = g0; g < g1; ++g)
    for (uint32_t m = 0; m < tokens; ++m)
      gemv(w, g, g + 1, x + m * stride, sum[m], acc + m * ld + (g - g0) * 16);
}

}  // namespace

const RawKernels kTernaryScalar{gemv, gemm};

}  // namespace onebit::cpu
