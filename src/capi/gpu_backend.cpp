// A GPU, or the emulator of its kernels, as a device: the ternary kernels of src/gpu with their sums as results.
#include <algorithm>
#include <map>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "capi/ternary_backend.h"
#include "gpu/kernels/pack.h"
#include "gpu/runtime/kernel_set.h"

namespace onebit::capi {
namespace {

constexpr uint32_t kMaxRows = 1u << 24;
constexpr uint32_t kTokens = 512;      // of one launch
constexpr uint32_t kGemvTokens = 16;   // at most; more are a GEMM
constexpr gpu::Packing kPacking = gpu::Packing::p2;

gpu::Kernel gemv_kernel(uint32_t tokens) {
  if (tokens <= 1) return gpu::Kernel::ternary_gemv_p2_t1;
  if (tokens <= 2) return gpu::Kernel::ternary_gemv_p2_t2;
  if (tokens <= 4) return gpu::Kernel::ternary_gemv_p2_t4;
  return tokens <= 8 ? gpu::Kernel::ternary_gemv_p2_t8 : gpu::Kernel::ternary_gemv_p2_t16;
}

class GpuTernary : public TernaryBackend {
 public:
  GpuTernary(std::unique_ptr<gpu::Device> device, gpu::KernelSet kernels, unsigned threads)
      : pool_(threads), device_(std::move(device)), kernels_(std::move(kernels)) {}

  std::string description() const override { return fmt::format("{} ({})", device_->info().name, device_->info().architecture); }
  bool simulated() const override { return device_->backend() == gpu::Backend::emulator; }
  uint32_t max_rows() const override { return kMaxRows; }
  uint32_t max_columns() const override { return gpu::kMaxColumns; }

  Result<Matrix> add(uint32_t rows, uint32_t columns, const RowCodes& codes) override {
    Held m{rows, columns, (rows + gpu::kUnitRows - 1) / gpu::kUnitRows, {}};
    const size_t bytes = gpu::packed_bytes(kPacking, m.units, columns), unit = gpu::packed_bytes(kPacking, 1, columns);
    ONEBIT_ASSIGN(Buffer packed, Buffer::allocate(bytes, "weights on their way to the GPU"));
    pool_.parallel_for(m.units, [&](size_t i, unsigned) {
      const auto row_codes = [&](uint32_t of, uint32_t slot, uint8_t* out) {
        const uint32_t row = of * gpu::kUnitRows + slot;
        if (row < rows) codes(row, out);
        return row < rows;
      };
      gpu::pack_units(kPacking, static_cast<uint32_t>(i), 1, columns, row_codes, packed.data() + i * unit);
    });
    ONEBIT_ASSIGN(m.memory, device_->allocate(bytes, "ternary weights"));
    ONEBIT_TRY(device_->copy_to_device(m.memory.address(), packed.data(), bytes));
    ONEBIT_TRY(device_->wait());
    matrices_.emplace(next_, std::move(m));
    return Matrix{next_++, bytes};
  }
  void remove(uint32_t id) override { matrices_.erase(id); }

  Status multiply(uint32_t id, const Product& p) override {
    const Held& w = matrices_.at(id);
    for (uint64_t at = 0; at < p.tokens; at += kTokens) {
      const auto tokens = static_cast<uint32_t>(std::min<uint64_t>(kTokens, p.tokens - at));
      if (auto done = slice(w, {p.x + at * p.x_stride, tokens, p.x_stride, p.out + at * p.out_stride, p.out_stride}); !done) {
        [[maybe_unused]] const Status settled = device_->wait();  // copies under way read memory of ours
        return done;
      }
    }
    return {};
  }

  bool lost() const override { return device_->lost(); }
  // Drivers of GPUs do not survive in a process what loses a device.
  Status reopen() override { return fail(Errc::unsupported, "{}: a lost GPU cannot be reopened, expected the device to be freed", description()); }

  BackendStats stats() const override {
    const gpu::DeviceCounts& c = device_->counts();
    return {.dispatches = c.launches, .uploaded_bytes = c.uploaded_bytes, .downloaded_bytes = c.downloaded_bytes};
  }

 private:
  struct Held {
    uint32_t rows, columns, units;
    gpu::Memory memory;
  };

  Status grow(gpu::Memory& memory, size_t bytes, const char* what) {
    if (memory.size() >= bytes) return {};
    memory = gpu::Memory();
    ONEBIT_ASSIGN(memory, device_->allocate(bytes, what));
    return {};
  }

  Status upload(const Held& w, const Product& p) {
    const size_t stride = gpu::quant_stride(w.columns);
    q_.assign(p.tokens * stride, 0);
    sums_.assign(p.tokens, 0);
    scales_.assign(p.tokens, 0.0f);  // sums are not scaled
    for (uint32_t t = 0; t < p.tokens; ++t) {
      std::copy_n(p.x + t * p.x_stride, w.columns, q_.data() + t * stride);
      for (uint32_t c = 0; c < w.columns; ++c) sums_[t] += p.x[t * p.x_stride + c];
    }
    ONEBIT_TRY(grow(q_memory_, q_.size(), "activations"));
    ONEBIT_TRY(grow(sum_memory_, sums_.size() * sizeof(int32_t), "sums of activations"));
    ONEBIT_TRY(grow(scale_memory_, scales_.size() * sizeof(float), "scales of activations"));
    ONEBIT_TRY(grow(out_memory_, size_t{p.tokens} * w.rows * sizeof(int32_t), "sums"));
    ONEBIT_TRY(device_->copy_to_device(q_memory_.address(), q_.data(), q_.size()));
    ONEBIT_TRY(device_->copy_to_device(sum_memory_.address(), sums_.data(), sums_.size() * sizeof(int32_t)));
    return device_->copy_to_device(scale_memory_.address(), scales_.data(), scales_.size() * sizeof(float));
  }

  Status launch(const Held& w, uint32_t tokens) {
    gpu::LinearArgs a{};
    a.q = static_cast<const int8_t*>(q_memory_.address());
    a.inv_scale = static_cast<const float*>(scale_memory_.address());
    a.sum = static_cast<const int32_t*>(sum_memory_.address());
    a.tokens = tokens;
    a.cols = w.columns;
    a.epilogue = gpu::Epilogue::sums;
    a.segments[0] = {static_cast<const uint8_t*>(w.memory.address()), static_cast<float*>(out_memory_.address()), w.units, w.rows, w.rows, 1};
    const auto processors = static_cast<uint32_t>(std::max(device_->info().units, 1));
    if (tokens <= kGemvTokens) {
      a.split = gpu::gemv_split(w.units, gpu::tiles(kPacking, w.columns), processors);
      return kernels_.launch(gemv_kernel(tokens), {gpu::gemv_blocks(w.units, a.split)}, a);
    }
    const uint32_t across = (tokens + gpu::kGemmTokens - 1) / gpu::kGemmTokens, large = 128 / gpu::kUnitRows, small = 64 / gpu::kUnitRows;
    if ((w.units + large - 1) / large * across >= processors)
      return kernels_.launch(gpu::Kernel::ternary_gemm_p2_r128, {(w.units + large - 1) / large, across}, a, gpu::kGemmBlock);
    return kernels_.launch(gpu::Kernel::ternary_gemm_p2_r64, {(w.units + small - 1) / small, across}, a, gpu::kGemmBlock);
  }

  Status slice(const Held& w, const Product& p) {
    ONEBIT_TRY(upload(w, p));
    ONEBIT_TRY(launch(w, p.tokens));
    out_.resize(size_t{p.tokens} * w.rows);
    ONEBIT_TRY(device_->copy_to_host(out_.data(), out_memory_.address(), out_.size() * sizeof(int32_t)));
    ONEBIT_TRY(device_->wait());
    for (uint32_t t = 0; t < p.tokens; ++t) std::copy_n(out_.data() + size_t{t} * w.rows, w.rows, p.out + t * p.out_stride);
    return {};
  }

  ThreadPool pool_;
  // Members are destroyed in reverse: the device last.
  std::unique_ptr<gpu::Device> device_;
  gpu::KernelSet kernels_;
  std::map<uint32_t, Held> matrices_;
  uint32_t next_ = 0;
  gpu::Memory q_memory_, sum_memory_, scale_memory_, out_memory_;
  std::vector<int8_t> q_;
  std::vector<int32_t> sums_, out_;
  std::vector<float> scales_;
};

}  // namespace

Result<std::unique_ptr<TernaryBackend>> open_gpu_backend(bool emulated, unsigned threads) {
  ONEBIT_ASSIGN(auto device, emulated ? gpu::Device::open(gpu::emulator_api()) : gpu::open_gpu());
  ONEBIT_ASSIGN(gpu::KernelSet kernels, gpu::KernelSet::load(*device));
  return std::make_unique<GpuTernary>(std::move(device), std::move(kernels), threads);
}

}  // namespace onebit::capi
