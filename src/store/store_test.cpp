// Names, sources, the folder of models, and pulls from a hub of the tests' own.
#include "store/store.h"

#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "format/gguf.h"
#include "store/digest.h"
#include "store/pull.h"
#include "store/source.h"
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

// A file that opens as GGUF; `seed` makes it another one.
std::string model_bytes(uint32_t seed, uint32_t shard = 0, uint32_t shards = 0) {
  const Scratch scratch;
  GgufWriter w;
  w.add_key("general.architecture", std::string("bitnet-b1.58"));
  w.add_key("general.seed", seed);
  if (shards > 0) {
    w.add_key("split.no", static_cast<uint16_t>(shard));
    w.add_key("split.count", static_cast<uint16_t>(shards));
    w.add_key("split.tensors.count", static_cast<int32_t>(shards));
  }
  EXPECT_TRUE(w.add_tensor(fmt::format("t{}", shard), TensorType::f32, 256, 4));
  const std::string path = scratch / "m.gguf";
  EXPECT_TRUE(w.begin(path));
  const std::vector<float> values(256 * 4, static_cast<float>(seed));
  EXPECT_TRUE(w.write(values.data(), values.size() * sizeof(float)));
  EXPECT_TRUE(w.finish());
  return read_all(path);
}

TEST(Digest, Vectors) {
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 h;
  h.update("ab", 2);
  h.update("c", 1);
  EXPECT_EQ(h.finish(), digest("abc"));
  EXPECT_EQ(h.finish(), digest(""));
}

TEST(Names, OnlyPlainOnes) {
  for (const char* good : {"a", "bitnet-2b-4t", "Falcon3_1.58", "0", "a..b"}) EXPECT_TRUE(valid_name(good)) << good;
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string(".hidden"), std::string("-m"), std::string("a/b"), std::string("../a"),
                                 std::string("a\\b"), std::string("a b"), std::string("a\0b", 3), std::string("\xc3\xa4"), std::string("a\n"), std::string(121, 'a')})
    EXPECT_FALSE(valid_name(bad)) << bad;
}

TEST(Sources, Spellings) {
  const auto known = parse_source("bitnet-2b-4t");
  ASSERT_TRUE(known);
  EXPECT_EQ(known->repository, "microsoft/bitnet-b1.58-2B-4T-gguf");
  EXPECT_EQ(known->path, "ggml-model-i2_s.gguf");
  EXPECT_EQ(known->name, "bitnet-2b-4t");
  EXPECT_EQ(known->size, 1'187'801'280u);
  EXPECT_TRUE(is_sha256(known->sha256));

  const auto repo = parse_source("hf://tiiuae/Falcon3-1B-Instruct-1.58bit-GGUF");
  ASSERT_TRUE(repo);
  EXPECT_EQ(repo->name, "Falcon3-1B-Instruct-1.58bit-GGUF");
  EXPECT_EQ(repo->revision, "main");
  const auto file = parse_source("hf://a/b-GGUF@v1.0/sub/b-GGUF-q.gguf");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->revision, "v1.0");
  EXPECT_EQ(file->path, "sub/b-GGUF-q.gguf");
  EXPECT_EQ(file->name, "b-GGUF-q");
  EXPECT_EQ(parse_source("hf://a/repo/x-00001-of-00002.gguf")->name, "repo-x");

  const auto web = parse_source("https://me:secret@example.org/models/m%20odel.gguf?sig=1");
  ASSERT_TRUE(web);
  EXPECT_EQ(web->text, "https://example.org/models/m odel.gguf");
  EXPECT_EQ(web->name, "");
  EXPECT_EQ(parse_source("https://example.org/x/model.gguf")->name, "model");
  EXPECT_EQ(parse_source("https://example.org/x/..%2f..%2fetc%2fpasswd")->name, "passwd");
  EXPECT_EQ(parse_source("file:///a/b.gguf")->name, "b");
}

TEST(Sources, BadOnesAreRefused) {
  for (const char* bad : {"", "nonsense", "hf://", "hf://a", "hf://a/", "hf:///b", "hf://../b", "hf://a/..", "hf://a/b/../c", "hf://a/b@/c", "hf://a/b@x?y", "hf://a/b//c",
                          "hf://a b/c", "hf://a/b%2f", "ftp://example.org/m.gguf", "https://", "file://", "javascript://x", "hf://a/b/c\\d", "hf://a/b/c\nd"}) {
    const auto s = parse_source(bad);
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().code, Errc::usage) << bad << ": " << s.error().message;
  }
}

TEST(Sources, Shards) {
  EXPECT_EQ(shard_names("m.gguf")->size(), 1u);
  const auto three = shard_names("m-00001-of-00003.gguf");
  ASSERT_TRUE(three);
  EXPECT_EQ((*three)[2], "m-00003-of-00003.gguf");
  EXPECT_FALSE(shard_names("m-00002-of-00003.gguf"));
  EXPECT_FALSE(shard_names("m-00001-of-99999.gguf"));
}

TEST(Sources, HubListings) {
  const std::string oid = digest("x");
  const auto files = parse_hub_tree(fmt::format(R"([{{"type":"file","path":"README.md","size":5}},{{"type":"directory","path":"d.gguf"}},
    {{"type":"file","path":"a.gguf","size":7,"lfs":{{"oid":"{}","size":7}}}},{{"type":"file","path":"b-00001-of-00002.gguf"}},
    {{"type":"file","path":"b-00002-of-00002.gguf","lfs":"x"}}, 5, null, {{}}])", oid));
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 3u);
  EXPECT_EQ((*files)[0].sha256, oid);
  EXPECT_EQ((*files)[0].size, 7u);
  const auto none = choose_hub_files(*files, "", "o/r");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("a.gguf, b-00001-of-00002.gguf"), std::string::npos) << none.error().message;
  EXPECT_EQ(choose_hub_files(*files, "b-00001-of-00002.gguf", "o/r")->size(), 2u);
  EXPECT_FALSE(choose_hub_files(*files, "c.gguf", "o/r"));
  for (const char* bad : {"", "{}", "[", "\"x\"", "5", "[[[[["}) EXPECT_FALSE(parse_hub_tree(bad)) << bad;
  EXPECT_FALSE(choose_hub_files({}, "", "o/r"));
}

class Models : public ::testing::Test {
 protected:
  Models() { options.download.backoff = std::chrono::milliseconds(1); options.download.retries = 1; }
  Result<Pulled> pull_from(const std::string& source) {
    auto s = parse_source(source);
    if (!s) return std::unexpected(s.error());
    return pull(store, *s, options);
  }
  static std::string message(const Result<Pulled>& r) { return r ? "success" : r.error().message; }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Entry& e : store.list()) out.push_back(e.name);
    return out;
  }
  size_t files_in_store() const {
    size_t n = 0;
    for (const auto& item : std::filesystem::recursive_directory_iterator(store.folder())) n += item.is_regular_file();
    return n;
  }

  Scratch scratch;
  Store store{scratch / "models", scratch / "system"};
  PullOptions options;
};

TEST_F(Models, PullListFindRemove) {
  const std::string data = model_bytes(1);
  write_all(scratch / "one.gguf", data);
  const auto first = pull_from("file://" + scratch.path() + "/one.gguf");
  ASSERT_TRUE(first) << message(first);
  EXPECT_FALSE(first->already);
  EXPECT_EQ(first->entry.name, "one");
  EXPECT_EQ(first->entry.files[0].sha256, digest(data));
  EXPECT_EQ(read_all(first->entry.path()), data);
  EXPECT_EQ(names(), std::vector<std::string>{"one"});
  EXPECT_EQ(files_in_store(), 2u);
  EXPECT_TRUE(pull_from("file://" + scratch.path() + "/one.gguf")->already);
  EXPECT_TRUE(store.remove("one"));
  EXPECT_TRUE(names().empty());
  EXPECT_TRUE(std::filesystem::is_empty(store.folder()));
  EXPECT_FALSE(store.remove("one"));
  EXPECT_FALSE(store.find("one"));
}

TEST_F(Models, ANameThatIsTakenIsNotOverwrittenUnlessForced) {
  write_all(scratch / "one.gguf", model_bytes(1));
  write_all(scratch / "two.gguf", model_bytes(2));
  options.name = "m";
  ASSERT_TRUE(pull_from("file://" + scratch.path() + "/one.gguf"));
  const auto taken = pull_from("file://" + scratch.path() + "/two.gguf");
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("--force"), std::string::npos);
  EXPECT_EQ(read_all(store.find("m")->path()), model_bytes(1));
  options.force = true;
  ASSERT_TRUE(pull_from("file://" + scratch.path() + "/two.gguf"));
  EXPECT_EQ(read_all(store.find("m")->path()), model_bytes(2));
  EXPECT_EQ(files_in_store(), 2u);
}

TEST_F(Models, WhatIsNoModelDoesNotAppear) {
  write_all(scratch / "bad.gguf", "GGUF, it says");
  const auto bad = pull_from("file://" + scratch.path() + "/bad.gguf");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("no model"), std::string::npos) << bad.error().message;
  EXPECT_TRUE(names().empty());
  EXPECT_TRUE(std::filesystem::is_empty(store.folder()));
}

TEST_F(Models, AFailedReplacementLeavesTheOld) {
  write_all(scratch / "m.gguf", model_bytes(1));
  ASSERT_TRUE(pull_from("file://" + scratch.path() + "/m.gguf"));
  write_all(scratch / "m.gguf", "broken");
  options.force = true;
  EXPECT_FALSE(pull_from("file://" + scratch.path() + "/m.gguf"));
  EXPECT_EQ(read_all(store.find("m")->path()), model_bytes(1));
}

TEST_F(Models, OnePullAtATime) {
  write_all(scratch / "m.gguf", model_bytes(1));
  {
    Store::Lock lock;
    ASSERT_TRUE(store.incoming("m", &lock));
    const auto second = pull_from("file://" + scratch.path() + "/m.gguf");
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("is being pulled"), std::string::npos) << second.error().message;
    EXPECT_FALSE(store.remove("m"));
  }
  EXPECT_TRUE(pull_from("file://" + scratch.path() + "/m.gguf"));
}

TEST_F(Models, NamesCannotLeaveTheFolder) {
  write_all(scratch / "m.gguf", model_bytes(1));
  for (const char* name : {"../m", "a/b", "/etc", "..", ".m", "m.incoming/../x"}) {
    EXPECT_FALSE(store.find(name)) << name;
    EXPECT_FALSE(store.remove(name)) << name;
    options.name = name;
    EXPECT_FALSE(pull_from("file://" + scratch.path() + "/m.gguf")) << name;
  }
  EXPECT_TRUE(std::filesystem::exists(scratch / "m.gguf"));
}

TEST_F(Models, AHostileRecordNamesNoOtherFiles) {
  std::filesystem::create_directories(store.folder() + "/evil");
  for (const char* record : {R"({"files": [{"file": "../../../etc/passwd"}]})", R"({"files": [{"file": "/etc/passwd"}]})", R"({"files": [{"file": ".."}]})", R"({"files": []})",
                             R"({"files": [5]})", R"({"files": {}})", "[]", "{", "", R"({"files": [{"file": "missing.gguf"}]})", R"({"files": [{"file": "model.json", "sha256": "x"}]})"}) {
    write_all(store.folder() + "/evil/model.json", record);
    EXPECT_FALSE(store.find("evil")) << record;
    EXPECT_TRUE(names().empty()) << record;
  }
  EXPECT_TRUE(store.remove("evil"));
}

TEST_F(Models, FilesPutThereAndModelsOfTheSystem) {
  std::filesystem::create_directories(store.folder());
  std::filesystem::create_directories(scratch / "system");
  write_all(store.folder() + "/mine.gguf", model_bytes(1));
  write_all(scratch / "system/box.gguf", model_bytes(2));
  write_all(scratch / "system/mine.gguf", model_bytes(3));
  EXPECT_EQ(names(), (std::vector<std::string>{"box", "mine"}));
  EXPECT_TRUE(store.find("box")->system);
  EXPECT_EQ(read_all(store.find("mine")->path()), model_bytes(1));
  const auto refused = store.remove("box");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("belongs to the system"), std::string::npos);
  EXPECT_TRUE(store.remove("mine"));
  EXPECT_EQ(read_all(store.find("mine")->path()), model_bytes(3));
}

TEST_F(Models, Folders) {
  const auto with = [](const char* own, const char* data, const char* home) {
    setenv("ONEBIT_MODELS", own, 1);
    setenv("XDG_DATA_HOME", data, 1);
    const std::string old_home = std::getenv("HOME") ? std::getenv("HOME") : "";
    setenv("HOME", home, 1);
    const auto r = Store::default_folder();
    unsetenv("ONEBIT_MODELS");
    unsetenv("XDG_DATA_HOME");
    setenv("HOME", old_home.c_str(), 1);
    return r ? *r : std::string("error");
  };
  EXPECT_EQ(with("/a", "/b", "/c"), "/a");
  EXPECT_EQ(with("", "/b", "/c"), "/b/onebit/models");
  EXPECT_EQ(with("", "b", "/c"), "/c/.local/share/onebit/models");
  EXPECT_EQ(with("", "", "/c"), "/c/.local/share/onebit/models");
  EXPECT_EQ(with("", "", ""), "error");
}

TEST_F(Models, WhatMinusMMeans) {
  setenv("ONEBIT_MODELS", store.folder().c_str(), 1);
  setenv("ONEBIT_SYSTEM_MODELS", (scratch / "system").c_str(), 1);
  std::filesystem::create_directories(store.folder());
  write_all(store.folder() + "/mine.gguf", model_bytes(1));
  EXPECT_EQ(*resolve_model("mine"), store.folder() + "/mine.gguf");
  EXPECT_EQ(*resolve_model("./mine"), "./mine");
  EXPECT_EQ(*resolve_model("missing.gguf"), "missing.gguf");
  EXPECT_NE(resolve_model("bitnet-2b-4t").error().message.find("onebit pull bitnet-2b-4t"), std::string::npos);
  EXPECT_NE(resolve_model("nothing").error().message.find("onebit list"), std::string::npos);
  // A service without a folder of its own.
  std::filesystem::create_directories(scratch / "system");
  write_all(scratch / "system/box.gguf", model_bytes(2));
  unsetenv("ONEBIT_MODELS");
  unsetenv("XDG_DATA_HOME");
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  unsetenv("HOME");
  EXPECT_EQ(*resolve_model("box"), scratch / "system/box.gguf");
  EXPECT_NE(resolve_model("nothing").error().message.find("HOME"), std::string::npos);
  setenv("HOME", home.c_str(), 1);
  unsetenv("ONEBIT_SYSTEM_MODELS");
}

// The hub: a listing, then a redirect to where large files are kept, with size and digest on the way.
TEST_F(Models, FromTheHub) {
  const std::string data = model_bytes(5);
  TestServer cdn([&](const Request& r, const Connection& c) { serve_file(r, c, data, "\"cdn\""); }, "127.0.0.2");
  TestServer hub([&](const Request& r, const Connection& c) {
    if (r.target == "/api/models/o/r/tree/main?recursive=true")
      return c.respond("200 OK", "Content-Type: application/json\r\n", R"([{"type":"file","path":"dir/my model.gguf"},{"type":"file","path":"README.md"}])");
    if (r.target == "/o/r/resolve/main/dir/my%20model.gguf")
      return c.respond("302 Found", fmt::format("Location: {}\r\nX-Linked-Size: {}\r\nX-Linked-ETag: \"{}\"\r\n", cdn.url("/blob?sig=1"), data.size(), digest(data)), "");
    c.respond("404 Not Found", "", "");
  });
  options.hub = hub.url("");
  options.token = "hf_secret";
  options.download.http.allow_private = true;
  const auto got = pull_from("hf://o/r");
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(got->entry.name, "r");
  EXPECT_EQ(read_all(got->entry.path()), data);
  EXPECT_EQ(hub.requests()[0].header("authorization"), "Bearer hf_secret");
  EXPECT_EQ(cdn.requests()[0].header("authorization"), "");
  EXPECT_EQ(read_all(store.folder() + "/r/model.json").find("sig"), std::string::npos);
}

TEST_F(Models, TheHubsDigestAndTheTableAreBelieved) {
  const std::string data = model_bytes(5);
  TestServer hub([&](const Request& r, const Connection& c) {
    if (r.target.find("resolve") != std::string::npos && r.target.find("blob") == std::string::npos)
      return c.respond("302 Found", fmt::format("Location: /blob\r\nX-Linked-ETag: \"{}\"\r\n", digest("other")), "");
    serve_file(r, c, data);
  });
  options.hub = hub.url("");
  EXPECT_NE(message(pull_from("hf://o/r/m.gguf")).find("SHA-256"), std::string::npos);
  const auto table = pull_from("bitnet-2b-4t");
  ASSERT_FALSE(table);
  EXPECT_NE(table.error().message.find("expected 1187801280"), std::string::npos) << table.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(store.folder()));
}

TEST_F(Models, AllShardsOfASet) {
  const std::string parts[] = {model_bytes(1, 0, 2), model_bytes(2, 1, 2)};
  TestServer server([&](const Request& r, const Connection& c) {
    for (size_t i = 0; i < 2; ++i)
      if (r.target == fmt::format("/m-0000{}-of-00002.gguf", i + 1)) return serve_file(r, c, parts[i]);
    c.respond("404 Not Found", "", "");
  });
  const auto got = pull_from(server.url("/m-00001-of-00002.gguf"));
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(got->entry.name, "m");
  ASSERT_EQ(got->entry.files.size(), 2u);
  EXPECT_TRUE(Gguf::open(got->entry.path()));
  EXPECT_FALSE(pull_from(server.url("/m-00002-of-00002.gguf")));
}

TEST_F(Models, AHubThatSendsNonsense) {
  for (const char* body : {"", "<html>", "[", "{\"error\": \"x\"}", "[]"}) {
    TestServer hub([&](const Request&, const Connection& c) { c.respond("200 OK", "", body); });
    options.hub = hub.url("");
    EXPECT_FALSE(pull_from("hf://o/r")) << body;
  }
  TestServer endless([&](const Request&, const Connection& c) {
    c.send("HTTP/1.1 200 OK\r\n\r\n[");
    while (c.send(std::string(65536, ' '))) {
    }
  });
  options.hub = endless.url("");
  EXPECT_NE(message(pull_from("hf://o/r")).find("more than"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(store.folder()));
}

TEST_F(Models, ABrokenPullIsContinued) {
  const std::string data = model_bytes(7);
  bool whole = false;
  TestServer server([&](const Request& r, const Connection& c) {
    if (whole) return serve_file(r, c, data, "\"v\"");
    if (r.from() > 0) return;
    c.send(fmt::format("HTTP/1.1 200 OK\r\nETag: \"v\"\r\nContent-Length: {}\r\n\r\n{}", data.size(), data.substr(0, 1000)));
  });
  EXPECT_FALSE(pull_from(server.url("/m.gguf")));
  EXPECT_TRUE(names().empty());
  whole = true;
  const auto got = pull_from(server.url("/m.gguf"));
  ASSERT_TRUE(got) << message(got);
  EXPECT_EQ(got->resumed_at, 1000u);
  EXPECT_EQ(read_all(got->entry.path()), data);
}

}  // namespace
}  // namespace onebit::store
