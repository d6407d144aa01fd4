// URLs as libcurl reads them, so that what is checked is what is asked for.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace onebit::store {

struct Url {
  std::string text;    // whole, with credentials
  std::string scheme;  // lower case
  std::string host;    // lower case; numbers of every spelling as dotted quads; IPv6 in brackets
  std::string port;    // the scheme's own where none is given
  std::string path;    // percent-decoded
  bool credentials = false;

  std::string origin() const { return scheme + "://" + host + ":" + port; }
  // Without credentials, query and fragment: these may be secrets (signed URLs).
  std::string printable() const;
};

// Any scheme with a host, and file. Errors show the URL without its credentials.
Result<Url> parse_url(const std::string& text);

// What the environment says about proxies, read the way curl does: https_proxy, HTTPS_PROXY, http_proxy (lower case only, since
// a CGI server lets its clients set the other), all_proxy, ALL_PROXY; no_proxy and NO_PROXY hold hosts, domains and "*".
// "": connect directly. Addresses in no_proxy are compared as text; blocks such as 10.0.0.0/8 are understood for IPv4.
std::string proxy_for(const Url& url);

}  // namespace onebit::store
