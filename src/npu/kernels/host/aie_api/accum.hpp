// aie::accum: a register of N accumulator lanes.
#pragma once

#include "aie_api/vector.hpp"

namespace aie {

template <class Tag, unsigned N>
class accum {
 public:
  using value_type = Tag;
  using lane_type = typename detail::acc_lane<Tag>::type;

  accum() {
    if constexpr (sizeof(lane_type) == 4) lanes.fill(std::bit_cast<lane_type>(std::uint32_t{0xCDCDCDCD}));
    else lanes.fill(std::bit_cast<lane_type>(std::uint64_t{0xCDCDCDCDCDCDCDCD}));
  }
  template <class T>
  explicit accum(const vector<T, N>& v, int shift = 0) { from_vector(v, shift); }

  static constexpr unsigned size() { return N; }
  static constexpr unsigned value_bits() { return 8 * sizeof(lane_type); }
  static constexpr unsigned bits() { return N * value_bits(); }
  static constexpr bool is_floating_point() { return std::is_same_v<Tag, accfloat>; }

  // Lanes times 2^shift; shift does not apply to floats.
  template <class T>
  void from_vector(const vector<T, N>& v, int shift = 0) {
    for (unsigned i = 0; i < N; ++i) {
      if constexpr (is_floating_point()) {
        lanes[i] = static_cast<float>(v.lanes[i]);
      } else {
        const std::int64_t x = v.lanes[i];
        lanes[i] = static_cast<lane_type>(shift >= 0 ? static_cast<std::int64_t>(static_cast<std::uint64_t>(x) << shift) : x >> -shift);
      }
    }
  }
  // Lanes divided by 2^shift, rounded and saturated by the modes in force; shift does not apply to floats.
  template <class T>
  vector<T, N> to_vector(int shift = 0) const {
    vector<T, N> out;
    for (unsigned i = 0; i < N; ++i) {
      if constexpr (!is_floating_point()) {
        static_assert(!detail::is_float<T>, "an integer accumulator gives integers");
        out.lanes[i] = detail::srs<T>(lanes[i], shift);
      } else if constexpr (std::is_same_v<T, bfloat16>) {
        out.lanes[i] = detail::narrow_float(lanes[i]);
      } else {
        static_assert(std::is_same_v<T, float>, "a float accumulator gives bfloat16 or float");
        out.lanes[i] = lanes[i];
      }
    }
    return out;
  }

  template <unsigned M>
  accum<Tag, M> extract(unsigned index) const {
    detail::require(index < N / M, "accumulator part out of range");
    accum<Tag, M> out;
    for (unsigned i = 0; i < M; ++i) out.lanes[i] = lanes[index * M + i];
    return out;
  }
  template <unsigned M>
  accum& insert(unsigned index, const accum<Tag, M>& part) {
    detail::require(index < N / M, "accumulator part out of range");
    for (unsigned i = 0; i < M; ++i) lanes[index * M + i] = part.lanes[i];
    return *this;
  }
  template <unsigned M>
  accum<Tag, M> grow(unsigned index = 0) const {
    return accum<Tag, M>().insert(index, *this);
  }

  alignas(16) std::array<lane_type, N> lanes;
};

template <class Tag, unsigned N>
  requires detail::AccTag<Tag>
accum<Tag, N> zeros() {
  accum<Tag, N> a;
  a.lanes.fill(0);
  return a;
}
template <class T, class Tag, unsigned N>
vector<T, N> to_vector(const accum<Tag, N>& a, int shift = 0) { return a.template to_vector<T>(shift); }
template <class Tag, class T, unsigned N>
accum<Tag, N> from_vector(const vector<T, N>& v, int shift = 0) { return accum<Tag, N>(v, shift); }

}  // namespace aie
