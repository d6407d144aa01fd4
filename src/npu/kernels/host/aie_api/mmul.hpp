// aie::mmul: C (M x N) += A (M x K) * B (K x N), each block row-major in its register.
#pragma once

#include "aie_api/accum.hpp"

namespace aie {
namespace detail {

// The shapes that the headers of this generation specialise (detail/aie2p/mmul_*.hpp), of those types that the model offers.
template <class T>
inline constexpr bool is_byte = std::is_same_v<T, int8> || std::is_same_v<T, uint8>;
template <class T>
inline constexpr bool is_half = std::is_same_v<T, int16> || std::is_same_v<T, uint16>;
template <class T>
inline constexpr bool is_bf16 = std::is_same_v<T, bfloat16>;

template <unsigned M, unsigned K, unsigned N, class A, class B>
constexpr bool mmul_exists() {
  constexpr auto is = [](unsigned m, unsigned k, unsigned n) { return M == m && K == k && N == n; };
  if (is_byte<A> && is_byte<B>) return is(8, 8, 8) || is(4, 8, 8) || is(2, 8, 8);                                                // mmul_8_8.hpp
  if (is_byte<A> && is_nibble<B>) return is(4, 16, 16);                                                                         // mmul_8_4.hpp
  if (is_half<A> && is_half<B>) return is(4, 4, 8) || is(2, 4, 8) || is(8, 2, 8) || is(4, 2, 8) || is(8, 1, 8);                 // mmul_16_16.hpp
  if (is_bf16<A> && is_bf16<B>) return is(8, 8, 8) || is(4, 8, 8) || is(8, 8, 4) || is(4, 8, 4) || is(8, 1, 8);                 // mmul_bf16_bf16.hpp
  return false;
}
// Blocks of 16-bit operands four deep are summed in 64 bits whatever the tag says (mmul_16_16.hpp); all others in 32.
template <unsigned K, class A, class B>
using mmul_tag = std::conditional_t<is_bf16<A>, accfloat, std::conditional_t<is_half<A> && K == 4, acc64, acc32>>;
template <unsigned K, class Tag, class A, class B>
constexpr bool mmul_tag_exists() {
  return std::is_same_v<Tag, accauto> || std::is_same_v<Tag, mmul_tag<K, A, B>> || (is_half<A> && K == 4 && std::is_same_v<Tag, acc32>);
}

// acc += a * b on lanes modulo 2^bits. Operands of at most 8 bits are widened to 16 first: a product of two 16-bit numbers
// into 32 bits is what the vector units of common machines have.
template <unsigned M, unsigned K, unsigned N, class L, class A, class B>
void multiply_accumulate(L* acc, const A* a, const B* b) {
  if constexpr (std::is_floating_point_v<L>) {
    for (unsigned i = 0; i < M; ++i)
      for (unsigned k = 0; k < K; ++k) {
        const float x = a[i * K + k];
        for (unsigned j = 0; j < N; ++j) acc[i * N + j] += x * static_cast<float>(b[k * N + j]);
      }
  } else {
    using U = std::make_unsigned_t<L>;
    using WA = std::conditional_t<sizeof(A) == 1, std::int16_t, A>;
    using WB = std::conditional_t<sizeof(B) == 1, std::int16_t, B>;
    WA wa[M * K];
    WB wb[K * N];
    for (unsigned i = 0; i < M * K; ++i) wa[i] = a[i];
    for (unsigned i = 0; i < K * N; ++i) wb[i] = b[i];
    for (unsigned i = 0; i < M; ++i) {
      U row[N];
      for (unsigned j = 0; j < N; ++j) row[j] = static_cast<U>(acc[i * N + j]);
      for (unsigned k = 0; k < K; ++k) {
        const WA x = wa[i * K + k];
        for (unsigned j = 0; j < N; ++j) {
          if constexpr (std::is_same_v<WA, std::int16_t> && std::is_same_v<WB, std::int16_t>) row[j] += static_cast<U>(std::int32_t{x} * std::int32_t{wb[k * N + j]});
          else row[j] += static_cast<U>(x) * static_cast<U>(wb[k * N + j]);
        }
      }
      for (unsigned j = 0; j < N; ++j) acc[i * N + j] = static_cast<L>(row[j]);
    }
  }
}

}  // namespace detail

template <unsigned M_Elems, unsigned K_Elems, unsigned N_Elems, class A, class B = A, class Tag = accauto>
struct mmul {
  static_assert(detail::mmul_exists<M_Elems, K_Elems, N_Elems, A, B>(), "aie_api/detail/aie2p/mmul_*.hpp has no such shape for these types");
  static_assert(detail::mmul_tag_exists<K_Elems, Tag, A, B>(), "aie_api/detail/aie2p/mmul_*.hpp has this shape with another accumulator");
  static constexpr unsigned M = M_Elems, K = K_Elems, N = N_Elems;
  static constexpr unsigned size_A = M * K, size_B = K * N, size_C = M * N;
  using vector_A_type = vector<A, size_A>;
  using vector_B_type = vector<B, size_B>;
  using accum_type = accum<detail::mmul_tag<K_Elems, A, B>, size_C>;

  mmul() = default;  // its first mac is a mul
  mmul(const accum_type& acc) : zero(false), data(acc) {}
  template <class T>
  mmul(const vector<T, size_C>& v, int shift = 0) : zero(false), data(v, shift) {}

  static constexpr unsigned size() { return size_C; }

  void mul(const vector_A_type& a, const vector_B_type& b) {
    zero = true;
    mac(a, b);
  }
  void mac(const vector_A_type& a, const vector_B_type& b) {
    if (zero) data.lanes.fill(0);
    zero = false;
    detail::multiply_accumulate<M, K, N>(data.lanes.data(), a.lanes.data(), b.lanes.data());
  }
  accum_type to_accum() const { return data; }
  operator accum_type() const { return data; }
  template <class T>
  vector<T, size_C> to_vector(int shift = 0) const { return data.template to_vector<T>(shift); }

 private:
  bool zero = true;
  accum_type data;
};

}  // namespace aie
