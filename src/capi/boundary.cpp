#include "capi/boundary.h"

#include <system_error>

namespace onebit::capi {
namespace {

// A plain array: an error can be told where no memory is left.
constexpr size_t kMessageBytes = 1024;
thread_local char t_message[kMessageBytes];

onebit_status status_of(Errc code) {
  switch (code) {
    case Errc::io: return ONEBIT_ERROR_IO;
    case Errc::format: return ONEBIT_ERROR_FORMAT;
    case Errc::unsupported: return ONEBIT_ERROR_UNSUPPORTED;
    case Errc::out_of_range: return ONEBIT_ERROR_OUT_OF_RANGE;
    case Errc::out_of_memory: return ONEBIT_ERROR_OUT_OF_MEMORY;
    case Errc::usage: return ONEBIT_ERROR_ARGUMENT;
    case Errc::device: return ONEBIT_ERROR_DEVICE;
    case Errc::cancelled: return ONEBIT_ERROR_CANCELLED;
  }
  return ONEBIT_ERROR_INTERNAL;
}

}  // namespace

Failure::Failure(Error error) : status(status_of(error.code)), message(std::move(error.message)) {}

onebit_status report(onebit_status status, std::string_view message) noexcept {
  const size_t n = std::min(message.size(), kMessageBytes - 1);
  std::copy_n(message.data(), n, t_message);
  t_message[n] = 0;
  return status;
}

onebit_status report_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return report(ONEBIT_ERROR_OUT_OF_MEMORY, "no memory");
  } catch (const std::length_error&) {
    return report(ONEBIT_ERROR_OUT_OF_MEMORY, "a size beyond what memory can hold");
  } catch (const std::system_error& e) {
    return report(ONEBIT_ERROR_IO, e.what());
  } catch (const std::exception& e) {
    return report(ONEBIT_ERROR_INTERNAL, e.what());
  } catch (...) {
    return report(ONEBIT_ERROR_INTERNAL, "an exception of an unknown type");
  }
}

Outcome known_flags(uint32_t flags, uint32_t known, const char* function) {
  if ((flags & ~known) == 0) return {};
  return refuse(ONEBIT_ERROR_ARGUMENT, "{}: flags {:#x}, expected none but {:#x}", function, flags, known);
}

Outcome write_text(std::string_view text, char* out, size_t capacity, size_t* bytes) {
  return write_array(std::span<const char>(text.data(), text.size()), out, capacity, bytes);
}

}  // namespace onebit::capi

extern "C" {

uint32_t onebit_version(void) { return ONEBIT_VERSION_MAJOR << 16 | ONEBIT_VERSION_MINOR << 8 | ONEBIT_VERSION_PATCH; }

#define ONEBIT_QUOTE_(x) #x
#define ONEBIT_QUOTE(x) ONEBIT_QUOTE_(x)
const char* onebit_version_string(void) {
  static constexpr const char* kVersion =
      ONEBIT_QUOTE(ONEBIT_VERSION_MAJOR) "." ONEBIT_QUOTE(ONEBIT_VERSION_MINOR) "." ONEBIT_QUOTE(ONEBIT_VERSION_PATCH);
  static_assert(std::string_view(kVersion) == ONEBIT_VERSION, "onebit.h and CMake's project() name the same version");
  return kVersion;
}

const char* onebit_status_name(int32_t status) {
  static constexpr const char* kNames[] = {"ONEBIT_OK",
                                           "ONEBIT_ERROR_ARGUMENT",
                                           "ONEBIT_ERROR_IO",
                                           "ONEBIT_ERROR_FORMAT",
                                           "ONEBIT_ERROR_UNSUPPORTED",
                                           "ONEBIT_ERROR_OUT_OF_RANGE",
                                           "ONEBIT_ERROR_OUT_OF_MEMORY",
                                           "ONEBIT_ERROR_DEVICE",
                                           "ONEBIT_ERROR_CANCELLED",
                                           "ONEBIT_ERROR_TOO_SMALL",
                                           "ONEBIT_ERROR_BUSY",
                                           "ONEBIT_ERROR_STATE",
                                           "ONEBIT_ERROR_UNAVAILABLE",
                                           "ONEBIT_ERROR_INTERNAL"};
  static_assert(std::size(kNames) == ONEBIT_ERROR_INTERNAL + 1);
  return status >= 0 && static_cast<size_t>(status) < std::size(kNames) ? kNames[status] : "unknown status";
}

const char* onebit_last_error(void) { return onebit::capi::t_message; }

}
