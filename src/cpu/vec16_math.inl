// What float_ops.inl and attention.inl share on top of one of the vec16_*.h headers.

namespace onebit::cpu {
namespace {

constexpr size_t kLanes = 16;

// The first `n` (at most 16) floats at p, then zeros; and the reverse.
inline Vf load_n(const float* p, size_t n) {
  if (n == kLanes) return load(p);
  float t[kLanes] = {};
  __builtin_memcpy(t, p, n * sizeof(float));
  return load(t);
}
inline Vf load_n(const int32_t* p, size_t n) {
  if (n == kLanes) return to_float(load(p));
  int32_t t[kLanes] = {};
  __builtin_memcpy(t, p, n * sizeof(int32_t));
  return to_float(load(t));
}
inline void store_n(float* p, size_t n, Vf a) {
  if (n == kLanes) return store(p, a);
  float t[kLanes];
  store(t, a);
  __builtin_memcpy(p, t, n * sizeof(float));
}

// Calls f(i, lanes) for each run of up to 16 elements of n.
template <class F>
inline void for_lanes(size_t n, F f) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, kLanes);
  if (i < n) f(i, n - i);
}

// 1.5 * 2^23: adding it to |x| < 2^22 rounds x to an integer, half to even, which then stands in the
// low bits of the sum.
constexpr float kRound = 0x1.8p23f;
constexpr int32_t kRoundBits = 0x4b400000;

inline Vi round_to_int(Vf x) { return bits(x + set1(kRound)) - set1(kRoundBits); }

// exp(x) = 2^n e^r with n = round(x / ln 2) and |r| <= ln(2) / 2. Returns e^r; polynomial from Cephes
// expf (relative error about 2^-23). NaN stays NaN.
inline Vf exp_reduced(Vf x, Vi* n) {
  const Vf t = fma(x, set1(0x1.715476p+0f), set1(kRound));
  *n = bits(t) - set1(kRoundBits);
  const Vf k = t - set1(kRound);
  Vf r = fnma(k, set1(0x1.62e430p-1f), x);  // ln 2 = 0x1.62e430p-1 - 0x1.05c610p-29
  r = fma(k, set1(0x1.05c610p-29f), r);
  Vf p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  return fma(p, r * r, r) + set1(1.0f);
}

inline Vf power_of_two(Vi n) { return from_bits(shift_left<23>(n + set1(int32_t{127}))); }

// For any x: overflows to infinity, underflows through the subnormals to 0.
inline Vf exp(Vf x) {
  // The operand order of max and min lets NaN through.
  x = min(set1(89.0f), max(set1(-104.0f), x));
  Vi n;
  const Vf y = exp_reduced(x, &n);
  const Vi half = shift_right<1>(n);  // 2^n itself may be out of range
  return y * power_of_two(half) * power_of_two(n - half);
}

// For x <= 0; 0 below -86, where exp(x) nears the subnormals.
inline Vf exp_nonpositive(Vf x) {
  Vi n;
  const Vf y = exp_reduced(max(set1(-90.0f), x), &n);
  return select_less(x, set1(-86.0f), set1(0.0f), y * power_of_two(n));
}

inline float max_lanes(Vf a) {
  float t[kLanes];
  store(t, a);
  float m = t[0];
  for (size_t i = 1; i < kLanes; ++i) m = t[i] > m ? t[i] : m;
  return m;
}

// Largest magnitude of x, NaN ignored; *poison is 0, or NaN when any element is NaN or infinite.
inline float absmax(const float* x, size_t n, float* poison) {
  Vf top = set1(0.0f), bad = set1(0.0f);
  for_lanes(n, [&](size_t i, size_t lanes) {
    const Vf v = load_n(x + i, lanes);
    top = max(abs(v), top);
    bad = fma(v, set1(0.0f), bad);
  });
  *poison = sum(abs(bad));
  return max_lanes(top);
}

}  // namespace
}  // namespace onebit::cpu
