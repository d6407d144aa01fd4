// All float arithmetic of the model, in fp32 and in one place. One source is compiled for every ISA:
// vectors of 16 lanes with explicit fused multiply-add and a fixed order of sums, so that every ISA
// returns the same bits and greedy text never depends on the machine's instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"
#include "cpu/ternary.h"

namespace onebit::cpu {

struct FloatOps {
  Isa isa;

  // y[i] = x[i] * w[i] / sqrt(mean(x^2) + eps); all NaN when the sum of squares is not finite
  void (*rms_norm)(float* y, const float* x, const float* w, size_t n, float eps);
  // BitNet activation quantisation: s = 127 / max(absmax, 1e-5), q = clamp(round_half_even(x * s)).
  // Writes q[0, n), zeros up to padded; returns 1/s in *inv_scale and the sum of q in *sum.
  // With a NaN or an infinity in x all of q is 0 and *inv_scale NaN, so that the outputs are NaN too.
  void (*quantize)(int8_t* q, size_t padded, const float* x, size_t n, float* inv_scale, int32_t* sum);
  // y[i] = acc[i] * scale
  void (*scale_store)(float* y, const int32_t* acc, size_t n, float scale);
  // y[i] += acc[i] * scale (the product rounded first, then the sum: same bits as store, then add)
  void (*scale_add)(float* y, const int32_t* acc, size_t n, float scale);
  // h[i] = relu(g)^2 * u and h[i] = silu(g) * u, with g = gate[i] * gate_scale, u = up[i] * up_scale
  void (*relu2_gate)(float* h, const int32_t* gate, const int32_t* up, size_t n, float gate_scale, float up_scale);
  void (*silu_gate)(float* h, const int32_t* gate, const int32_t* up, size_t n, float gate_scale, float up_scale);
  // The same on floats, for layers whose weights are not ternary. h may be gate.
  void (*relu2_gate_f)(float* h, const float* gate, const float* up, size_t n);
  void (*silu_gate_f)(float* h, const float* gate, const float* up, size_t n);
  void (*add)(float* y, const float* x, size_t n);  // y += x
  // Rotates pairs of v[0, 2*half): (i, i + half) when neox, else (2i, 2i + 1), by cos[i], sin[i].
  void (*rope)(float* v, const float* cos, const float* sin, size_t half, bool neox);
  float (*dot)(const float* a, const float* b, size_t n);
  // out[t * ldo + r] = dot(rows + r * ldr, x + t * ldx, n), the same bits, for all r < count, t < tokens.
  void (*dots)(float* out, size_t ldo, const float* rows, size_t ldr, size_t count, const float* x, size_t ldx,
               size_t tokens, size_t n);
  void (*f32_to_f16)(uint16_t* y, const float* x, size_t n);
  void (*f16_to_f32)(float* y, const uint16_t* x, size_t n);
  // q8 rows of the KV cache: scale = absmax / 127, q = round_half_even(x / scale).
  // With a NaN or an infinity in x all of q is 0 and the scale NaN.
  float (*quantize_q8)(int8_t* q, const float* x, size_t n);
  // Index of the largest value; the lowest index among equals; NaN never wins.
  size_t (*argmax)(const float* x, size_t n);
};
const FloatOps& float_ops(Isa isa);

}  // namespace onebit::cpu
