// Operations element by element, products into accumulators, and reductions.
#pragma once

#include <algorithm>
#include <cmath>

#include "aie_api/accum.hpp"

namespace aie {
namespace detail {

// Lane arithmetic on the device wraps; done on unsigned numbers it does so here.
template <class T, unsigned N, class F>
vector<T, N> zip(const vector<T, N>& a, const vector<T, N>& b, F f) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) {
    if constexpr (is_float<T>) out.lanes[i] = T(f(static_cast<float>(a.lanes[i]), static_cast<float>(b.lanes[i])));
    else out.lanes[i] = wrapped<T>(static_cast<std::int64_t>(f(static_cast<std::int64_t>(a.lanes[i]), static_cast<std::int64_t>(b.lanes[i]))));
  }
  return out;
}

template <class L>
L lane_add(L a, L b) {
  if constexpr (std::is_floating_point_v<L>) return a + b;
  else return static_cast<L>(static_cast<std::make_unsigned_t<L>>(a) + static_cast<std::make_unsigned_t<L>>(b));
}
template <class L>
L lane_sub(L a, L b) {
  if constexpr (std::is_floating_point_v<L>) return a - b;
  else return static_cast<L>(static_cast<std::make_unsigned_t<L>>(a) - static_cast<std::make_unsigned_t<L>>(b));
}
// A product modulo the width of the lane; two bf16 or fp32 factors are rounded once, to fp32.
template <class L, class A, class B>
L lane_product(A a, B b) {
  if constexpr (std::is_floating_point_v<L>) {
    return static_cast<float>(a) * static_cast<float>(b);
  } else {
    using U = std::make_unsigned_t<L>;
    return static_cast<L>(static_cast<U>(a) * static_cast<U>(b));
  }
}

// Pairs that can be multiplied, by the second one (is_valid_mul_op in aie.hpp).
template <class A, class B>
constexpr bool mul_exists() {
  constexpr unsigned a = type_bits<A>, b = type_bits<B>;
  if (is_float<A> || is_float<B>) return std::is_same_v<A, B>;
  return b == 4 ? a <= 8 : b == 8 ? a <= 16 : b == 16 ? a >= 8 : a >= 16;
}

// An element, or a reference to one within a vector.
template <class S>
struct elem_value { using type = S; };
template <class T, unsigned N>
struct elem_value<vector_elem_ref<T, N>> { using type = T; };
template <class T, unsigned N>
struct elem_value<vector_elem_const_ref<T, N>> { using type = T; };
template <class S>
concept ElemOrRef = Elem<typename elem_value<S>::type>;
// The API takes a scalar of the vector's own type only: an int does not become an int8.
template <class S, class T>
concept ElemOf = std::same_as<typename elem_value<S>::type, T>;

}  // namespace detail

template <class T, unsigned N>
vector<T, N> add(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::zip(a, b, [](auto x, auto y) { return x + y; });
}
template <class T, unsigned N>
vector<T, N> sub(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::zip(a, b, [](auto x, auto y) { return x - y; });
}
template <class T, unsigned N>
vector<T, N> min(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::zip(a, b, [](auto x, auto y) { return y < x ? y : x; });
}
template <class T, unsigned N>
vector<T, N> max(const vector<T, N>& a, const vector<T, N>& b) {
  return detail::zip(a, b, [](auto x, auto y) { return x < y ? y : x; });
}
template <class T, unsigned N>
vector<T, N> bit_and(const vector<T, N>& a, const vector<T, N>& b)
  requires(!detail::is_float<T>)
{
  return detail::zip(a, b, [](auto x, auto y) { return x & y; });
}
template <class T, unsigned N>
vector<T, N> bit_or(const vector<T, N>& a, const vector<T, N>& b)
  requires(!detail::is_float<T>)
{
  return detail::zip(a, b, [](auto x, auto y) { return x | y; });
}
template <class T, unsigned N>
vector<T, N> bit_xor(const vector<T, N>& a, const vector<T, N>& b)
  requires(!detail::is_float<T>)
{
  return detail::zip(a, b, [](auto x, auto y) { return x ^ y; });
}
template <class T, unsigned N>
vector<T, N> bit_not(const vector<T, N>& a)
  requires(!detail::is_float<T>)
{
  return detail::zip(a, a, [](auto x, auto) { return ~x; });
}
template <class T, unsigned N>
vector<T, N> neg(const vector<T, N>& a) {
  return detail::zip(a, a, [](auto x, auto) { return -x; });
}
template <class T, unsigned N>
vector<T, N> abs(const vector<T, N>& a) {
  return detail::zip(a, a, [](auto x, auto) { return x < 0 ? -x : x; });
}


// Left by `shift` bits, and right with the sign, without rounding or saturation.
template <class T, unsigned N>
vector<T, N> upshift(const vector<T, N>& v, unsigned shift) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::wrapped<T>(static_cast<std::int64_t>(static_cast<std::uint64_t>(v.lanes[i]) << shift));
  return out;
}
template <class T, unsigned N>
vector<T, N> downshift(const vector<T, N>& v, unsigned shift) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::wrapped<T>(static_cast<std::int64_t>(v.lanes[i]) >> shift);
  return out;
}
template <class T, unsigned N>
vector<T, N> logical_downshift(const vector<T, N>& v, unsigned shift) {
  vector<T, N> out;
  constexpr std::uint64_t bits = (std::uint64_t{1} << detail::type_bits<T>) - 1;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::wrapped<T>(static_cast<std::int64_t>((static_cast<std::uint64_t>(v.lanes[i]) & bits) >> shift));
  return out;
}

template <class T, unsigned N, class F>
mask<N> compare_with(const vector<T, N>& a, const vector<T, N>& b, F f) {
  mask<N> m;
  for (unsigned i = 0; i < N; ++i) m.bit[i] = f(a.lanes[i], b.lanes[i]);
  return m;
}
template <class T, unsigned N>
mask<N> eq(const vector<T, N>& a, const vector<T, N>& b) { return compare_with(a, b, [](auto x, auto y) { return x == y; }); }
template <class T, unsigned N>
mask<N> neq(const vector<T, N>& a, const vector<T, N>& b) { return compare_with(a, b, [](auto x, auto y) { return x != y; }); }
template <class T, unsigned N>
mask<N> lt(const vector<T, N>& a, const vector<T, N>& b) { return compare_with(a, b, [](auto x, auto y) { return x < y; }); }
template <class T, unsigned N>
mask<N> le(const vector<T, N>& a, const vector<T, N>& b) { return compare_with(a, b, [](auto x, auto y) { return x <= y; }); }
template <class T, unsigned N>
mask<N> gt(const vector<T, N>& a, const vector<T, N>& b) { return lt(b, a); }
template <class T, unsigned N>
mask<N> ge(const vector<T, N>& a, const vector<T, N>& b) { return le(b, a); }

// Each of these with a scalar on one side, which takes part as a vector of it.
#define AIE_MODEL_WITH_SCALAR(name)                                                  \
  template <class T, unsigned N, detail::ElemOf<T> S>                                \
  auto name(const vector<T, N>& a, S b) { return name(a, broadcast<T, N>(T(b))); }   \
  template <class T, unsigned N, detail::ElemOf<T> S>                                \
  auto name(S a, const vector<T, N>& b) { return name(broadcast<T, N>(T(a)), b); }
AIE_MODEL_WITH_SCALAR(add)
AIE_MODEL_WITH_SCALAR(sub)
AIE_MODEL_WITH_SCALAR(min)
AIE_MODEL_WITH_SCALAR(max)
AIE_MODEL_WITH_SCALAR(bit_and)
AIE_MODEL_WITH_SCALAR(bit_or)
AIE_MODEL_WITH_SCALAR(bit_xor)
AIE_MODEL_WITH_SCALAR(eq)
AIE_MODEL_WITH_SCALAR(neq)
AIE_MODEL_WITH_SCALAR(lt)
AIE_MODEL_WITH_SCALAR(le)
AIE_MODEL_WITH_SCALAR(gt)
AIE_MODEL_WITH_SCALAR(ge)
#undef AIE_MODEL_WITH_SCALAR

// Lane i of b where the mask has bit i, else of a.
template <class T, unsigned N>
vector<T, N> select(const vector<T, N>& a, const vector<T, N>& b, const mask<N>& m) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = m.bit[i] ? b.lanes[i] : a.lanes[i];
  return out;
}

// Sum modulo the element type; floats pairwise, halves of the vector first, as a tree of vector adds does.
template <class T, unsigned N>
T reduce_add(const vector<T, N>& v) {
  vector<T, N> s = v;
  for (unsigned half = N / 2; half > 0; half /= 2)
    for (unsigned i = 0; i < half; ++i) {
      if constexpr (detail::is_float<T>) s.lanes[i] = T(static_cast<float>(s.lanes[i]) + static_cast<float>(s.lanes[i + half]));
      else s.lanes[i] = detail::wrapped<T>(static_cast<std::int64_t>(s.lanes[i]) + static_cast<std::int64_t>(s.lanes[i + half]));
    }
  return T(s.lanes[0]);
}
template <class T, unsigned N>
T reduce_min(const vector<T, N>& v) { return T(*std::min_element(v.lanes.begin(), v.lanes.end())); }
template <class T, unsigned N>
T reduce_max(const vector<T, N>& v) { return T(*std::max_element(v.lanes.begin(), v.lanes.end())); }

template <class Tag, unsigned N>
accum<Tag, N> add(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::lane_add(a.lanes[i], b.lanes[i]);
  return out;
}
template <class Tag, unsigned N>
accum<Tag, N> sub(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  accum<Tag, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::lane_sub(a.lanes[i], b.lanes[i]);
  return out;
}
template <class Tag, class T, unsigned N>
accum<Tag, N> add(const accum<Tag, N>& a, const vector<T, N>& b) { return add(a, accum<Tag, N>(b)); }
template <class Tag, class T, unsigned N>
accum<Tag, N> sub(const accum<Tag, N>& a, const vector<T, N>& b) { return sub(a, accum<Tag, N>(b)); }

template <class Tag = accauto, class A, class B, unsigned N>
auto mul(const vector<A, N>& a, const vector<B, N>& b)
  requires(detail::mul_exists<A, B>())
{
  accum<detail::choose_tag<Tag, A, B>, N> out;
  using L = typename decltype(out)::lane_type;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::lane_product<L>(a.lanes[i], b.lanes[i]);
  return out;
}
template <class Tag = accauto, class A, detail::ElemOrRef S, unsigned N>
auto mul(const vector<A, N>& a, S b) {
  using B = typename detail::elem_value<S>::type;
  return mul<Tag>(a, broadcast<B, N>(B(b)));
}
template <class Tag = accauto, detail::ElemOrRef S, class B, unsigned N>
auto mul(S a, const vector<B, N>& b) {
  using A = typename detail::elem_value<S>::type;
  return mul<Tag>(broadcast<A, N>(A(a)), b);
}

// Numbers times 2^-shift as fp32.
template <class T, unsigned N>
vector<float, N> to_float(const vector<T, N>& v, int shift = 0)
  requires(!detail::is_float<T>)
{
  vector<float, N> out;
  for (unsigned i = 0; i < N; ++i) out.lanes[i] = std::ldexp(static_cast<float>(v.lanes[i]), -shift);
  return out;
}

// acc + a * b, acc - a * b, -(a * b); operands as for mul.
template <class Tag, unsigned N, class A, class B>
accum<Tag, N> mac(const accum<Tag, N>& acc, const A& a, const B& b) { return add(acc, mul<Tag>(a, b)); }
template <class Tag, unsigned N, class A, class B>
accum<Tag, N> msc(const accum<Tag, N>& acc, const A& a, const B& b) { return sub(acc, mul<Tag>(a, b)); }
template <class Tag = accauto, class A, class B, unsigned N>
auto negmul(const vector<A, N>& a, const vector<B, N>& b) {
  using Acc = accum<detail::choose_tag<Tag, A, B>, N>;
  return sub(zeros<typename Acc::value_type, N>(), mul<Tag>(a, b));
}

}  // namespace aie
