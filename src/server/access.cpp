#include "server/access.h"

#include <arpa/inet.h>

#include <algorithm>

namespace onebit::server {
namespace {

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// "name:80", "[::1]:80", "name": the name alone.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    return close == std::string_view::npos ? host : host.substr(1, close - 1);
  }
  const size_t colon = host.find(':');
  // More than one colon: an address of IPv6.
  if (colon == std::string_view::npos || host.find(':', colon + 1) != std::string_view::npos) return host;
  return host.substr(0, colon);
}

bool needs_key(const HttpRequest& r) { return r.path != "/health" && r.path != "/v1/models" && r.path != "/" && r.method != "OPTIONS"; }

}  // namespace

bool is_loopback(std::string_view host) {
  const std::string name = lower(host);
  if (name == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Status check(const AccessOptions& o) {
  for (const std::string& key : o.keys)
    if (key.empty() || std::any_of(key.begin(), key.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; }))
      return fail(Errc::usage, "--api-key: a key is empty or has blanks or control characters");
  if (o.keys.empty() && !is_loopback(o.host))
    return fail(Errc::usage, "--host: {} can be reached from other machines, which needs --api-key or --api-key-file", o.host);
  return {};
}

bool same_key(std::string_view given, std::string_view key) {
  unsigned different = given.size() != key.size();
  for (size_t i = 0; i < given.size(); ++i)
    different |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key.empty() ? '\0' : key[i % key.size()]);
  return different == 0;
}

bool Access::host_allowed(std::string_view host) const {
  // A browser always names one; a client that names none is not a page of another site.
  if (host.empty()) return true;
  const std::string name = lower(without_port(host));
  if (is_loopback(name) || name == lower(options_.host)) return true;
  for (const std::string& other : options_.hosts)
    if (name == lower(other)) return true;
  // Beyond loopback a key guards the server, and it cannot know all its names.
  return !is_loopback(options_.host);
}

bool Access::origin_allowed(std::string_view origin, std::string_view host) const {
  for (const std::string& other : options_.origins)
    if (other == "*" || lower(origin) == lower(other)) return true;
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && lower(origin.substr(scheme + 3)) == lower(host);
}

std::optional<ApiError> Access::refuse(const HttpRequest& r) const {
  // Two parsers could see two different requests.
  if (r.count("Content-Length") > 1 || r.count("Transfer-Encoding") > 1 || (r.header("Content-Length") && r.header("Transfer-Encoding")) || r.count("Host") > 1)
    return ApiError{400, "the length of the body or the Host is stated twice", "", "ambiguous_request"};
  const std::string host = r.header("Host").value_or("");
  if (!host_allowed(host)) return ApiError{403, "Host: the name is not one of this server (see --allow-host)", "", "host_not_allowed"};
  if (const auto origin = r.header("Origin"); origin && !origin_allowed(*origin, host))
    return ApiError{403, "Origin: pages of another site may not use this server (see --allow-origin)", "", "origin_not_allowed"};
  if (r.header("Content-Encoding").value_or("identity") != "identity")
    return ApiError{415, "Content-Encoding: compressed bodies are not accepted", "", "unsupported_encoding"};
  if (options_.keys.empty() || !needs_key(r)) return std::nullopt;
  std::string given = r.header("X-Api-Key").value_or("");
  if (const std::string bearer = r.header("Authorization").value_or(""); lower(bearer.substr(0, 7)) == "bearer ") given = bearer.substr(7);
  bool good = false;
  for (const std::string& key : options_.keys) good |= same_key(given, key);
  if (!good) return ApiError{401, "the API key is missing or wrong", "", "invalid_api_key"};
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> Access::cors_headers(const HttpRequest& r) const {
  const auto origin = r.header("Origin");
  if (!origin || options_.origins.empty() || !origin_allowed(*origin, r.header("Host").value_or(""))) return {};
  // A line break would have ended the header.
  return {{"Access-Control-Allow-Origin", *origin},
          {"Vary", "Origin"},
          {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key"},
          {"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
          {"Access-Control-Max-Age", "600"}};
}

}  // namespace onebit::server
