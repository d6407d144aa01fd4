// An HTTP/1.1 server for tests, on loopback, that does what it is told: also what no honest server does. One thread, one connection
// after the other; each request goes to the handler, which writes bytes to the socket itself.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace onebit::store::test {

struct Request {
  std::string target;                          // "/a?b"
  std::map<std::string, std::string> headers;  // names in lower case
  std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
  // First byte of "Range: bytes=N-", or 0.
  uint64_t from() const;
};

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  // False when the client has gone.
  bool send(std::string_view bytes) const;
  // A whole response with Content-Length; `headers` end with "\r\n" each.
  void respond(const std::string& status, const std::string& headers, std::string_view body) const;
  // Waits until the client gives up.
  void stall() const;
  // The next thing the client sees is a reset, not an end.
  void reset() const;

 private:
  int fd_;
};

class TestServer {
 public:
  using Handler = std::function<void(const Request&, const Connection&)>;
  // address: "127.0.0.1", "127.0.0.2"...; the port is free.
  explicit TestServer(Handler handler, const char* address = "127.0.0.1", uint16_t port = 0);
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url(const std::string& path) const;
  std::vector<Request> requests() const;
  size_t count() const { return requests().size(); }

 private:
  void serve();

  Handler handler_;
  std::string address_;
  int listener_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  int current_ = -1;
  bool closing_ = false;
  std::thread thread_;
};

// A well-behaved server of one body: Range, If-Range, ETag.
void serve_file(const Request& request, const Connection& connection, const std::string& body, const std::string& etag = "\"v1\"");

}  // namespace onebit::store::test
