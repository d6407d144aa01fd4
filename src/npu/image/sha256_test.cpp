#include "npu/image/sha256.h"

#include <string_view>

#include <gtest/gtest.h>

namespace onebit::npu {
namespace {

std::string hex(std::string_view text) {
  std::string out;
  for (const uint8_t b : sha256({reinterpret_cast<const uint8_t*>(text.data()), text.size()})) out += fmt::format("{:02x}", b);
  return out;
}

TEST(Sha256, ExamplesOfFips180) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, UuidsCarryVersionAndVariant) {
  const std::string text = to_string(uuid_of(sha256({})));
  EXPECT_EQ(text, "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
}

}  // namespace
}  // namespace onebit::npu
