#include "npu/design/access.h"

#include <algorithm>

namespace onebit::npu::design {
namespace {

constexpr uint64_t kWordBytes = 4;
constexpr uint64_t kMostElements = uint64_t{1} << 40;  // keeps every product below within 64 bits

// Loops of size 1 do nothing; a loop whose step is the reach of the one inside continues it.
std::vector<WordDim> simplify(const std::vector<WordDim>& dims) {
  std::vector<WordDim> out;
  for (const WordDim& d : dims) {
    if (d.size == 1) continue;
    if (!out.empty() && d.step == out.back().size * out.back().step)
      out.back().size *= d.size;
    else
      out.push_back(d);
  }
  return out;
}

Status check_elements(const Pattern& pattern) {
  if (pattern.offset > kMostElements) return fail(Errc::out_of_range, "pattern: offset is {}, expected at most 2^40", pattern.offset);
  uint64_t count = 1, reach = pattern.offset;
  for (const Dim& d : pattern.dims) {
    if (d.size == 0) return fail(Errc::out_of_range, "pattern: a size is 0, expected 1 or more");
    if (count > kMostElements / d.size || (d.stride > 0 && d.size - 1 > (kMostElements - reach) / d.stride))
      return fail(Errc::out_of_range, "pattern: size {} with stride {} goes beyond 2^40 elements", d.size, d.stride);
    count *= d.size;
    reach += (d.size - 1) * d.stride;
  }
  return {};
}

}  // namespace

uint64_t Walk::words() const {
  uint64_t n = 1;
  for (const WordDim& d : dims) n *= d.size;
  return n;
}
uint64_t Walk::last() const {
  uint64_t at = offset;
  for (const WordDim& d : dims) at += (d.size - 1) * d.step;
  return at;
}

WalkLimits walk_limits(TileKind kind) {
  switch (kind) {
    case TileKind::shim: return {3, 1023, 1u << 20, 0xFFFFFFFF};
    case TileKind::mem: return {4, 1023, 1u << 17, (1u << 17) - 1};
    case TileKind::core: return {3, 255, 1u << 13, (1u << 14) - 1};
  }
  return {};
}

Result<Walk> to_words(const Pattern& pattern, Element element, uint64_t whole) {
  ONEBIT_TRY(check_elements(pattern));
  const uint64_t bytes = bytes_of(element);
  std::vector<WordDim> dims;  // in elements, innermost first
  for (auto d = pattern.dims.rbegin(); d != pattern.dims.rend(); ++d)
    if (d->size != 1) dims.push_back({d->size, d->stride});
  if (pattern.dims.empty()) dims = {{whole, 1}};
  if (dims.empty()) dims = {{1, 1}};

  Walk walk;
  const auto whole_words = [bytes](uint64_t elements) { return elements * bytes % kWordBytes == 0; };
  if (!whole_words(pattern.offset))
    return fail(Errc::out_of_range, "pattern: offset {} of {} elements is not a multiple of 4 bytes", pattern.offset, name(element));
  walk.offset = pattern.offset * bytes / kWordBytes;
  if (bytes < kWordBytes) {
    WordDim& inner = dims.front();
    if (inner.step != 1 || !whole_words(inner.size))
      return fail(Errc::out_of_range, "pattern: the innermost loop takes {} {} elements with stride {}, expected stride 1 and a multiple of 4 bytes",
                  inner.size, name(element), inner.step);
    inner = {inner.size * bytes / kWordBytes, 1};
  }
  for (size_t i = bytes < kWordBytes ? 1 : 0; i < dims.size(); ++i) {
    if (!whole_words(dims[i].step))
      return fail(Errc::out_of_range, "pattern: stride {} of {} elements is not a multiple of 4 bytes", dims[i].step, name(element));
    dims[i].step = dims[i].step * bytes / kWordBytes;
  }
  walk.dims = simplify(dims);
  return walk;
}

Result<std::vector<WordDim>> fit_wraps(std::vector<WordDim> dims, const WalkLimits& limits) {
  for (size_t i = 0; i + 1 < dims.size(); ++i) {
    if (dims[i].size <= limits.wrap) continue;
    uint64_t inner = limits.wrap;
    while (dims[i].size % inner) --inner;
    if (inner == 1) return fail(Errc::out_of_range, "pattern: wrap is {}, expected at most {} or a product of such", dims[i].size, limits.wrap);
    const WordDim outer{dims[i].size / inner, dims[i].step * inner};
    dims[i].size = inner;
    dims.insert(dims.begin() + static_cast<ptrdiff_t>(i) + 1, outer);
  }
  return dims;
}

Status set_walk(TileKind kind, const Walk& walk, BufferDescriptor& bd) {
  const WalkLimits limits = walk_limits(kind);
  if (walk.words() > limits.length)
    return fail(Errc::out_of_range, "descriptor length: {} words used, {} available", walk.words(), limits.length);
  ONEBIT_ASSIGN(const std::vector<WordDim> dims, fit_wraps(walk.dims, limits));
  if (dims.size() > limits.dims) return fail(Errc::out_of_range, "pattern dimensions: {} used, {} available", dims.size(), limits.dims);
  bd.length = static_cast<uint32_t>(walk.words());
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i].step == 0 || dims[i].step > limits.step)
      return fail(Errc::out_of_range, "pattern: step is {} words, expected 1 to {}", dims[i].step, limits.step);
    bd.dims[i] = {static_cast<uint32_t>(dims[i].step), i + 1 < dims.size() ? static_cast<uint32_t>(dims[i].size) : 0};
  }
  return {};
}

}  // namespace onebit::npu::design
