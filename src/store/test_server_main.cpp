// The tests' server as a program, for tests of the command line.
// usage: store_test_server MODE FILE      prints its URL and serves FILE until its standard input ends
// MODE: good; broken (a tenth of the file, then the connection ends); other (a byte is wrong); away (redirects to 127.0.0.2)
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "store/test_server.h"

using namespace onebit::store::test;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string_view mode = argv[1];
  std::ifstream in(argv[2], std::ios::binary);
  std::string data((std::istreambuf_iterator<char>(in)), {});
  if (data.empty()) return 1;
  if (mode == "other") data[data.size() / 2] = static_cast<char>(data[data.size() / 2] ^ 1);
  const TestServer elsewhere([&](const Request& r, const Connection& c) { serve_file(r, c, data); }, "127.0.0.2");
  const TestServer server([&](const Request& r, const Connection& c) {
    if (mode == "away") return c.respond("302 Found", "Location: " + elsewhere.url(r.target) + "\r\n", "");
    if (mode != "broken") return serve_file(r, c, data);
    const size_t from = r.from();
    const std::string range = from > 0 ? "Content-Range: bytes " + std::to_string(from) + "-" + std::to_string(data.size() - 1) + "/" + std::to_string(data.size()) + "\r\n" : "";
    c.send((from > 0 ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n") + range + "ETag: \"v1\"\r\nContent-Length: " + std::to_string(data.size() - from) + "\r\n\r\n");
    c.send(std::string_view(data).substr(from, data.size() / 10 + 1));
  });
  std::printf("%s\n", server.url("").c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}
