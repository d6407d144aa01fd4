// The NPU, or the simulator of its array, as a device: NpuLinear, which is given one product at a time.
#include <map>

#include "capi/ternary_backend.h"
#include "npu/gemm/npu_linear.h"

namespace onebit::capi {
namespace {

using npu::gemm::NpuLinear;

class NpuTernary : public TernaryBackend {
 public:
  NpuTernary(std::unique_ptr<ThreadPool> pool, std::unique_ptr<npu::NpuDevice> device, NpuLinear linear)
      : pool_(std::move(pool)), device_(std::move(device)), linear_(std::move(linear)) {}

  std::string description() const override { return device_->description(); }
  bool simulated() const override { return device_->kind() == npu::DeviceKind::sim; }
  uint32_t max_rows() const override { return npu::gemm::kMaxNK; }
  uint32_t max_columns() const override { return npu::gemm::kMaxNK; }

  Result<Matrix> add(uint32_t rows, uint32_t columns, const RowCodes& codes) override {
    const NpuLinear::Matrix matrix{rows, codes};
    ONEBIT_ASSIGN(const uint32_t id, linear_.add({&matrix, 1}, columns));
    // A start is a run of as many slices of tokens as a run has commands.
    most_tokens_[id] = npu::gemm::most_tokens(rows, columns) * npu::kMaxCommandsPerRun;
    return Matrix{id, npu::gemm::packed_weight_bytes(rows, columns)};
  }
  void remove(uint32_t id) override { linear_.remove(id); }

  Status multiply(uint32_t id, const Product& p) override {
    const uint32_t most = most_tokens_.at(id);
    for (uint64_t at = 0; at < p.tokens; at += most) {
      const auto tokens = static_cast<uint32_t>(std::min<uint64_t>(most, p.tokens - at));
      ONEBIT_TRY(linear_.start(id, p.x + at * p.x_stride, tokens, p.x_stride));
      const NpuLinear::Sums sums{p.out + at * p.out_stride, p.out_stride};
      ONEBIT_TRY(linear_.finish({&sums, 1}));
    }
    return {};
  }

  bool lost() const override { return device_->lost(); }
  Status reopen() override { return device_->reopen(); }

  BackendStats stats() const override {
    const npu::NpuStats s = device_->stats();
    return {.dispatches = linear_.counts().dispatches,
            .reopens = s.reopens,
            .uploaded_bytes = s.uploaded_bytes,
            .downloaded_bytes = s.downloaded_bytes,
            .simulated_ddr_bytes = s.simulated.ddr_read_bytes + s.simulated.ddr_write_bytes};
  }

 private:
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<npu::NpuDevice> device_;
  NpuLinear linear_;
  std::map<uint32_t, uint32_t> most_tokens_;  // of one start, by matrix
};

}  // namespace

Result<std::unique_ptr<TernaryBackend>> open_npu_backend(const npu::NpuOptions& options, unsigned threads) {
  ONEBIT_ASSIGN(auto device, npu::NpuDevice::open(options));
  auto pool = std::make_unique<ThreadPool>(threads);
  ONEBIT_ASSIGN(NpuLinear linear, NpuLinear::open(*device, pool.get()));
  return std::make_unique<NpuTernary>(std::move(pool), std::move(device), std::move(linear));
}

}  // namespace onebit::capi
