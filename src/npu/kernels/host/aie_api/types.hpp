// Element types, accumulator tags, and the rounding and saturation that a narrowing move applies.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <type_traits>

using int8 = std::int8_t;
using int16 = std::int16_t;
using int32 = std::int32_t;
using int64 = std::int64_t;
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
using uint64 = std::uint64_t;

// Four bits in memory: element 2i is the low nibble of byte i, element 2i+1 the high one. sizeof is 1, as on the device:
// a pointer to int4 steps by bytes, which are two elements each.
struct int4 {
  constexpr int4() = default;
  constexpr int4(int v) : value(static_cast<std::int8_t>(((v & 15) ^ 8) - 8)) {}
  constexpr operator int() const { return value; }
  std::int8_t value = 0;
};
struct uint4 {
  constexpr uint4() = default;
  constexpr uint4(int v) : value(static_cast<std::uint8_t>(v & 15)) {}
  constexpr operator int() const { return value; }
  std::uint8_t value = 0;
};

// The upper half of an fp32. From float: to nearest, ties to even, as a scalar conversion does on the device.
struct bfloat16 {
  constexpr bfloat16() = default;
  constexpr bfloat16(float f) {
    const std::uint32_t u = std::bit_cast<std::uint32_t>(f);
    const bool nan = (u & 0x7FFFFFFFu) > 0x7F800000u;
    bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
  }
  constexpr operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
  static constexpr bfloat16 from_bits(std::uint16_t b) {
    bfloat16 v;
    v.bits = b;
    return v;
  }
  std::uint16_t bits = 0;
};

struct acc32 {};  // 32-bit integer lanes, sums modulo 2^32
struct acc64 {};
struct accfloat {};

namespace aie {

enum class rounding_mode : unsigned {
  floor = 0,            // towards minus infinity
  ceil = 1,             // towards plus infinity
  symmetric_floor = 2,  // towards zero
  symmetric_ceil = 3,   // away from zero
  negative_inf = 8,     // to nearest; the rest say where a half goes
  positive_inf = 9,
  symmetric_zero = 10,
  symmetric_inf = 11,
  conv_even = 12,
  conv_odd = 13,
};

enum class saturation_mode : unsigned {
  none = 0,       // keep the low bits
  saturate = 1,   // clamp to the type
  symmetric = 3,  // clamp to -max .. max
};

struct accauto {};  // lets an operation choose its accumulator

namespace detail {

inline void require(bool ok, const char* what) {
  if (!ok) [[unlikely]] {
    std::fprintf(stderr, "aie_api model: %s\n", what);
    std::abort();
  }
}

// Of the core that runs: the device keeps both in control registers, at these values after a reset.
struct Modes {
  rounding_mode rounding = rounding_mode::floor;
  saturation_mode saturation = saturation_mode::none;
};
inline thread_local Modes modes;

template <class T>
inline constexpr bool is_nibble = std::is_same_v<T, int4> || std::is_same_v<T, uint4>;
template <class T>
inline constexpr bool is_float = std::is_same_v<T, bfloat16> || std::is_same_v<T, float>;
template <class T>
inline constexpr bool is_signed = std::is_signed_v<T> || std::is_same_v<T, int4> || is_float<T>;
template <class T>
inline constexpr unsigned type_bits = is_nibble<T> ? 4 : 8 * sizeof(T);

template <class T>
concept Elem = is_nibble<T> || is_float<T> || std::is_same_v<T, int8> || std::is_same_v<T, int16> || std::is_same_v<T, int32> ||
               std::is_same_v<T, uint8> || std::is_same_v<T, uint16> || std::is_same_v<T, uint32>;

// How a lane is held between operations: nibbles as bytes, so that lanes are addressable.
template <class T>
struct lane { using type = T; };
template <>
struct lane<int4> { using type = std::int8_t; };
template <>
struct lane<uint4> { using type = std::uint8_t; };
template <class T>
using lane_t = typename lane<T>::type;

template <class T>
struct wider { using type = void; };
template <> struct wider<int4> { using type = int8; };
template <> struct wider<uint4> { using type = uint8; };
template <> struct wider<int8> { using type = int16; };
template <> struct wider<uint8> { using type = uint16; };
template <> struct wider<int16> { using type = int32; };
template <> struct wider<uint16> { using type = uint32; };
template <class T>
struct narrower { using type = void; };
template <> struct narrower<int8> { using type = int4; };
template <> struct narrower<uint8> { using type = uint4; };
template <> struct narrower<int16> { using type = int8; };
template <> struct narrower<uint16> { using type = uint8; };
template <> struct narrower<int32> { using type = int16; };
template <> struct narrower<uint32> { using type = uint16; };

// What unpack and pack make of each other: a step of twice the bits, to at most 16, from at least 4
// (detail/aie2/vector.hpp).
template <class T, class U>
constexpr bool unpacks() {
  if constexpr (std::is_void_v<U>) return false;
  else return !is_float<T> && !is_float<U> && type_bits<U> == 2 * type_bits<T> && type_bits<U> <= 16;
}
template <class T, class U>
constexpr bool packs() {
  if constexpr (std::is_void_v<U>) return false;
  else return unpacks<U, T>();
}

template <class Tag>
struct acc_lane;
template <> struct acc_lane<acc32> { using type = std::int32_t; };
template <> struct acc_lane<acc64> { using type = std::int64_t; };
template <> struct acc_lane<accfloat> { using type = float; };
template <class Tag>
concept AccTag = std::is_same_v<Tag, acc32> || std::is_same_v<Tag, acc64> || std::is_same_v<Tag, accfloat>;

// The accumulator of a product: 32 bits where both operands have at most 16 bits each.
template <class A, class B>
using product_tag = std::conditional_t<is_float<A> || is_float<B>, accfloat,
                                       std::conditional_t<(type_bits<A> <= 16 && type_bits<B> <= 16), acc32, acc64>>;
template <class Tag, class A, class B>
using choose_tag = std::conditional_t<std::is_same_v<Tag, accauto>, product_tag<A, B>, Tag>;

template <class T>
constexpr std::int64_t min_of() {
  if constexpr (std::is_same_v<T, int4>) return -8;
  else if constexpr (std::is_same_v<T, uint4>) return 0;
  else return std::numeric_limits<T>::min();
}
template <class T>
constexpr std::int64_t max_of() {
  if constexpr (std::is_same_v<T, int4>) return 7;
  else if constexpr (std::is_same_v<T, uint4>) return 15;
  else return std::numeric_limits<T>::max();
}

// v / 2^shift rounded; shift is at least 1. `q` is the floor and `r` the remainder of the division.
inline std::int64_t rounded_shift(std::int64_t v, int shift, rounding_mode mode) {
  if (shift > 62) shift = 62;  // the device stops at 59
  const std::int64_t q = v >> shift;
  const std::uint64_t r = static_cast<std::uint64_t>(v) - (static_cast<std::uint64_t>(q) << shift), half = std::uint64_t{1} << (shift - 1);
  if (r == 0) return q;
  const bool negative = v < 0, above = r > half, tie = r == half;
  switch (mode) {
    case rounding_mode::floor: return q;
    case rounding_mode::ceil: return q + 1;
    case rounding_mode::symmetric_floor: return q + negative;
    case rounding_mode::symmetric_ceil: return q + !negative;
    case rounding_mode::negative_inf: return q + above;
    case rounding_mode::positive_inf: return q + (above || tie);
    case rounding_mode::symmetric_zero: return q + (above || (tie && negative));
    case rounding_mode::symmetric_inf: return q + (above || (tie && !negative));
    case rounding_mode::conv_even: return q + (above || (tie && (q & 1)));
    case rounding_mode::conv_odd: return q + (above || (tie && !(q & 1)));
  }
  return q;
}

// To an element by the saturation in force.
template <class T>
lane_t<T> saturated(std::int64_t v) {
  if (modes.saturation != saturation_mode::none) {
    const std::int64_t top = max_of<T>(), bottom = modes.saturation == saturation_mode::symmetric && is_signed<T> ? -top : min_of<T>();
    if (v > top) v = top;
    if (v < bottom) v = bottom;
  }
  if constexpr (is_nibble<T>) return static_cast<lane_t<T>>(T(static_cast<int>(v & 15)));
  else return static_cast<T>(v);
}

// Shift, round, saturate: accumulator lane to element. A negative shift multiplies.
template <class T>
lane_t<T> srs(std::int64_t v, int shift) {
  if (shift > 0) v = rounded_shift(v, shift, modes.rounding);
  if (shift < 0) v = shift < -63 ? 0 : static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << -shift);
  return saturated<T>(v);
}

// fp32 to bf16 by the rounding in force, on the bits: their order is that of the numbers within a sign.
inline bfloat16 narrow_float(float f) {
  const std::uint32_t u = std::bit_cast<std::uint32_t>(f), magnitude = u & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return bfloat16::from_bits(static_cast<std::uint16_t>((u >> 16) | 0x40u));
  const bool negative = u >> 31;
  const std::int64_t v = negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
  const std::int64_t q = rounded_shift(v, 16, modes.rounding);
  return bfloat16::from_bits(static_cast<std::uint16_t>(negative ? 0x8000u | static_cast<std::uint32_t>(-q) : static_cast<std::uint32_t>(q)));
}

// Integers of any sign to an element, low bits kept.
template <class T>
lane_t<T> wrapped(std::int64_t v) {
  if constexpr (is_nibble<T>) return static_cast<lane_t<T>>(T(static_cast<int>(v & 15)));
  else return static_cast<T>(v);
}

}  // namespace detail

inline void set_rounding(rounding_mode m) { detail::modes.rounding = m; }
inline rounding_mode get_rounding() { return detail::modes.rounding; }
inline void set_saturation(saturation_mode m) { detail::modes.saturation = m; }
inline saturation_mode get_saturation() { return detail::modes.saturation; }

}  // namespace aie
