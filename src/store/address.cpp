#include "store/address.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace onebit::store {
namespace {

struct Block4 {
  uint32_t base;
  unsigned bits;
};
constexpr uint32_t ip4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return a << 24 | b << 16 | c << 8 | d; }
constexpr Block4 kLocal4[] = {
    {ip4(0, 0, 0, 0), 8},       {ip4(10, 0, 0, 0), 8},      {ip4(100, 64, 0, 0), 10},  {ip4(169, 254, 0, 0), 16}, {ip4(172, 16, 0, 0), 12},
    {ip4(192, 0, 0, 0), 24},    {ip4(192, 0, 2, 0), 24},    {ip4(192, 168, 0, 0), 16}, {ip4(198, 18, 0, 0), 15},  {ip4(198, 51, 100, 0), 24},
    {ip4(203, 0, 113, 0), 24},  {ip4(224, 0, 0, 0), 4},     {ip4(240, 0, 0, 0), 4},
};

Reach reach4(uint32_t a) {
  if (a >> 24 == 127) return Reach::loopback;
  for (const Block4& b : kLocal4)
    if ((a ^ b.base) >> (32 - b.bits) == 0) return Reach::local;
  return Reach::global;
}

Reach reach6(const std::array<uint8_t, 16>& a) {
  const auto word = [&a](size_t i) { return ip4(a[i], a[i + 1], a[i + 2], a[i + 3]); };
  const bool high_zero = word(0) == 0 && word(4) == 0;
  if (high_zero && word(8) == 0) return word(12) == 1 ? Reach::loopback : Reach::local;     // ::1, ::, ::a.b.c.d
  if (high_zero && word(8) == 0xFFFF) return reach4(word(12));                              // ::ffff:a.b.c.d
  if (word(0) == 0x0064FF9B && word(4) == 0 && word(8) == 0) return reach4(word(12));       // 64:ff9b::a.b.c.d, NAT64
  if (a[0] == 0x20 && a[1] == 0x02) return reach4(word(2));                                 // 2002:a.b:c.d::, 6to4
  if (word(0) == 0x20010DB8 || (word(0) >> 9) == (0x20010000u >> 9)) return Reach::local;   // documentation; 2001::/23, Teredo among them
  return (a[0] & 0xE0) == 0x20 ? Reach::global : Reach::local;                              // 2000::/3 is what is allocated
}

}  // namespace

Reach reach(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    return reach4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    std::array<uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return reach6(bytes);
  }
  return Reach::local;
}

Reach reach(std::string_view host) {
  std::string name(host);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  name.resize(std::min(name.size(), name.find('%')));  // without a zone id
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  in_addr four{};
  if (inet_pton(AF_INET, name.c_str(), &four) == 1) return reach4(ntohl(four.s_addr));
  std::array<uint8_t, 16> six{};
  if (inet_pton(AF_INET6, name.c_str(), six.data()) == 1) return reach6(six);
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || name.ends_with(".localhost") ? Reach::loopback : Reach::global;
}

std::string address_text(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return fmt::format("{}:{}", text, ntohs(in.sin_port));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return fmt::format("[{}]:{}", text, ntohs(in.sin6_port));
  }
  return fmt::format("an address of family {}", address.sa_family);
}

}  // namespace onebit::store
