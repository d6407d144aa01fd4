#include "store/http.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include <curl/curl.h>
#include <sys/socket.h>

#include "store/address.h"
#include "store/http_head.h"
#include "store/url.h"

namespace onebit::store {
namespace {

HttpFailure failure(Errc code, std::string message, bool retry = false) { return {{code, std::move(message)}, retry, std::nullopt}; }

void start_curl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// What the rules say of connecting to an address: the reason why not, or nothing.
struct Gate {
  const HttpRules* rules = nullptr;
  bool redirected = false;
  bool plain = false;      // http
  bool through_proxy = false;
  std::string named_peer;  // the peer of the URL that the user gave, once it is known
  std::string peer;        // connected to last
  std::string refused;

  std::string judge(const sockaddr& address) const {
    // A proxy is the user's choice; what is behind it is judged by name.
    if (through_proxy) return {};
    const Reach where = store::reach(address);
    if (plain && !rules->allow_http && where != Reach::loopback)
      return fmt::format("plain http to {}, which is not this machine (allow it with --allow-http)", address_text(address));
    if (redirected && !rules->allow_private && where != Reach::global && address_text(address) != named_peer)
      return fmt::format("a redirect to {}, which is not a public address (allow it with --allow-private)", address_text(address));
    return {};
  }
};

struct Transfer {
  Gate gate;
  const HttpSink* sink = nullptr;
  HttpHead head;
  size_t header_bytes = 0;
  bool announced = false;
  // What earlier hops at home said.
  std::string linked_sha256;
  std::optional<uint64_t> linked_size;
  bool at_home = true;
  std::optional<Error> stopped;  // by us

  bool good() const { return head.status >= 200 && head.status < 300; }

  Status announce() {
    announced = true;
    if (!at_home || head.linked_sha256.empty()) head.linked_sha256 = linked_sha256;
    if (!at_home || !head.linked_size) head.linked_size = linked_size;
    if (!head.encoding.empty() && head.encoding != "identity")
      return fail(Errc::unsupported, "{}: the server packs with '{}', which was not asked for", head.from, head.encoding);
    if (head.bad_length) return fail(Errc::format, "{}: Content-Length: not a number of bytes", head.from);
    return sink->head(head);
  }
};

curl_socket_t open_socket(void* user, curlsocktype, curl_sockaddr* a) {
  Gate& gate = static_cast<Transfer*>(user)->gate;
  if (std::string reason = gate.judge(a->addr); !reason.empty()) {
    gate.refused = std::move(reason);
    return CURL_SOCKET_BAD;
  }
  gate.peer = address_text(a->addr);
  return ::socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

// libcurl is C: nothing may be thrown through it.
template <class F>
bool guarded(Transfer& t, F&& work) {
  try {
    Status s = work();
    if (s) return true;
    t.stopped = std::move(s).error();
  } catch (const std::bad_alloc&) {
    t.stopped = Error{Errc::out_of_memory, "out of memory"};
  }
  return false;
}

size_t on_header(char* data, size_t, size_t size, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  t.header_bytes += size;
  const bool good = guarded(t, [&]() -> Status {
    if (t.header_bytes > kHeaderLimit) return fail(Errc::out_of_range, "{}: more than {} bytes of headers", t.head.from, kHeaderLimit);
    const std::string from = t.head.from;
    read_header_line({data, size}, t.head);
    t.head.from = from;
    return {};
  });
  return good ? size : 0;
}

size_t on_body(char* data, size_t, size_t size, void* user) {
  auto& t = *static_cast<Transfer*>(user);
  if (!t.good()) return size;  // an explanation for people
  const bool good = guarded(t, [&]() -> Status {
    if (!t.announced) ONEBIT_TRY(t.announce());
    return t.sink->body(reinterpret_cast<const uint8_t*>(data), size);
  });
  return good ? size : 0;
}

// Bodies that are dropped end here, so that an endless one does not hold us up.
constexpr curl_off_t kDroppedBody = curl_off_t{256} << 10;

int on_progress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t) {
  auto& t = *static_cast<Transfer*>(user);
  if (t.sink->go_on && !t.sink->go_on()) {
    t.stopped = Error{Errc::cancelled, "interrupted"};
    return 1;
  }
  return t.head.status != 0 && !t.good() && received > kDroppedBody;
}

bool worth_retrying(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_AGAIN: return true;
    default: return false;
  }
}

struct Lists {
  curl_slist* headers = nullptr;
  curl_slist* resolve = nullptr;
  ~Lists() {
    curl_slist_free_all(headers);
    curl_slist_free_all(resolve);
  }
  static void add(curl_slist*& list, const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    if (!longer) throw std::bad_alloc();
    list = longer;
  }
};

void set_options(CURL* c, Transfer& t, const Url& url, const HttpRules& rules, const std::string& proxy, Lists& lists) {
  curl_easy_setopt(c, CURLOPT_URL, url.text.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, static_cast<long>(rules.connect.count()));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, kSlowest);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(rules.stall.count()));
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(c, CURLOPT_USERAGENT, "onebit");
  // Set either way: libcurl would look at the environment itself, and the gate has to know.
  curl_easy_setopt(c, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(c, CURLOPT_NOPROXY, "");
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"})
    if (const char* file = std::getenv(name); file && *file) {
      curl_easy_setopt(c, CURLOPT_CAINFO, file);
      break;
    }
  curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, &t);
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &t);
  for (const std::string& r : rules.resolve) Lists::add(lists.resolve, r);
  curl_easy_setopt(c, CURLOPT_RESOLVE, lists.resolve);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, lists.headers);
}

std::optional<HttpFailure> check_url(const Url& url, const HttpRules& rules, const Gate& gate) {
  const std::string shown = url.printable();
  const Errc code = gate.redirected ? Errc::io : Errc::usage;  // the server's doing, or the command line's
  if (url.scheme != "https" && url.scheme != "http")
    return failure(code, fmt::format("{}: scheme '{}', expected https", shown, url.scheme));
  const Reach named = store::reach(url.host);
  if (url.scheme == "http" && !rules.allow_http && named != Reach::loopback)
    return failure(code, fmt::format("{}: plain http, expected https (allow it with --allow-http)", shown));
  // Behind a proxy the address is not ours to see; a host that is written as one, is.
  if (gate.redirected && gate.through_proxy && !rules.allow_private && named != Reach::global)
    return failure(code, fmt::format("a redirect to {}, which is not a public address (allow it with --allow-private)", shown));
  return std::nullopt;
}

// One request without following anything. `location`: the absolute target of a redirect.
std::expected<HttpHead, HttpFailure> one_hop(const HttpRequest& request, const Url& url, const HttpRules& rules, bool with_token,
                                             Transfer& t, std::string* location) {
  const std::string proxy = proxy_for(url);
  t.gate.through_proxy = !proxy.empty();
  t.gate.plain = url.scheme == "http";
  if (auto refused = check_url(url, rules, t.gate)) return std::unexpected(*std::move(refused));

  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(), &curl_easy_cleanup);
  if (!easy) return std::unexpected(failure(Errc::out_of_memory, "HTTP: out of memory"));
  CURL* c = easy.get();
  Lists lists;
  Lists::add(lists.headers, "Accept-Encoding: identity");
  if (with_token) Lists::add(lists.headers, "Authorization: Bearer " + request.bearer);
  if (request.from > 0) {
    Lists::add(lists.headers, fmt::format("Range: bytes={}-", request.from));
    if (!request.if_range.empty()) Lists::add(lists.headers, "If-Range: " + request.if_range);
  }
  char detail[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
  set_options(c, t, url, rules, proxy, lists);
  t.head.from = url.printable();

  const CURLcode code = curl_easy_perform(c);
  if (t.stopped) return std::unexpected(HttpFailure{*t.stopped, false, std::nullopt});
  if (code != CURLE_OK && code != CURLE_ABORTED_BY_CALLBACK) {
    if (code == CURLE_COULDNT_CONNECT && !t.gate.refused.empty())
      return std::unexpected(failure(t.gate.redirected ? Errc::io : Errc::usage, fmt::format("{}: refused: {}", url.printable(), t.gate.refused)));
    return std::unexpected(failure(Errc::io, fmt::format("{}: {}", url.printable(), *detail ? detail : curl_easy_strerror(code)),
                                   worth_retrying(code)));
  }
  if (t.good() && !t.announced)
    if (Status s = t.announce(); !s) return std::unexpected(HttpFailure{s.error(), false, std::nullopt});
  const char* target = nullptr;
  curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &target);
  *location = target ? target : "";
  return t.head;
}

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

}  // namespace

std::expected<HttpHead, HttpFailure> http_get(const HttpRequest& request, const HttpRules& rules, const HttpSink& sink) {
  start_curl();
  auto first = parse_url(request.url);
  if (!first) return std::unexpected(HttpFailure{first.error(), false, std::nullopt});
  Url url = *first;
  std::string named_peer, linked_sha256;
  std::optional<uint64_t> linked_size;
  bool at_home = true;  // no redirect has left the first origin
  for (unsigned hop = 0;; ++hop) {
    Transfer t;
    t.sink = &sink;
    t.gate.rules = &rules;
    t.gate.redirected = hop > 0;
    t.gate.named_peer = named_peer;
    t.linked_sha256 = linked_sha256;
    t.linked_size = linked_size;
    t.at_home = at_home;
    std::string location;
    auto head = one_hop(request, url, rules, at_home && !request.bearer.empty(), t, &location);
    if (!head) return head;
    if (at_home) {
      if (!head->linked_sha256.empty()) linked_sha256 = head->linked_sha256;
      if (head->linked_size) linked_size = head->linked_size;
    }
    if (!is_redirect(head->status)) return head;
    if (location.empty()) return std::unexpected(failure(Errc::io, fmt::format("{}: status {} without a Location", url.printable(), head->status)));
    if (hop == rules.redirects)
      return std::unexpected(failure(Errc::io, fmt::format("{}: more than {} redirects", first->printable(), rules.redirects)));
    auto next = parse_url(location);
    if (!next) return std::unexpected(HttpFailure{{Errc::format, fmt::format("{}: redirect: {}", url.printable(), next.error().message)}, false, {}});
    if (url.scheme == "https" && next->scheme != "https")
      return std::unexpected(failure(Errc::io, fmt::format("{}: a redirect from https to {}, expected https", url.printable(), next->printable())));
    at_home = at_home && next->origin() == first->origin();
    if (hop == 0 && !t.gate.through_proxy) named_peer = t.gate.peer;
    url = *std::move(next);
  }
}

std::expected<std::string, HttpFailure> http_text(const HttpRequest& request, const HttpRules& rules, size_t limit,
                                                  const std::function<bool()>& go_on) {
  std::string text;
  HttpSink sink;
  sink.go_on = go_on;
  sink.head = [](const HttpHead&) { return Status{}; };
  sink.body = [&](const uint8_t* data, size_t size) -> Status {
    if (size > limit - text.size()) return fail(Errc::out_of_range, "{}: more than {} bytes", request.url, limit);
    text.append(reinterpret_cast<const char*>(data), size);
    return {};
  };
  auto head = http_get(request, rules, sink);
  if (!head) return std::unexpected(head.error());
  if (head->status == 200) return text;
  const bool retry = head->status == 408 || head->status == 429 || head->status >= 500;
  return std::unexpected(HttpFailure{{Errc::io, fmt::format("{}: status {}, expected 200", head->from, head->status)}, retry, head->retry_after});
}

}  // namespace onebit::store
