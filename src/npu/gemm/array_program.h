// The program on the array: one image for every shape, and the instruction stream of a plan.
//
// Core row r shares its rows of X, which memory tile 2 r sends along the row; column c shares its columns of W, which
// memory tile c sends up the column; the strips of two of a column's cores are joined in its memory tile and leave
// together. Results of odd blocks of 8 columns are 4 times too large, and all lack the correction for codes: see
// packing.h.
#pragma once

#include <array>
#include <functional>
#include <span>

#include "npu/design/lower.h"
#include "npu/design/sequence.h"
#include "npu/gemm/plan.h"

namespace onebit::npu::gemm {

class ArrayProgram {
 public:
  // `lower`: design::lower, or a way to it that puts machine code into the cores.
  static Result<ArrayProgram> make(const std::function<Result<design::Lowered>(const design::Program&)>& lower = design::lower);
  static design::Program program() { return describe().program; }

  const design::Lowered& lowered() const { return lowered_; }
  // Buffer arguments: X, W, C as packing.h lays them out.
  Result<Transaction> stream(const Plan& plan) const;

 private:
  struct Core {
    uint32_t column, half;
    design::Parameter groups, waves_m, waves_n, singles, middle, idle_x, idle_w;  // successive words
    design::Signal go;
  };
  struct Description {
    design::Program program{"ternary_gemm"};
    std::array<design::Fifo, kRows> x{};
    std::array<design::Fifo, kColumns> w{};
    std::array<std::array<design::Fifo, kHalves>, kColumns> c{};
    std::array<design::Store, kRows> x_store{};
    std::array<design::Store, kColumns> w_store{};
    std::vector<Core> cores{};
  };
  ArrayProgram(Description description, design::Lowered lowered) : description_(std::move(description)), lowered_(std::move(lowered)) {}
  static Description describe();
  static Core add_core(design::Program& p, TileId core, uint32_t half, design::Fifo x, design::Fifo w, design::Fifo c);
  void phase(const Plan& plan, const Phase& p, design::Sequence& s) const;
  void start_core(const Plan& plan, const Phase& p, const Core& core, design::Sequence& s) const;
  void stores(const Plan& plan, const Phase& p, design::Sequence& s) const;

  Description description_;
  design::Lowered lowered_;
};

}  // namespace onebit::npu::gemm
