// Who may talk to the server: keys, and the Host and Origin that browsers send. A page of another site that resolves its
// name to this machine (DNS rebinding) is told apart by its Host, one that posts across sites by its Origin.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/api.h"
#include "server/http.h"

namespace onebit::server {

struct AccessOptions {
  std::string host = "127.0.0.1";        // that the server listens on
  std::vector<std::string> keys{};       // one of them is needed; empty: none
  std::vector<std::string> hosts{};      // more names that Host may have
  std::vector<std::string> origins{};    // other sites whose pages may use the server
};

// True for an address of this machine only: 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view host);
// Without a key only loopback may be served. Errors: Errc::usage; a key that is empty or has blanks or control bytes.
Status check(const AccessOptions& options);
// Equal, in a time that depends on the length of `given` alone.
bool same_key(std::string_view given, std::string_view key);

class Access {
 public:
  explicit Access(AccessOptions options) : options_(std::move(options)) {}

  // Why a request is refused: 400 for a head that is ambiguous, 401, 403, 415.
  std::optional<ApiError> refuse(const HttpRequest& request) const;
  // For pages of the allowed other sites.
  std::vector<std::pair<std::string, std::string>> cors_headers(const HttpRequest& request) const;

 private:
  bool host_allowed(std::string_view host) const;
  bool origin_allowed(std::string_view origin, std::string_view host) const;

  AccessOptions options_;
};

}  // namespace onebit::server
