#include "npu/gemm/npu_linear.h"

#include <algorithm>

#include "npu/compiled/core_code.h"

namespace onebit::npu::gemm {

Result<NpuLinear> NpuLinear::open(NpuDevice& device, ThreadPool* pool) {
  ONEBIT_ASSIGN(ArrayProgram program, ArrayProgram::make([](const design::Program& p) { return lower_with_code(p); }));
  ONEBIT_TRY(device.load(program.lowered().xclbin));
  return NpuLinear(device, pool, std::move(program));
}

template <class F>
void NpuLinear::share(uint32_t count, F&& f) {
  if (pool_) pool_->parallel_for(count, [&](size_t i, unsigned) { f(static_cast<uint32_t>(i)); });
  else
    for (uint32_t i = 0; i < count; ++i) f(i);
}

Result<uint32_t> NpuLinear::add(std::span<const Matrix> matrices, uint32_t cols) {
  Set set{.rows = {}, .n = 0, .k = cols, .slice = 0, .weights = {}};
  std::vector<uint32_t> first;
  uint64_t rows = 0;
  for (const Matrix& m : matrices) {
    first.push_back(static_cast<uint32_t>(rows));
    set.rows.push_back(m.rows);
    rows += m.rows;
    if (rows > kMaxNK) return fail(Errc::out_of_range, "NPU matrices: {} rows in a set, expected at most {}", rows, kMaxNK);
  }
  set.n = static_cast<uint32_t>(rows);
  ONEBIT_TRY(check_shape({1, set.n, set.k}));
  set.slice = most_tokens(set.n, set.k);
  if (set.slice == 0) return fail(Errc::out_of_range, "NPU matrices: {} rows x {} columns are too many for one product", set.n, set.k);
  ONEBIT_ASSIGN(set.weights, device_->allocate(packed_weight_bytes(set.n, set.k), BufferUse::data, 1));
  const auto codes = [&](uint32_t row, uint8_t* out) {
    const auto at = static_cast<size_t>(std::upper_bound(first.begin(), first.end(), row) - first.begin()) - 1;
    matrices[at].codes(row - first[at], out);
  };
  const std::span<uint8_t> packed = set.weights->bytes();
  share(weight_groups(set.n), [&](uint32_t g) { pack_weights(set.n, set.k, codes, g, g + 1, packed); });
  ONEBIT_TRY(device_->upload(set.weights));
  const auto unused = std::find_if(sets_.begin(), sets_.end(), [](const Set& s) { return !s.weights; });
  const auto number = static_cast<uint32_t>(unused - sets_.begin());
  if (unused == sets_.end()) sets_.push_back(std::move(set));
  else *unused = std::move(set);
  return number;
}

void NpuLinear::remove(uint32_t set) {
  if (set < sets_.size()) sets_[set] = {};
}

// All numbers of tokens in the same number of halves share a stream.
Result<const NpuLinear::Compiled*> NpuLinear::compiled(Shape shape) {
  const auto key = std::tuple(div_up(shape.m, kHalfM), shape.n, shape.k);
  if (const auto known = compiled_.find(key); known != compiled_.end()) return &known->second;
  ONEBIT_ASSIGN(Plan plan, make_plan(shape));
  ONEBIT_ASSIGN(const Transaction stream, program_.stream(plan));
  ONEBIT_ASSIGN(const std::vector<uint8_t> bytes, write_transaction(stream));
  ONEBIT_ASSIGN(NpuBufferRef instructions, device_->instructions(bytes));
  return &compiled_.emplace(key, Compiled{std::move(plan), std::move(instructions)}).first->second;
}

Status NpuLinear::grow(NpuBufferRef& buffer, uint64_t bytes, unsigned argument) {
  if (buffer && buffer->size() >= bytes) return {};
  ONEBIT_ASSIGN(buffer, device_->allocate(bytes, BufferUse::data, argument));
  return {};
}

Status NpuLinear::prepare(Slice& slice, const Set& set, const int8_t* x, uint32_t tokens, size_t stride) {
  const Shape shape{std::min(tokens - slice.first, set.slice), set.n, set.k};
  ONEBIT_ASSIGN(slice.compiled, compiled(shape));
  Plan plan = slice.compiled->plan;
  plan.shape = shape;
  ONEBIT_TRY(grow(slice.x, plan.x_bytes(), 0));
  ONEBIT_TRY(grow(slice.c, plan.c_bytes(), 2));
  slice.row_sums.resize(shape.m);
  const std::span<uint8_t> packed = slice.x->bytes().first(plan.x_bytes());
  share(packed_rows(plan) / kTileM, [&](uint32_t tile) {
    pack_activations(plan, x + slice.first * stride, stride, packed, slice.row_sums, tile * kTileM, (tile + 1) * kTileM);
  });
  return device_->upload(slice.x, 0, plan.x_bytes());
}

Status NpuLinear::start(uint32_t set, const int8_t* x, uint32_t tokens, size_t stride) {
  if (active_) return fail(Errc::usage, "NPU products: start without the finish of the one before");
  if (set >= sets_.size() || !sets_[set].weights) return fail(Errc::out_of_range, "NPU products: there is no set {}", set);
  if (tokens == 0) return fail(Errc::out_of_range, "NPU products: 0 tokens, expected at least 1");
  const uint32_t count = div_up(tokens, sets_[set].slice);
  if (slices_.size() < count) slices_.resize(count);
  std::vector<NpuCommand> commands;
  for (uint32_t i = 0; i < count; ++i) {
    slices_[i].first = i * sets_[set].slice;
    ONEBIT_TRY(prepare(slices_[i], sets_[set], x, tokens, stride));
    commands.push_back({slices_[i].compiled->instructions, {slices_[i].x, sets_[set].weights, slices_[i].c}});
  }
  ONEBIT_ASSIGN(run_, device_->submit(std::move(commands)));
  active_ = count;
  set_ = set;
  return {};
}

Status NpuLinear::finish(std::span<const Sums> sums) {
  const size_t count = std::exchange(active_, 0);
  if (count == 0) return fail(Errc::usage, "NPU products: finish without a start");
  const Set& set = sets_[set_];
  ONEBIT_TRY(device_->wait(run_));
  if (sums.size() != set.rows.size()) return fail(Errc::out_of_range, "NPU products: {} outputs, the set has {} matrices", sums.size(), set.rows.size());
  for (size_t i = 0; i < count; ++i) {
    const Slice& slice = slices_[i];
    Plan plan = slice.compiled->plan;
    plan.shape.m = static_cast<uint32_t>(slice.row_sums.size());
    ONEBIT_TRY(device_->download(slice.c, 0, plan.c_bytes()));
    std::vector<Output> outputs;
    uint32_t first = 0;
    for (size_t m = 0; m < sums.size(); first += set.rows[m++])
      if (sums[m].out) outputs.push_back({first, set.rows[m], sums[m].out + slice.first * sums[m].stride, sums[m].stride});
    share(div_up(plan.shape.m, kTileM), [&](uint32_t tile) {
      unpack_results(plan, slice.c->bytes(), slice.row_sums, outputs, tile * kTileM, std::min((tile + 1) * kTileM, plan.shape.m));
    });
    counts_.dispatches += 1;
    counts_.macs += uint64_t{plan.shape.m} * plan.shape.n * plan.shape.k;
  }
  counts_.products += set.rows.size();
  return {};
}

}  // namespace onebit::npu::gemm
