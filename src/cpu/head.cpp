#include "cpu/head.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "base/checked.h"

namespace onebit::cpu {
namespace {

// Below this many elements a full pass costs less than a second look.
constexpr uint64_t kSmallHead = 4u << 20;
// Tokens that logits() multiplies with one group of rows before the next rows.
constexpr uint32_t kTokenBlock = 48;
// Groups of 16 rows that one unit of work compresses or multiplies.
constexpr uint32_t kUnitGroups = 32;
// h has entries in this range (or 0), so that no product of the first pass leaves the normal range; with
// |w||x| below kLargestLogit no partial sum of a full-precision logit can overflow.
constexpr double kSmallestInput = 1e-15, kLargestInput = 1e30, kLargestLogit = 1e37;
constexpr int kInputSteps = 127 * 128 + 63;

float above(double x) {
  return std::nextafter(static_cast<float>(x * (1 + 1e-6)), std::numeric_limits<float>::infinity());
}

}  // namespace

const HeadKernels& head_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::avx2: return head_avx2;
    case Isa::avxvnni: return head_avxvnni;
    case Isa::avx512vnni: return head_avx512;
#elif defined(__aarch64__)
    case Isa::neon: return head_neon;
#endif
    default: return head_scalar;
  }
}

Result<OutputHead> OutputHead::create(const Gguf* file, const GgufTensor& tensor, Compute& compute) {
  const uint64_t rows = tensor.rows(), cols = tensor.cols();
  if (rows == 0 || rows > INT32_MAX || cols == 0 || cols > kMaxColumns) {
    return fail(Errc::out_of_range, "tensor {}: {} x {}, expected 1 to {} rows of 1 to {} columns", tensor.name, rows,
                cols, INT32_MAX, kMaxColumns);
  }
  OutputHead head;
  head.vocab_ = static_cast<uint32_t>(rows);
  head.dim_ = static_cast<uint32_t>(cols);
  head.file_ = file;
  head.tensor_ = &tensor;
  // Every type but I2_S, whose scale belongs to the whole tensor, decodes a row from the row's bytes.
  head.whole_rows_ = tensor.type != TensorType::i2_s && tensor.size % rows == 0;
  head.row_stride_ = round_up<size_t>(cols, 16);

  HeadCopy& copy = head.copy_;
  copy.cols = head.dim_;
  copy.groups = ceil_div(head.vocab_, kHeadGroup);
  copy.blocks = ceil_div(head.dim_, kHeadBlock);
  copy.group_bytes = round_up<size_t>(size_t{copy.blocks} * (kHeadBlockBytes + kHeadGroup), 64);
  const size_t padded_rows = size_t{copy.groups} * kHeadGroup, padded_cols = size_t{copy.blocks} * kHeadBlock;

  // Per thread: a group of rows in fp32, their bytes, and their codes while they are compressed.
  const size_t raw_bytes = head.whole_rows_ ? kHeadGroup * (tensor.size / rows) : 0;
  head.temp_offset_ = kHeadGroup * head.row_stride_ * sizeof(float) + round_up<size_t>(raw_bytes, 64);
  head.scratch_floats_ = round_up<size_t>(head.temp_offset_ + kHeadGroup * padded_cols, 64) / sizeof(float);
  const size_t workers = compute.pool->size();
  ONEBIT_ASSIGN(head.scratch_, Buffer::allocate(workers * head.scratch_floats_ * sizeof(float), "output head scratch"));
  ONEBIT_ASSIGN(head.rescored_, Buffer::allocate(padded_rows * sizeof(float), "logits"));
  ONEBIT_ASSIGN(head.list_, Buffer::allocate(padded_rows * sizeof(uint32_t), "output head candidates"));
  if (rows * cols < kSmallHead) {
    ONEBIT_TRY(head.reserve(1));
    return head;
  }

  ONEBIT_ASSIGN(head.codes_, Buffer::allocate(copy.groups * copy.group_bytes, "compressed output head"));
  ONEBIT_ASSIGN(head.row_info_, Buffer::allocate(3 * padded_rows * sizeof(float), "output head norms"));
  copy.codes = head.codes_.data();
  copy.scale = head.row_info_.as<float>();
  copy.error = copy.scale + padded_rows;
  copy.norm = copy.error + padded_rows;
  ONEBIT_TRY(head.reserve(1));
  head.compress(compute);
  return head;
}

Status OutputHead::reserve(uint32_t tokens) {
  if (tokens <= passes_.size()) return {};
  std::vector<Pass> passes(tokens);
  if (!copy_.codes) {
    passes_ = std::move(passes);
    return {};
  }
  const size_t padded_rows = size_t{copy_.groups} * kHeadGroup;
  ONEBIT_ASSIGN(Buffer approx, Buffer::allocate(tokens * padded_rows * sizeof(float), "approximate logits"));
  ONEBIT_ASSIGN(Buffer input, Buffer::allocate(tokens * input_bytes(), "output head input"));
  for (uint32_t t = 0; t < tokens; ++t) passes[t].approx = approx.as<float>() + t * padded_rows;
  approx_ = std::move(approx);
  input_ = std::move(input);
  passes_ = std::move(passes);
  return {};
}

size_t OutputHead::input_bytes() const { return copy_.blocks * (size_t{2} * kHeadBlock + sizeof(int32_t)); }

size_t OutputHead::first_pass_bytes() const { return copy_.codes ? codes_.size() : 0; }

// Rows [first, first + count) in fp32, `row_stride_` apart, in the scratch of `worker`. Rows of a mapped
// file are read, not touched: the page faults of scattered rows cost more than the copy, and their pages
// would pile up in resident memory.
float* OutputHead::load_rows(const FloatOps& ops, uint32_t first, uint32_t count, unsigned worker) {
  float* const out = scratch_.as<float>() + worker * scratch_floats_;
  if (!whole_rows_) {
    for (uint32_t r = 0; r < count; ++r) {
      decode(*tensor_, I2sLayout::block128, uint64_t{first + r} * dim_, dim_, out + r * row_stride_);
    }
    return out;
  }
  const uint64_t row_bytes = tensor_->size / vocab_;
  uint8_t* const raw = reinterpret_cast<uint8_t*>(out + kHeadGroup * row_stride_);
  if (file_) {
    file_->read(*tensor_, first * row_bytes, count * row_bytes, raw);
  } else {
    std::memcpy(raw, tensor_->data + first * row_bytes, count * row_bytes);
  }
  if (tensor_->type == TensorType::f16) {
    for (uint32_t r = 0; r < count; ++r) {
      ops.f16_to_f32(out + r * row_stride_, reinterpret_cast<const uint16_t*>(raw + r * row_bytes), dim_);
    }
    return out;
  }
  GgufTensor rows{"", tensor_->type, 2, {dim_, count, 1, 1}, count * row_bytes, 0, 0, raw};
  for (uint32_t r = 0; r < count; ++r) {
    decode(rows, I2sLayout::block128, uint64_t{r} * dim_, dim_, out + r * row_stride_);
  }
  return out;
}

void OutputHead::compress(Compute& compute) {
  const HeadKernels& kernels = head_kernels(compute.ops->isa);
  compute.pool->parallel_for(ceil_div(copy_.groups, kUnitGroups), [&](size_t unit, unsigned worker) {
    uint8_t* const temp = scratch_.data() + worker * scratch_floats_ * sizeof(float) + temp_offset_;
    const uint32_t g0 = static_cast<uint32_t>(unit) * kUnitGroups, g1 = std::min(copy_.groups, g0 + kUnitGroups);
    for (uint32_t g = g0; g < g1; ++g) {
      const uint32_t first = g * kHeadGroup, count = std::min(kHeadGroup, vocab_ - first);
      const float* const rows = load_rows(*compute.ops, first, count, worker);
      kernels.compress(copy_, g, rows, row_stride_, count, temp);
    }
  });
  max_norm_ = 0;
  for (uint32_t i = 0; i < vocab_; ++i) {
    if (std::isfinite(copy_.norm[i])) max_norm_ = std::max(max_norm_, copy_.norm[i]);
  }
}

// Splits h into two planes of int8 at `memory` (input_bytes()) and states the bound. False when h is outside the range of
// the proof.
bool OutputHead::prepare(const float* h, int8_t* memory, HeadInput& input, Bound& bound) const {
  double top = 0, squares = 0;
  for (uint32_t i = 0; i < dim_; ++i) {
    if (!std::isfinite(h[i])) return false;
    top = std::max(top, std::abs(double{h[i]}));
    squares += double{h[i]} * h[i];
  }
  if (!(top >= kSmallestInput && top <= kLargestInput)) return false;

  auto* const hi = memory;
  auto* const lo = hi + size_t{copy_.blocks} * kHeadBlock;
  auto* const offset = reinterpret_cast<int32_t*>(lo + size_t{copy_.blocks} * kHeadBlock);
  const float unit = static_cast<float>(top / kInputSteps);
  double error_squares = 0;
  for (uint32_t b = 0; b < copy_.blocks; ++b) {
    int32_t sum = 0;
    for (uint32_t i = b * kHeadBlock; i < std::min(dim_, (b + 1) * kHeadBlock); ++i) {
      const int q = std::clamp(static_cast<int>(std::nearbyint(h[i] / double{unit})), -kInputSteps, kInputSteps);
      const int upper = (q + 64) >> 7;  // in [-127, 127], what is left in [-64, 63]
      hi[i] = static_cast<int8_t>(upper);
      lo[i] = static_cast<int8_t>(q - 128 * upper);
      sum += q;
      const double e = h[i] - double{unit} * q;
      error_squares += e * e;
    }
    offset[b] = kHeadZero * sum;
  }
  input = {hi, lo, offset, unit};

  const double norm = std::sqrt(squares), error = std::sqrt(error_squares);
  if (norm * max_norm_ >= kLargestLogit) return false;
  const double g = 0x1p-24 * 1.01 * (ceil_div(dim_, 64u) + copy_.blocks + 32.0);
  bound = {above((norm + error) * (1 + g)), above(error + g * (norm + error))};
  return true;
}

// Passes of tokens [0, tokens) in passes_, one read of the copy for all of them.
void OutputHead::first_pass(Compute& compute, const float* h, uint32_t tokens) {
  std::vector<HeadInput> inputs;
  std::vector<float*> out;
  if (!copy_.codes) return;
  for (uint32_t t = 0; t < tokens; ++t) {
    HeadInput input;
    Pass& pass = passes_[t];
    pass.bounded = prepare(h + size_t{t} * dim_, input_.as<int8_t>() + t * input_bytes(), input, pass.bound);
    if (!pass.bounded) continue;
    inputs.push_back(input);
    out.push_back(pass.approx);
  }
  if (inputs.empty()) return;
  const HeadKernels& kernels = head_kernels(compute.ops->isa);
  compute.pool->parallel_for(ceil_div(copy_.groups, kUnitGroups), [&](size_t unit, unsigned) {
    const uint32_t g0 = static_cast<uint32_t>(unit) * kUnitGroups, g1 = std::min(copy_.groups, g0 + kUnitGroups);
    kernels.multiply(copy_, g0, g1, inputs.data(), static_cast<uint32_t>(inputs.size()), out.data());
  });
}

// rescored_[i] = the full-precision logit of row list_[i].
void OutputHead::rescore(Compute& compute, const float* h, size_t count) {
  const uint32_t* const list = list_.as<uint32_t>();
  float* const out = rescored_.as<float>();
  const size_t chunk = std::clamp<size_t>(count / (4 * compute.pool->size()), 1, 64);
  compute.pool->parallel_for(ceil_div(count, chunk), [&](size_t unit, unsigned worker) {
    for (size_t i = unit * chunk; i < std::min(count, (unit + 1) * chunk); ++i) {
      out[i] = compute.ops->dot(load_rows(*compute.ops, list[i], 1, worker), h, dim_);
    }
  });
}

// Puts the k rows with the largest approximate logits into list_, in any order.
void OutputHead::best_approximate(const float* approx, uint32_t k) {
  // At least k rows reach the k-th largest of the maxima of groups of 16 rows; few more do.
  std::vector<float> best(copy_.groups);
  for (uint32_t g = 0; g < copy_.groups; ++g) {
    const uint32_t first = g * kHeadGroup;
    best[g] = *std::max_element(approx + first, approx + std::min(first + kHeadGroup, vocab_));
  }
  float least = -std::numeric_limits<float>::infinity();
  if (k <= copy_.groups) {
    std::nth_element(best.begin(), best.begin() + (k - 1), best.end(), std::greater<>());
    least = best[k - 1];
  }
  uint32_t* const list = list_.as<uint32_t>();
  size_t count = 0;
  for (uint32_t i = 0; i < vocab_; ++i) {
    if (approx[i] >= least) list[count++] = i;
  }
  std::nth_element(list, list + (k - 1), list + count, [&](uint32_t a, uint32_t b) { return approx[a] > approx[b]; });
}

// The k-th largest full-precision logit among k rows that look best after the first pass: at least k
// rows reach it. -infinity when some of the k are NaN.
float OutputHead::kth_best(Compute& compute, const float* h, const float* approx, uint32_t k) {
  uint32_t* const list = list_.as<uint32_t>();
  if (k == 1) {
    list[0] = static_cast<uint32_t>(compute.ops->argmax(approx, vocab_));
  } else {
    best_approximate(approx, k);
  }
  rescore(compute, h, k);
  const float* const exact = rescored_.as<float>();
  float lowest = exact[0];
  for (uint32_t i = 0; i < k; ++i) {
    if (std::isnan(exact[i])) return -std::numeric_limits<float>::infinity();
    lowest = std::min(lowest, exact[i]);
  }
  return lowest;
}

// Puts into list_ and rescored_ rows in ascending order that include the k best, and their number.
size_t OutputHead::race(Compute& compute, const float* h, const Pass& pass, uint32_t k) {
  uint32_t* const list = list_.as<uint32_t>();
  size_t count = vocab_;
  last_rescored_ = 0;
  if (pass.bounded) {
    const float threshold = kth_best(compute, h, pass.approx, k);
    last_rescored_ = k;
    count = head_kernels(compute.ops->isa)
                .candidates(pass.approx, copy_.error, copy_.norm, vocab_, pass.bound.a, pass.bound.c, threshold, list);
  } else {
    for (uint32_t i = 0; i < vocab_; ++i) list[i] = i;
  }
  rescore(compute, h, count);
  last_rescored_ += static_cast<uint32_t>(count);
  return count;
}

TokenLogit OutputHead::argmax(Compute& compute, const float* h) {
  first_pass(compute, h, 1);
  const size_t count = race(compute, h, passes_[0], 1);
  const size_t best = compute.ops->argmax(rescored_.as<float>(), count);
  return {static_cast<int32_t>(list_.as<uint32_t>()[best]), rescored_.as<float>()[best]};
}

void OutputHead::top(Compute& compute, const float* h, uint32_t k, std::vector<TokenLogit>& out) {
  if (k > 0) first_pass(compute, h, 1);
  best_of(compute, h, passes_[0], k, out);
}

Status OutputHead::top_each(Compute& compute, const float* h, std::span<const uint32_t> k, std::span<std::vector<TokenLogit>> out) {
  ONEBIT_TRY(reserve(static_cast<uint32_t>(k.size())));
  first_pass(compute, h, static_cast<uint32_t>(k.size()));
  for (size_t t = 0; t < k.size(); ++t) best_of(compute, h + t * dim_, passes_[t], k[t], out[t]);
  return {};
}

void OutputHead::best_of(Compute& compute, const float* h, const Pass& pass, uint32_t k, std::vector<TokenLogit>& out) {
  out.clear();
  k = std::min(k, vocab_);
  if (k == 0) return;
  const size_t count = race(compute, h, pass, k);
  for (size_t i = 0; i < count; ++i) {
    const float logit = rescored_.as<float>()[i];
    if (!std::isnan(logit)) out.push_back({static_cast<int32_t>(list_.as<uint32_t>()[i]), logit});
  }
  const size_t kept = std::min<size_t>(k, out.size());
  std::partial_sort(out.begin(), out.begin() + kept, out.end(), [](const TokenLogit& a, const TokenLogit& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
  out.resize(kept);
}

void OutputHead::logits(Compute& compute, const float* h, uint32_t tokens, float* out) {
  compute.pool->parallel_for(ceil_div(vocab_, kHeadGroup), [&](size_t unit, unsigned worker) {
    const uint32_t first = static_cast<uint32_t>(unit) * kHeadGroup, count = std::min(kHeadGroup, vocab_ - first);
    const float* const rows = load_rows(*compute.ops, first, count, worker);
    for (uint32_t t = 0; t < tokens; t += kTokenBlock) {
      compute.ops->dots(out + size_t{t} * vocab_ + first, vocab_, rows, row_stride_, count, h + size_t{t} * dim_, dim_,
                        std::min(kTokenBlock, tokens - t), dim_);
    }
  });
}

void OutputHead::approximate(Compute& compute, const float* h, float* out) {
  first_pass(compute, h, 1);
  if (!passes_[0].bounded) return logits(compute, h, 1, out);
  std::copy_n(passes_[0].approx, vocab_, out);
}

}  // namespace onebit::cpu
