// The output head: logits = E h with E [vocab][dim], the largest single read of a decoded token.
//
// "Full precision" logits are fp32 dot products (FloatOps::dot) of h with rows of E decoded from the
// file. argmax() and top() return exactly what a full-precision pass over all rows would: a first pass
// over a compressed copy of E gives each row an approximate logit and a proven bound on its error;
// rows whose upper bound reaches the threshold are computed in full precision.
//
// The bound. Let w be a row, w^ its copy, x = h, x^ what the first pass multiplies by (15 bits), |.| the
// Euclidean norm, u = 2^-24 and gamma(k) = k u / (1 - k u). Then, by the triangle and Cauchy-Schwarz
// inequalities and the standard bound for a dot product in floating point,
//   |fl(w.x) - w.x|     <= gamma(m) |w||x|                m = ceil(dim / 64) + 6, the order of FloatOps::dot
//   |w.x - w^.x|        <= |w - w^||x|
//   |w^.x - w^.x^|      <= |w^||x - x^|
//   |w^.x^ - approx|    <= gamma(blocks + 5) |w^||x^|     integers are exact; fp32 across blocks
// and with |w^| <= |w| + |w - w^|, |x^| <= |x| + |x - x^| the sum is at most |w - w^| a + |w| c with
//   a = (|x| + |x - x^|)(1 + g),   c = |x - x^| + g (|x| + |x - x^|),   g = gamma(m + blocks + 16).
// Underflow adds at most dim * 2^-149 to a logit; |w - w^| carries an additive 2e-20 for it, and a >= 1e-15.
// |w - w^| and |w| are computed at load and rounded up; a and c per token in double, rounded up. The
// threshold T is the full-precision logit of a row (for top: the k-th largest of k rows), so a row whose
// logit reaches T has approx + |w - w^| a + |w| c >= T and is among those computed in full precision.
// Comparisons are written so that NaN means "compute it": rows with a value that is not finite or above
// 1e30 have an infinite bound and are always computed; an h outside the range of the proof takes the
// full pass.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "cpu/head_kernels.h"
#include "cpu/linear.h"
#include "format/codec.h"
#include "format/gguf.h"

namespace onebit::cpu {

struct TokenLogit {
  int32_t token;
  float logit;
};

class OutputHead {
 public:
  // tensor: [vocab][dim] of any type this program decodes. `file` and the tensor outlive the head, which
  // reads rows from the file again; a null file means that the tensor lies in plain memory. The head
  // serves pools of up to compute.pool->size() threads.
  // Errors: no memory, a shape out of range.
  static Result<OutputHead> create(const Gguf* file, const GgufTensor& tensor, Compute& compute);
  static Result<OutputHead> create(const Gguf& file, const GgufTensor& tensor, Compute& compute) {
    return create(&file, tensor, compute);
  }

  // The matrix itself, as it is in the file.
  const GgufTensor& tensor() const { return *tensor_; }
  uint32_t vocab() const { return vocab_; }
  uint32_t dim() const { return dim_; }
  // Bytes of the compressed copy that the first pass reads per token; 0 when E is so small that there
  // is no copy and every pass is in full precision.
  size_t first_pass_bytes() const;

  // The token with the largest full-precision logit; lowest id among equals. NaN never wins: a NaN in
  // the result says that every logit is NaN.
  TokenLogit argmax(Compute& compute, const float* h);
  // The k largest full-precision logits, best first, ties by lower id. NaN logits are left out.
  void top(Compute& compute, const float* h, uint32_t k, std::vector<TokenLogit>& out);
  // All logits in full precision: out[tokens][vocab].
  void logits(Compute& compute, const float* h, uint32_t tokens, float* out);
  // Approximate logits of every row from the first pass, out[vocab]: for sampling far from the top.
  // Full precision where there is no copy or h is outside the range of the proof.
  void approximate(Compute& compute, const float* h, float* out);
  // Rows that the last argmax() or top() computed in full precision.
  uint32_t last_rescored() const { return last_rescored_; }

 private:
  struct Bound {
    float a, c;
  };

  void compress(Compute& compute);
  float* load_rows(const FloatOps& ops, uint32_t first, uint32_t count, unsigned worker);
  bool prepare(const float* h, HeadInput& input, Bound& bound);
  bool first_pass(Compute& compute, const float* h, Bound& bound);
  void rescore(Compute& compute, const float* h, size_t count);
  void best_approximate(uint32_t k);
  float kth_best(Compute& compute, const float* h, uint32_t k);
  size_t race(Compute& compute, const float* h, uint32_t k);

  uint32_t vocab_ = 0, dim_ = 0;
  uint32_t last_rescored_ = 0;
  float max_norm_ = 0;  // over rows with a finite one
  const Gguf* file_ = nullptr;
  const GgufTensor* tensor_ = nullptr;
  bool whole_rows_ = false;  // the bytes of a row are enough to decode it
  HeadCopy copy_;
  Buffer codes_, row_info_;
  Buffer approx_;      // [vocab rounded up to 16]
  Buffer rescored_;    // [vocab]: logits of the rows in list_
  Buffer list_;        // [vocab]: row ids
  Buffer input_;       // hi, lo, offset of HeadInput
  Buffer scratch_;     // per thread
  size_t scratch_floats_ = 0, row_stride_ = 0, temp_offset_ = 0;
};

}  // namespace onebit::cpu
