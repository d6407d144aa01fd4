// The CPU's kernels as a device: the oracle behind the same interface as the accelerators.
#include <algorithm>
#include <map>
#include <vector>

#include "capi/ternary_backend.h"
#include "cpu/ternary.h"

namespace onebit::capi {
namespace {

constexpr uint32_t kMaxRows = 1u << 24;
// Tokens of which the padded copy is made at a time, and row groups that a thread takes at a time.
constexpr uint32_t kTokens = 256;
constexpr uint32_t kGroups = 4;

class CpuBackend : public TernaryBackend {
 public:
  CpuBackend(cpu::Isa isa, unsigned threads) : pool_(threads), kernels_(cpu::ternary_kernels(isa)) {}

  std::string description() const override { return fmt::format("CPU ({}, {} threads)", cpu::isa_name(kernels_.isa), pool_.size()); }
  uint32_t max_rows() const override { return kMaxRows; }
  uint32_t max_columns() const override { return cpu::kMaxColumns; }

  Result<Matrix> add(uint32_t rows, uint32_t columns, const RowCodes& codes) override {
    ONEBIT_ASSIGN(cpu::TernaryMatrix packed, cpu::pack_ternary(rows, columns, kernels_.layout, pool_, codes));
    const uint64_t bytes = packed.bytes();
    matrices_.emplace(next_, std::move(packed));
    return Matrix{next_++, bytes};
  }
  void remove(uint32_t id) override { matrices_.erase(id); }

  Status multiply(uint32_t id, const Product& p) override {
    const cpu::TernaryMatrix& w = matrices_.at(id);
    for (uint32_t at = 0; at < p.tokens; at += kTokens)
      ONEBIT_TRY(slice(w, {p.x + at * p.x_stride, std::min(kTokens, p.tokens - at), p.x_stride, p.out + at * p.out_stride, p.out_stride}));
    ++products_;
    return {};
  }

  BackendStats stats() const override { return {.dispatches = products_}; }

 private:
  static Status grow(Buffer& buffer, size_t bytes, const char* what) {
    if (buffer.size() >= bytes) return {};
    ONEBIT_ASSIGN(buffer, Buffer::allocate(bytes, what));
    return {};
  }

  // The activations as kernels read them: rows padded with zeros, and their sums.
  Result<cpu::QuantActs> acts(uint32_t columns, const Product& p) {
    const size_t stride = cpu::quant_stride(columns);
    ONEBIT_TRY(grow(x_, p.tokens * stride, "activations"));
    sums_.resize(p.tokens);
    for (uint32_t t = 0; t < p.tokens; ++t) {
      int8_t* const row = x_.as<int8_t>() + t * stride;
      std::copy_n(p.x + t * p.x_stride, columns, row);
      std::fill(row + columns, row + stride, int8_t{0});
      int32_t sum = 0;
      for (uint32_t c = 0; c < columns; ++c) sum += row[c];
      sums_[t] = sum;
    }
    return cpu::QuantActs{p.tokens, columns, stride, x_.as<int8_t>(), sums_.data(), nullptr};
  }

  Status slice(const cpu::TernaryMatrix& w, const Product& p) {
    ONEBIT_ASSIGN(const cpu::QuantActs x, acts(w.cols, p));
    constexpr size_t kLd = size_t{kGroups} * cpu::kGroupRows;
    const size_t scratch = (cpu::gemm_scratch_bytes(w) + 63) / 64 * 64, sums = p.tokens * kLd * sizeof(int32_t);
    ONEBIT_TRY(grow(scratch_, pool_.size() * (scratch + sums), "scratch"));
    pool_.parallel_for((w.groups + kGroups - 1) / kGroups, [&](size_t unit, unsigned worker) {
      const auto g0 = static_cast<uint32_t>(unit) * kGroups, g1 = std::min(g0 + kGroups, w.groups);
      uint8_t* const mine = scratch_.data() + worker * (scratch + sums);
      auto* const acc = reinterpret_cast<int32_t*>(mine + scratch);
      if (p.tokens == 1)
        kernels_.gemv(w, g0, g1, x.q, x.sum[0], acc);
      else
        kernels_.gemm(w, g0, g1, x, acc, kLd, mine);
      const uint32_t first = g0 * cpu::kGroupRows, rows = std::min(g1 * cpu::kGroupRows, w.rows) - first;
      for (uint32_t t = 0; t < p.tokens; ++t) std::copy_n(acc + t * kLd, rows, p.out + t * p.out_stride + first);
    });
    return {};
  }

  ThreadPool pool_;
  const cpu::TernaryKernels& kernels_;
  std::map<uint32_t, cpu::TernaryMatrix> matrices_;
  uint32_t next_ = 0;
  uint64_t products_ = 0;
  Buffer x_, scratch_;
  std::vector<int32_t> sums_;
};

}  // namespace

Result<std::unique_ptr<TernaryBackend>> open_cpu_backend(const std::string& isa, unsigned threads) {
  ONEBIT_ASSIGN(const cpu::Isa parsed, cpu::parse_isa(isa));
  return std::make_unique<CpuBackend>(parsed, threads);
}

}  // namespace onebit::capi
