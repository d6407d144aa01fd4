// Downloads from servers that break, lie, change their minds or mean harm.
#include "store/download.h"

#include <atomic>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/digest.h"
#include "store/store_test.h"
#include "store/test_server.h"

namespace onebit::store {
namespace {

using namespace test;

std::string digest(const std::string& text) {
  Sha256 h;
  h.update(text.data(), text.size());
  return h.finish();
}

class Downloads : public ::testing::Test {
 protected:
  Downloads() {
    options.backoff = std::chrono::milliseconds(1);
    options.http.stall = std::chrono::seconds(1);
    options.note = [this](const std::string& text) { notes += text + "\n"; };
  }
  Result<Fetched> get(const TestServer& server, const std::string& path = "/m.gguf") { return download(wanted_of(server.url(path)), file, options); }
  Wanted wanted_of(const std::string& url) const {
    Wanted w = wanted;
    w.url = url;
    return w;
  }
  static std::string message(const Result<Fetched>& r) { return r ? "success" : r.error().message; }

  Scratch scratch;
  std::string file = scratch / "m.gguf.partial";
  Wanted wanted;
  DownloadOptions options;
  std::string notes;
};

TEST_F(Downloads, WholeFileWithItsDigest) {
  const std::string data = body(300'000);
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, data); });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(got->sha256, digest(data));
  EXPECT_EQ(got->bytes, data.size());
  EXPECT_EQ(got->attempts, 1u);
  EXPECT_FALSE(std::filesystem::exists(file + ".state"));
  EXPECT_EQ(server.requests()[0].header("accept-encoding"), "identity");
  EXPECT_EQ(server.requests()[0].header("range"), "");
}

TEST_F(Downloads, BrokenConnectionsAreContinuedWhereTheyBroke) {
  const std::string data = body(400'000);
  TestServer server([&](const Request& r, const Connection& c) {
    const uint64_t from = r.from();
    const std::string head = from == 0 ? fmt::format("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", data.size())
                                       : fmt::format("HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\n\r\n",
                                                     from, data.size() - 1, data.size(), data.size() - from);
    c.send(head);
    c.send(std::string_view(data).substr(from, 70'000));
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(got->sha256, digest(data));
  EXPECT_EQ(server.count(), 6u);
  EXPECT_EQ(server.requests()[1].header("range"), "bytes=70000-");
  EXPECT_EQ(server.requests()[1].header("if-range"), "\"v1\"");
}

TEST_F(Downloads, AnInterruptedOneIsContinuedByTheNext) {
  const std::string data = body(200'000);
  std::atomic<bool> whole{false};
  TestServer server([&](const Request& r, const Connection& c) {
    if (whole) return serve_file(r, c, data);
    c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n{}", data.size(), data.substr(0, 50'000)));
    c.stall();
  });
  options.progress = [](uint64_t done, uint64_t) { return done < 50'000; };
  const auto first = get(server);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, Errc::cancelled);
  EXPECT_EQ(read_all(file), data.substr(0, 50'000));
  whole = true;
  options.progress = {};
  const auto second = get(server);
  ASSERT_TRUE(second) << message(second);
  EXPECT_EQ(second->resumed_at, 50'000u);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(second->sha256, digest(data));
}

TEST_F(Downloads, AServerThatIgnoresRangeIsReadFromTheStart) {
  const std::string data = body(200'000);
  TestServer server([&](const Request&, const Connection& c) {
    static std::atomic<int> n{0};
    c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", data.size()));
    c.send(std::string_view(data).substr(0, n++ == 0 ? 90'000 : data.size()));
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(got->sha256, digest(data));
}

// A server that ignores If-Range as well and sends the tail of another version: nothing may be spliced.
TEST_F(Downloads, AFileThatChangesMidwayIsNotSpliced) {
  const std::string old_data = body(200'000, 1), new_data = body(200'000, 2);
  TestServer server([&](const Request& r, const Connection& c) {
    static std::atomic<int> n{0};
    if (n++ == 0) {
      c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: \"old\"\r\nContent-Length: {}\r\n\r\n{}", old_data.size(), old_data.substr(0, 100'000)));
      return;
    }
    if (r.from() > 0) {
      c.respond("206 Partial Content", fmt::format("ETag: \"new\"\r\nContent-Range: bytes {}-{}/{}\r\n", r.from(), new_data.size() - 1, new_data.size()),
                std::string_view(new_data).substr(r.from()));
      return;
    }
    c.respond("200 OK", "ETag: \"new\"\r\n", new_data);
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), new_data);
  EXPECT_EQ(got->sha256, digest(new_data));
  EXPECT_NE(notes.find("has changed"), std::string::npos) << notes;
}

TEST_F(Downloads, AFileThatAlwaysChangesIsAnError) {
  std::atomic<int> n{0};
  TestServer server([&](const Request& r, const Connection& c) {
    const std::string data = body(200'000), tag = fmt::format("\"v{}\"", n++);
    const uint64_t from = r.from();
    if (from == 0)
      c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: {}\r\nContent-Length: {}\r\n\r\n{}", tag, data.size(), data.substr(0, 100'000)));
    else
      c.respond("206 Partial Content", fmt::format("ETag: {}\r\nContent-Range: bytes {}-{}/{}\r\n", tag, from, data.size() - 1, data.size()),
                std::string_view(data).substr(from));
  });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("changes while it is fetched"), std::string::npos) << got.error().message;
}

// The tail is of another version and nothing says so: the digest does, and the file is fetched whole.
TEST_F(Downloads, ASilentChangeIsSeenByTheDigest) {
  const std::string old_data = body(200'000, 1), new_data = body(200'000, 2);
  wanted.sha256 = digest(new_data);
  TestServer server([&](const Request& r, const Connection& c) {
    static std::atomic<int> n{0};
    if (n++ == 0)
      c.send(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", old_data.size(), old_data.substr(0, 100'000)));
    else
      serve_file(r, c, new_data, "");
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), new_data);
  EXPECT_NE(notes.find("once more from the start"), std::string::npos) << notes;
}

TEST_F(Downloads, APartThatWasNotAskedForIsNotTaken) {
  const std::string data = body(100'000);
  TestServer server([&](const Request& r, const Connection& c) {
    static std::atomic<int> n{0};
    const int turn = n++;
    if (turn == 0)
      c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: {}\r\n\r\n{}", data.size(), data.substr(0, 50'000)));
    else if (r.from() > 0)
      c.respond("206 Partial Content", fmt::format("ETag: \"v\"\r\nContent-Range: bytes 40000-{}/{}\r\n", data.size() - 1, data.size()),
                std::string_view(data).substr(40'000));
    else
      serve_file(r, c, data, "\"v\"");
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
}

TEST_F(Downloads, AnotherDigestIsAnErrorAndLeavesNothing) {
  wanted.sha256 = digest("something else");
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, body(5000)); });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Errc::format);
  EXPECT_NE(got.error().message.find(wanted.sha256), std::string::npos) << got.error().message;
  EXPECT_NE(got.error().message.find(digest(body(5000))), std::string::npos) << got.error().message;
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file + ".state"));
}

TEST_F(Downloads, AnotherSizeThanTheOneKnownIsRefusedBeforeTheBody) {
  wanted.size = 4999;
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, body(5000)); });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("5000 bytes, expected 4999"), std::string::npos) << got.error().message;
  EXPECT_EQ(server.count(), 1u);
}

TEST_F(Downloads, ALengthThatPromisesTooMuchGivesUp) {
  options.retries = 2;
  TestServer server([&](const Request& r, const Connection& c) {
    if (r.from() == 0) c.send("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: 9000\r\n\r\n" + body(5000));
    else c.respond("416 Range Not Satisfiable", "Content-Range: bytes */5000\r\n", "");
  });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_LE(server.count(), 10u);
}

TEST_F(Downloads, ALengthThatPromisesTooLittleFailsByDigest) {
  wanted.sha256 = digest(body(5000));
  TestServer server([&](const Request&, const Connection& c) { c.send("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\nConnection: close\r\n\r\n" + body(5000)); });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("SHA-256"), std::string::npos) << got.error().message;
}

TEST_F(Downloads, AnEndlessBodyEndsAtTheCap) {
  options.max_bytes = 1'000'000;
  TestServer server([&](const Request&, const Connection& c) {
    c.send("HTTP/1.1 200 OK\r\n\r\n");
    while (c.send(std::string(65536, 'x'))) {
    }
  });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("more than 1000000 bytes"), std::string::npos) << got.error().message;
  EXPECT_LE(std::filesystem::file_size(file), 1'000'000u);
}

TEST_F(Downloads, MoreThanTheCapIsRefusedBeforeTheBody) {
  options.max_bytes = 1000;
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, body(5000)); });
  EXPECT_NE(message(get(server)).find("5000 bytes, expected at most 1000"), std::string::npos);
}

TEST_F(Downloads, MoreThanTheDiskHoldsIsRefused) {
  options.max_bytes = UINT64_MAX;
  TestServer server([&](const Request&, const Connection& c) { c.send("HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\nx"); });
  EXPECT_NE(message(get(server)).find("4611686018427387904 bytes are needed"), std::string::npos);
}

TEST_F(Downloads, AStallIsTriedAgainAndThenGivenUp) {
  options.retries = 1;
  TestServer server([&](const Request&, const Connection& c) {
    c.send("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: 5000\r\n\r\nabc");
    c.stall();
  });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("gave up after 2 tries"), std::string::npos) << got.error().message;
  EXPECT_EQ(server.count(), 2u);
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(Downloads, AServerThatNeverAnswersIsGivenUp) {
  options.retries = 0;
  TestServer server([&](const Request&, const Connection& c) { c.stall(); });
  EXPECT_NE(message(get(server)).find("gave up after 1 tries"), std::string::npos);
}

TEST_F(Downloads, EndlessHeadersEnd) {
  TestServer server([&](const Request&, const Connection& c) {
    c.send("HTTP/1.1 200 OK\r\n");
    while (c.send("X-Padding: " + std::string(900, 'x') + "\r\n")) {
    }
  });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("bytes of headers"), std::string::npos) << got.error().message;
}

TEST_F(Downloads, APackedBodyIsRefused) {
  TestServer server([&](const Request&, const Connection& c) { c.respond("200 OK", "Content-Encoding: gzip\r\n", "\x1f\x8b\x08"); });
  const auto got = get(server);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().message.find("gzip"), std::string::npos) << got.error().message;
}

TEST_F(Downloads, BusyServersAreAskedAgain) {
  const std::string data = body(1000);
  std::atomic<int> n{0};
  TestServer server([&](const Request& r, const Connection& c) {
    const int turn = n++;
    if (turn == 0) return c.respond("503 Service Unavailable", "Retry-After: 0\r\n", "later");
    if (turn == 1) return c.respond("429 Too Many Requests", "", "later");
    if (turn == 2) return c.reset();
    serve_file(r, c, data);
  });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(got->attempts, 4u);
  EXPECT_EQ(read_all(file), data);
}

TEST_F(Downloads, MissingAndForbiddenFilesAreNot) {
  for (const char* status : {"404 Not Found", "403 Forbidden", "401 Unauthorized", "410 Gone"}) {
    TestServer server([&](const Request&, const Connection& c) { c.respond(status, "", "<html>"); });
    const auto got = get(server);
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find(std::string(status).substr(0, 3)), std::string::npos) << got.error().message;
    EXPECT_EQ(server.count(), 1u) << status;
    EXPECT_FALSE(std::filesystem::exists(file)) << status;
  }
}

TEST_F(Downloads, BytesThatAreNoHttpAreAnError) {
  options.retries = 1;
  for (const char* junk : {"", "hello\r\n\r\n", "HTTP/1.1 banana\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc"}) {
    TestServer server([&](const Request&, const Connection& c) { c.send(junk); });
    const auto got = get(server);
    EXPECT_FALSE(got) << junk;
  }
}

TEST_F(Downloads, APartialFileOfAnotherSourceIsNotUsed) {
  const std::string data = body(1000);
  write_all(file, "bytes of something else");
  write_all(file + ".state", R"({"url": "https://example.org/other.gguf", "etag": "\"v1\"", "total": 1000})");
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, data); });
  const auto got = get(server);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(got->resumed_at, 0u);
}

TEST_F(Downloads, ABrokenStateMeansFromTheStart) {
  const std::string data = body(1000);
  for (const char* state : {"", "{", "[]", "{\"url\": 5}", "null"}) {
    write_all(file, data.substr(0, 10));
    write_all(file + ".state", state);
    TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, data); });
    const auto got = get(server);
    ASSERT_TRUE(got) << message(got);
    EXPECT_EQ(read_all(file), data);
  }
}

TEST_F(Downloads, ASymbolicLinkInItsPlaceIsRefused) {
  write_all(scratch / "precious", "precious");
  std::filesystem::create_symlink(scratch / "precious", file);
  TestServer server([&](const Request& r, const Connection& c) { serve_file(r, c, body(1000)); });
  EXPECT_FALSE(get(server));
  EXPECT_EQ(read_all(scratch / "precious"), "precious");
}

TEST_F(Downloads, FilesAreCopiedUnderTheSameRules) {
  const std::string data = body(100'000);
  write_all(scratch / "a file.gguf", data);
  wanted.url = "file://" + scratch.path() + "/a%20file.gguf";
  const auto got = download(wanted, file, options);
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(read_all(file), data);
  EXPECT_EQ(got->sha256, digest(data));
  wanted.sha256 = digest("other");
  EXPECT_NE(message(download(wanted, file, options)).find("expected " + wanted.sha256), std::string::npos);
  wanted.sha256.clear();
  options.max_bytes = 10;
  EXPECT_NE(message(download(wanted, file, options)).find("at most 10"), std::string::npos);
  wanted.url = "file://" + scratch.path();
  EXPECT_NE(message(download(wanted, file, options)).find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace onebit::store
