// A kind of device as the interface's device level sees it: it holds ternary matrices and multiplies int8 activations
// with them, exact in int32. The caller takes care that one thread uses it at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "npu/runtime/device.h"

namespace onebit::capi {

struct BackendStats {
  uint64_t dispatches = 0, reopens = 0, uploaded_bytes = 0, downloaded_bytes = 0, simulated_ddr_bytes = 0;
};

class TernaryBackend {
 public:
  // Fills `codes` (0, 1, 2 for -1, 0, +1) with those of row `row`. Called by several threads at once.
  using RowCodes = std::function<void(uint32_t row, uint8_t* codes)>;
  struct Matrix {
    uint32_t id = 0;
    uint64_t bytes = 0;  // packed
  };
  // x [tokens][x_stride], out [tokens][out_stride]; tokens > 0, strides of at least a row. Elements of `out` beyond the
  // matrix's rows are not written.
  struct Product {
    const int8_t* x;
    uint32_t tokens;
    size_t x_stride;
    int32_t* out;
    size_t out_stride;
  };

  virtual ~TernaryBackend() = default;
  virtual std::string description() const = 0;
  virtual bool simulated() const { return false; }
  virtual uint32_t max_rows() const = 0;
  virtual uint32_t max_columns() const = 0;

  // The shape is within the limits above.
  virtual Result<Matrix> add(uint32_t rows, uint32_t columns, const RowCodes& codes) = 0;
  virtual void remove(uint32_t id) = 0;
  virtual Status multiply(uint32_t id, const Product& product) = 0;

  virtual bool lost() const { return false; }
  virtual Status reopen() { return fail(Errc::usage, "{}: nothing to reopen", description()); }
  virtual BackendStats stats() const = 0;
};

// `isa`: as in cpu::parse_isa.
Result<std::unique_ptr<TernaryBackend>> open_cpu_backend(const std::string& isa, unsigned threads);
Result<std::unique_ptr<TernaryBackend>> open_npu_backend(const npu::NpuOptions& options, unsigned threads);

}  // namespace onebit::capi
