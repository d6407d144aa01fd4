#include "chat_file.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace onebit::cli {
namespace {

namespace fs = std::filesystem;

class ChatFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("onebit_chat_" + std::to_string(getpid()));
    fs::create_directory(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  const ChatFile chat_{0x0123456789abcdef, 1, {0, 1, 128009, -1, INT32_MAX}};
  fs::path dir_;
};

TEST(Crc32, CheckValue) {
  // The check value of CRC-32 (ISO-HDLC) in the catalogue of parametrised CRC algorithms.
  const std::string digits = "123456789";
  EXPECT_EQ(crc32({reinterpret_cast<const uint8_t*>(digits.data()), digits.size()}), 0xcbf43926u);
}

TEST_F(ChatFileTest, ComesBackAsItWas) {
  ASSERT_TRUE(save_chat(path("a"), chat_));
  const auto back = load_chat(path("a"));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->model, chat_.model);
  EXPECT_EQ(back->style, chat_.style);
  EXPECT_EQ(back->ids, chat_.ids);
  ASSERT_TRUE(save_chat(path("a"), {}));  // over an old file
  EXPECT_TRUE(load_chat(path("a"))->ids.empty());
  EXPECT_FALSE(fs::exists(path("a.partial")));
}

TEST_F(ChatFileTest, EveryDamageIsSeen) {
  const std::vector<uint8_t> good = encode_chat(chat_);
  ASSERT_TRUE(decode_chat(good));
  for (size_t n = 0; n < good.size(); ++n) EXPECT_FALSE(decode_chat(std::span(good).first(n))) << n;
  for (size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<uint8_t> bad = good;
      bad[i] ^= static_cast<uint8_t>(1 << bit);
      EXPECT_FALSE(decode_chat(bad)) << i << ' ' << bit;
    }
  std::vector<uint8_t> longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode_chat(longer));
}

TEST_F(ChatFileTest, FollowsNoSymbolicLinkAndOpensNoPipe) {
  ASSERT_TRUE(save_chat(path("real"), chat_));
  fs::create_symlink(path("real"), path("link"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  for (const char* name : {"link", "pipe", "."}) {
    EXPECT_FALSE(load_chat(path(name))) << name;
    const Status saved = save_chat(path(name), {});
    ASSERT_FALSE(saved) << name;
    EXPECT_NE(saved.error().message.find("not a regular file"), std::string::npos) << saved.error().message;
  }
  EXPECT_EQ(load_chat(path("real"))->ids, chat_.ids);
  // The name that the file has while it is written must not lead elsewhere either.
  fs::create_symlink(path("real"), path("new.partial"));
  EXPECT_FALSE(save_chat(path("new"), {}));
  EXPECT_EQ(load_chat(path("real"))->ids, chat_.ids);
}

TEST_F(ChatFileTest, ErrorsNameTheFile) {
  std::ofstream(path("text")) << "just text";
  for (const char* name : {"missing", "text"}) {
    const auto r = load_chat(path(name));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().message.find(path(name)), 0u) << r.error().message;
  }
  EXPECT_FALSE(save_chat(path("no/such/folder"), chat_));
}

}  // namespace
}  // namespace onebit::cli
