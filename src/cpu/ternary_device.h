// A device beside the CPU that multiplies ternary matrices for batches of tokens, exact in int32: what a linear
// layer needs to know of an NPU. It holds rows [0, n) of some matrices; the CPU computes the others at the same time.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "cpu/ternary.h"

namespace onebit::cpu {

class TernaryDevice {
 public:
  struct Product {
    uint32_t matrix;  // as the device numbers them
    int32_t* sums;    // [tokens][ld]; rows [0, n) of each token are written
    size_t ld;
  };

  virtual ~TernaryDevice() = default;
  // Starts the products of one input; they and the input stay valid until finish(), which is called once for each
  // start that succeeded. One call at a time.
  virtual Status start(const QuantActs& x, std::span<const Product> products) = 0;
  virtual Status finish() = 0;
};

}  // namespace onebit::cpu
