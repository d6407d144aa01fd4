#include "store/url.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>

#include <arpa/inet.h>
#include <curl/curl.h>

namespace onebit::store {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string part(CURLU* u, CURLUPart what, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(u, what, &text, flags) != CURLUE_OK) return {};
  std::string out = text;
  curl_free(text);
  return out;
}

// A URL that does not parse may still hold a password.
std::string without_credentials(std::string text) {
  const size_t scheme = text.find("://");
  const size_t start = scheme == std::string::npos ? 0 : scheme + 3;
  const size_t at = text.find_last_of('@', text.find_first_of("/?#", start));
  if (at != std::string::npos && at >= start) text.erase(start, at + 1 - start);
  return text.substr(0, text.find_first_of("?#"));
}

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value && *value) return value;
  return {};
}

// "10.0.0.0/8"
bool in_block(const std::string& host, const std::string& block) {
  const size_t slash = block.find('/');
  if (slash == std::string::npos) return false;
  in_addr a{}, b{};
  unsigned bits = 0;
  const char* end = block.data() + block.size();
  const auto [at, error] = std::from_chars(block.data() + slash + 1, end, bits);
  if (error != std::errc{} || at != end || bits < 1 || bits > 32) return false;
  if (inet_pton(AF_INET, host.c_str(), &a) != 1 || inet_pton(AF_INET, block.substr(0, slash).c_str(), &b) != 1) return false;
  return (ntohl(a.s_addr) ^ ntohl(b.s_addr)) >> (32 - bits) == 0;
}

bool exempt(const std::string& host, const std::string& list) {
  const std::string bare = host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find_first_of(", \t", at), list.size());
    std::string entry = lower(list.substr(at, end - at));
    at = end + 1;
    if (entry == "*") return true;
    if (entry.starts_with('.')) entry.erase(0, 1);
    if (entry.empty()) continue;
    if (bare == entry || bare.ends_with("." + entry) || in_block(bare, entry)) return true;
  }
  return false;
}

}  // namespace

std::string Url::printable() const {
  if (scheme == "file") return "file://" + path;
  const bool usual = (scheme == "https" && port == "443") || (scheme == "http" && port == "80");
  std::string safe = path;
  for (char& c : safe)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return scheme + "://" + host + (usual ? "" : ":" + port) + safe;
}

Result<Url> parse_url(const std::string& text) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> u(curl_url(), &curl_url_cleanup);
  if (!u) return fail(Errc::out_of_memory, "URL: out of memory");
  constexpr size_t kLongest = 8192;
  if (text.size() > kLongest) return fail(Errc::out_of_range, "URL: {} characters, expected at most {}", text.size(), kLongest);
  const auto bad = std::find_if(text.begin(), text.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7F; });
  if (bad != text.end())
    return fail(Errc::format, "URL: a space or control character at position {}", bad - text.begin());
  if (const CURLUcode code = curl_url_set(u.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME); code != CURLUE_OK)
    return fail(Errc::format, "{}: not a URL: {}", without_credentials(text), curl_url_strerror(code));
  Url url;
  url.text = part(u.get(), CURLUPART_URL, 0);
  url.scheme = lower(part(u.get(), CURLUPART_SCHEME, 0));
  url.host = lower(part(u.get(), CURLUPART_HOST, 0));
  url.port = part(u.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  url.path = part(u.get(), CURLUPART_PATH, CURLU_URLDECODE);
  url.credentials = !part(u.get(), CURLUPART_USER, 0).empty() || !part(u.get(), CURLUPART_PASSWORD, 0).empty();
  if (url.host.empty() && url.scheme != "file") return fail(Errc::format, "{}: a URL without a host", without_credentials(text));
  // "%00" or a refused decoding leaves nothing behind: no file of that name can be meant.
  if (url.path.empty()) return fail(Errc::format, "{}: a path that cannot be decoded", without_credentials(text));
  return url;
}

std::string proxy_for(const Url& url) {
  std::string proxy = url.scheme == "https" ? environment({"https_proxy", "HTTPS_PROXY"}) : environment({"http_proxy"});
  if (proxy.empty()) proxy = environment({"all_proxy", "ALL_PROXY"});
  return exempt(url.host, environment({"no_proxy", "NO_PROXY"})) ? std::string() : proxy;
}

}  // namespace onebit::store
