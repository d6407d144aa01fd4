// Arithmetic on sizes that come from a file: every overflow is seen.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace onebit {

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_add(T a, T b) {
  T r;
  if (__builtin_add_overflow(a, b, &r)) return std::nullopt;
  return r;
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_mul(T a, T b) {
  T r;
  if (__builtin_mul_overflow(a, b, &r)) return std::nullopt;
  return r;
}

// The next multiple of `multiple` (not 0) at or above `value`.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> checked_round_up(T value, T multiple) {
  const auto sum = checked_add<T>(value, multiple - 1);
  if (!sum) return std::nullopt;
  return *sum / multiple * multiple;
}

// For values already known to be small.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T round_up(T value, T multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr T ceil_div(T value, T divisor) {
  return (value + divisor - 1) / divisor;
}

}  // namespace onebit
