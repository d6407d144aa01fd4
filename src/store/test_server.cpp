#include "store/test_server.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace onebit::store::test {
namespace {

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

// False when the client closed without a whole request.
bool read_request(int fd, Request* request) {
  std::string text;
  char c = 0;
  while (!text.ends_with("\r\n\r\n")) {
    if (recv(fd, &c, 1, 0) != 1) return false;
    text += c;
  }
  const size_t first = text.find(' '), second = text.find(' ', first + 1);
  request->target = text.substr(first + 1, second - first - 1);
  for (size_t at = text.find("\r\n") + 2; at + 2 < text.size();) {
    const size_t end = text.find("\r\n", at), colon = text.find(':', at);
    if (colon < end) {
      size_t value = colon + 1;
      while (value < end && text[value] == ' ') ++value;
      request->headers[lower(text.substr(at, colon - at))] = text.substr(value, end - value);
    }
    at = end + 2;
  }
  return true;
}

}  // namespace

uint64_t Request::from() const {
  const std::string range = header("range");
  return range.starts_with("bytes=") ? std::strtoull(range.c_str() + 6, nullptr, 10) : 0;
}

bool Connection::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void Connection::respond(const std::string& status, const std::string& headers, std::string_view body) const {
  send(fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n", status, body.size(), headers));
  send(body);
}

void Connection::stall() const {
  char c = 0;
  while (recv(fd_, &c, 1, 0) > 0) {
  }
}

void Connection::reset() const {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

TestServer::TestServer(Handler handler, const char* address, uint16_t port) : handler_(std::move(handler)), address_(address) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  inet_pton(AF_INET, address, &in.sin_addr);
  socklen_t size = sizeof in;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&in), sizeof in) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&in), &size) != 0) {
    std::perror("test server");
    std::abort();
  }
  port_ = ntohs(in.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TestServer::~TestServer() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    shutdown(listener_, SHUT_RDWR);
    if (current_ >= 0) shutdown(current_, SHUT_RDWR);
  }
  thread_.join();
  close(listener_);
}

std::string TestServer::url(const std::string& path) const { return fmt::format("http://{}:{}{}", address_, port_, path); }

std::vector<Request> TestServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void TestServer::serve() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    {
      const std::lock_guard lock(mutex_);
      if (closing_ || fd < 0) {
        if (fd >= 0) close(fd);
        return;
      }
      current_ = fd;
    }
    Request request;
    if (read_request(fd, &request)) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      handler_(request, Connection(fd));
    }
    const std::lock_guard lock(mutex_);
    current_ = -1;
    close(fd);
  }
}

void serve_file(const Request& request, const Connection& connection, const std::string& body, const std::string& etag) {
  const uint64_t from = request.from();
  const std::string condition = request.header("if-range");
  const std::string tag = etag.empty() ? "" : fmt::format("ETag: {}\r\n", etag);
  if (from == 0 || (!condition.empty() && condition != etag)) {
    connection.respond("200 OK", tag + "Accept-Ranges: bytes\r\n", body);
  } else if (from >= body.size()) {
    connection.respond("416 Range Not Satisfiable", fmt::format("{}Content-Range: bytes */{}\r\n", tag, body.size()), "");
  } else {
    connection.respond("206 Partial Content", fmt::format("{}Content-Range: bytes {}-{}/{}\r\n", tag, from, body.size() - 1, body.size()),
                       std::string_view(body).substr(from));
  }
}

}  // namespace onebit::store::test
