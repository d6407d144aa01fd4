#include "server/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include <httplib.h>

namespace onebit::server {
namespace {

using Clock = std::chrono::steady_clock;

Clock::time_point after(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Waits for events of a socket until a point in time. False: it is past, or the socket is broken.
bool wait_for(int socket, short events, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd p{socket, events, 0};
    const int n = poll(&p, 1, static_cast<int>(std::clamp<long>(left + 1, 0, 1 << 30)));
    if (n > 0) return (p.revents & events) != 0;
    if (n < 0 && errno != EINTR) return false;
    if (n == 0 && Clock::now() >= until) return false;
  }
}

// A connected socket with limits. A request's bytes are counted from begin() on: those of the head up to the empty line,
// then those of the body.
class Connection : public httplib::Stream {
 public:
  Connection(int socket, const HttpOptions& options) : socket_(socket), options_(options) {}

  // True when the first byte of another request came in time.
  bool begin(double patience) {
    in_body_ = false;
    empty_line_ = 0;
    counted_ = 0;
    refused = timed_out = false;
    if (at_ == end_ && !fill(after(patience))) return false;
    until_ = after(options_.header_s);
    return true;
  }

  ssize_t read(char* out, size_t size) override {
    if (at_ == end_ && !fill(until_)) {
      timed_out = timed_out || Clock::now() >= until_;
      return -1;
    }
    size_t n = std::min(size, end_ - at_);
    const size_t limit = in_body_ ? options_.body_bytes + (options_.body_bytes >> 3) + 4096 : options_.header_bytes;
    if (counted_ + n > limit) {
      refused = true;
      return -1;
    }
    std::memcpy(out, buffer_ + at_, n);
    at_ += n;
    counted_ += n;
    if (!in_body_) watch_head(out, n);
    return static_cast<ssize_t>(n);
  }

  ssize_t write(const char* data, size_t size) override {
    const auto until = after(options_.write_s);
    for (size_t done = 0; done < size;) {
      const ssize_t n = send(socket_, data + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0)
        done += static_cast<size_t>(n);
      else if (n < 0 && errno == EINTR)
        continue;
      else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        if (!wait_for(socket_, POLLOUT, until)) return -1;
      } else {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  bool is_readable() const override { return at_ < end_ || wait_for(socket_, POLLIN, until_); }
  bool is_writable() const override { return peer_is_there(socket_); }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override { get_remote_ip_and_port(ip, port); }
  socket_t socket() const override { return socket_; }

  bool refused = false, timed_out = false;
  bool close = false;  // after this response

 private:
  bool fill(Clock::time_point until) {
    if (!wait_for(socket_, POLLIN, until)) return false;
    const ssize_t n = recv(socket_, buffer_, sizeof buffer_, 0);
    if (n <= 0) return false;
    at_ = 0;
    end_ = static_cast<size_t>(n);
    return true;
  }

  // Looks for the end of the head: a line feed, perhaps a carriage return, a line feed.
  void watch_head(const char* p, size_t n) {
    for (size_t i = 0; i < n; ++i) {
      if (p[i] == '\n') {
        if (++empty_line_ == 2) {
          in_body_ = true;
          counted_ = 0;
          until_ = after(options_.body_s);
          return;
        }
      } else if (p[i] != '\r') {
        empty_line_ = 0;
      }
    }
  }

  int socket_;
  const HttpOptions& options_;
  char buffer_[8192] = {};
  size_t at_ = 0, end_ = 0, counted_ = 0;
  int empty_line_ = 0;
  bool in_body_ = false;
  Clock::time_point until_;
};

thread_local Connection* t_connection = nullptr;  // of the request that this thread serves
thread_local bool t_refuse = false;               // the next connection that this thread is given gets 503

// A thread per connection, made when needed, up to a number; one more connection is refused by the accepting thread.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  ConnectionThreads(size_t most, std::atomic<uint32_t>& open) : most_(most), open_(open) {}

  void enqueue(std::function<void()> fn) override {
    std::unique_lock lock(mutex_);
    if (waiting_.size() + busy_ >= most_) {
      lock.unlock();
      t_refuse = true;
      fn();
      t_refuse = false;
      return;
    }
    waiting_.push_back(std::move(fn));
    if (waiting_.size() > idle_) threads_.emplace_back([this] { loop(); });
    lock.unlock();
    wake_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

 private:
  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      wake_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
      --idle_;
      if (waiting_.empty()) return;
      std::function<void()> fn = std::move(waiting_.front());
      waiting_.pop_front();
      ++busy_;
      lock.unlock();
      ++open_;
      fn();
      --open_;
      lock.lock();
      --busy_;
    }
  }

  size_t most_;
  std::atomic<uint32_t>& open_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0, busy_ = 0;
  bool stop_ = false;
};

constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"
    "Content-Length: 98\r\n\r\n"
    "{\"error\":{\"code\":\"too_many_connections\",\"message\":\"too many connections\",\"type\":\"server_error\"}}\r\n";

HttpRequest convert(const httplib::Request& r) {
  HttpRequest out;
  out.method = r.method;
  out.path = r.path;
  out.socket = t_connection ? t_connection->socket() : -1;
  out.header = [&r](const char* name) -> std::optional<std::string> {
    if (!r.has_header(name)) return std::nullopt;
    return r.get_header_value(name);
  };
  out.count = [&r](const char* name) { return r.get_header_value_count(name); };
  return out;
}

void convert(HttpResponse&& from, httplib::Response& to) {
  to.status = from.status;
  for (const auto& [name, value] : from.headers) to.set_header(name, value);
  if (!from.stream) {
    to.set_content(from.body, from.type);
    return;
  }
  to.set_chunked_content_provider(from.type, [stream = std::move(from.stream)](size_t, httplib::DataSink& sink) {
    bool there = true;
    stream([&](std::string_view data) {
      there = there && sink.write(data.data(), data.size());
      return there;
    });
    if (there) sink.done();
    return there;
  });
}

}  // namespace

bool peer_is_there(int socket) {
  pollfd p{socket, POLLRDHUP, 0};
  return poll(&p, 1, 0) <= 0;
}

class HttpServer::Impl : public httplib::Server {
 public:
  explicit Impl(const HttpOptions& options) : options(options) {
    new_task_queue = [this] { return new ConnectionThreads(this->options.connections, open); };
    set_payload_max_length(options.body_bytes);
    set_tcp_nodelay(true);
    set_socket_options([](socket_t s) {
      const int yes = 1;
      setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& res, std::exception_ptr) { res.status = 500; });
    set_error_handler([this](const httplib::Request&, httplib::Response& res) {
      if (!res.body.empty() || !error_body) return;
      res.set_content(error_body(res.status), "application/json");
    });
    set_pre_routing_handler([this](const httplib::Request& req, httplib::Response& res) {
      const HttpRequest request = convert(req);
      if (headers)
        for (auto& [name, value] : headers(request)) res.set_header(name, value);
      auto refusal = guard ? guard(request) : std::nullopt;
      if (!refusal) return HandlerResponse::Unhandled;
      // The body stays unread: what follows on this connection would be taken for a request.
      if (t_connection) t_connection->close = true;
      res.set_header("Connection", "close");
      convert(std::move(*refusal), res);
      return HandlerResponse::Handled;
    });
  }

  void accept_backlog(int n) { ::listen(svr_sock_, n); }

  HttpOptions options;
  std::function<std::optional<HttpResponse>(const HttpRequest&)> guard;
  std::function<std::string(int)> error_body;
  std::function<std::vector<std::pair<std::string, std::string>>(const HttpRequest&)> headers;
  std::atomic<uint64_t> connections{0}, refused{0}, timed_out{0};
  std::atomic<uint32_t> open{0};
  std::atomic<bool> stopping{false};
  std::mutex sockets_mutex;
  std::set<int> sockets;

 private:
  bool process_and_close_socket(socket_t socket) override {
    ++connections;
    if (t_refuse) {
      ++refused;
      (void)send(socket, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      {
        const std::lock_guard lock(sockets_mutex);
        sockets.insert(socket);
      }
      serve(socket);
      const std::lock_guard lock(sockets_mutex);
      sockets.erase(socket);
    }
    // Unread bytes would turn the close into a reset that may overtake the response.
    shutdown(socket, SHUT_WR);
    char sink[4096];
    for (int i = 0; i < 256 && recv(socket, sink, sizeof sink, MSG_DONTWAIT) > 0; ++i) {}
    close(socket);
    return true;
  }

  void serve(int socket) {
    Connection connection(socket, options);
    t_connection = &connection;
    double patience = options.header_s;
    while (!stopping && connection.begin(patience)) {
      // Few threads left: a silent client must not hold one.
      const bool crowded = open.load() * 4 > options.connections * 3;
      bool closed = false;
      const bool good = process_request(connection, crowded || stopping, closed, nullptr);
      timed_out += connection.timed_out;
      if (!good || closed || crowded || connection.close || connection.refused || connection.timed_out) break;
      patience = options.keep_alive_s;
    }
    t_connection = nullptr;
  }
};

HttpServer::HttpServer(const HttpOptions& options) : impl_(std::make_unique<Impl>(options)) {}
HttpServer::~HttpServer() = default;

void HttpServer::route(const std::string& method, const std::string& path, HttpHandler handler) {
  std::string pattern;
  for (const char c : path) {
    if (c == '.') pattern += '\\';
    pattern += c;
  }
  if (method == "POST") {
    // The raw body, whatever its type: clients that send JSON as a form are common.
    impl_->Post(pattern, [this, handler](const httplib::Request& req, httplib::Response& res, const httplib::ContentReader& read) {
      HttpRequest request = convert(req);
      bool too_large = false;
      const bool whole = read([&](const char* data, size_t n) {
        if (request.body.size() + n > impl_->options.body_bytes) {
          too_large = true;
          return false;
        }
        request.body.append(data, n);
        return true;
      });
      if (!whole) {
        if (t_connection) t_connection->close = true;
        const Connection* const c = t_connection;
        // The library says 400 to each of them.
        if (c && c->timed_out) res.status = 408;
        if (too_large || (c && c->refused)) res.status = 413;
        if (res.status < 400) res.status = 400;
        return;
      }
      convert(handler(request), res);
    });
    return;
  }
  const auto plain = [handler](const httplib::Request& req, httplib::Response& res) { convert(handler(convert(req)), res); };
  if (method == "OPTIONS")
    impl_->Options(pattern, plain);
  else
    impl_->Get(pattern, plain);
}

void HttpServer::set_guard(std::function<std::optional<HttpResponse>(const HttpRequest&)> guard) { impl_->guard = std::move(guard); }
void HttpServer::set_error_body(std::function<std::string(int)> body) { impl_->error_body = std::move(body); }
void HttpServer::set_headers(std::function<std::vector<std::pair<std::string, std::string>>(const HttpRequest&)> headers) {
  impl_->headers = std::move(headers);
}

Result<int> HttpServer::bind() {
  constexpr int kBacklog = 512;
  const HttpOptions& o = impl_->options;
  int port = o.port;
  errno = 0;
  if (port == 0)
    port = impl_->bind_to_any_port(o.host);
  else if (!impl_->bind_to_port(o.host, port))
    port = -1;
  if (port < 0) return fail(Errc::io, "{}:{}: cannot listen there: {}", o.host, o.port, errno ? std::strerror(errno) : "no such address");
  impl_->accept_backlog(kBacklog);
  return port;
}

void HttpServer::run() { impl_->listen_after_bind(); }

void HttpServer::stop() {
  impl_->stopping = true;
  if (impl_->is_running()) impl_->stop();
  // Threads that wait for a request or for a client to read wake up.
  const std::lock_guard lock(impl_->sockets_mutex);
  for (const int socket : impl_->sockets) ::shutdown(socket, SHUT_RD);
}

HttpServer::Counters HttpServer::counters() const {
  return {impl_->connections, impl_->refused, impl_->timed_out, impl_->open};
}

}  // namespace onebit::server
