// Cosines and sines of rotary position embeddings: angle(p, i) = p * scale * theta^(-2i/d) / factor[i].
// Source: Su et al., RoFormer (arXiv 2104.09864), section 3.2.2; factors as in Llama 3.1's rope_freqs.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace onebit {

class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(const ModelConfig& config, std::vector<float> factors);

  // Computes positions [0, positions); computed in double, so a value never depends on how it was grown to.
  void reserve(uint32_t positions);
  uint32_t half() const { return half_; }
  const float* cos(uint32_t position) const { return cos_.data() + size_t{position} * half_; }
  const float* sin(uint32_t position) const { return sin_.data() + size_t{position} * half_; }

 private:
  uint32_t half_ = 0;
  uint32_t positions_ = 0;
  std::vector<double> frequency_;
  std::vector<float> cos_, sin_;
};

}  // namespace onebit
