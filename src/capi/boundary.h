// What every function of the C interface shares: failures with a status, the message of the thread, the place where
// exceptions end, structs that carry their size, arrays of the caller.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/result.h"
#include "onebit/onebit.h"

namespace onebit::capi {

struct Failure {
  Failure(onebit_status s, std::string text) : status(s), message(std::move(text)) {}
  Failure(Error error);  // NOLINT(google-explicit-constructor): errors of the rooms below pass through

  onebit_status status;
  std::string message;
};
using Outcome = std::expected<void, Failure>;
template <class T>
using Value = std::expected<T, Failure>;

template <class... Args>
[[nodiscard]] std::unexpected<Failure> refuse(onebit_status status, fmt::format_string<Args...> text, Args&&... args) {
  return std::unexpected(Failure(status, fmt::format(text, std::forward<Args>(args)...)));
}

// Sets the thread's message, cut to what fits, and returns the status.
onebit_status report(onebit_status status, std::string_view message) noexcept;
// Within a handler: of the exception in flight.
onebit_status report_exception() noexcept;

// Runs the body of an interface function; nothing it throws goes further.
template <class Body>
onebit_status guarded(Body&& body) noexcept {
  try {
    const Outcome outcome = body();
    return outcome ? ONEBIT_OK : report(outcome.error().status, outcome.error().message);
  } catch (...) {
    return report_exception();
  }
}

// An argument that may not be null: ONEBIT_NEEDED(model).
template <class T>
Outcome needed(const T* argument, const char* name) {
  if (argument) return {};
  return refuse(ONEBIT_ERROR_ARGUMENT, "{} is NULL", name);
}
#define ONEBIT_NEEDED(argument) ONEBIT_TRY(::onebit::capi::needed(argument, #argument))

Outcome known_flags(uint32_t flags, uint32_t known, const char* function);

inline constexpr size_t kLargestStruct = 1 << 16;
// The bytes of the first version of a struct: what every caller has. To be specialised where a struct grows.
template <class T>
inline constexpr size_t kFirstSize = sizeof(T);

// Options of the caller over defaults. Bytes that this version does not know have to be 0.
template <class T>
Value<T> read_options(const T* options, const T& defaults, const char* name) {
  T mine = defaults;
  if (!options) return mine;
  size_t size = 0;
  std::memcpy(&size, options, sizeof size);
  if (size < kFirstSize<T>)
    return refuse(ONEBIT_ERROR_ARGUMENT, "{}: struct_size is {}, expected at least {}; was the struct set up by its init function?", name, size,
                  kFirstSize<T>);
  if (size > kLargestStruct) return refuse(ONEBIT_ERROR_ARGUMENT, "{}: struct_size is {}, expected at most {}", name, size, kLargestStruct);
  const auto* bytes = reinterpret_cast<const unsigned char*>(options);
  for (size_t i = sizeof(T); i < size; ++i)
    if (bytes[i]) return refuse(ONEBIT_ERROR_UNSUPPORTED, "{}: byte {} of the struct is {}, an option that this version does not know", name, i, bytes[i]);
  std::memcpy(&mine, options, std::min(size, sizeof(T)));
  return mine;
}

// `values` into a struct of the caller, whose struct_size stays.
template <class T>
Outcome write_struct(T* out, T values, size_t size, const char* name) {
  if (size < kFirstSize<T>) return refuse(ONEBIT_ERROR_ARGUMENT, "{}: struct_size is {}, expected at least {}", name, size, kFirstSize<T>);
  if (size > kLargestStruct) return refuse(ONEBIT_ERROR_ARGUMENT, "{}: struct_size is {}, expected at most {}", name, size, kLargestStruct);
  values.struct_size = size;
  std::memcpy(out, &values, std::min(size, sizeof(T)));
  if (size > sizeof(T)) std::memset(reinterpret_cast<unsigned char*>(out) + sizeof(T), 0, size - sizeof(T));
  return {};
}
template <class T>
Outcome write_info(T* info, const T& values) {
  ONEBIT_NEEDED(info);
  return write_struct(info, values, info->struct_size, "info");
}

// `(T* out, size_t capacity, size_t* count)` of the caller.
template <class T>
Outcome write_array(std::span<const T> values, T* out, size_t capacity, size_t* count) {
  ONEBIT_NEEDED(count);
  if (!out && capacity > 0) return refuse(ONEBIT_ERROR_ARGUMENT, "the output is NULL, expected room for {} elements as its capacity says", capacity);
  *count = values.size();
  if (!out) return {};
  if (capacity < values.size()) return refuse(ONEBIT_ERROR_TOO_SMALL, "the output takes {} elements, expected at least {}", capacity, values.size());
  std::copy(values.begin(), values.end(), out);
  return {};
}
Outcome write_text(std::string_view text, char* out, size_t capacity, size_t* bytes);

// `(const T*, size_t n)` of the caller.
template <class T>
Value<std::span<const T>> read_array(const T* values, size_t n, const char* name) {
  if (n > PTRDIFF_MAX / sizeof(T)) return refuse(ONEBIT_ERROR_OUT_OF_RANGE, "{}: {} elements, expected at most {}", name, n, PTRDIFF_MAX / sizeof(T));
  if (!values && n > 0) return refuse(ONEBIT_ERROR_ARGUMENT, "{} is NULL, expected {} elements", name, n);
  return std::span<const T>(values, n);
}

// Held while a call uses a handle that one thread may use at a time.
class Use {
 public:
  explicit Use(std::atomic<bool>& busy) : busy_(busy.exchange(true, std::memory_order_acquire) ? nullptr : &busy) {}
  ~Use() {
    if (busy_) busy_->store(false, std::memory_order_release);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  Outcome check(const char* handle) const {
    if (busy_) return {};
    return refuse(ONEBIT_ERROR_BUSY, "the {} is in use by another call, expected one at a time", handle);
  }

 private:
  std::atomic<bool>* busy_;
};

// A callback of the caller; what it throws becomes a failure.
template <class Result, class Call>
Value<Result> call_back(const char* name, Call&& call) {
  try {
    return call();
  } catch (...) {
    return refuse(ONEBIT_ERROR_INTERNAL, "an exception left the callback {}", name);
  }
}

}  // namespace onebit::capi
