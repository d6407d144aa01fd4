// The HTTP API over one model: routes, access, life.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "server/access.h"
#include "server/http.h"
#include "server/metrics.h"
#include "server/service.h"

namespace onebit::server {

struct ServerOptions {
  HttpOptions http;
  AccessOptions access;
  ServiceOptions service;
  std::string version;     // that /api/version says
  double drain_s = 30;     // that texts have to end in after stop()
  bool page = true;        // the chat page at /
};

class Server {
 public:
  // Listens: /health says 503 until load() is done. Errors: options that do not go together, an address in use.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options);
  ~Server();  // stop(0)

  Status load(const LoadProgress& progress);
  int port() const { return port_; }
  // Refuses new texts, waits up to `seconds` for those under way, and closes. True when all of them ended by themselves.
  bool stop(double seconds);
  Service* service() { return ready_.load(); }

 private:
  explicit Server(const ServerOptions& options);
  void add_routes();
  void add_page();
  using Endpoint = std::function<HttpResponse(Service&, const HttpRequest&)>;
  void route(const std::string& method, const std::string& path, Endpoint endpoint);
  HttpResponse health() const;

  ServerOptions options_;
  Access access_;
  Metrics metrics_;
  std::unique_ptr<Service> service_;
  std::atomic<Service*> ready_{nullptr};
  std::atomic<bool> draining_{false};
  HttpServer http_;  // its threads use what stands above
  int port_ = 0;
  std::thread thread_;
};

}  // namespace onebit::server
