#include "cpu/linear.h"

#include <algorithm>

#include "base/checked.h"

namespace onebit::cpu {
namespace {

// Groups of one unit of a batch: a GEMM block of 64 rows, or two that share the reads of the activations
// when all of these are more than a second-level cache holds.
constexpr uint32_t kBatchGroups = 4, kMaxBatchGroups = 8;
constexpr size_t kCachedActivations = size_t{3} << 19;
// Tokens whose sums one tile of scratch holds, and rows of one unit of a matrix that is not ternary.
constexpr uint32_t kTokenBlock = 512;
constexpr uint32_t kFloatRows = 16;
// Bytes of weights below which a unit of a few tokens is not split further, and its most row groups times tokens. Reads
// run ahead of the kernel into the next unit, which another thread has: small units read part of the matrix twice.
constexpr size_t kMinUnitBytes = 64 << 10;
constexpr uint32_t kMaxUnitSums = 512;
// Up to this many tokens the kernels pass over the weights as they lie in memory, so units are long runs of it.
constexpr uint32_t kLongUnitTokens = 24;

uint32_t group_count(const Linear& w) { return w.is_ternary() ? w.ternary.groups : ceil_div(w.rows, kGroupRows); }

// Row groups [first, end) as units. Large batches: units of one GEMM block. A few tokens: units shrink towards the end
// (two thirds of a fair share of what is left), so that there are few of them and yet all threads finish together.
void split(uint32_t out, const Linear& w, uint32_t first, uint32_t end, uint32_t tokens, unsigned threads, size_t bytes_after,
           std::vector<LinearUnit>& units) {
  const auto push = [&](uint32_t g0, uint32_t g1) { units.push_back({out, g0, g1}); };
  if (tokens > kLongUnitTokens || !w.is_ternary()) {
    const bool cached = size_t{std::min(tokens, kTokenBlock)} * w.cols <= kCachedActivations;
    const uint32_t step = !w.is_ternary() ? kFloatRows / kGroupRows : cached ? kBatchGroups : kMaxBatchGroups;
    for (uint32_t g = first; g < end; g += step) push(g, std::min(end, g + step));
    return;
  }
  const size_t group_bytes = size_t{w.ternary.tiles} * kTileBytes;
  for (uint32_t g = first; g < end;) {
    const size_t left = (end - g) * group_bytes + bytes_after;
    const size_t bytes = std::max(kMinUnitBytes, left * 2 / (3 * threads));
    const uint32_t step = static_cast<uint32_t>(std::clamp<size_t>(bytes / group_bytes, 1, kMaxUnitSums / tokens));
    push(g, std::min(end, g + step));
    g += step;
  }
}

// Scratch of one worker: panels of the GEMM kernel, one decoded row, three tiles of sums or products.
struct Scratch {
  uint8_t* panels;
  float* row;
  void* tile[3];

  static constexpr size_t panel_bytes() { return size_t{32} << 10; }
  static size_t row_bytes(uint32_t cols) { return round_up<size_t>(size_t{cols} * 4, 64); }
  static size_t tile_bytes(uint32_t tokens) {
    return kGroupRows * 4 * std::max<size_t>(size_t{std::min(tokens, kTokenBlock)} * kMaxBatchGroups,
                                             kMaxUnitSums);
  }
  static size_t bytes(uint32_t cols, uint32_t tokens) {
    return panel_bytes() + row_bytes(cols) + 3 * tile_bytes(tokens);
  }

  Scratch(uint8_t* memory, uint32_t cols, uint32_t tokens) {
    panels = memory;
    row = reinterpret_cast<float*>(memory + panel_bytes());
    for (size_t i = 0; i < 3; ++i) tile[i] = memory + panel_bytes() + row_bytes(cols) + i * tile_bytes(tokens);
  }
};

// Integer sums of row groups [g0, g1) for tokens [t0, t0 + tokens), tile[tokens][ld].
void ternary_tile(const Compute& c, const LinearInput& in, const Linear& w, uint32_t g0, uint32_t g1, uint32_t t0,
                  uint32_t tokens, uint8_t* panels, int32_t* tile, size_t ld) {
  const int8_t* q = in.quant.q + t0 * in.quant.stride;
  if (tokens <= c.ternary->gemv_tokens) {
    for (uint32_t t = 0; t < tokens; ++t)
      c.ternary->gemv(w.ternary, g0, g1, q + t * in.quant.stride, in.quant.sum[t0 + t], tile + t * ld);
    return;
  }
  QuantActs x = in.quant;
  x.tokens = tokens;
  x.q = q;
  x.sum += t0;
  c.ternary->gemm(w.ternary, g0, g1, x, tile, ld, panels);
}

// Products of rows [r0, r0 + rows) as floats, tile[tokens][ld].
void float_tile(const Compute& c, const LinearInput& in, const Linear& w, uint32_t r0, uint32_t rows, uint32_t t0,
                uint32_t tokens, const Scratch& s, float* tile, size_t ld) {
  if (w.is_ternary()) {
    int32_t* sums = static_cast<int32_t*>(s.tile[2]);
    ternary_tile(c, in, w, r0 / kGroupRows, ceil_div(r0 + rows, kGroupRows), t0, tokens, s.panels, sums, ld);
    for (uint32_t t = 0; t < tokens; ++t)
      c.ops->scale_store(tile + t * ld, sums + t * ld, rows, in.quant.inv_scale[t0 + t] * w.scale);
    return;
  }
  for (uint32_t r = 0; r < rows; ++r) {
    decode(*w.tensor, w.i2s, uint64_t{r0 + r} * w.cols, w.cols, s.row);
    for (uint32_t t = 0; t < tokens; ++t)
      tile[t * ld + r] = c.ops->dot(s.row, in.x + size_t{t0 + t} * in.cols, w.cols) * w.scale;
  }
}

// Calls fn(unit, row0, rows, token0, tokens, scratch) for every block of the units, in parallel.
template <class F>
void for_blocks(Compute& c, const LinearInput& in, const std::vector<LinearUnit>& units, F&& fn) {
  c.pool->parallel_for(units.size(), [&](size_t i, unsigned worker) {
    const Scratch s(c.scratch(worker), in.cols, in.tokens);
    for (uint32_t t0 = 0; t0 < in.tokens; t0 += kTokenBlock)
      fn(units[i], t0, std::min(kTokenBlock, in.tokens - t0), s);
  });
}

uint32_t unit_rows(const Linear& w, const LinearUnit& u) {
  return std::min(w.rows, u.g1 * kGroupRows) - u.g0 * kGroupRows;
}

size_t ternary_bytes(const Linear& w) { return w.is_ternary() ? w.ternary.bytes() : 0; }

// What a call leaves to the device: nothing for small batches and for matrices that it does not hold.
class DeviceShare {
 public:
  // `allowed`: false keeps the device out of this call.
  DeviceShare(Compute& compute, const LinearInput& in, std::span<const Linear* const> matrices, bool allowed = true)
      : compute_(compute), in_(in), matrices_(matrices) {
    if (!allowed || !compute.device || in.tokens < compute.device_tokens) return;
    size_t rows = 0;
    for (const Linear* w : matrices) rows += size_t{w->device_groups} * kGroupRows;
    if (rows == 0) return;
    if (auto started = start(rows); !started)
      failed(std::move(started).error());
    else
      started_ = true;
  }

  ~DeviceShare() {
    if (!compute_.runs) return;
    for (const Linear* w : matrices_) {
      LinearRuns& runs = (*compute_.runs)[w->index];
      const bool device = started_ && !failed_ && w->device_groups > 0;
      runs.device += device;
      runs.failed += failed_ && w->device_groups > 0;
      runs.cpu += !device || rows_on_device(*w) < w->rows;
    }
  }
  DeviceShare(const DeviceShare&) = delete;
  DeviceShare& operator=(const DeviceShare&) = delete;

  bool started() const { return started_; }
  uint32_t groups(size_t i) const { return started_ ? matrices_[i]->device_groups : 0; }
  // Waits; false when the rows are the CPU's after all.
  bool finish() {
    auto finished = compute_.device->finish();
    const bool done = finished.has_value();
    if (!done) failed(std::move(finished).error());
    return done;
  }
  // After finish(): sums of token `t` in matrix i, and how many.
  const int32_t* sums(size_t i, uint32_t t) const { return products_[i].sums + t * products_[i].ld; }
  uint32_t rows(size_t i) const { return started_ ? rows_on_device(*matrices_[i]) : 0; }

 private:
  static uint32_t rows_on_device(const Linear& w) { return std::min(w.rows, w.device_groups * kGroupRows); }
  Status start(size_t rows) {
    const size_t bytes = rows * in_.tokens * sizeof(int32_t);
    if (compute_.device_sums.size() < bytes) {
      ONEBIT_ASSIGN(compute_.device_sums, Buffer::allocate(bytes, "sums of the device"));
    }
    int32_t* sums = compute_.device_sums.as<int32_t>();
    std::vector<TernaryDevice::Product> wanted;
    for (const Linear* w : matrices_) {
      const size_t ld = size_t{w->device_groups} * kGroupRows;
      products_.push_back({w->device_matrix, sums, ld});
      if (ld) wanted.push_back(products_.back());
      sums += ld * in_.tokens;
    }
    return compute_.device->start(in_.quant, wanted);
  }
  void failed(Error error) {
    failed_ = true;
    ++compute_.device_failures;
    if (!compute_.device_error) compute_.device_error = std::move(error);
  }

  Compute& compute_;
  const LinearInput& in_;
  std::span<const Linear* const> matrices_;
  std::vector<TernaryDevice::Product> products_;  // by matrix
  bool started_ = false, failed_ = false;
};
}  // namespace

Result<Compute> Compute::create(Isa isa, ThreadPool& pool) {
  Compute c;
  c.ternary = &ternary_kernels(isa);
  c.ops = &float_ops(isa);
  c.pool = &pool;
  return c;
}

Status Compute::reserve(uint32_t tokens, uint32_t cols) {
  tokens_ = std::max(tokens_, tokens);
  cols_ = std::max(cols_, cols);
  const size_t bytes = Scratch::bytes(cols_, tokens_);
  if (bytes <= stride_) return {};
  ONEBIT_ASSIGN(scratch_, Buffer::allocate(bytes * pool->size(), "scratch of the linear layers"));
  stride_ = bytes;
  return {};
}

void linear(Compute& compute, const LinearInput& in, std::span<const LinearOutput> outs) {
  std::vector<const Linear*> matrices;
  for (const LinearOutput& o : outs) matrices.push_back(o.w);
  DeviceShare share(compute, in, matrices);
  const auto store = [&](const LinearOutput& o, float* y, const int32_t* sums, uint32_t rows, uint32_t t) {
    (o.into == Into::add ? compute.ops->scale_add : compute.ops->scale_store)(y, sums, rows, in.quant.inv_scale[t] * o.w->scale);
  };
  // The CPU's row groups of each matrix, [first(i), end(i)).
  const auto multiply = [&](auto first, auto end) {
    size_t bytes_after = 0;
    for (const LinearOutput& o : outs) bytes_after += ternary_bytes(*o.w);
    std::vector<LinearUnit>& units = compute.units;
    units.clear();
    for (uint32_t i = 0; i < outs.size(); ++i) {
      bytes_after -= ternary_bytes(*outs[i].w);
      split(i, *outs[i].w, first(i), end(i), in.tokens, compute.pool->size(), bytes_after, units);
    }
    for_blocks(compute, in, units, [&](const LinearUnit& u, uint32_t t0, uint32_t tokens, const Scratch& s) {
      const LinearOutput& o = outs[u.out];
      const Linear& w = *o.w;
      const uint32_t r0 = u.g0 * kGroupRows, rows = unit_rows(w, u);
      const size_t ld = (u.g1 - u.g0) * kGroupRows;
      float* y = o.y + size_t{t0} * w.rows + r0;
      if (w.is_ternary()) {
        int32_t* sums = static_cast<int32_t*>(s.tile[0]);
        ternary_tile(compute, in, w, u.g0, u.g1, t0, tokens, s.panels, sums, ld);
        for (uint32_t t = 0; t < tokens; ++t) store(o, y + size_t{t} * w.rows, sums + t * ld, rows, t0 + t);
        return;
      }
      float* products = static_cast<float*>(s.tile[0]);
      float_tile(compute, in, w, r0, rows, t0, tokens, s, products, ld);
      for (uint32_t t = 0; t < tokens; ++t) {
        if (o.into == Into::add)
          compute.ops->add(y + size_t{t} * w.rows, products + t * ld, rows);
        else
          std::copy_n(products + t * ld, rows, y + size_t{t} * w.rows);
      }
    });
  };

  multiply([&](size_t i) { return share.groups(i); }, [&](size_t i) { return group_count(*outs[i].w); });
  if (!share.started()) return;
  if (!share.finish()) return multiply([](size_t) { return 0u; }, [&](size_t i) { return share.groups(i); });
  compute.pool->parallel_for(in.tokens, [&](size_t t, unsigned) {
    for (size_t i = 0; i < outs.size(); ++i)
      store(outs[i], outs[i].y + t * outs[i].w->rows, share.sums(i, static_cast<uint32_t>(t)), share.rows(i), static_cast<uint32_t>(t));
  });
}

void linear_gated(Compute& compute, const LinearInput& in, const Linear& gate, const Linear& up, Gate kind, float* h) {
  const bool ternary = gate.is_ternary() && up.is_ternary();
  const Linear* const matrices[] = {&gate, &up};
  // The gate needs both sums of a row: the device takes the rows that it holds of both.
  const bool shared = ternary && gate.device_groups == up.device_groups;
  DeviceShare share(compute, in, matrices, shared);
  const uint32_t on_device = shared ? share.groups(0) : 0;
  const FloatOps& ops = *compute.ops;
  const auto apply = [&](float* out, const int32_t* g, const int32_t* u, uint32_t rows, uint32_t t) {
    const float inv = in.quant.inv_scale[t];
    (kind == Gate::relu2 ? ops.relu2_gate : ops.silu_gate)(out, g, u, rows, inv * gate.scale, inv * up.scale);
  };
  const auto multiply = [&](uint32_t first, uint32_t end) {
    std::vector<LinearUnit>& units = compute.units;
    units.clear();
    // A unit reads its rows of both matrices: twice the bytes that split() sees, half as many units.
    split(0, gate, first, end, in.tokens, compute.pool->size() * 2, 0, units);
    for_blocks(compute, in, units, [&](const LinearUnit& u, uint32_t t0, uint32_t tokens, const Scratch& s) {
      const uint32_t r0 = u.g0 * kGroupRows, rows = unit_rows(gate, u);
      const size_t ld = (u.g1 - u.g0) * kGroupRows;
      float* out = h + size_t{t0} * gate.rows + r0;
      if (ternary) {
        int32_t *g = static_cast<int32_t*>(s.tile[0]), *v = static_cast<int32_t*>(s.tile[1]);
        ternary_tile(compute, in, gate, u.g0, u.g1, t0, tokens, s.panels, g, ld);
        ternary_tile(compute, in, up, u.g0, u.g1, t0, tokens, s.panels, v, ld);
        for (uint32_t t = 0; t < tokens; ++t) apply(out + size_t{t} * gate.rows, g + t * ld, v + t * ld, rows, t0 + t);
        return;
      }
      float *g = static_cast<float*>(s.tile[0]), *v = static_cast<float*>(s.tile[1]);
      float_tile(compute, in, gate, r0, rows, t0, tokens, s, g, ld);
      float_tile(compute, in, up, r0, rows, t0, tokens, s, v, ld);
      const auto gate_floats = kind == Gate::relu2 ? ops.relu2_gate_f : ops.silu_gate_f;
      for (uint32_t t = 0; t < tokens; ++t) gate_floats(out + size_t{t} * gate.rows, g + t * ld, v + t * ld, rows);
    });
  };

  multiply(on_device, group_count(gate));
  if (!share.started()) return;
  if (!share.finish()) return multiply(0, on_device);
  compute.pool->parallel_for(in.tokens, [&](size_t t, unsigned) {
    const uint32_t token = static_cast<uint32_t>(t);
    apply(h + t * gate.rows, share.sums(0, token), share.sums(1, token), share.rows(0), token);
  });
}

}  // namespace onebit::cpu
