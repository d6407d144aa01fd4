#include "npu/evaluate/ternary.h"

#include <algorithm>

#include "npu/evaluate/clock.h"
#include "npu/programs/programs.h"

namespace onebit::npu::evaluate {
namespace {

// Multiply-adds of a block that are simulated, about 1.5e9 a second; and of a product that the scalar oracle does.
constexpr double kSimulatedQuick = 1e10, kSimulatedFull = 8e10;
constexpr uint32_t kQuickTokens = 512;
constexpr uint64_t kChecked = 400'000'000;
constexpr int32_t kNothing = 0x5A5A5A5A;

}  // namespace

bool worth_running(const Context& c, uint32_t tokens) {
  // Padding to whole tiles costs the simulator as much as data.
  const double macs = c.model.macs_per_token() / c.model.layers * std::max(tokens, gemm::kHalfM);
  if (!c.simulated()) return true;
  return c.options.quick ? tokens <= kQuickTokens && macs <= kSimulatedQuick : macs <= kSimulatedFull;
}

Result<std::unique_ptr<TernaryBench>> TernaryBench::open(const Context& c) {
  auto bench = std::make_unique<TernaryBench>();
  ONEBIT_ASSIGN(bench->device_, NpuDevice::open(c.options.device));
  ONEBIT_ASSIGN(bench->linear_, gemm::NpuLinear::open(*bench->device_, &c.pool));
  return bench;
}

std::string TernaryBench::how(const Context& c) const {
  return c.simulated() ? "timed simulation, warm context" : "median, host clock, packing and unpacking included";
}

Result<const TernaryBench::Weights*> TernaryBench::weights(const Layer& l) {
  if (const auto known = weights_.find({l.n, l.k}); known != weights_.end()) return &known->second;
  Weights w{.set = 0, .codes = example_bytes(size_t{l.n} * l.k, 3)};
  for (uint8_t& code : w.codes) code %= 3;
  const gemm::NpuLinear::Matrix matrix{l.n, [&](uint32_t row, uint8_t* out) { std::copy_n(&w.codes[size_t{row} * l.k], l.k, out); }};
  ONEBIT_ASSIGN(w.set, linear_->add({&matrix, 1}, l.k));
  return &weights_.emplace(std::pair(l.n, l.k), std::move(w)).first->second;
}

// All tokens; of the rows of weights as many as the oracle does quickly, evenly spread.
void TernaryBench::check(const Weights& w, const Layer& l, uint32_t tokens, Checks& checks) const {
  const uint64_t macs = uint64_t{tokens} * l.n * l.k;
  uint32_t step = static_cast<uint32_t>(std::min<uint64_t>(macs / kChecked + 1, l.n));
  if (step > 1) step |= 1;  // odd: every residue of a tile comes up
  ++checks.products;
  for (uint32_t n = 0; n < l.n; n += step)
    for (uint32_t m = 0; m < tokens; ++m) {
      const uint8_t* codes = &w.codes[size_t{n} * l.k];
      const int8_t* x = &x_[size_t{m} * l.k];
      int32_t sum = 0;
      for (uint32_t k = 0; k < l.k; ++k) sum += (codes[k] - 1) * x[k];
      ++checks.elements;
      if (out_[size_t{m} * l.n + n] == sum) continue;
      if (checks.wrong++ == 0)
        checks.first_wrong = fmt::format("ternary {} x {} x {}, token {}, row {}: {}, expected {}", tokens, l.n, l.k, m, n, out_[size_t{m} * l.n + n], sum);
    }
}

Result<double> TernaryBench::run(Context& c, uint32_t tokens, const Layer& l) {
  ONEBIT_ASSIGN(const Weights* w, weights(l));
  const std::vector<uint8_t> bytes = example_bytes(size_t{tokens} * l.k, tokens);
  x_.assign(bytes.begin(), bytes.end());
  out_.assign(size_t{tokens} * l.n, kNothing);
  const gemm::NpuLinear::Sums sums{out_.data(), l.n};
  const auto once = [&] { return timed(*device_, [&]() -> Status {
    ONEBIT_TRY(linear_->start(w->set, x_.data(), tokens, l.k));
    return linear_->finish({&sums, 1});
  }); };
  // The first run of a context also pays for the context.
  if (device_->stats().runs == 0) {
    const std::vector<int8_t> one(l.k, 1);
    ONEBIT_TRY(linear_->start(w->set, one.data(), 1, l.k));
    ONEBIT_TRY(linear_->finish({&sums, 1}));
    out_.assign(out_.size(), kNothing);
  }
  ONEBIT_ASSIGN(const double first, once());
  check(*w, l, tokens, c.report.checks);
  if (c.simulated()) return first;
  std::vector<double> seconds{first};
  for (unsigned i = 0; i < (c.options.quick ? 5u : 30u); ++i) {
    ONEBIT_ASSIGN(const double s, once());
    seconds.push_back(s);
  }
  return median(std::move(seconds));
}

}  // namespace onebit::npu::evaluate
