// Expected failures are values. A message names the thing (file, field, flag), the value that was
// met and what was expected; it is a full clause without a trailing full stop.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace onebit {

enum class Errc {
  io,             // the operating system refused: open, read, write, map
  format,         // bytes that break the format they claim to have
  unsupported,    // well formed, but not something this program implements
  out_of_range,   // a value outside its documented range
  out_of_memory,  // an allocation failed
  usage,          // the command line (exit status 2)
  device,         // an accelerator or its driver
  cancelled,      // the caller asked to stop
};

struct Error {
  Errc code;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Errc code, fmt::format_string<Args...> text, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(text, std::forward<Args>(args)...)});
}

// Puts `prefix: ` before the message, for callers that know the file or the tensor.
[[nodiscard]] inline std::unexpected<Error> with_context(Error error, const std::string& prefix) {
  error.message = prefix + ": " + error.message;
  return std::unexpected(std::move(error));
}

}  // namespace onebit

#define ONEBIT_CONCAT_(a, b) a##b
#define ONEBIT_CONCAT(a, b) ONEBIT_CONCAT_(a, b)

// Returns the error of a Status or Result expression from the enclosing function.
#define ONEBIT_TRY(expr)                                                       \
  do {                                                                         \
    if (auto onebit_try_ = (expr); !onebit_try_)                               \
      return std::unexpected(std::move(onebit_try_).error());                  \
  } while (false)

// `ONEBIT_ASSIGN(auto x, f())`: x is the value of f(), or its error is returned.
#define ONEBIT_ASSIGN(decl, expr)                                              \
  auto ONEBIT_CONCAT(onebit_r_, __LINE__) = (expr);                            \
  if (!ONEBIT_CONCAT(onebit_r_, __LINE__))                                     \
    return std::unexpected(std::move(ONEBIT_CONCAT(onebit_r_, __LINE__)).error()); \
  decl = std::move(*ONEBIT_CONCAT(onebit_r_, __LINE__))
