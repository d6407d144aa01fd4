// aie::mmul: C (M x N) += A (M x K) * B (K x N), each block row-major in its register.
#pragma once

#include "aie_api/accum.hpp"

namespace aie {
namespace detail {

// The shapes of this generation that the model offers, one multiplication instruction each or the emulation the public
// API has for them.
template <unsigned M, unsigned K, unsigned N, class A, class B>
constexpr bool mmul_exists() {
  constexpr bool a8 = type_bits<A> == 8, a16 = type_bits<A> == 16, b8 = type_bits<B> == 8;
  if (is_float<A>) return K == 8 && ((M == 8 && N == 8) || (M == 4 && N == 8) || (M == 8 && N == 4) || (M == 4 && N == 4));
  if (a8 && is_nibble<B>) return M == 4 && K == 16 && N == 16;
  if (a8 && b8) return K == 8 && N == 8 && (M == 8 || M == 4 || M == 2);
  if (a16 && type_bits<B> == 16) return M == 4 && K == 4 && N == 8;
  return false;
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

template <unsigned M, unsigned K, unsigned N, class A, class B = A, class Tag = accauto>
struct mmul {
  static_assert(detail::mmul_exists<M, K, N, A, B>(), "this generation has no such mmul");
  static constexpr unsigned M_Elems = M, K_Elems = K, N_Elems = N;
  static constexpr unsigned size_A = M * K, size_B = K * N, size_C = M * N;
  using vector_A_type = vector<A, size_A>;
  using vector_B_type = vector<B, size_B>;
  using accum_type = accum<detail::choose_tag<Tag, A, B>, size_C>;

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
