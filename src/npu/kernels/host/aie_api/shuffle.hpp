// Operations that move elements between lanes.
#pragma once

#include "aie_api/vector.hpp"

namespace aie {
namespace detail {
// Lane i of the result is lane f(i) of v; a negative f(i) leaves it undefined.
template <class T, unsigned N, class F>
vector<T, N> permuted(const vector<T, N>& v, F f) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i)
    if (const int from = f(static_cast<int>(i)); from >= 0 && from < static_cast<int>(N)) out.lanes[i] = v.lanes[static_cast<unsigned>(from)];
  return out;
}
}  // namespace detail

// Towards higher lanes by n; the n lowest become undefined, or wrap, or repeat lane 0, or come from the top of `fill`.
template <class T, unsigned N>
vector<T, N> shuffle_up(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return i - static_cast<int>(n); });
}
template <class T, unsigned N>
vector<T, N> shuffle_up_rotate(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return static_cast<int>((static_cast<unsigned>(i) + N - n % N) % N); });
}
template <class T, unsigned N>
vector<T, N> shuffle_up_replicate(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return i < static_cast<int>(n) ? 0 : i - static_cast<int>(n); });
}
template <class T, unsigned N>
vector<T, N> shuffle_up_fill(const vector<T, N>& v, const vector<T, N>& fill, unsigned n) {
  vector<T, N> out = shuffle_up(v, n);
  for (unsigned i = 0; i < n && i < N; ++i) out.lanes[i] = fill.lanes[(N - n + i) % N];
  return out;
}
// Towards lower lanes by n, likewise; the n highest come from the bottom of `fill`.
template <class T, unsigned N>
vector<T, N> shuffle_down(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return i + static_cast<int>(n); });
}
template <class T, unsigned N>
vector<T, N> shuffle_down_rotate(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return static_cast<int>((static_cast<unsigned>(i) + n) % N); });
}
template <class T, unsigned N>
vector<T, N> shuffle_down_replicate(const vector<T, N>& v, unsigned n) {
  return detail::permuted(v, [n](int i) { return std::min(i + static_cast<int>(n), static_cast<int>(N) - 1); });
}
template <class T, unsigned N>
vector<T, N> shuffle_down_fill(const vector<T, N>& v, const vector<T, N>& fill, unsigned n) {
  vector<T, N> out = shuffle_down(v, n);
  for (unsigned i = 0; i < n && i < N; ++i) out.lanes[N - std::min(n, N) + i] = fill.lanes[i];
  return out;
}

// a0 b0 a1 b1 ... in blocks of `step` elements, as two vectors: the lower and the upper half of the merge.
template <class T, unsigned N>
std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N>& a, const vector<T, N>& b, unsigned step) {
  std::array<detail::lane_t<T>, 2 * N> merged;
  for (unsigned i = 0; i < N; ++i) {
    const unsigned at = i / step * 2 * step + i % step;
    merged[at] = a.lanes[i];
    merged[at + step] = b.lanes[i];
  }
  std::pair<vector<T, N>, vector<T, N>> out;
  std::copy_n(merged.begin(), N, out.first.lanes.begin());
  std::copy_n(merged.begin() + N, N, out.second.lanes.begin());
  return out;
}
// The inverse: even blocks of a then b, and odd blocks.
template <class T, unsigned N>
std::pair<vector<T, N>, vector<T, N>> interleave_unzip(const vector<T, N>& a, const vector<T, N>& b, unsigned step) {
  std::pair<vector<T, N>, vector<T, N>> out;
  for (unsigned i = 0; i < 2 * N; ++i) {
    const auto lane = i < N ? a.lanes[i] : b.lanes[i - N];
    auto& half = i / step % 2 == 0 ? out.first : out.second;
    half.lanes[i / (2 * step) * step + i % step] = lane;
  }
  return out;
}
template <class T, unsigned N>
vector<T, N / 2> filter_even(const vector<T, N>& v, unsigned step = 1) {
  vector<T, N / 2> out;
  for (unsigned i = 0; i < N / 2; ++i) out.lanes[i] = v.lanes[i / step * 2 * step + i % step];
  return out;
}
template <class T, unsigned N>
vector<T, N / 2> filter_odd(const vector<T, N>& v, unsigned step = 1) {
  vector<T, N / 2> out;
  for (unsigned i = 0; i < N / 2; ++i) out.lanes[i] = v.lanes[i / step * 2 * step + step + i % step];
  return out;
}
template <class T, unsigned N>
vector<T, N> reverse(const vector<T, N>& v) {
  return detail::permuted(v, [](int i) { return static_cast<int>(N) - 1 - i; });
}
// v is `rows` x `columns`, row-major; the result is its transpose, row-major.
template <class T, unsigned N>
vector<T, N> transpose(const vector<T, N>& v, unsigned rows, unsigned columns) {
  detail::require(rows * columns == N, "transpose of a shape that is not the vector's size");
  return detail::permuted(v, [=](int i) { return static_cast<int>(static_cast<unsigned>(i) % rows * columns + static_cast<unsigned>(i) / rows); });
}

}  // namespace aie
