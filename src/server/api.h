// What the API's requests have in common: JSON with a depth limit, typed fields with ranges, errors as the clients of
// the OpenAI API expect them.
#pragma once

#include <cstdint>
#include <expected>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace onebit::server {

using Json = nlohmann::ordered_json;

struct ApiError {
  int status = 400;
  std::string message;
  std::string param{};  // the field at fault, or ""
  std::string code{};   // "invalid_value", ..., or ""
  int retry_after_s = 0;
};

template <class T>
using Api = std::expected<T, ApiError>;

std::string error_type(int status);  // "invalid_request_error", "server_error", ...
// {"error": {"code", "message", "type", "param"}}
Json error_json(const ApiError& error);
// Text of a JSON value; bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& value);

inline constexpr size_t kMaxDepth = 64;
// An object. Errors: not JSON, not UTF-8, nested deeper than kMaxDepth, not an object.
Api<Json> parse_object(std::string_view text);

// "number", "string", ...: for messages.
std::string kind_of(const Json& value);

// Reads the fields of an object. A field that is missing or null leaves its target alone; the first that is wrong is
// kept as the error.
class Fields {
 public:
  explicit Fields(const Json& object, std::string prefix = "") : object_(object), prefix_(std::move(prefix)) {}

  // Null when missing, null, or after an error.
  const Json* find(const char* name) const;
  bool integer(const char* name, int64_t* target, int64_t min, int64_t max);
  bool number(const char* name, double* target, double min, double max);
  bool boolean(const char* name, bool* target);
  bool string(const char* name, std::string* target, size_t max_bytes = SIZE_MAX);
  // A string or a list of strings.
  bool strings(const char* name, std::vector<std::string>* target, size_t max_count, size_t max_bytes);
  const Json* object(const char* name);
  const Json* array(const char* name);

  void reject(const char* name, std::string problem, std::string code = "invalid_value");
  // The error of fields inside of this object.
  void take(const Fields& inner) { if (inner.error_) take(*inner.error_); }
  void take(const ApiError& error) { if (!error_) error_ = error; }
  std::string path(const char* name) const { return prefix_ + name; }
  const std::optional<ApiError>& error() const { return error_; }

 private:
  void wrong(const char* name, const Json& value, const std::string& expected);

  const Json& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

}  // namespace onebit::server
