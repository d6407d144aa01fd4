// The float operations, in terms of a vec16_*.h header that the including file chose. The order of
// every sum is part of the result: element 64*b + 16*j + l of a sum over n goes to lane l of
// accumulator j, and the accumulators are added as (0 + 1) + (2 + 3), then across lanes.

#include "cpu/vec16_math.inl"

namespace onebit::cpu {
namespace {

// out[t * ldo + r] = rows[r] . x[t] for kRows x kTokens pairs at once, each in the order stated above.
template <int kRows, int kTokens>
inline void dots_tile(float* out, size_t ldo, const float* rows, size_t ldr, const float* x, size_t ldx, size_t n) {
  Vf acc[kRows][kTokens][4];
  for (auto& row : acc) {
    for (auto& token : row) {
      for (Vf& a : token) a = set1(0.0f);
    }
  }
  const auto step = [&](int j, size_t i, size_t lanes) {
    Vf w[kRows];
    for (int r = 0; r < kRows; ++r) w[r] = load_n(rows + r * ldr + i, lanes);
    for (int t = 0; t < kTokens; ++t) {
      const Vf v = load_n(x + t * ldx + i, lanes);
      for (int r = 0; r < kRows; ++r) acc[r][t][j] = fma(w[r], v, acc[r][t][j]);
    }
  };
  size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    step(0, i, kLanes);
    step(1, i + kLanes, kLanes);
    step(2, i + 2 * kLanes, kLanes);
    step(3, i + 3 * kLanes, kLanes);
  }
  const auto rest = [&](int j) {  // j is a constant at each call, which keeps acc in registers
    if (i >= n) return;
    const size_t lanes = n - i < kLanes ? n - i : kLanes;
    step(j, i, lanes);
    i += lanes;
  };
  rest(0);
  rest(1);
  rest(2);
  rest(3);
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRows; ++r) {
      const Vf* a = acc[r][t];
      out[t * ldo + r] = sum((a[0] + a[1]) + (a[2] + a[3]));
    }
  }
}

float dot(const float* a, const float* b, size_t n) {
  float r;
  dots_tile<1, 1>(&r, 1, a, 0, b, 0, n);
  return r;
}

template <int kRows>
inline void dots_rows(float* out, size_t ldo, const float* rows, size_t ldr, const float* x, size_t ldx,
                      size_t tokens, size_t n) {
  constexpr int kTokens = kWideVectors ? 3 : 1;
  size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens) {
    dots_tile<kRows, kTokens>(out + t * ldo, ldo, rows, ldr, x + t * ldx, ldx, n);
  }
  for (; t < tokens; ++t) dots_tile<kRows, 1>(out + t * ldo, ldo, rows, ldr, x + t * ldx, ldx, n);
}

void dots(float* out, size_t ldo, const float* rows, size_t ldr, size_t count, const float* x, size_t ldx,
          size_t tokens, size_t n) {
  constexpr int kRows = kWideVectors ? 2 : 1;
  size_t r = 0;
  for (; r + kRows <= count; r += kRows) dots_rows<kRows>(out + r, ldo, rows + r * ldr, ldr, x, ldx, tokens, n);
  for (; r < count; ++r) dots_rows<1>(out + r, ldo, rows + r * ldr, ldr, x, ldx, tokens, n);
}

void rms_norm(float* y, const float* x, const float* w, size_t n, float eps) {
  const float squares = dot(x, x, n);
  // A sum of squares that overflowed would turn the row into zeros without a trace.
  const float factor = squares < __builtin_inff()
                           ? 1.0f / sqrt_exact(squares / static_cast<float>(n) + eps)
                           : __builtin_nanf("");
  for_lanes(n, [&](size_t i, size_t lanes) {
    store_n(y + i, lanes, load_n(x + i, lanes) * set1(factor) * load_n(w + i, lanes));
  });
}

void quantize(int8_t* q, size_t padded, const float* x, size_t n, float* inv_scale, int32_t* total) {
  float poison;
  const float top = absmax(x, n, &poison);
  if (poison != poison) {
    __builtin_memset(q, 0, padded);
    *inv_scale = poison;
    *total = 0;
    return;
  }
  const float s = 127.0f / (top < 1e-5f ? 1e-5f : top);
  Vi count = set1(int32_t{0});
  for_lanes(n, [&](size_t i, size_t lanes) {
    // |x * s| is at most 127 and two roundings, so the result needs no clamp.
    const Vi v = round_to_int(load_n(x + i, lanes) * set1(s));
    count = count + v;
    if (lanes == kLanes) return store_i8(q + i, v);
    int8_t t[kLanes];
    store_i8(t, v);
    __builtin_memcpy(q + i, t, lanes);
  });
  if (padded > n) __builtin_memset(q + n, 0, padded - n);
  *inv_scale = 1.0f / s;
  *total = sum(count);
}

float quantize_q8(int8_t* q, const float* x, size_t n) {
  float poison;
  const float scale = absmax(x, n, &poison) / 127.0f;
  if (poison != poison || scale == 0.0f) {
    __builtin_memset(q, 0, n);
    return poison;
  }
  for_lanes(n, [&](size_t i, size_t lanes) {
    // A subnormal scale is coarse: x / scale can then pass 127.
    const Vf v = min(set1(127.0f), max(set1(-127.0f), load_n(x + i, lanes) / set1(scale)));
    int8_t t[kLanes];
    store_i8(t, round_to_int(v));
    __builtin_memcpy(q + i, t, lanes);
  });
  return scale;
}

void scale_store(float* y, const int32_t* acc, size_t n, float scale) {
  for_lanes(n, [&](size_t i, size_t lanes) { store_n(y + i, lanes, load_n(acc + i, lanes) * set1(scale)); });
}

void scale_add(float* y, const int32_t* acc, size_t n, float scale) {
  for_lanes(n, [&](size_t i, size_t lanes) {
    store_n(y + i, lanes, load_n(y + i, lanes) + load_n(acc + i, lanes) * set1(scale));
  });
}

void add(float* y, const float* x, size_t n) {
  for_lanes(n, [&](size_t i, size_t lanes) { store_n(y + i, lanes, load_n(y + i, lanes) + load_n(x + i, lanes)); });
}

inline Vf relu2(Vf g) {
  const Vf r = max(set1(0.0f), g);  // this order keeps NaN
  return r * r;
}
inline Vf silu(Vf g) { return g / (set1(1.0f) + exp(set1(0.0f) - g)); }

template <class Activation>
inline void gate_int(float* h, const int32_t* gate, const int32_t* up, size_t n, float gate_scale, float up_scale,
                     Activation activation) {
  for_lanes(n, [&](size_t i, size_t lanes) {
    const Vf g = load_n(gate + i, lanes) * set1(gate_scale), u = load_n(up + i, lanes) * set1(up_scale);
    store_n(h + i, lanes, activation(g) * u);
  });
}
template <class Activation>
inline void gate_float(float* h, const float* gate, const float* up, size_t n, Activation activation) {
  for_lanes(n, [&](size_t i, size_t lanes) {
    store_n(h + i, lanes, activation(load_n(gate + i, lanes)) * load_n(up + i, lanes));
  });
}
void relu2_gate(float* h, const int32_t* gate, const int32_t* up, size_t n, float gate_scale, float up_scale) {
  gate_int(h, gate, up, n, gate_scale, up_scale, [](Vf g) { return relu2(g); });
}
void silu_gate(float* h, const int32_t* gate, const int32_t* up, size_t n, float gate_scale, float up_scale) {
  gate_int(h, gate, up, n, gate_scale, up_scale, [](Vf g) { return silu(g); });
}
void relu2_gate_f(float* h, const float* gate, const float* up, size_t n) {
  gate_float(h, gate, up, n, [](Vf g) { return relu2(g); });
}
void silu_gate_f(float* h, const float* gate, const float* up, size_t n) {
  gate_float(h, gate, up, n, [](Vf g) { return silu(g); });
}

void rope(float* v, const float* cos, const float* sin, size_t half, bool neox) {
  if (neox) {
    for_lanes(half, [&](size_t i, size_t lanes) {
      const Vf a = load_n(v + i, lanes), b = load_n(v + half + i, lanes);
      const Vf c = load_n(cos + i, lanes), s = load_n(sin + i, lanes);
      store_n(v + i, lanes, fnma(b, s, a * c));
      store_n(v + half + i, lanes, fma(a, s, b * c));
    });
    return;
  }
  for (size_t i = 0; i < half; ++i) {
    const float a = v[2 * i], b = v[2 * i + 1];
    v[2 * i] = fma_exact(-b, sin[i], a * cos[i]);
    v[2 * i + 1] = fma_exact(a, sin[i], b * cos[i]);
  }
}

void f32_to_f16(uint16_t* y, const float* x, size_t n) {
  for_lanes(n, [&](size_t i, size_t lanes) {
    if (lanes == kLanes) return store_f16(y + i, load(x + i));
    uint16_t t[kLanes];
    store_f16(t, load_n(x + i, lanes));
    __builtin_memcpy(y + i, t, lanes * sizeof(uint16_t));
  });
}

void f16_to_f32(float* y, const uint16_t* x, size_t n) {
  for_lanes(n, [&](size_t i, size_t lanes) {
    if (lanes == kLanes) return store(y + i, load_f16(x + i));
    uint16_t t[kLanes] = {};
    __builtin_memcpy(t, x + i, lanes * sizeof(uint16_t));
    store_n(y + i, lanes, load_f16(t));
  });
}

size_t argmax(const float* x, size_t n) {
  const float low = -__builtin_inff();
  Vf top = set1(low);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) top = max(load(x + i), top);
  float best = max_lanes(top);
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  for (i = 0; i < n; ++i) {
    if (x[i] == best) return i;
  }
  return 0;  // only NaN, or nothing
}

constexpr FloatOps make_float_ops(Isa isa) {
  return {isa,         rms_norm,    quantize,  scale_store,  scale_add,   relu2_gate, silu_gate,  relu2_gate_f,
          silu_gate_f, add,         rope,      dot,          dots,        f32_to_f16, f16_to_f32, quantize_q8,
          argmax};
}

}  // namespace
}  // namespace onebit::cpu
