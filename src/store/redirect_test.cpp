// Where a redirect may lead, and what it may carry.
#include <atomic>
#include <chrono>
#include <cstdlib>

#include <gtest/gtest.h>

#include "store/address.h"
#include "store/download.h"
#include "store/store_test.h"
#include "store/test_server.h"
#include "store/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>

namespace onebit::store {
namespace {

using namespace test;

class Redirects : public ::testing::Test {
 protected:
  Redirects() {
    options.backoff = std::chrono::milliseconds(1);
    options.retries = 0;
    options.http.stall = std::chrono::seconds(1);
  }
  std::string get(const std::string& url, const std::string& bearer = {}) {
    Wanted wanted;
    wanted.url = url;
    wanted.bearer = bearer;
    const auto got = download(wanted, file, options);
    return got ? "" : got.error().message;
  }
  static TestServer::Handler to(const std::string& target, const char* status = "302 Found") {
    return [=](const Request&, const Connection& c) { c.respond(status, "Location: " + target + "\r\n", "moved"); };
  }
  TestServer::Handler serves(std::string data) {
    return [data = std::move(data)](const Request& r, const Connection& c) { serve_file(r, c, data); };
  }

  Scratch scratch;
  std::string file = scratch / "m.partial";
  DownloadOptions options;
};

TEST_F(Redirects, WithinTheServerThatTheUserNamed) {
  for (const char* status : {"301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"}) {
    TestServer server([&](const Request& r, const Connection& c) {
      if (r.target == "/a") return c.respond(status, "Location: /b?x=1\r\n", "");
      serve_file(r, c, "model");
    });
    EXPECT_EQ(get(server.url("/a")), "") << status;
    EXPECT_EQ(read_all(file), "model");
    EXPECT_EQ(server.requests()[1].target, "/b?x=1");
  }
}

TEST_F(Redirects, ToAnotherPrivateAddressIsRefusedUnlessAsked) {
  TestServer inner(serves("secret"), "127.0.0.2");
  TestServer outer(to(inner.url("/admin")));
  const std::string message = get(outer.url("/a"));
  EXPECT_NE(message.find("127.0.0.2"), std::string::npos) << message;
  EXPECT_NE(message.find("--allow-private"), std::string::npos) << message;
  EXPECT_EQ(inner.count(), 0u);
  options.http.allow_private = true;
  EXPECT_EQ(get(outer.url("/a")), "");
  EXPECT_EQ(read_all(file), "secret");
}

TEST_F(Redirects, ToAnotherPortOfTheSameMachineIsRefused) {
  TestServer inner(serves("secret"));
  TestServer outer(to(inner.url("/admin")));
  EXPECT_NE(get(outer.url("/a")).find("not a public address"), std::string::npos);
  EXPECT_EQ(inner.count(), 0u);
}

// A name is judged by what it resolves to when the connection is made.
TEST_F(Redirects, ANameThatResolvesToAPrivateAddressIsRefused) {
  TestServer inner(serves("secret"), "127.0.0.2");
  TestServer outer(to(fmt::format("http://models.example.org:{}/m", inner.port())));
  options.http.resolve = {fmt::format("models.example.org:{}:127.0.0.2", inner.port())};
  options.http.allow_http = true;
  const std::string message = get(outer.url("/a"));
  EXPECT_NE(message.find("127.0.0.2"), std::string::npos) << message;
  EXPECT_EQ(inner.count(), 0u);
  options.http.allow_private = true;
  EXPECT_EQ(get(outer.url("/a")), "");
}

// DNS rebinding: the very name the user gave leads elsewhere the second time.
TEST_F(Redirects, TheSameNameWithAnotherAddressIsRefused) {
  TestServer inner(serves("secret"), "127.0.0.2");
  TestServer outer(to(fmt::format("http://models.example.org:{}/m", inner.port())));
  options.http.allow_http = true;
  options.http.resolve = {fmt::format("models.example.org:{}:127.0.0.1", outer.port()), fmt::format("models.example.org:{}:127.0.0.2", inner.port())};
  EXPECT_NE(get(fmt::format("http://models.example.org:{}/a", outer.port())).find("127.0.0.2"), std::string::npos);
  EXPECT_EQ(inner.count(), 0u);
}

TEST_F(Redirects, LiteralAddressesOfEverySpelling) {
  for (const char* host : {"10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]", "[fe80::1]", "[fd00::1]",
                           "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "0x7f.2", "2130706434", "127.2"}) {
    TestServer outer(to(fmt::format("http://{}:9/m", host)));
    options.http.allow_http = true;
    const std::string message = get(outer.url("/a"));
    EXPECT_NE(message.find("not a public address"), std::string::npos) << host << ": " << message;
  }
}

TEST_F(Redirects, LoopsAndLongChainsEnd) {
  TestServer server([](const Request& r, const Connection& c) { c.respond("302 Found", "Location: " + r.target + "x\r\n", ""); });
  EXPECT_NE(get(server.url("/a")).find("more than 8 redirects"), std::string::npos);
  EXPECT_EQ(server.count(), 9u);
}

TEST_F(Redirects, ToOtherSchemesAreRefused) {
  for (const char* target : {"file:///etc/passwd", "ftp://example.org/x", "gopher://example.org/x", "scp://example.org/x", "dict://example.org/x"}) {
    TestServer server(to(target));
    EXPECT_NE(get(server.url("/a")), "") << target;
    EXPECT_FALSE(std::filesystem::exists(file)) << target;
  }
}

TEST_F(Redirects, WithoutALocationIsAnError) {
  TestServer server([](const Request&, const Connection& c) { c.respond("302 Found", "", ""); });
  EXPECT_NE(get(server.url("/a")).find("without a Location"), std::string::npos);
}

TEST_F(Redirects, ATokenStaysWithItsServer) {
  TestServer inner(serves("model"), "127.0.0.2");
  TestServer outer([&](const Request& r, const Connection& c) {
    c.respond("302 Found", "Location: " + (r.target == "/a" ? "/b" : inner.url("/m")) + "\r\n", "");
  });
  options.http.allow_private = true;
  EXPECT_EQ(get(outer.url("/a"), "hf_secret"), "");
  ASSERT_EQ(outer.count(), 2u);
  EXPECT_EQ(outer.requests()[0].header("authorization"), "Bearer hf_secret");
  EXPECT_EQ(outer.requests()[1].header("authorization"), "Bearer hf_secret");
  ASSERT_EQ(inner.count(), 1u);
  EXPECT_EQ(inner.requests()[0].header("authorization"), "");
}

TEST_F(Redirects, ATokenDoesNotComeBack) {
  std::string home;
  TestServer inner([&](const Request&, const Connection& c) { c.respond("302 Found", "Location: " + home + "\r\n", ""); }, "127.0.0.2");
  TestServer outer([&](const Request& r, const Connection& c) {
    if (r.target == "/a") return c.respond("302 Found", "Location: " + inner.url("/m") + "\r\n", "");
    serve_file(r, c, "model");
  });
  home = outer.url("/back");
  options.http.allow_private = true;
  EXPECT_EQ(get(outer.url("/a"), "hf_secret"), "");
  EXPECT_EQ(outer.requests()[1].header("authorization"), "");
}

TEST_F(Redirects, CredentialsInTheUrlStayToo) {
  TestServer inner(serves("model"), "127.0.0.2");
  TestServer outer(to(inner.url("/m")));
  options.http.allow_private = true;
  EXPECT_EQ(get(fmt::format("http://user:password@127.0.0.1:{}/a", outer.port())), "");
  EXPECT_NE(outer.requests()[0].header("authorization"), "");
  EXPECT_EQ(inner.requests()[0].header("authorization"), "");
}

TEST_F(Redirects, MessagesHoldNoSecrets) {
  TestServer server([](const Request&, const Connection& c) { c.respond("404 Not Found", "", ""); });
  const std::string message = get(fmt::format("http://user:password@127.0.0.1:{}/a?signature=abc", server.port()));
  EXPECT_NE(message.find("404"), std::string::npos) << message;
  EXPECT_EQ(message.find("password"), std::string::npos) << message;
  EXPECT_EQ(message.find("signature"), std::string::npos) << message;
}

TEST_F(Redirects, PlainHttpBeyondThisMachineIsRefused) {
  EXPECT_NE(get("http://models.example.org/m").find("--allow-http"), std::string::npos);
  // Neither by a name that says loopback and resolves to another place.
  options.http.resolve = {"localhost:9:192.0.2.1"};
  EXPECT_NE(get("http://localhost:9/m").find("--allow-http"), std::string::npos);
}

TEST_F(Redirects, AProxyOfTheEnvironmentIsUsed) {
  TestServer proxy([](const Request& r, const Connection& c) { serve_file(r, c, "by way of " + r.target); });
  setenv("http_proxy", proxy.url("").c_str(), 1);
  options.http.allow_http = true;
  EXPECT_EQ(get("http://models.example.org/m"), "");
  EXPECT_EQ(read_all(file), "by way of http://models.example.org/m");
  // What is behind a proxy is judged as far as it can be seen.
  TestServer redirecting(to("http://169.254.169.254/latest"));
  setenv("http_proxy", redirecting.url("").c_str(), 1);
  EXPECT_NE(get("http://models.example.org/a").find("not a public address"), std::string::npos);
  setenv("no_proxy", "example.org", 1);
  const auto url = parse_url("http://models.example.org/m");
  EXPECT_EQ(proxy_for(*url), "");
  unsetenv("no_proxy");
  EXPECT_NE(proxy_for(*url), "");
  unsetenv("http_proxy");
  EXPECT_EQ(proxy_for(*url), "");
}

TEST(Proxies, ExemptHosts) {
  setenv("https_proxy", "http://proxy:3128", 1);
  const auto direct = [](const char* url, const char* list) {
    setenv("no_proxy", list, 1);
    const bool none = proxy_for(*parse_url(url)).empty();
    unsetenv("no_proxy");
    return none;
  };
  EXPECT_TRUE(direct("https://a.example.org/", "*"));
  EXPECT_TRUE(direct("https://a.example.org/", "other.org, example.org"));
  EXPECT_TRUE(direct("https://A.Example.org/", ".example.org"));
  EXPECT_TRUE(direct("https://10.1.2.3/", "10.0.0.0/8"));
  EXPECT_TRUE(direct("https://[::1]/", "::1"));
  EXPECT_FALSE(direct("https://notexample.org/", "example.org"));
  EXPECT_FALSE(direct("https://11.1.2.3/", "10.0.0.0/8"));
  EXPECT_FALSE(direct("https://a.example.org/", ", ,.,10.0.0.0/0"));
  unsetenv("https_proxy");
}

TEST(Addresses, Reach) {
  for (const char* local : {"0.0.0.0", "10.255.255.255", "100.127.0.1", "169.254.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.255.1", "198.19.0.1",
                            "198.51.100.7", "203.0.113.7", "224.0.0.1", "255.255.255.255", "::", "fc00::1", "fe80::1", "ff02::1", "2001:db8::1", "::10.0.0.1",
                            "::ffff:192.168.1.1", "64:ff9b::c0a8:101", "2002:c0a8:101::1", "2001::1", "[fd12::1]", "fe80::1%eth0"})
    EXPECT_EQ(reach(local), Reach::local) << local;
  for (const char* loopback : {"127.0.0.1", "127.255.255.255", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", "LOCALHOST.", "a.localhost", "2002:7f00:1::"})
    EXPECT_EQ(reach(loopback), Reach::loopback) << loopback;
  for (const char* global : {"1.1.1.1", "9.255.255.255", "100.128.0.1", "172.32.0.1", "192.169.0.1", "223.255.255.255", "2606:4700::1", "2a00::1",
                             "::ffff:8.8.8.8", "64:ff9b::808:808", "huggingface.co", "127.0.0.1.example.org"})
    EXPECT_EQ(reach(global), Reach::global) << global;
}

TEST(Urls, WhatIsPrinted) {
  const auto url = parse_url("https://user:pass@Example.ORG:443/a%20b/m.gguf?token=x#y");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->printable(), "https://example.org/a b/m.gguf");
  EXPECT_TRUE(url->credentials);
  EXPECT_EQ(url->origin(), "https://example.org:443");
  for (const char* bad : {"", "https://", "https://a b/", "https://host/\n", "https://user:pass@:80/", "http://[::1/", "https://host:99999/"}) {
    const auto r = parse_url(bad);
    EXPECT_FALSE(r) << bad;
    if (!r) {
      EXPECT_EQ(r.error().message.find("pass"), std::string::npos) << r.error().message;
    }
  }
}

}  // namespace
}  // namespace onebit::store
