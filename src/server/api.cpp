#include "server/api.h"

#include <algorithm>
#include <cmath>

namespace onebit::server {
namespace {

// Nesting of arrays and objects, as far as brackets outside of strings say.
size_t nesting(std::string_view text) {
  size_t depth = 0, most = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      most = std::max(most, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return most;
}

// A value for a message: short.
std::string shown(const Json& value) {
  constexpr size_t kMost = 60;
  if (value.is_structured()) return kind_of(value);
  std::string text = dump(value);
  if (text.size() > kMost) {
    size_t cut = kMost;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
    text.resize(cut);
    text += "...";
  }
  return text;
}

}  // namespace

std::string error_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

Json error_json(const ApiError& error) {
  const auto or_null = [](const std::string& s) { return s.empty() ? Json(nullptr) : Json(s); };
  return {{"error", {{"code", or_null(error.code)}, {"message", error.message}, {"type", error_type(error.status)}, {"param", or_null(error.param)}}}};
}

std::string dump(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Api<Json> parse_object(std::string_view text) {
  if (const size_t depth = nesting(text); depth > kMaxDepth)
    return std::unexpected(ApiError{400, fmt::format("the body nests {} levels deep, at most {} are allowed", depth, kMaxDepth), "", "too_deep"});
  try {
    Json value = Json::parse(text.begin(), text.end());
    if (!value.is_object())
      return std::unexpected(ApiError{400, fmt::format("the body is {}, expected an object", kind_of(value)), "", "invalid_json"});
    return value;
  } catch (const Json::exception& e) {
    std::string what = e.what();
    if (const size_t end = what.find("] "); end != std::string::npos) what = what.substr(end + 2);
    // Its excerpt of the body may hold any bytes.
    return std::unexpected(ApiError{400, "the body is not JSON: " + what, "", "invalid_json"});
  }
}

std::string kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::string: return "a string";
    case Json::value_t::array: return "an array";
    case Json::value_t::object: return "an object";
    default: return "a number";
  }
}

const Json* Fields::find(const char* name) const {
  if (error_) return nullptr;
  const auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void Fields::reject(const char* name, std::string problem, std::string code) {
  if (!error_) error_ = ApiError{400, fmt::format("{}: {}", path(name), problem), path(name), std::move(code)};
}

void Fields::wrong(const char* name, const Json& value, const std::string& expected) {
  reject(name, fmt::format("{} is not {}", shown(value), expected));
}

bool Fields::integer(const char* name, int64_t* target, int64_t min, int64_t max) {
  const Json* v = find(name);
  if (!v) return false;
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  double d = 0;
  if (v->is_number_unsigned()) {
    const uint64_t u = v->get<uint64_t>();
    if (u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) && static_cast<int64_t>(u) >= min && static_cast<int64_t>(u) <= max) {
      *target = static_cast<int64_t>(u);
      return true;
    }
  } else if (v->is_number_integer()) {
    const int64_t i = v->get<int64_t>();
    if (i >= min && i <= max) {
      *target = i;
      return true;
    }
  } else if (v->is_number_float()) {
    d = v->get<double>();
    const bool whole = std::isfinite(d) && d == std::floor(d) && std::abs(d) < 9e15;
    if (whole && d >= static_cast<double>(min) && d <= static_cast<double>(max)) {
      *target = static_cast<int64_t>(d);
      return true;
    }
  }
  wrong(name, *v, expected);
  return false;
}

bool Fields::number(const char* name, double* target, double min, double max) {
  const Json* v = find(name);
  if (!v) return false;
  const double d = v->is_number() ? v->get<double>() : std::numeric_limits<double>::quiet_NaN();
  if (!(d >= min && d <= max)) {
    wrong(name, *v, fmt::format("a number from {} to {}", min, max));
    return false;
  }
  *target = d;
  return true;
}

bool Fields::boolean(const char* name, bool* target) {
  const Json* v = find(name);
  if (!v) return false;
  if (!v->is_boolean()) {
    wrong(name, *v, "true or false");
    return false;
  }
  *target = v->get<bool>();
  return true;
}

bool Fields::string(const char* name, std::string* target, size_t max_bytes) {
  const Json* v = find(name);
  if (!v) return false;
  if (!v->is_string() || v->get_ref<const std::string&>().size() > max_bytes) {
    wrong(name, *v, max_bytes == SIZE_MAX ? "a string" : fmt::format("a string of at most {} bytes", max_bytes));
    return false;
  }
  *target = v->get<std::string>();
  return true;
}

bool Fields::strings(const char* name, std::vector<std::string>* target, size_t max_count, size_t max_bytes) {
  const Json* v = find(name);
  if (!v) return false;
  const std::string expected = fmt::format("a string or up to {} strings, of 1 to {} bytes each", max_count, max_bytes);
  const auto good = [&](const Json& s) { return s.is_string() && !s.get_ref<const std::string&>().empty() && s.get_ref<const std::string&>().size() <= max_bytes; };
  if (v->is_string() && good(*v)) {
    *target = {v->get<std::string>()};
    return true;
  }
  if (!v->is_array() || v->size() > max_count || !std::all_of(v->begin(), v->end(), good)) {
    wrong(name, *v, expected);
    return false;
  }
  target->clear();
  for (const Json& s : *v) target->push_back(s.get<std::string>());
  return true;
}

const Json* Fields::object(const char* name) {
  const Json* v = find(name);
  if (v && !v->is_object()) wrong(name, *v, "an object");
  return v && v->is_object() ? v : nullptr;
}

const Json* Fields::array(const char* name) {
  const Json* v = find(name);
  if (v && !v->is_array()) wrong(name, *v, "an array");
  return v && v->is_array() ? v : nullptr;
}

}  // namespace onebit::server
