// HTTP/1.1 for handlers: routes, limits, streams, and clients that go away. On cpp-httplib, whose parser and writer this
// uses over connections of its own: every byte is counted, every phase of a request has a time by which it must be
// over, the number of connections is bounded, and a waiting thread sleeps in poll().
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace onebit::server {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                       // 0: one that is free
  uint32_t connections = 128;            // at once; one more gets 503
  size_t header_bytes = size_t{16} << 10;
  size_t body_bytes = size_t{8} << 20;
  double header_s = 10, body_s = 30;     // within which the whole of it has to come
  double write_s = 30;                   // within which a client has to take what is written
  double keep_alive_s = 15;              // of silence between requests
};

struct HttpRequest {
  std::string method, path, body;
  int socket = -1;

  // The first header of that name (any case), or nullopt.
  std::function<std::optional<std::string>(const char* name)> header;
  // How many headers of that name there are.
  std::function<size_t(const char* name)> count;
};

// False: the client is gone.
using Write = std::function<bool(std::string_view)>;

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  // Instead of a body: writes it in pieces, in the connection's thread.
  std::function<void(const Write&)> stream{};
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpServer {
 public:
  explicit HttpServer(const HttpOptions& options);
  ~HttpServer();

  void route(const std::string& method, const std::string& path, HttpHandler handler);
  // Called with every request before its body is read; a response refuses it.
  void set_guard(std::function<std::optional<HttpResponse>(const HttpRequest&)> guard);
  // Makes the body of a response that the library gives by itself (400, 404, 413, ...).
  void set_error_body(std::function<std::string(int status)> body);
  // Headers of every response to a request.
  void set_headers(std::function<std::vector<std::pair<std::string, std::string>>(const HttpRequest&)> headers);

  // The port. Errors: an address that cannot be bound.
  Result<int> bind();
  // Serves until stop(); returns when all connections are closed.
  void run();
  // From any thread. Streams that are under way end.
  void stop();

  struct Counters {
    uint64_t connections = 0, refused = 0, timed_out = 0;
    uint32_t open = 0;
  };
  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// True while the peer of a connected socket has neither closed nor reset it.
bool peer_is_there(int socket);

}  // namespace onebit::server
