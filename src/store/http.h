// One GET over HTTP(S) under rules that a hostile server, or someone between it and us, cannot bend:
//   * redirects are followed by hand, at most `redirects` of them, never from https to http, never to another scheme;
//   * a redirect may not lead to an address that is not global, judged when the connection is made, by the address that is
//     connected to (a name may resolve to anything); the peer that the user named himself stays allowed;
//   * plain http only where the user allowed it, or to a loopback address;
//   * the bearer token goes to the origin of the first URL and nowhere else, and never again once a redirect has left it;
//   * no content encodings (nothing that could unpack to more than was sent), no cookies, no .netrc, no HTTP/0.9;
//   * headers up to kHeaderLimit bytes; a transfer below kSlowest bytes per second for `stall` ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace onebit::store {

constexpr size_t kHeaderLimit = size_t{64} << 10;
constexpr long kSlowest = 256;  // bytes per second

struct HttpRules {
  bool allow_http = false;
  bool allow_private = false;
  unsigned redirects = 8;
  std::chrono::seconds connect{30}, stall{30};
  // "HOST:PORT:ADDRESS": what a name resolves to, in place of the system's answer.
  std::vector<std::string> resolve;
};

struct HttpRequest {
  std::string url;
  std::string bearer;     // token, empty: none
  uint64_t from = 0;      // first byte wanted
  std::string if_range;   // validator of the bytes already there; needs from > 0
};

struct ContentRange {
  uint64_t first = 0;
  std::optional<uint64_t> total;
};

// The response that was not a redirect.
struct HttpHead {
  int status = 0;
  std::optional<uint64_t> length;       // Content-Length
  bool bad_length = false;              // one that is no number of 64 bits
  std::optional<ContentRange> range;    // of a 206, and of a 416 with first = 0
  std::string etag, last_modified, encoding;
  std::optional<uint64_t> retry_after;  // seconds
  // What the hub says of a large file, on the way to where it is kept.
  std::string linked_sha256;
  std::optional<uint64_t> linked_size;
  std::string from;                     // where it came from, printable
};

struct HttpFailure {
  Error error;
  bool retry = false;  // another try may succeed
  std::optional<uint64_t> retry_after;
};

struct HttpSink {
  // Before the body of a 2xx response, once. An error ends the transfer and is what http_get returns.
  std::function<Status(const HttpHead&)> head;
  std::function<Status(const uint8_t* data, size_t size)> body;
  // Asked several times a second; false ends the transfer with Errc::cancelled.
  std::function<bool()> go_on;
};

// Bodies of other than 2xx responses are dropped; the head of such a response is a result, not a failure.
std::expected<HttpHead, HttpFailure> http_get(const HttpRequest& request, const HttpRules& rules, const HttpSink& sink);

// A small text, for JSON: at most `limit` bytes of a 200.
std::expected<std::string, HttpFailure> http_text(const HttpRequest& request, const HttpRules& rules, size_t limit,
                                                  const std::function<bool()>& go_on);

}  // namespace onebit::store
