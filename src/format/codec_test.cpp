#include "format/codec.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace onebit {
namespace {

GgufTensor tensor_of(TensorType type, uint64_t cols, uint64_t rows, const std::vector<uint8_t>& data) {
  GgufTensor t{};
  t.name = "t";
  t.type = type;
  t.dims = 2;
  t.ne = {cols, rows, 1, 1};
  t.size = data.size();
  t.data = data.data();
  return t;
}

// The whole tensor, into memory that was poisoned before.
std::vector<float> decoded(const GgufTensor& t, I2sLayout layout = I2sLayout::block128) {
  std::vector<float> out(t.elements(), 12345.0f);
  decode(t, layout, 0, t.elements(), out.data());
  return out;
}

void put_f16(std::vector<uint8_t>& block, size_t at, float x) {
  const uint16_t h = f32_to_f16(x);
  std::memcpy(block.data() + at, &h, 2);
}

// The value of a half by its definition (IEEE 754-2019, 3.4).
double half_value(uint16_t h) {
  const int sign = h >> 15 ? -1 : 1, exponent = h >> 10 & 31, mantissa = h & 1023;
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Float16, EveryHalf) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float x = f16_to_f32(static_cast<uint16_t>(h));
    if ((h & 0x7c00) == 0x7c00) {
      if (h & 0x3ff) {
        EXPECT_TRUE(std::isnan(x));
        EXPECT_EQ(f32_to_f16(x), h | 0x200) << h;
      } else {
        EXPECT_EQ(x, h & 0x8000 ? -INFINITY : INFINITY);
        EXPECT_EQ(f32_to_f16(x), h);
      }
      continue;
    }
    ASSERT_EQ(x, half_value(static_cast<uint16_t>(h))) << h;
    ASSERT_EQ(f32_to_f16(x), h);
  }
}

// Between two neighbouring halves: below the middle down, above it up, in the middle to even.
TEST(Float16, RoundsToNearestEven) {
  for (uint16_t h = 0; h < 0x7bff; ++h) {
    const double a = half_value(h), b = half_value(static_cast<uint16_t>(h + 1));
    const float middle = static_cast<float>((a + b) / 2);
    const uint16_t even = h & 1 ? h + 1 : h;
    ASSERT_EQ(f32_to_f16(middle), even) << h;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), h) << h;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e6f)), h + 1) << h;
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000) << h;
  }
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(1e30f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e-30f), 0x8000);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Float16, Bfloat) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // the middle, to even
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(bf16_to_f32(0xc040), -3.0f);
}

TEST(Codec, FloatArrays) {
  std::vector<float> x(1003);
  std::mt19937 rng(1);
  for (auto& v : x) v = std::bit_cast<float>(static_cast<uint32_t>(rng()));
  for (const TensorType type : {TensorType::f16, TensorType::bf16}) {
    std::vector<uint8_t> bytes(x.size() * 2, 0xaa);
    ASSERT_TRUE(encode(type, x.data(), x.size(), bytes.data()));
    const auto back = decoded(tensor_of(type, x.size(), 1, bytes));
    for (size_t i = 0; i < x.size(); ++i) {
      const float expected = type == TensorType::f16 ? f16_to_f32(f32_to_f16(x[i])) : bf16_to_f32(f32_to_bf16(x[i]));
      ASSERT_EQ(std::bit_cast<uint32_t>(back[i]), std::bit_cast<uint32_t>(expected)) << i;
    }
  }
}

TEST(Codec, Q8_0) {
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i) x[static_cast<size_t>(i)] = static_cast<float>(i % 32 == 0 ? 127 : i - 32) * 0.25f;
  std::vector<uint8_t> bytes(68, 0xaa);
  ASSERT_TRUE(encode(TensorType::q8_0, x.data(), 64, bytes.data()));
  EXPECT_EQ(bytes[0] | bytes[1] << 8, 0x3400);  // d = 0.25
  EXPECT_EQ(decoded(tensor_of(TensorType::q8_0, 64, 1, bytes)), x);
  x[3] = NAN;
  EXPECT_FALSE(encode(TensorType::q8_0, x.data(), 64, bytes.data()));
  EXPECT_FALSE(encode(TensorType::q8_0, x.data(), 33, bytes.data()));
  EXPECT_FALSE(encode(TensorType::q6_k, x.data(), 64, bytes.data()));
}

TEST(Codec, Q4_0) {
  std::vector<uint8_t> block(18);
  put_f16(block, 0, 0.5f);
  for (uint8_t i = 0; i < 16; ++i) block[2 + i] = static_cast<uint8_t>(i | (15 - i) << 4);
  const auto x = decoded(tensor_of(TensorType::q4_0, 32, 1, block));
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(x[static_cast<size_t>(i)], 0.5f * static_cast<float>(i - 8));
    EXPECT_EQ(x[static_cast<size_t>(16 + i)], 0.5f * static_cast<float>(7 - i));
  }
}

// Builds a block from its meaning: group g has scale 3 + 7g, minimum 60 - 5g, element i of it q = (i + g) % 16.
TEST(Codec, Q4_K) {
  std::vector<uint8_t> block(144);
  put_f16(block, 0, 0.25f);
  put_f16(block, 2, 2.0f);
  const auto scale = [](int g) { return 3 + 7 * g; };
  const auto minimum = [](int g) { return 60 - 5 * g; };
  for (size_t g = 0; g < 4; ++g) {
    const int s = scale(static_cast<int>(g)), m = minimum(static_cast<int>(g));
    const int s4 = scale(static_cast<int>(g) + 4), m4 = minimum(static_cast<int>(g) + 4);
    block[4 + g] = static_cast<uint8_t>(s | s4 >> 4 << 6);
    block[8 + g] = static_cast<uint8_t>(m | m4 >> 4 << 6);
    block[12 + g] = static_cast<uint8_t>((s4 & 15) | (m4 & 15) << 4);
  }
  for (size_t pair = 0; pair < 4; ++pair)
    for (size_t i = 0; i < 32; ++i)
      block[16 + 32 * pair + i] = static_cast<uint8_t>((i + 2 * pair) % 16 | (i + 2 * pair + 1) % 16 << 4);
  const auto x = decoded(tensor_of(TensorType::q4_k, 256, 1, block));
  for (int e = 0; e < 256; ++e) {
    const int g = e / 32, q = (e % 32 + g) % 16;
    EXPECT_EQ(x[static_cast<size_t>(e)], 0.25f * static_cast<float>(scale(g) * q) - 2.0f * static_cast<float>(minimum(g))) << e;
  }
}

// Element e has q = (e * 5) % 64, group of 16 has scale 8 * g - 64.
TEST(Codec, Q6_K) {
  std::vector<uint8_t> block(210);
  put_f16(block, 208, 0.125f);
  for (size_t g = 0; g < 16; ++g) block[192 + g] = static_cast<uint8_t>(static_cast<int8_t>(8 * static_cast<int>(g) - 64));
  for (size_t e = 0; e < 256; ++e) {
    const size_t q = e * 5 % 64, half = e / 128, in = e % 128, quarter = in / 32, i = in % 32;
    block[half * 64 + quarter % 2 * 32 + i] |= static_cast<uint8_t>((q & 15) << (quarter / 2 * 4));
    block[128 + half * 32 + i] |= static_cast<uint8_t>((q >> 4) << (2 * quarter));
  }
  const auto x = decoded(tensor_of(TensorType::q6_k, 256, 1, block));
  for (int e = 0; e < 256; ++e)
    EXPECT_EQ(x[static_cast<size_t>(e)], 0.125f * static_cast<float>((8 * (e / 16) - 64) * (e * 5 % 64 - 32))) << e;
}

// What ggml (dequantize_row_* of node-llama-cpp 3.22.1) makes of the same random bytes: FNV-1a over the bits
// of 16384 values.
TEST(Codec, AgreesWithGgml) {
  const std::pair<TensorType, uint64_t> cases[] = {
      {TensorType::q8_0, 0x3048455aee80c465},
      {TensorType::q4_0, 0x161ada0fd9c70325},
      {TensorType::q4_k, 0xbad9522daf3b5192},
      {TensorType::q6_k, 0x58c0c488d2a75119},
      {TensorType::tq1_0, 0xf4ed59849e8a0325},
      {TensorType::tq2_0, 0xe9c2918df3f26325},
  };
  for (const auto& [type, expected] : cases) {
    std::vector<uint8_t> bytes(tensor_bytes(type, 16384, 1).value());
    std::mt19937 rng(20);
    for (auto& b : bytes) b = static_cast<uint8_t>(rng());
    uint64_t hash = 0xcbf29ce484222325;
    for (const float x : decoded(tensor_of(type, 16384, 1, bytes))) {
      const uint32_t bits = std::isnan(x) ? 0x7fc00000u : std::bit_cast<uint32_t>(x + 0.0f);  // -0 as 0
      hash = (hash ^ bits) * 0x100000001b3;
    }
    EXPECT_EQ(hash, expected) << tensor_type_info(type).name;
  }
}

std::vector<uint8_t> random_codes(size_t n, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<uint8_t> codes(n);
  for (auto& c : codes) c = static_cast<uint8_t>(rng() % 3);
  return codes;
}

class Ternary : public ::testing::TestWithParam<TensorType> {
 protected:
  std::vector<uint8_t> pack(const std::vector<uint8_t>& codes, uint64_t cols, float scale) {
    const uint64_t rows = codes.size() / cols;
    std::vector<uint8_t> bytes(tensor_bytes(GetParam(), cols, rows).value(), 0xee);
    ternary_encode(GetParam(), codes.data(), cols, rows, scale, bytes.data());
    return bytes;
  }
};

TEST_P(Ternary, RoundTrip) {
  for (const uint64_t cols : {256u, 512u, 2560u})
    for (const uint64_t rows : {1u, 3u}) {
      const auto codes = random_codes(cols * rows, static_cast<unsigned>(cols + rows));
      const auto bytes = pack(codes, cols, 0.375f);
      const auto t = tensor_of(GetParam(), cols, rows, bytes);
      const auto info = ternary_info(t, I2sLayout::automatic);
      ASSERT_TRUE(info) << info.error().message;
      EXPECT_TRUE(info->uniform);
      EXPECT_EQ(info->scale, 0.375f);
      std::vector<uint8_t> back(codes.size(), 77);
      ternary_codes(t, info->layout, 0, codes.size(), back.data());
      EXPECT_EQ(back, codes);
      std::vector<uint8_t> row(cols, 77);
      ternary_codes(t, info->layout, (rows - 1) * cols, cols, row.data());
      EXPECT_TRUE(std::equal(row.begin(), row.end(), codes.end() - static_cast<std::ptrdiff_t>(cols)));
      const auto x = decoded(t, info->layout);
      for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], 0.375f * static_cast<float>(codes[i] - 1));
    }
}

TEST_P(Ternary, NamesCode3) {
  if (GetParam() == TensorType::tq1_0) return;  // cannot hold it: see Tq1AnyByte
  const auto codes = random_codes(20480, 5);
  for (const size_t bad : {size_t{0}, size_t{777}, size_t{20479}}) {
    auto broken = codes;
    broken[bad] = 3;
    const auto bytes = pack(broken, 2048, 1);
    const auto info = ternary_info(tensor_of(GetParam(), 2048, 10, bytes), I2sLayout::automatic);
    ASSERT_FALSE(info) << bad;
    EXPECT_NE(info.error().message.find("element " + std::to_string(bad) + " "), std::string::npos) << info.error().message;
    EXPECT_NE(info.error().message.find("'t'"), std::string::npos);
  }
}

TEST_P(Ternary, RefusesScalesThatAreNotFinite) {
  for (const float scale : {NAN, INFINITY, -INFINITY}) {
    const auto bytes = pack(random_codes(512, 1), 256, scale);
    EXPECT_FALSE(ternary_info(tensor_of(GetParam(), 256, 2, bytes), I2sLayout::automatic)) << scale;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Ternary, ::testing::Values(TensorType::i2_s, TensorType::tq1_0, TensorType::tq2_0),
                         [](const auto& p) { return std::string(tensor_type_info(p.param).name); });

// The layouts as the sources describe them, element by element.
TEST(TernaryLayout, I2sBothDialects) {
  const auto codes = random_codes(256, 9);
  for (const uint32_t block : {128u, 64u}) {
    std::vector<uint8_t> bytes(256 / 4 + 32);
    for (uint32_t e = 0; e < 256; ++e) {
      const uint32_t in = e % block, quarter = block / 4;
      bytes[e / block * quarter + in % quarter] |= static_cast<uint8_t>(codes[e] << (6 - 2 * (in / quarter)));
    }
    const float scale = 1.75f;
    std::memcpy(bytes.data() + 64, &scale, 4);
    const auto layout = block == 128 ? I2sLayout::block128 : I2sLayout::block64;
    const auto x = decoded(tensor_of(TensorType::i2_s, 256, 1, bytes), layout);
    for (size_t e = 0; e < 256; ++e) ASSERT_EQ(x[e], 1.75f * static_cast<float>(codes[e] - 1)) << e;
    // A range that begins and ends inside a block.
    std::vector<uint8_t> part(120, 9);
    ternary_codes(tensor_of(TensorType::i2_s, 256, 1, bytes), layout, 72, 120, part.data());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), codes.begin() + 72));
    const auto info = ternary_info(tensor_of(TensorType::i2_s, 256, 1, bytes), layout);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->layout, layout);
    EXPECT_TRUE(info->layout_certain);
  }
}

TEST(TernaryLayout, I2sDefaultIsNotCertain) {
  const std::vector<uint8_t> bytes(64 + 32, 0x55);
  auto with_scale = bytes;
  const float one = 1;
  std::memcpy(with_scale.data() + 64, &one, 4);  // what follows the scale is garbage and must not matter
  const auto info = ternary_info(tensor_of(TensorType::i2_s, 256, 1, with_scale), I2sLayout::automatic);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->layout, I2sLayout::block128);
  EXPECT_FALSE(info->layout_certain);
  EXPECT_EQ(info->scale, 1.0f);
}

TEST(TernaryLayout, Tq2) {
  std::vector<uint8_t> bytes(66, 0x55);  // all zero
  bytes[5] = 0x55 & ~0x30;               // byte 5, bits 5:4: element 64 + 5 is -1
  bytes[40] = 0x55 ^ 0xc0;               // byte 32 + 8, bits 7:6 hold 2: element 128 + 96 + 8 is +1
  put_f16(bytes, 64, 2.0f);
  const auto x = decoded(tensor_of(TensorType::tq2_0, 256, 1, bytes));
  for (size_t e = 0; e < 256; ++e) EXPECT_EQ(x[e], e == 69 ? -2.0f : e == 232 ? 2.0f : 0.0f) << e;
}

TEST(TernaryLayout, Tq1) {
  // ceil(256 q / 243) of the base-3 digits, first element the highest.
  const auto byte_of = [](std::vector<int> trits) {
    int q = 0;
    for (const int t : trits) q = q * 3 + t + 1;
    return static_cast<uint8_t>((q * 256 + 242) / 243);
  };
  std::vector<uint8_t> bytes(54, byte_of({0, 0, 0, 0, 0}));
  for (size_t i = 48; i < 52; ++i) bytes[i] = byte_of({0, 0, 0, 0, -1});
  bytes[7] = byte_of({0, -1, 0, 0, 1});       // elements 39 and 135
  bytes[34] = byte_of({1, 0, 0, -1, 0});      // elements 162 and 210
  bytes[50] = byte_of({0, 0, 0, 1, -1});      // element 254
  put_f16(bytes, 52, 1.0f);
  const auto x = decoded(tensor_of(TensorType::tq1_0, 256, 1, bytes));
  for (size_t e = 0; e < 256; ++e)
    EXPECT_EQ(x[e], e == 39 || e == 210 ? -1.0f : e == 135 || e == 162 || e == 254 ? 1.0f : 0.0f) << e;
}

// Bytes that no packer writes decode to trits all the same.
TEST(TernaryLayout, Tq1AnyByte) {
  for (unsigned b = 0; b < 256; ++b) {
    std::vector<uint8_t> bytes(54, static_cast<uint8_t>(b)), codes(256, 9);
    put_f16(bytes, 52, 1.0f);
    ternary_codes(tensor_of(TensorType::tq1_0, 256, 1, bytes), I2sLayout::automatic, 0, 256, codes.data());
    for (const uint8_t c : codes) ASSERT_LE(c, 2) << b;
  }
}

TEST(TernaryScale, BlocksMayDiffer) {
  const auto codes = random_codes(512, 3);
  std::vector<uint8_t> bytes(132);
  ternary_encode(TensorType::tq2_0, codes.data(), 512, 1, 1.0f, bytes.data());
  put_f16(bytes, 66 + 64, 2.0f);
  EXPECT_FALSE(ternary_info(tensor_of(TensorType::tq2_0, 512, 1, bytes), I2sLayout::automatic)->uniform);
  // The scale of a block of zeros says nothing, first or last.
  for (const size_t zero : {size_t{0}, size_t{66}}) {
    auto copy = bytes;
    std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(zero), 64, uint8_t{0x55});
    const auto info = ternary_info(tensor_of(TensorType::tq2_0, 512, 1, copy), I2sLayout::automatic);
    EXPECT_TRUE(info->uniform);
    EXPECT_EQ(info->scale, zero ? 1.0f : 2.0f);
  }
  const auto x = decoded(tensor_of(TensorType::tq2_0, 512, 1, bytes));
  EXPECT_EQ(x[300], 2.0f * static_cast<float>(codes[300] - 1));
}

TEST(TensorTypes, SizesAndNames) {
  EXPECT_EQ(tensor_bytes(TensorType::i2_s, 2560, 6912).value(), 2560u * 6912 / 4 + 32);
  EXPECT_EQ(tensor_bytes(TensorType::tq1_0, 2560, 3).value(), 10u * 3 * 54);
  EXPECT_EQ(tensor_bytes(TensorType::q6_k, 512, 2).value(), 840u);
  const auto ragged = tensor_bytes(TensorType::tq2_0, 3200, 1);
  ASSERT_FALSE(ragged);
  EXPECT_EQ(ragged.error().message, "row length 3200 is not a multiple of 256, as TQ2_0 needs");
  EXPECT_FALSE(tensor_bytes(TensorType::f32, uint64_t{1} << 62, 1));
  EXPECT_FALSE(tensor_bytes(TensorType::f32, uint64_t{1} << 32, uint64_t{1} << 32));
  EXPECT_FALSE(tensor_bytes(TensorType::i2_s, 100, 1));
  EXPECT_EQ(parse_tensor_type("tq2_0"), TensorType::tq2_0);
  EXPECT_EQ(parse_tensor_type("I2_S"), TensorType::i2_s);
  EXPECT_FALSE(parse_tensor_type("TL2"));
  EXPECT_FALSE(ternary_info(tensor_of(TensorType::f32, 1, 1, std::vector<uint8_t>(4)), I2sLayout::automatic));
}

}  // namespace
}  // namespace onebit
