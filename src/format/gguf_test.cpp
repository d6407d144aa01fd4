#include "format/gguf.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "format/codec.h"
#include "format/gguf_test_bytes.h"

namespace onebit {
namespace {

namespace fs = std::filesystem;
using test::Bytes;
using test::small_gguf;

struct TempDir {
  fs::path path = fs::temp_directory_path() / fs::path("onebit_gguf_" + std::to_string(::getpid()));
  TempDir() { fs::create_directories(path); }
  ~TempDir() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

Result<Gguf> parse(Bytes& b) { return Gguf::parse(b.bytes(), "test.gguf"); }

// The bytes must be refused with this code, and the message must hold all of the words.
void expect_refused(Bytes& b, Errc code, std::vector<std::string> words) {
  const auto g = parse(b);
  ASSERT_FALSE(g) << words[0];
  EXPECT_EQ(g.error().code, code) << g.error().message;
  words.push_back("test.gguf");
  for (const auto& w : words) EXPECT_NE(g.error().message.find(w), std::string::npos) << g.error().message << "\nlacks " << w;
}

TEST(Gguf, ReadsHandMadeFile) {
  const auto bytes = small_gguf();
  const auto g = Gguf::parse(bytes, "small");
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->version(), 3u);
  EXPECT_EQ(g->keys().size(), 4u);
  EXPECT_EQ(g->get_string("general.architecture").value(), "bitnet");
  EXPECT_EQ(g->get_uint("bitnet.block_count", 1, 10).value(), 2u);
  EXPECT_TRUE(g->get_bool_or("tokenizer.ggml.add_bos_token", false).value());
  const auto* tokens = std::get_if<GgufArray<std::string>>(g->find_key("tokenizer.ggml.tokens"));
  ASSERT_TRUE(tokens);
  EXPECT_EQ(*tokens, (std::vector<std::string>{"a", "", "\xc4\xa0"}));
  const GgufTensor* norm = g->find_tensor("norm");
  ASSERT_TRUE(norm);
  EXPECT_EQ(norm->dims, 1u);
  EXPECT_EQ(norm->cols(), 8u);
  EXPECT_EQ(norm->rows(), 1u);
  float last;
  std::memcpy(&last, norm->data + 28, 4);
  EXPECT_EQ(last, 7.0f);
  EXPECT_EQ(g->find_tensor("linear")->size, 96u);
  EXPECT_EQ(g->find_tensor("tq")->rows(), 2u);
  EXPECT_EQ(g->find_tensor("missing"), nullptr);
}

TEST(Gguf, TypedAccessNamesKeyValueAndRange) {
  const auto bytes = small_gguf();
  const auto g = Gguf::parse(bytes, "small");
  ASSERT_TRUE(g);
  EXPECT_EQ(g->get_uint("bitnet.block_count", 3, 10).error().message,
            "small: key 'bitnet.block_count' is 2, expected an integer from 3 to 10");
  EXPECT_EQ(g->get_uint("general.architecture", 0, 1).error().code, Errc::format);
  EXPECT_EQ(g->get_uint_or("absent", 0, 1, 7).value(), 7u);
  EXPECT_FALSE(g->get_uint("absent", 0, 1));
  EXPECT_FALSE(g->get_float_or("bitnet.block_count", 0, 1, 0));
  EXPECT_EQ(g->get_float_or("absent", 0, 1, 0.25).value(), 0.25);
  EXPECT_FALSE(g->get_string("bitnet.block_count"));
  EXPECT_FALSE(g->get_bool_or("bitnet.block_count", true));
}

TEST(Gguf, IntegersOfAnyWidth) {
  Bytes b;
  b.header(0, 6);
  b.key("u8", 0).put<uint8_t>(200);
  b.key("i8", 1).put<int8_t>(-1);
  b.key("i64", 11).put<int64_t>(1ll << 40);
  b.key("u64", 10).put<uint64_t>(~0ull);
  b.key("nan", 6).put<float>(std::nanf(""));
  b.key("f64", 12).put<double>(0.5);
  const auto g = parse(b);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->get_uint("u8", 0, 255).value(), 200u);
  EXPECT_FALSE(g->get_uint("i8", 0, 255));
  EXPECT_EQ(g->get_uint("i64", 0, ~0ull).value(), 1ull << 40);
  EXPECT_EQ(g->get_uint("u64", 0, ~0ull).value(), ~0ull);
  EXPECT_FALSE(g->get_float_or("nan", -1e30, 1e30, 0));
  EXPECT_EQ(g->get_float_or("f64", 0, 1, 0).value(), 0.5);
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  Bytes empty;
  expect_refused(empty, Errc::format, {"too short"});
  Bytes elf;
  elf.put<uint32_t>(0x464c457f).zeros(40);
  expect_refused(elf, Errc::format, {"not a GGUF file"});
  Bytes v1;
  v1.header(0, 0, 1);
  expect_refused(v1, Errc::unsupported, {"version 1", "2 or 3"});
  Bytes big;
  big.header(0, 0, 0x03000000);
  expect_refused(big, Errc::unsupported, {"big-endian"});
}

// Failure class 1: counts whose product with an element size overflows or exceeds the file.
TEST(GgufHostile, Counts) {
  for (const uint64_t n : {uint64_t{1} << 20, (uint64_t{1} << 31) - 1, (uint64_t{1} << 31) + 1, uint64_t{1} << 32,
                           uint64_t{1} << 61, ~uint64_t{0} / 8 + 1, ~uint64_t{0}}) {
    Bytes keys, tensors, text, strings, words, flags;
    keys.header(0, n).zeros(64);
    expect_refused(keys, Errc::format, {"key count", std::to_string(n)});
    tensors.header(n, 0).zeros(64);
    expect_refused(tensors, Errc::format, {"tensor count", std::to_string(n)});
    text.header(0, 1).key("k", 8).put(n).zeros(64);
    expect_refused(text, Errc::format, {"key 'k'"});
    strings.header(0, 1).key("k", 9).put<uint32_t>(8).put(n).zeros(64);
    expect_refused(strings, Errc::format, {"key 'k'", std::to_string(n), "strings"});
    words.header(0, 1).key("k", 9).put<uint32_t>(10).put(n).zeros(64);
    expect_refused(words, Errc::format, {"key 'k'", std::to_string(n)});
    flags.header(0, 1).key("k", 9).put<uint32_t>(7).put(n).zeros(64);
    expect_refused(flags, Errc::format, {"key 'k'", std::to_string(n)});
  }
}

// Failure classes 1 and 3: dimensions at the edges of 32 and 64 bits.
TEST(GgufHostile, Dimensions) {
  for (const uint64_t n : {(uint64_t{1} << 31) - 1, uint64_t{1} << 31, (uint64_t{1} << 31) + 1, uint64_t{1} << 32,
                           (uint64_t{1} << 32) + 256, uint64_t{1} << 62, ~uint64_t{0}})
    for (const auto& ne : {std::vector<uint64_t>{n}, {256, n}, {n, n}, {n, n, n, n}, {256, 1, 1, n}})
      for (const uint32_t type : {0u, 1u, 2u, 8u, 34u, 35u, 36u}) {
        Bytes b;
        b.header(1, 0).tensor("t", ne, type, 0).pad().zeros(128);
        const auto g = parse(b);
        ASSERT_FALSE(g) << n << " type " << type;
        EXPECT_NE(g.error().message.find("tensor 't'"), std::string::npos) << g.error().message;
      }
}

// Failure class 4.
TEST(GgufHostile, Zero) {
  for (const auto& ne : {std::vector<uint64_t>{0}, {256, 0}, {0, 256}, {256, 1, 0, 1}}) {
    Bytes b;
    b.header(1, 0).tensor("t", ne, 0, 0).pad().zeros(128);
    expect_refused(b, Errc::format, {"tensor 't'", "is 0"});
  }
  Bytes none, five;
  none.header(1, 0).tensor("t", {}, 0, 0).pad().zeros(128);
  expect_refused(none, Errc::format, {"0 dimensions", "1 to 4"});
  five.header(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).pad().zeros(128);
  expect_refused(five, Errc::format, {"5 dimensions"});
  Bytes align;
  align.header(0, 1).key("general.alignment", 4).put<uint32_t>(0);
  expect_refused(align, Errc::out_of_range, {"general.alignment", "0"});
}

// Failure class 2.
TEST(GgufHostile, DataBeyondTheFile) {
  for (const uint64_t offset : {uint64_t{32}, uint64_t{1} << 31, uint64_t{1} << 32, ~uint64_t{0} - 31, ~uint64_t{0} - 63}) {
    Bytes b;
    b.header(1, 0).tensor("t", {8}, 0, offset).pad().zeros(32);
    expect_refused(b, Errc::format, {"tensor 't'"});
  }
  Bytes misaligned;
  misaligned.header(1, 0).tensor("t", {8}, 0, 4).pad().zeros(64);
  expect_refused(misaligned, Errc::format, {"offset 4", "alignment 32"});
  Bytes exact;
  exact.header(1, 0).tensor("t", {8}, 0, 0).pad().zeros(32);
  EXPECT_TRUE(parse(exact));
  exact.bytes().pop_back();
  expect_refused(exact, Errc::format, {"beyond the end"});
}

TEST(GgufHostile, SharedBytesAndDuplicates) {
  Bytes overlap;
  overlap.header(2, 0).tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).pad().zeros(128);
  expect_refused(overlap, Errc::format, {"'a'", "'b'", "share"});
  Bytes twice;
  twice.header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).pad().zeros(128);
  expect_refused(twice, Errc::format, {"tensor 'a' occurs twice"});
  Bytes keys;
  keys.header(0, 2).key("k", 7).put<uint8_t>(0).key("k", 7).put<uint8_t>(1);
  expect_refused(keys, Errc::format, {"key 'k' occurs twice"});
}

TEST(GgufHostile, Values) {
  Bytes boolean, type, nested, element, name, escape;
  boolean.header(0, 1).key("k", 7).put<uint8_t>(2);
  expect_refused(boolean, Errc::format, {"boolean 2"});
  type.header(0, 1).key("k", 13).zeros(16);
  expect_refused(type, Errc::format, {"value type 13"});
  nested.header(0, 1).key("k", 9).put<uint32_t>(9).put<uint64_t>(1).zeros(64);
  expect_refused(nested, Errc::unsupported, {"array of arrays"});
  element.header(0, 1).key("k", 9).put<uint32_t>(99).put<uint64_t>(1).zeros(64);
  expect_refused(element, Errc::format, {"element type 99"});
  name.header(0, 1).key("", 7).zeros(16);
  expect_refused(name, Errc::format, {"name of key 0"});
  escape.header(0, 1).key("\x1b[2J", 7).put<uint8_t>(9);
  expect_refused(escape, Errc::format, {"'\\x1b[2J'"});
}

TEST(GgufHostile, TypesThatAreNotRead) {
  const std::pair<uint32_t, const char*> cases[] = {
      {37, "I8_S"}, {38, "TL1"}, {39, "tiling parameters"}, {135, "IQ2_BN"}, {3, "Q4_1"}, {4000, "not known"}};
  for (const auto& [id, word] : cases) {
    Bytes b;
    b.header(1, 0).tensor("blk.0.attn_q.weight", {256, 1}, id, 0).pad().zeros(128);
    expect_refused(b, Errc::unsupported, {"blk.0.attn_q.weight", std::to_string(id), word});
  }
}

TEST(Gguf, HonoursAlignment) {
  Bytes b;
  b.header(2, 1).key("general.alignment", 4).put<uint32_t>(256);
  b.tensor("a", {1}, 0, 0).tensor("b", {1}, 0, 256).pad(256).put(1.5f).pad(256).put(2.5f);
  const auto g = parse(b);
  ASSERT_TRUE(g) << g.error().message;
  float x;
  std::memcpy(&x, g->find_tensor("b")->data, 4);
  EXPECT_EQ(x, 2.5f);
}

// Every prefix of a file is refused, and no access leaves the buffer (which is as long as the prefix, so
// that the address sanitizer sees one byte too many).
TEST(GgufHostile, EveryTruncation) {
  const auto whole = small_gguf();
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(Gguf::parse(part, "part")) << n;
  }
}

// Touches all that a parse accepted.
void read_everything(const Gguf& g) {
  for (const auto& t : g.tensors()) {
    std::vector<float> values(t.elements());
    decode(t, I2sLayout::block64, 0, t.elements(), values.data());
    if (tensor_type_info(t.type).ternary) (void)ternary_info(t, I2sLayout::automatic);
  }
}

TEST(GgufHostile, FlippedBytes) {
  const auto whole = small_gguf();
  std::mt19937 rng(7);
  size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = whole;
    for (unsigned i = 0; i <= rng() % 3; ++i) bytes[rng() % bytes.size()] = static_cast<uint8_t>(rng() % 4 ? rng() : 0xff);
    if (const auto g = Gguf::parse(bytes, "flipped")) {
      read_everything(*g);
      ++accepted;
    } else {
      EXPECT_FALSE(g.error().message.empty());
    }
  }
  EXPECT_GT(accepted, 1000u);   // flips of data bytes
  EXPECT_LT(accepted, 19000u);
}

class Written : public ::testing::TestWithParam<uint32_t> {};

TEST_P(Written, ComesBack) {
  const TempDir dir;
  const std::string path = dir / "w.gguf";
  GgufWriter w(GetParam());
  w.add_key("text", std::string("h\xc3\xa9"));
  w.add_key("flag", true);
  w.add_key("flags", GgufArray<bool>{true, false});
  w.add_key("f", 1.5f);
  w.add_key("i64", int64_t{-5});
  w.add_key("u64", uint64_t{1} << 60);
  w.add_key("d", 2.5);
  w.add_key("i32s", GgufArray<int32_t>{1, -2, 3});
  w.add_key("texts", GgufArray<std::string>{"a", "", "bc"});
  w.add_key("f", 2.5f);
  ASSERT_TRUE(w.add_tensor("a", TensorType::f32, 3, 1, 1));
  ASSERT_TRUE(w.add_tensor("b", TensorType::f16, 5, 2));
  EXPECT_FALSE(w.add_tensor("c", TensorType::tq1_0, 255, 1));
  ASSERT_TRUE(w.begin(path));
  std::vector<uint8_t> data(12 + 20);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<uint8_t>(i + 1);
  ASSERT_TRUE(w.write(data.data(), 7));
  EXPECT_FALSE(w.finish());
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(w.write(data.data() + 7, data.size() - 7));
  EXPECT_FALSE(w.write(data.data(), 1));
  ASSERT_TRUE(w.finish());

  const auto g = Gguf::open(path);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->version(), GetParam());
  EXPECT_EQ(g->keys().size(), 9u);
  EXPECT_EQ(std::get<float>(*g->find_key("f")), 2.5f);
  EXPECT_EQ(std::get<std::string>(*g->find_key("text")), "h\xc3\xa9");
  EXPECT_EQ(std::get<GgufArray<bool>>(*g->find_key("flags")), (GgufArray<bool>{true, false}));
  EXPECT_EQ(std::get<int64_t>(*g->find_key("i64")), -5);
  EXPECT_EQ(std::get<double>(*g->find_key("d")), 2.5);
  EXPECT_EQ(std::get<GgufArray<int32_t>>(*g->find_key("i32s")), (GgufArray<int32_t>{1, -2, 3}));
  EXPECT_EQ(std::get<GgufArray<std::string>>(*g->find_key("texts")), (GgufArray<std::string>{"a", "", "bc"}));
  EXPECT_EQ(std::memcmp(g->find_tensor("a")->data, data.data(), 12), 0);
  EXPECT_EQ(std::memcmp(g->find_tensor("b")->data, data.data() + 12, 20), 0);
  EXPECT_EQ(g->find_tensor("b")->offset % 32, 0u);
  EXPECT_EQ(g->file_bytes(), fs::file_size(path));
}

INSTANTIATE_TEST_SUITE_P(Versions, Written, ::testing::Values(2u, 3u));

struct Split {
  std::optional<uint16_t> no, count;
  std::optional<int32_t> tensors;
};

void write_shard(const std::string& path, const char* tensor, float value, const Split& split) {
  GgufWriter w;
  w.add_key("general.architecture", std::string("llama"));
  if (split.no) w.add_key("split.no", *split.no);
  if (split.count) w.add_key("split.count", *split.count);
  if (split.tensors) w.add_key("split.tensors.count", *split.tensors);
  ASSERT_TRUE(w.add_tensor(tensor, TensorType::f32, 1, 1, 1));
  ASSERT_TRUE(w.begin(path));
  ASSERT_TRUE(w.write(&value, 4));
  ASSERT_TRUE(w.finish());
}

TEST(GgufShards, OpenTogether) {
  const TempDir dir;
  const std::string first = dir / "m-00001-of-00002.gguf", second = dir / "m-00002-of-00002.gguf";
  write_shard(first, "a", 1, {0, 2, 2});
  const auto missing = Gguf::open(first);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::io);
  EXPECT_NE(missing.error().message.find("m-00002-of-00002.gguf"), std::string::npos) << missing.error().message;

  write_shard(second, "b", 2, {1, 2, 2});
  const auto g = Gguf::open(first);
  ASSERT_TRUE(g) << g.error().message;
  EXPECT_EQ(g->tensors().size(), 2u);
  EXPECT_EQ(g->find_tensor("b")->file, 1u);
  EXPECT_EQ(g->file_bytes(), fs::file_size(first) + fs::file_size(second));
  float x;
  std::memcpy(&x, g->find_tensor("b")->data, 4);
  EXPECT_EQ(x, 2);
  g->release(*g->find_tensor("b"));
  EXPECT_NE(Gguf::open(second).error().message.find("first shard"), std::string::npos);
}

TEST(GgufShards, KeysMustAgree) {
  const TempDir dir;
  const std::string first = dir / "m-00001-of-00002.gguf", second = dir / "m-00002-of-00002.gguf";
  const auto error_of = [&](Split a, const char* name, Split b) {
    write_shard(first, "a", 1, a);
    write_shard(second, name, 2, b);
    const auto g = Gguf::open(first);
    return g ? std::string("opened") : g.error().message;
  };
  EXPECT_EQ(error_of({}, "b", {}), "opened");
  EXPECT_NE(error_of({0, 2, 2}, "a", {1, 2, 2}).find("occurs twice"), std::string::npos);
  EXPECT_NE(error_of({0, 2, 2}, "b", {2, 2, 2}).find("split.no"), std::string::npos);
  EXPECT_NE(error_of({0, 3, 2}, "b", {1, 3, 2}).find("split.count"), std::string::npos);
  EXPECT_NE(error_of({0, 2, 2}, "b", {1, 3, 2}).find("split.count"), std::string::npos);
  EXPECT_NE(error_of({0, 2, 5}, "b", {1, 2, 5}).find("split.tensors.count"), std::string::npos);
}

TEST(Gguf, MissingFile) {
  const auto g = Gguf::open("/nonexistent/model.gguf");
  ASSERT_FALSE(g);
  EXPECT_EQ(g.error().code, Errc::io);
}

}  // namespace
}  // namespace onebit
