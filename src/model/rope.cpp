#include "model/rope.h"

#include <algorithm>
#include <cmath>

namespace onebit {

RopeTable::RopeTable(const ModelConfig& config, std::vector<float> factors) : half_(config.rope_dim / 2) {
  for (uint32_t i = 0; i < half_; ++i) {
    const double f = std::pow(static_cast<double>(config.rope_theta), -2.0 * i / config.rope_dim) * config.rope_scale;
    frequency_.push_back(factors.empty() ? f : f / static_cast<double>(factors[i]));
  }
}

void RopeTable::reserve(uint32_t positions) {
  constexpr uint32_t kStep = 256;
  if (positions <= positions_) return;
  positions = std::max(positions, positions_ + kStep);
  cos_.resize(size_t{positions} * half_);
  sin_.resize(size_t{positions} * half_);
  for (uint32_t p = positions_; p < positions; ++p)
    for (uint32_t i = 0; i < half_; ++i) {
      const double angle = p * frequency_[i];
      cos_[size_t{p} * half_ + i] = static_cast<float>(std::cos(angle));
      sin_[size_t{p} * half_ + i] = static_cast<float>(std::sin(angle));
    }
  positions_ = positions;
}

}  // namespace onebit
