// Kernels of the output head, in terms of a vec16_*.h header and of
//   template <int T> void block_dots(const uint8_t* block, const HeadInput* x, size_t at, Vi* dots)
// that the including file defines for T up to its kDotTokens, a power of two: of tokens 0 .. T - 1 and each row, the
// sum over the 128 columns of a block, which begins at column `at`, of code * (128 * hi + lo), in int32 (at most
// 63 * 16383 * 128 < 2^27).

#include "cpu/vec16_math.inl"

namespace onebit::cpu {
namespace {

// Magnitudes outside this range are not compressed: the products below would leave the normal range.
constexpr float kSmallest = 1e-30f, kLargest = 1e30f;

// Euclidean norm from a sum of squares that took n / 16 + 4 additions, rounded up. Squares that
// underflow lose at most n * 2^-149 of the sum, and n is below 2^18.
inline float norm_above(Vf squares, uint32_t n) {
  const float slack = 1.0f + (static_cast<float>(n) / 16.0f + 32.0f) * 0x1p-23f;
  return sqrt_exact(sum(squares)) * slack + 4e-20f;
}

// Codes of one row, one byte each; returns its scale and norms.
struct RowFit { float scale, error, norm; };
inline RowFit fit_row(const float* w, uint32_t cols, uint32_t blocks, uint8_t* codes, uint8_t* multipliers) {
  float poison;
  const float top = absmax(w, cols, &poison);
  __builtin_memset(codes, kHeadZero, size_t{blocks} * kHeadBlock);
  for (uint32_t b = 0; b < blocks; ++b) multipliers[b * kHeadGroup] = 0;
  if (poison != poison || top > kLargest) return {0.0f, __builtin_inff(), __builtin_inff()};

  // 31.5 steps of the largest multiplier reach the largest magnitude. Rounded up to 16 bits.
  Vi bits_of_scale = bits(set1(top / (31.5f * 256.0f))) + set1(int32_t{0xff});
  float lanes16[kLanes];
  store(lanes16, from_bits(shift_left<8>(shift_right<8>(bits_of_scale))));
  const float scale = top < kSmallest ? 0.0f : lanes16[0];

  Vf squares = set1(0.0f), error_squares = set1(0.0f);
  for (uint32_t b = 0; b < blocks; ++b) {
    const uint32_t first = b * kHeadBlock, n = cols - first < kHeadBlock ? cols - first : kHeadBlock;
    int32_t m = 1;
    if (scale != 0.0f) {
      const float wanted = absmax(w + first, n, &poison) / (31.5f * scale);
      m = static_cast<int32_t>(wanted);
      if (static_cast<float>(m) < wanted) ++m;
      m = m < 1 ? 1 : m > 256 ? 256 : m;
    }
    multipliers[b * kHeadGroup] = static_cast<uint8_t>(m - 129);
    const Vf step = set1(scale * static_cast<float>(m));
    const Vf inverse = set1(scale == 0.0f ? 0.0f : 1.0f / (scale * static_cast<float>(m)));
    for_lanes(n, [&](size_t i, size_t lanes) {
      const Vf x = load_n(w + first + i, lanes);
      const Vi code = round_to_int(min(set1(31.0f), max(set1(-31.0f), x * inverse)));
      const Vf e = fnma(to_float(code), step, x);
      squares = fma(x, x, squares);
      error_squares = fma(e, e, error_squares);
      store_i8(reinterpret_cast<int8_t*>(codes + first + i), code + set1(kHeadZero));
    });
  }
  return {scale, norm_above(error_squares, cols), norm_above(squares, cols)};
}

inline uint32_t load_u32(const uint8_t* p) {
  uint32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}
inline void store_u32(uint8_t* p, uint32_t v) { __builtin_memcpy(p, &v, 4); }

void compress(const HeadCopy& copy, uint32_t group, const float* rows, size_t ld, uint32_t count, uint8_t* temp) {
  const size_t stride = size_t{copy.blocks} * kHeadBlock;
  uint8_t* const out = copy.codes + group * copy.group_bytes;
  uint8_t* const multipliers = out + size_t{copy.blocks} * kHeadBlockBytes;
  for (uint32_t r = 0; r < kHeadGroup; ++r) {
    const size_t row = size_t{group} * kHeadGroup + r;
    RowFit fit = {0.0f, 0.0f, 0.0f};
    if (r < count) {
      fit = fit_row(rows + r * ld, copy.cols, copy.blocks, temp + r * stride, multipliers + r);
    } else {
      __builtin_memset(temp + r * stride, kHeadZero, stride);
    }
    copy.scale[row] = fit.scale;
    copy.error[row] = fit.error;
    copy.norm[row] = fit.norm;
  }
  for (size_t tile = 0; tile < stride / 16; ++tile) {
    uint8_t* const t = out + tile * kHeadTileBytes;
    for (uint32_t r = 0; r < kHeadGroup; ++r) {
      const uint8_t* const c = temp + r * stride + tile * 16;
      const uint32_t c0 = load_u32(c), c1 = load_u32(c + 4), c2 = load_u32(c + 8), c3 = load_u32(c + 12);
      constexpr uint32_t kLow = 0x0f0f0f0f, kTwo = 0x03030303;
      store_u32(t + 4 * r, (c0 & kLow) | (c1 & kLow) << 4);
      store_u32(t + 64 + 4 * r, (c2 & kLow) | (c3 & kLow) << 4);
      store_u32(t + 128 + 4 * r,
                (c0 >> 4 & kTwo) | (c1 >> 4 & kTwo) << 2 | (c2 >> 4 & kTwo) << 4 | (c3 >> 4 & kTwo) << 6);
    }
  }
}

// T tokens at once.
template <int T>
void multiply_group(const HeadCopy& copy, uint32_t group, const HeadInput* x, float* const* out) {
  const uint8_t* const codes = copy.codes + group * copy.group_bytes;
  const uint8_t* const multipliers = codes + size_t{copy.blocks} * kHeadBlockBytes;
  Vf acc[T];
  for (int t = 0; t < T; ++t) acc[t] = set1(0.0f);
  for (uint32_t b = 0; b < copy.blocks; ++b) {
    Vi dots[T];
    block_dots<T>(codes + b * size_t{kHeadBlockBytes}, x, size_t{b} * kHeadBlock, dots);
    const Vf m = load_i8(reinterpret_cast<const int8_t*>(multipliers) + b * kHeadGroup) + set1(129.0f);
    for (int t = 0; t < T; ++t) acc[t] = fma(to_float(dots[t] - set1(x[t].offset[b])), m, acc[t]);
  }
  const Vf scale = load(copy.scale + size_t{group} * kHeadGroup);
  for (int t = 0; t < T; ++t) store(out[t] + size_t{group} * kHeadGroup, acc[t] * scale * set1(x[t].unit));
}

template <int T>
void multiply_tokens(const HeadCopy& copy, uint32_t group, const HeadInput* x, uint32_t tokens, float* const* out) {
  for (; tokens >= T; tokens -= T, x += T, out += T) multiply_group<T>(copy, group, x, out);
  if constexpr (T > 1) {
    if (tokens > 0) multiply_tokens<T / 2>(copy, group, x, tokens, out);
  }
}

void multiply(const HeadCopy& copy, uint32_t g0, uint32_t g1, const HeadInput* x, uint32_t tokens, float* const* out) {
  for (uint32_t g = g0; g < g1; ++g) multiply_tokens<kDotTokens>(copy, g, x, tokens, out);
}

size_t candidates(const float* approx, const float* error, const float* norm, size_t n, float a, float c,
                  float threshold, uint32_t* out) {
  size_t count = 0;
  for_lanes(n, [&](size_t i, size_t lanes) {
    const Vf known = fma(load_n(norm + i, lanes), set1(c), load_n(approx + i, lanes));
    const Vf above = fma(load_n(error + i, lanes), set1(a), known);
    const Vf out_of_race = select_less(above, set1(threshold), set1(1.0f), set1(0.0f));
    if (sum(out_of_race) == static_cast<float>(kLanes)) return;
    float t[kLanes];
    store(t, out_of_race);
    for (size_t l = 0; l < lanes; ++l) {
      if (t[l] == 0.0f) out[count++] = static_cast<uint32_t>(i + l);
    }
  });
  return count;
}

constexpr HeadKernels kHead = {compress, multiply, candidates};

}  // namespace
}  // namespace onebit::cpu
