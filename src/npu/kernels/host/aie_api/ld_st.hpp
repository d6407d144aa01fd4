// Loads, stores and iterators over memory.
#pragma once

#include <cstddef>
#include <iterator>

#include "aie_api/vector.hpp"


namespace aie {

inline constexpr unsigned vector_decl_align = 64;

// Bytes: a load or store moves at most 512 bits at a time and is aligned to what it moves.
template <class T, unsigned N>
inline constexpr unsigned vector_ldst_align_v = N * detail::type_bits<T> / 8 < 64 ? N * detail::type_bits<T> / 8 : 64;
template <class T>
inline constexpr unsigned native_vector_length_v = 512 / detail::type_bits<T>;

namespace detail {
template <class T, unsigned N>
void check_aligned(const void* p) {
  require(reinterpret_cast<std::uintptr_t>(p) % vector_ldst_align_v<T, N> == 0, "an aligned vector access to a misaligned address");
}
}  // namespace detail

template <unsigned N, class T>
vector<std::remove_cv_t<T>, N> load_v(const T* p) {
  detail::check_aligned<T, N>(p);
  vector<std::remove_cv_t<T>, N> v;
  v.load_bytes(p);
  return v;
}
template <class T>
auto load_v(const T* p) { return load_v<native_vector_length_v<T>>(p); }

template <class T, unsigned N>
T* store_v(T* p, const vector<std::type_identity_t<T>, N>& v) {
  detail::check_aligned<T, N>(p);
  v.store_bytes(p);
  return p;
}

// Aligned to `aligned_elems` elements.
template <unsigned N, class T>
vector<T, N> load_unaligned_v(const T* p, unsigned aligned_elems = 1) {
  detail::require(reinterpret_cast<std::uintptr_t>(p) % (aligned_elems * sizeof(T)) == 0, "an unaligned load with less alignment than it says");
  vector<T, N> v;
  v.load_bytes(p);
  return v;
}
template <class T>
auto load_unaligned_v(const T* p, unsigned aligned_elems = 1) { return load_unaligned_v<native_vector_length_v<T>>(p, aligned_elems); }

template <class T, unsigned N>
T* store_unaligned_v(T* p, const vector<std::type_identity_t<T>, N>& v, unsigned aligned_elems = 1) {
  detail::require(reinterpret_cast<std::uintptr_t>(p) % (aligned_elems * sizeof(T)) == 0, "an unaligned store with less alignment than it says");
  v.store_bytes(p);
  return p;
}

// The address rounded down to a multiple of n elements.
template <unsigned N, class T>
vector<T, N> load_floor_v(const T* p, unsigned n = N) {
  const auto address = reinterpret_cast<std::uintptr_t>(p) & ~(std::uintptr_t{n} * sizeof(T) - 1);
  return load_v<N>(reinterpret_cast<const T*>(address));
}

template <class T, unsigned N>
template <class P>
vector<T, N>& vector<T, N>::load(const P* p) {
  static_assert(std::is_same_v<std::remove_cv_t<P>, T>);
  return *this = load_v<N>(p);
}
template <class T, unsigned N>
template <class P>
void vector<T, N>::store(P* p) const {
  static_assert(std::is_same_v<P, T>);
  store_v(p, *this);
}

// A vector in memory: reads as the vector, writes on assignment.
template <class T, unsigned N>
class vector_ref {
 public:
  using value_type = std::remove_const_t<T>;
  explicit vector_ref(T* p) : at_(p) {}
  operator vector<value_type, N>() const { return load(); }
  vector<value_type, N> load() const { return load_v<N>(at_); }
  vector_ref& operator=(const vector<value_type, N>& v)
    requires(!std::is_const_v<T>)
  {
    store_v(at_, v);
    return *this;
  }
  vector_ref& operator=(const vector_ref& other)
    requires(!std::is_const_v<T>)
  {
    return *this = other.load();
  }
  vector_ref(const vector_ref&) = default;

 private:
  T* at_;
};

// Steps of one vector. Reading gives a vector; through a pointer to non-const one may also write.
template <class T, unsigned N>
class vector_iterator {
 public:
  using value_type = vector<std::remove_const_t<T>, N>;
  using difference_type = std::ptrdiff_t;
  using reference = std::conditional_t<std::is_const_v<T>, value_type, vector_ref<T, N>>;
  using pointer = void;
  using iterator_category = std::random_access_iterator_tag;

  vector_iterator() = default;
  explicit vector_iterator(T* p) : at_(p) {}
  reference operator*() const {
    if constexpr (std::is_const_v<T>) return load_v<N>(at_);
    else return vector_ref<T, N>(at_);
  }
  reference operator[](difference_type n) const { return *(*this + n); }
  vector_iterator& operator+=(difference_type n) {
    at_ += n * kStep;
    return *this;
  }
  vector_iterator& operator-=(difference_type n) { return *this += -n; }
  vector_iterator& operator++() { return *this += 1; }
  vector_iterator& operator--() { return *this -= 1; }
  vector_iterator operator++(int) {
    vector_iterator old = *this;
    ++*this;
    return old;
  }
  vector_iterator operator--(int) {
    vector_iterator old = *this;
    --*this;
    return old;
  }
  friend vector_iterator operator+(vector_iterator i, difference_type n) { return i += n; }
  friend vector_iterator operator-(vector_iterator i, difference_type n) { return i -= n; }
  friend difference_type operator-(const vector_iterator& a, const vector_iterator& b) { return (a.at_ - b.at_) / kStep; }
  auto operator<=>(const vector_iterator&) const = default;

 private:
  static constexpr difference_type kStep = N * detail::type_bits<std::remove_const_t<T>> / 8 / sizeof(T);  // a nibble pointer steps by bytes
  T* at_ = nullptr;
};

template <unsigned N, class T>
auto begin_vector(T* p) { return vector_iterator<T, N>(p); }
template <unsigned N, class T>
auto cbegin_vector(const T* p) { return vector_iterator<const T, N>(p); }
// The promise that no other iterator reaches the same memory; it changes the schedule on the device, nothing here.
template <unsigned N, class T>
auto begin_restrict_vector(T* p) { return vector_iterator<T, N>(p); }
template <unsigned N, class T>
auto cbegin_restrict_vector(const T* p) { return vector_iterator<const T, N>(p); }

}  // namespace aie
