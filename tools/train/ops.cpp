#include "ops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include <cblas.h>

namespace onebit::train {
namespace {

// Rows of queries handled together: bounds the work above the diagonal that is computed for nothing.
constexpr int kQueryBlock = 64;

bool bf16_products = false;

// e^x for x <= 0, within 2 units in the last place; std::exp would keep these loops from vectorising.
inline float exp_negative(float x) {
  x = std::max(x, -87.0f);
  const float n = std::rint(x * 1.44269504f);
  const float r = x - n * 0.693359375f - n * -2.12194440e-4f;  // ln 2 in two parts (Cody and Waite)
  float p = 1.9875691500e-4f;                                  // minimax polynomial of Cephes' expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// x[count] becomes e^(x - max x); the sum is returned, the maximum left in *max.
float exp_row(float* x, int count, float* max_out) {
  float max = -INFINITY;
#pragma omp simd reduction(max : max)
  for (int i = 0; i < count; ++i) max = x[i] > max ? x[i] : max;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < count; ++i) {
    x[i] = exp_negative(x[i] - max);
    sum += x[i];
  }
  *max_out = max;
  return sum;
}

void scale_row(float* x, int count, float factor) {
  for (int i = 0; i < count; ++i) x[i] *= factor;
}

}  // namespace

void gemm(char op_a, char op_b, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  if (bf16_products) return gemm_bf16(op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  // Work is split over sequences; each thread multiplies its own matrices.
  [[maybe_unused]] static const bool one_thread = (openblas_set_num_threads(1), true);
  cblas_sgemm(CblasRowMajor, op_a == 't' ? CblasTrans : CblasNoTrans, op_b == 't' ? CblasTrans : CblasNoTrans, m, n, k,
              alpha, a, lda, b, ldb, beta, c, ldc);
}

void use_bf16(bool on) { bf16_products = on; }

void norm_forward(const float* x, const float* weight, int n, int d, float eps, Quantise quantise, float* q, float* s,
                  float* rstd) {
  for (int t = 0; t < n; ++t, x += d, q += d) {
    float squares = 0;
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < d; ++i) squares += x[i] * x[i];
    const float r = 1.0f / std::sqrt(squares / static_cast<float>(d) + eps);
    float absmax = 1e-5f;
#pragma omp simd reduction(max : absmax)
    for (int i = 0; i < d; ++i) {
      q[i] = x[i] * r * weight[i];
      const float magnitude = std::fabs(q[i]);
      absmax = magnitude > absmax ? magnitude : absmax;
    }
    rstd[t] = r;
    s[t] = 1;
    if (quantise == Quantise::off) continue;
    s[t] = 127.0f / absmax;
    for (int i = 0; i < d; ++i) q[i] = std::min(std::max(std::rint(q[i] * s[t]), -128.0f), 127.0f);
  }
}

// y_i = w_i x_i r, r = (mean x^2 + eps)^(-1/2), so dr/dx_i = -r^3 x_i / d:
// dx_i = r w_i dy_i - x_i r^3 / d * sum_j w_j dy_j x_j.
void norm_backward(const float* x, const float* weight, const float* rstd, const float* dq, int n, int d, float* dx,
                   float* dweight) {
  for (int t = 0; t < n; ++t, x += d, dq += d, dx += d) {
    const float r = rstd[t];
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int i = 0; i < d; ++i) dot += weight[i] * dq[i] * x[i];
    const float c = dot * r * r * r / static_cast<float>(d);
    for (int i = 0; i < d; ++i) {
      dx[i] += r * weight[i] * dq[i] - c * x[i];
      dweight[i] += dq[i] * x[i] * r;
    }
  }
}

float ternarise(const float* w, size_t count, Quantise quantise, float* codes) {
  if (quantise == Quantise::off) {
    std::copy(w, w + count, codes);
    return 1;
  }
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += std::fabs(w[i]);
  const float scale = static_cast<_Float16>(static_cast<float>(std::max(sum / static_cast<double>(count), 1e-5)));
  const float inverse = 1.0f / scale;
  for (size_t i = 0; i < count; ++i) codes[i] = std::min(std::max(std::rint(w[i] * inverse), -1.0f), 1.0f);
  return scale;
}

void linear_forward(const float* q, const float* s, const float* codes, float scale, int n, int in, int out, float* y) {
  gemm('n', 't', n, out, in, 1, q, in, codes, in, 0, y, out);
  for (int t = 0; t < n; ++t, y += out)
    for (int o = 0; o < out; ++o) y[o] = y[o] / s[t] * scale;
}

void linear_backward(const float* dy, const float* q, const float* s, const float* codes, float scale, int n, int in,
                     int out, bool accumulate, float* dx, float* dw, float* scratch) {
  gemm('n', 'n', n, in, out, scale, dy, out, codes, in, accumulate ? 1.0f : 0.0f, dx, in);
  // x = q / s: the division is moved to dy, so that q goes into the product as integers.
  for (int t = 0; t < n; ++t) {
    const float inverse = 1.0f / s[t];
    const size_t row = static_cast<size_t>(t) * out;
    for (int o = 0; o < out; ++o) scratch[row + o] = dy[row + o] * inverse;
  }
  gemm('t', 'n', out, in, n, 1, scratch, out, q, in, 1, dw, in);
}

void rope_table(int seq, int head_dim, float base, float* table) {
  const int half = head_dim / 2;
  for (int t = 0; t < seq; ++t)
    for (int i = 0; i < half; ++i) {
      const double angle = t * std::pow(static_cast<double>(base), -2.0 * i / head_dim);
      table[t * head_dim + i] = static_cast<float>(std::cos(angle));
      table[t * head_dim + half + i] = static_cast<float>(std::sin(angle));
    }
}

void rope(float* x, int n, int seq, int heads, int head_dim, const float* table, float sign) {
  const int half = head_dim / 2;
  for (int t = 0; t < n; ++t) {
    const float* cosines = table + static_cast<size_t>(t % seq) * head_dim;
    const float* sines = cosines + half;
    for (int h = 0; h < heads; ++h, x += head_dim)
      for (int i = 0; i < half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a * cosines[i] - b * sines[i] * sign;
        x[i + half] = b * cosines[i] + a * sines[i] * sign;
      }
  }
}

void attention_forward(const AttentionShape& a, const float* q, const float* k, const float* v, float* p, float* out) {
  const int dim = a.dim(), kv_dim = a.kv_dim(), d = a.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  for (int b = 0; b < a.batch; ++b)
    for (int h = 0; h < a.heads; ++h, p += static_cast<size_t>(a.seq) * a.seq) {
      const size_t q_at = static_cast<size_t>(b) * a.seq * dim + h * d;
      const size_t kv_at = static_cast<size_t>(b) * a.seq * kv_dim + h * a.kv_heads / a.heads * d;
      for (int first = 0; first < a.seq; first += kQueryBlock) {
        const int rows = std::min(kQueryBlock, a.seq - first);
        const int keys = first + rows;  // no query of this block sees a later key
        float* block = p + static_cast<size_t>(first) * a.seq;
        gemm('n', 't', rows, keys, d, scale, q + q_at + static_cast<size_t>(first) * dim, dim, k + kv_at, kv_dim, 0,
             block, a.seq);
        for (int r = 0; r < rows; ++r) {
          float* row = block + static_cast<size_t>(r) * a.seq;
          const int visible = first + r + 1;
          float max;
          const float sum = exp_row(row, visible, &max);
          scale_row(row, visible, 1.0f / sum);
          std::fill(row + visible, row + keys, 0.0f);
        }
        gemm('n', 'n', rows, d, keys, 1, block, a.seq, v + kv_at, kv_dim, 0,
             out + q_at + static_cast<size_t>(first) * dim, dim);
      }
    }
}

void attention_backward(const AttentionShape& a, const float* q, const float* k, const float* v, const float* p,
                        const float* dout, float* dq, float* dk, float* dv, float* scratch) {
  const int dim = a.dim(), kv_dim = a.kv_dim(), d = a.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  const size_t kv_size = static_cast<size_t>(a.batch) * a.seq * kv_dim;
  std::fill(dk, dk + kv_size, 0.0f);
  std::fill(dv, dv + kv_size, 0.0f);
  for (int b = 0; b < a.batch; ++b)
    for (int h = 0; h < a.heads; ++h, p += static_cast<size_t>(a.seq) * a.seq) {
      const size_t q_at = static_cast<size_t>(b) * a.seq * dim + h * d;
      const size_t kv_at = static_cast<size_t>(b) * a.seq * kv_dim + h * a.kv_heads / a.heads * d;
      for (int first = 0; first < a.seq; first += kQueryBlock) {
        const int rows = std::min(kQueryBlock, a.seq - first);
        const int keys = first + rows;
        const size_t at = q_at + static_cast<size_t>(first) * dim;
        const float* block = p + static_cast<size_t>(first) * a.seq;
        // out = P V: dP = dout V^T, dV += P^T dout. Rows of P are softmax(scores):
        // dscore = P * (dP - sum(P * dP)).
        gemm('t', 'n', keys, d, rows, 1, block, a.seq, dout + at, dim, 1, dv + kv_at, kv_dim);
        gemm('n', 't', rows, keys, d, 1, dout + at, dim, v + kv_at, kv_dim, 0, scratch, a.seq);
        for (int r = 0; r < rows; ++r) {
          const float* prob = block + static_cast<size_t>(r) * a.seq;
          float* ds = scratch + static_cast<size_t>(r) * a.seq;
          float dot = 0;
#pragma omp simd reduction(+ : dot)
          for (int i = 0; i < keys; ++i) dot += prob[i] * ds[i];
          for (int i = 0; i < keys; ++i) ds[i] = prob[i] * (ds[i] - dot);
        }
        gemm('n', 'n', rows, d, keys, scale, scratch, a.seq, k + kv_at, kv_dim, 0, dq + at, dim);
        gemm('t', 'n', keys, d, rows, scale, scratch, a.seq, q + at, dim, 1, dk + kv_at, kv_dim);
      }
    }
}

void gate_forward(const float* gate, const float* up, size_t count, float* h) {
  for (size_t i = 0; i < count; ++i) {
    const float r = std::max(gate[i], 0.0f);
    h[i] = r * r * up[i];
  }
}

void gate_backward(const float* gate, const float* up, const float* dh, size_t count, float* dgate, float* dup) {
  for (size_t i = 0; i < count; ++i) {
    const float r = std::max(gate[i], 0.0f);
    dgate[i] = dh[i] * 2.0f * r * up[i];
    dup[i] = dh[i] * r * r;
  }
}

double cross_entropy(float* logits, const int32_t* targets, int n, int vocab, float weight) {
  double loss = 0;
  for (int t = 0; t < n; ++t, logits += vocab) {
    if (targets[t] < 0) {
      if (weight != 0) std::fill(logits, logits + vocab, 0.0f);
      continue;
    }
    const float target_logit = logits[targets[t]];
    float max;
    const float sum = exp_row(logits, vocab, &max);
    loss += std::log(static_cast<double>(sum)) + max - target_logit;
    if (weight == 0) continue;
    scale_row(logits, vocab, weight / sum);
    logits[targets[t]] -= weight;
  }
  return loss;
}

}  // namespace onebit::train
