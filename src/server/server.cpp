#include "server/server.h"

#include "server/ollama.h"
#include "server/openai.h"
#include "server/page.h"

namespace onebit::server {

Server::Server(const ServerOptions& options) : options_(options), access_(options.access), http_(options.http) {}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
  ONEBIT_TRY(check(options.access));
  std::unique_ptr<Server> s(new Server(options));
  s->add_routes();
  ONEBIT_ASSIGN(s->port_, s->http_.bind());
  s->thread_ = std::thread([server = s.get()] { server->http_.run(); });
  return s;
}

Status Server::load(const LoadProgress& progress) {
  ONEBIT_ASSIGN(service_, Service::load(options_.service, progress));
  service_->set_metrics(&metrics_);
  ready_ = service_.get();
  return {};
}

Server::~Server() { (void)stop(0); }

bool Server::stop(double seconds) {
  draining_ = true;
  bool drained = true;
  if (Service* s = ready_.load()) {
    const auto until = Request::Clock::now() + std::chrono::duration_cast<Request::Clock::duration>(std::chrono::duration<double>(seconds));
    drained = s->scheduler().drain(until);
    if (!drained) s->scheduler().cancel_all();
  }
  if (!thread_.joinable()) return drained;
  http_.stop();
  thread_.join();
  return drained;
}

HttpResponse Server::health() const {
  if (draining_) return error_response({503, "the server is shutting down", "", "shutting_down"});
  if (!ready_.load()) return error_response({503, "the model is loading", "", "loading", 1});
  return json_response({{"status", "ok"}});
}

void Server::route(const std::string& method, const std::string& path, Endpoint endpoint) {
  http_.route(method, path, [this, path, endpoint = std::move(endpoint)](const HttpRequest& request) {
    Service* const service = ready_.load();
    HttpResponse response = service ? endpoint(*service, request) : error_response({503, "the model is loading", "", "loading", 1});
    metrics_.request(path, response.status);
    return response;
  });
}

void Server::add_routes() {
  http_.set_guard([this](const HttpRequest& request) -> std::optional<HttpResponse> {
    auto error = access_.refuse(request);
    if (!error) return std::nullopt;
    metrics_.request("", error->status);
    return error_response(*error);
  });
  http_.set_headers([this](const HttpRequest& request) { return access_.cors_headers(request); });
  http_.set_error_body([](int status) {
    const char* const message = status == 404 ? "there is no such endpoint" : status == 413 ? "the body is too large" : status == 408 ? "the body did not come in time"
                                : status == 414 ? "the path is too long" : status >= 500 ? "internal error" : "the request cannot be read";
    return dump(error_json({status, message}));
  });
  http_.route("GET", "/health", [this](const HttpRequest&) { return health(); });
  http_.route("GET", "/metrics", [this](const HttpRequest&) {
    Service* const service = ready_.load();
    HttpResponse r;
    r.type = "text/plain; version=0.0.4; charset=utf-8";
    r.body = metrics_.text(http_.counters(), service ? &service->scheduler() : nullptr);
    return r;
  });
  http_.route("GET", "/api/version", [this](const HttpRequest&) { return json_response({{"version", options_.version}}); });
  route("GET", "/v1/models", [](Service& s, const HttpRequest&) { return models(s); });
  route("POST", "/v1/chat/completions", chat_completions);
  route("POST", "/v1/completions", completions);
  route("POST", "/v1/embeddings", embeddings);
  route("POST", "/tokenize", [](Service& s, const HttpRequest& r) { return tokenize(s, r); });
  route("POST", "/detokenize", [](Service& s, const HttpRequest& r) { return detokenize(s, r); });
  route("POST", "/apply-template", [](Service& s, const HttpRequest& r) { return apply_template(s, r); });
  route("GET", "/props", [](Service& s, const HttpRequest&) { return props(s); });
  route("GET", "/slots", [](Service& s, const HttpRequest&) { return slots(s); });
  route("POST", "/api/chat", ollama_chat);
  route("POST", "/api/generate", ollama_generate);
  route("POST", "/api/embed", ollama_embed);
  route("GET", "/api/tags", [](Service& s, const HttpRequest&) { return ollama_tags(s); });
  route("POST", "/api/show", [](Service& s, const HttpRequest& r) { return ollama_show(s, r); });
  if (!options_.access.origins.empty()) {
    for (const char* path : {"/v1/models", "/v1/chat/completions", "/v1/completions", "/v1/embeddings"})
      http_.route("OPTIONS", path, [](const HttpRequest&) {
        HttpResponse r;
        r.status = 204;
        return r;
      });
  }
  if (options_.page) add_page();
}

void Server::add_page() {
  http_.route("GET", "/", [](const HttpRequest&) {
    HttpResponse r;
    r.type = "text/html; charset=utf-8";
    r.body = std::string(page());
    r.headers = {{"Content-Security-Policy", "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
                 {"X-Content-Type-Options", "nosniff"},
                 {"Referrer-Policy", "no-referrer"}};
    return r;
  });
}

}  // namespace onebit::server
