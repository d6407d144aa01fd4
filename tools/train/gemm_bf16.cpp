// Matrix products with operands rounded to bf16, on the AMX tiles of recent Xeons (TDPBF16PS: 16x32 by
// 32x16, sums in f32). Integers up to 256, which are all that BitLinears multiply in their forward pass,
// are exact in bf16; the backward pass has the rounding of ordinary mixed-precision training.
#include "ops.h"

#include <algorithm>
#include <cstring>
#include <vector>

#ifdef __AMX_BF16__
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace onebit::train {

#ifdef __AMX_BF16__
namespace {

constexpr int kRows = 16, kDepth = 32;       // a tile: 16 rows of 32 bf16, or 16 pairs of k by 16 columns


// Sixteen rows of 64 bytes: of A, 16 rows of 32 bf16; of B, 16 pairs of rows by 16 columns.
struct alignas(64) Tile {
  __m512i row[kRows];
};

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

struct Operand {
  const float* data;
  int stride;
  bool k_is_row;   // stored [k, x], else [x, k]; x is the row of A or the column of B
  int x, k;
};

__mmask16 first_lanes(int count) { return static_cast<__mmask16>((1u << std::clamp(count, 0, 16)) - 1); }

// Sixteen vectors w[i] hold, for row i of the stored operand (or pair of rows), words of bf16 pairs.
void load_rows(const Operand& o, int x0, int k0, __m512i* w) {
  for (int i = 0; i < kRows; ++i) {
    const float* row = o.data + static_cast<size_t>(x0 + i) * o.stride + k0;
    const int left = x0 + i < o.x ? o.k - k0 : 0;
    const __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), row);
    const __m512 high = _mm512_maskz_loadu_ps(first_lanes(left - 16), row + 16);
    w[i] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
  }
}
void load_row_pairs(const Operand& o, int x0, int k0, __m512i* w) {
  const __mmask16 lanes = first_lanes(o.x - x0);
  for (int i = 0; i < kRows; ++i) {
    const int k = k0 + 2 * i;
    const float* row = o.data + static_cast<size_t>(k) * o.stride + x0;
    const __m512 even = _mm512_maskz_loadu_ps(k < o.k ? lanes : 0, row);
    const __m512 odd = _mm512_maskz_loadu_ps(k + 1 < o.k ? lanes : 0, row + o.stride);
    const __m512i even_low = _mm512_maskz_cvtepu16_epi32(0xFFFF, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(even)));
    const __m512i odd_low = _mm512_maskz_cvtepu16_epi32(0xFFFF, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(odd)));
    w[i] = _mm512_or_si512(even_low, _mm512_maskz_slli_epi32(0xFFFF, odd_low, 16));
  }
}

// 16x16 words: blocks of 8, 4, 2 and 1 off the diagonal change places.
void transpose(__m512i* w) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#pragma GCC unroll 4
  for (int s = 8; s > 0; s /= 2) {
    const __mmask16 upper = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(s));
    const __m512i step = _mm512_set1_epi32(s), other = _mm512_add_epi32(lane, _mm512_set1_epi32(16));
    const __m512i low = _mm512_mask_sub_epi32(lane, upper, other, step);
    const __m512i high = _mm512_mask_blend_epi32(upper, _mm512_add_epi32(lane, step), other);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      if (i & s) continue;
      const __m512i a = w[i], b = w[i + s];
      w[i] = _mm512_permutex2var_epi32(a, low, b);
      w[i + s] = _mm512_permutex2var_epi32(a, high, b);
    }
  }
}

// Tiles [ceil(x/32) * 2][ceil(k/32)], zero beyond the edges. A tile of A is [x][k pair], one of B [k pair][x].
void pack(const Operand& o, bool is_b, std::vector<Tile>& out) {
  const int tiles_x = (o.x + 2 * kRows - 1) / (2 * kRows) * 2, tiles_k = (o.k + kDepth - 1) / kDepth;
  out.resize(static_cast<size_t>(tiles_x) * tiles_k);
  Tile* tile = out.data();
  for (int i = 0; i < tiles_x; ++i)
    for (int k = 0; k < tiles_k; ++k, ++tile) {
      if (o.k_is_row) load_row_pairs(o, i * kRows, k * kDepth, tile->row);
      else load_rows(o, i * kRows, k * kDepth, tile->row);
      if (o.k_is_row != is_b) transpose(tile->row);
    }
}

// 32x32 of C from two rows of A tiles and two columns of B tiles.
void multiply(const Tile* a, const Tile* b, int tiles_k, float* c) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int k = 0; k < tiles_k; ++k, ++a, ++b) {
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + tiles_k, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + tiles_k, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, 128);
  _tile_stored(1, c + 16, 128);
  _tile_stored(2, c + 16 * 32, 128);
  _tile_stored(3, c + 16 * 32 + 16, 128);
}

}  // namespace

bool bf16_available() {
  // Linux hands out the tile registers on request; the number is that of XTILEDATA.
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
}

void gemm_bf16(char op_a, char op_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
               float beta, float* c, int ldc) {
  thread_local std::vector<Tile> packed_a, packed_b;
  pack({a, lda, op_a == 't', m, k}, false, packed_a);
  pack({b, ldb, op_b != 't', n, k}, true, packed_b);
  const int tiles_k = (k + kDepth - 1) / kDepth;
  const size_t panel = static_cast<size_t>(tiles_k) * 2;
  const TileConfig config;
  _tile_loadconfig(&config);
  alignas(64) float block[32 * 32];
  for (int j = 0; j < n; j += 32)
    for (int i = 0; i < m; i += 32) {
      multiply(&packed_a[static_cast<size_t>(i / 32) * panel], &packed_b[static_cast<size_t>(j / 32) * panel], tiles_k,
               block);
      for (int r = 0; r < std::min(32, m - i); ++r) {
        float* out = c + static_cast<size_t>(i + r) * ldc + j;
        for (int s = 0; s < std::min(32, n - j); ++s)
          out[s] = alpha * block[r * 32 + s] + (beta == 0 ? 0.0f : beta * out[s]);
      }
    }
  _tile_release();
}

#else

bool bf16_available() { return false; }
void gemm_bf16(char, char, int, int, int, float, const float*, int, const float*, int, float, float*, int) {}

#endif

}  // namespace onebit::train
