// Which network addresses a redirect may lead to.
// Source: IANA special-purpose address registries (RFC 6890 and its updates).
#pragma once

#include <string>
#include <string_view>

#include <sys/socket.h>

namespace onebit::store {

enum class Reach {
  global,    // an address of the public Internet
  loopback,  // this machine
  local,     // private, link-local, shared, multicast, reserved: everything else that is not global
};

// Addresses that carry an IPv4 address (mapped, NAT64, 6to4) count as that one. A family other than IPv4 and IPv6 is local.
Reach reach(const sockaddr& address);
// A host as written in a URL, "[::1]" with or without brackets; a name that is no address gives global, "localhost" and names
// below it loopback.
Reach reach(std::string_view host);
// "192.0.2.1:443", "[2001:db8::1]:443"
std::string address_text(const sockaddr& address);

}  // namespace onebit::store
