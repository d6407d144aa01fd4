// aie::vector: a register of N elements, and aie::mask: one bit for each.
#pragma once

#include <array>
#include <cstring>
#include <tuple>
#include <utility>

#include "aie_api/types.hpp"

namespace aie {

template <class T, unsigned N>
class vector;

namespace detail {

template <class T>
constexpr lane_t<T> poison_lane() {
  if constexpr (is_nibble<T>) return static_cast<lane_t<T>>(T(0xD));
  else if constexpr (sizeof(T) == 1) return static_cast<T>(0xCD);
  else if constexpr (sizeof(T) == 2) return std::bit_cast<T>(std::uint16_t{0xCDCD});
  else return std::bit_cast<T>(std::uint32_t{0xCDCDCDCD});
}

// Lanes to and from their place in memory, nibbles two to a byte.
template <class T, unsigned N>
void to_memory(const lane_t<T>* lanes, void* memory) {
  if constexpr (is_nibble<T>) {
    auto* bytes = static_cast<std::uint8_t*>(memory);
    for (unsigned i = 0; i < N / 2; ++i) bytes[i] = static_cast<std::uint8_t>((lanes[2 * i] & 15) | (lanes[2 * i + 1] & 15) << 4);
  } else {
    std::memcpy(memory, lanes, N * sizeof(T));
  }
}
template <class T, unsigned N>
void from_memory(lane_t<T>* lanes, const void* memory) {
  if constexpr (is_nibble<T>) {
    const auto* bytes = static_cast<const std::uint8_t*>(memory);
    for (unsigned i = 0; i < N; ++i) lanes[i] = static_cast<lane_t<T>>(T(bytes[i / 2] >> (i % 2 * 4)));
  } else {
    std::memcpy(lanes, memory, N * sizeof(T));
  }
}

}  // namespace detail

// An element in place; reads as the element.
template <class T, unsigned N>
class vector_elem_const_ref {
 public:
  vector_elem_const_ref(const vector<T, N>& v, unsigned i) : parent(v), offset(i) {}
  T get() const { return parent.get(offset); }
  operator T() const { return get(); }
  const vector<T, N>& parent;
  const unsigned offset;
};
template <class T, unsigned N>
class vector_elem_ref {
 public:
  vector_elem_ref(vector<T, N>& v, unsigned i) : parent(v), offset(i) {}
  T get() const { return parent.get(offset); }
  operator T() const { return get(); }
  vector_elem_ref& operator=(T v) {
    parent.set(v, offset);
    return *this;
  }
  vector<T, N>& parent;
  const unsigned offset;
};

template <class T, unsigned N>
class vector {
  static_assert(detail::Elem<T>, "no vector has this element type");
  static_assert(N * detail::type_bits<T> >= 128 && std::has_single_bit(N), "a vector has at least 128 bits and a power of two elements");

 public:
  using value_type = T;
  using lane_type = detail::lane_t<T>;

  vector() { lanes.fill(detail::poison_lane<T>()); }
  template <class... V>
    requires(sizeof...(V) + 1 <= N && sizeof...(V) > 0 && (std::convertible_to<V, T> && ...))
  explicit vector(T first, V... rest) : vector() {
    unsigned i = 0;
    set(first, i++);
    (set(static_cast<T>(rest), i++), ...);
  }

  static constexpr unsigned size() { return N; }
  static constexpr unsigned type_bits() { return detail::type_bits<T>; }
  static constexpr unsigned bits() { return N * type_bits(); }
  static constexpr unsigned bytes() { return bits() / 8; }
  static constexpr bool is_signed() { return detail::is_signed<T>; }
  static constexpr bool is_integral() { return !detail::is_float<T>; }
  static constexpr bool is_floating_point() { return detail::is_float<T>; }

  T get(unsigned i) const {
    detail::require(i < N, "vector element index out of range");
    return T(lanes[i]);
  }
  void set(T v, unsigned i) {
    detail::require(i < N, "vector element index out of range");
    lanes[i] = static_cast<lane_type>(v);
  }
  vector_elem_const_ref<T, N> operator[](unsigned i) const { return {*this, i}; }
  vector_elem_ref<T, N> operator[](unsigned i) { return {*this, i}; }

  // Every element one place up, the last one lost, v in place 0.
  vector& push(T v) {
    for (unsigned i = N - 1; i > 0; --i) lanes[i] = lanes[i - 1];
    lanes[0] = static_cast<lane_type>(v);
    return *this;
  }

  template <unsigned M>
  vector<T, M> extract(unsigned index) const {
    static_assert(M <= N);
    detail::require(index < N / M, "subvector index out of range");
    vector<T, M> out;
    for (unsigned i = 0; i < M; ++i) out.lanes[i] = lanes[index * M + i];
    return out;
  }
  template <unsigned M>
  vector& insert(unsigned index, const vector<T, M>& part) {
    static_assert(M <= N);
    detail::require(index < N / M, "subvector index out of range");
    for (unsigned i = 0; i < M; ++i) lanes[index * M + i] = part.lanes[i];
    return *this;
  }
  template <unsigned M>
  vector<T, M> grow(unsigned index = 0) const {
    static_assert(M >= N);
    return vector<T, M>().insert(index, *this);
  }
  template <unsigned M>
  vector<T, M> grow_replicate() const {
    vector<T, M> out;
    for (unsigned i = 0; i < M; ++i) out.lanes[i] = lanes[i % N];
    return out;
  }
  // Subvectors of M elements as a tuple, in order.
  template <unsigned M>
  auto split() const {
    return [this]<std::size_t... I>(std::index_sequence<I...>) { return std::make_tuple(extract<M>(I)...); }(std::make_index_sequence<N / M>());
  }

  // The same bits under another element type.
  template <class U>
  auto cast_to() const {
    vector<U, bits() / detail::type_bits<U>> out;
    std::array<std::uint8_t, bytes()> memory;
    store_bytes(memory.data());
    out.load_bytes(memory.data());
    return out;
  }

  template <class U = typename detail::wider<T>::type>
  vector<U, N> unpack() const
    requires(detail::unpacks<T, U>())
  {
    vector<U, N> out;
    for (unsigned i = 0; i < N; ++i) out.lanes[i] = static_cast<detail::lane_t<U>>(lanes[i]);
    return out;
  }
  // Sign chosen at run time: extends the bits of each element by their top bit, or by zero.
  template <class U = typename detail::wider<T>::type>
  vector<U, N> unpack_sign(bool sign) const
    requires(detail::unpacks<T, U>())
  {
    vector<U, N> out;
    constexpr unsigned shift = 64 - detail::type_bits<T>;
    for (unsigned i = 0; i < N; ++i) {
      const std::uint64_t top = static_cast<std::uint64_t>(static_cast<std::int64_t>(lanes[i])) << shift;
      out.lanes[i] = detail::wrapped<U>(sign ? static_cast<std::int64_t>(top) >> shift : static_cast<std::int64_t>(top >> shift));
    }
    return out;
  }
  // To a narrower type by the saturation in force.
  template <class U = typename detail::narrower<T>::type>
  vector<U, N> pack() const
    requires(detail::packs<T, U>())
  {
    vector<U, N> out;
    for (unsigned i = 0; i < N; ++i) out.lanes[i] = detail::saturated<U>(lanes[i]);
    return out;
  }

  template <class P>
  vector& load(const P* p);
  template <class P>
  void store(P* p) const;

  void load_bytes(const void* p) { detail::from_memory<T, N>(lanes.data(), p); }
  void store_bytes(void* p) const { detail::to_memory<T, N>(lanes.data(), p); }

  alignas(16) std::array<lane_type, N> lanes;
};

template <unsigned N>
class mask {
 public:
  bool test(unsigned i) const { return bit.at(i); }
  void set(unsigned i) { bit.at(i) = true; }
  void clear(unsigned i) { bit.at(i) = false; }
  static constexpr unsigned size() { return N; }
  unsigned count() const {
    unsigned n = 0;
    for (const bool b : bit) n += b;
    return n;
  }
  bool empty() const { return count() == 0; }
  bool full() const { return count() == N; }
  std::array<bool, N> bit{};
};

template <class U, class T, unsigned N>
auto vector_cast(const vector<T, N>& v) { return v.template cast_to<U>(); }
template <class T, unsigned N>
auto unpack(const vector<T, N>& v) { return v.unpack(); }
template <class T, unsigned N>
auto pack(const vector<T, N>& v) { return v.pack(); }

template <class T, unsigned N = 512 / detail::type_bits<T>>
  requires detail::Elem<T>
vector<T, N> zeros() {
  vector<T, N> v;
  v.lanes.fill(detail::lane_t<T>{});
  return v;
}
template <class T, unsigned N = 512 / detail::type_bits<T>>
vector<T, N> broadcast(T value) {
  vector<T, N> v;
  v.lanes.fill(static_cast<detail::lane_t<T>>(value));
  return v;
}
template <class T, unsigned N, class... Rest>
auto concat(const vector<T, N>& first, const Rest&... rest) {
  vector<T, N*(1 + sizeof...(Rest))> out;
  unsigned i = 0;
  out.insert(i++, first);
  (out.insert(i++, rest), ...);
  return out;
}

}  // namespace aie
