// The operations of the network, forward and backward, one thread each. All matrices are row-major;
// n counts tokens. Backward functions ADD to gradients of weights and, where said, to dx.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onebit::train {

// The linears on a BitLinear grid, or as they are (for gradient checks).
enum class Quantise : bool { off, on };

// C[m,n] = alpha * op(A)[m,k] * op(B)[k,n] + beta * C; ld* are row strides; 't' transposes.
void gemm(char op_a, char op_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc);

// The same with A and B rounded to bf16 first and sums in f32; only where bf16_available().
bool bf16_available();
void gemm_bf16(char op_a, char op_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
               float beta, float* c, int ldc);
// Makes gemm() the bf16 product, for training. Set once, before threads run; off at first.
void use_bf16(bool on);

// RMSNorm of x[n,d] with weight[d], written as the input of a BitLinear: q[n,d] holds integers in
// -128..127 as floats, value = q / s[row], s = 127 / max(absmax, 1e-5), rounded half to even.
// Off: q is the plain norm and s is 1. rstd[n] is kept for the backward pass.
void norm_forward(const float* x, const float* weight, int n, int d, float eps, Quantise quantise, float* q, float* s,
                  float* rstd);
// The straight-through estimator: dq, the gradient of the value q / s, is taken as that of the norm.
// dx[n,d] += ...; dweight[d] += ...
void norm_backward(const float* x, const float* weight, const float* rstd, const float* dq, int n, int d, float* dx,
                   float* dweight);

// codes in {-1, 0, 1} as floats, and the scale they are multiplied with: mean|w|, rounded to a value
// that f16 has, so that every file format keeps it exactly. Off: copies w, scale 1.
float ternarise(const float* w, size_t count, Quantise quantise, float* codes);

// y[n,out] = (q / s) * (codes * scale)^T. The product of integers is exact in f32 (below 2^24).
void linear_forward(const float* q, const float* s, const float* codes, float scale, int n, int in, int out, float* y);
// dx[n,in] = dy * W, or += with accumulate; dw[out,in] += dy^T * x. The straight-through estimator: dw
// is taken as the gradient of the unrounded weights. scratch[n,out].
void linear_backward(const float* dy, const float* q, const float* s, const float* codes, float scale, int n, int in,
                     int out, bool accumulate, float* dx, float* dw, float* scratch);

// Rotary embedding of x[n, heads * head_dim], pairs (i, i + head_dim / 2); row r has position r % seq.
// table[seq, head_dim]: cosines, then sines. sign -1 turns back: the backward pass.
void rope_table(int seq, int head_dim, float base, float* table);
void rope(float* x, int n, int seq, int heads, int head_dim, const float* table, float sign);

struct AttentionShape {
  int batch, seq, heads, kv_heads, head_dim;
  int dim() const { return heads * head_dim; }
  int kv_dim() const { return kv_heads * head_dim; }
};
// Causal attention; scores are scaled by 1/sqrt(head_dim); head h reads key/value head h * kv_heads / heads.
// q, out [batch*seq, dim]; k, v [batch*seq, kv_dim]; p [batch, heads, seq, seq] keeps the probabilities.
void attention_forward(const AttentionShape& a, const float* q, const float* k, const float* v, float* p, float* out);
// dq, dk, dv are overwritten. scratch[64 * seq].
void attention_backward(const AttentionShape& a, const float* q, const float* k, const float* v, const float* p,
                        const float* dout, float* dq, float* dk, float* dv, float* scratch);

// h = relu(gate)^2 * up, all [count].
void gate_forward(const float* gate, const float* up, size_t count, float* h);
void gate_backward(const float* gate, const float* up, const float* dh, size_t count, float* dgate, float* dup);

// Sum of -log softmax(logits)[target] over the n rows whose target is not negative. With `weight` not 0,
// logits[n,vocab] becomes the gradient of weight * that sum.
double cross_entropy(float* logits, const int32_t* targets, int n, int vocab, float weight);

}  // namespace onebit::train
