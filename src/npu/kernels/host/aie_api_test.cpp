// The model against plain loops over the same numbers.
#include <aie_api/aie.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace {

template <class T, unsigned N>
aie::vector<T, N> random_vector(std::mt19937& random) {
  aie::vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) {
    if constexpr (aie::detail::is_float<T>) v.set(T(static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 64), i);
    else v.set(static_cast<T>(static_cast<int>(random())), i);
  }
  return v;
}
template <class T, unsigned N>
aie::vector<T, N> iota(int first = 0) {
  aie::vector<T, N> v;
  for (unsigned i = 0; i < N; ++i) v.set(static_cast<T>(first + static_cast<int>(i)), i);
  return v;
}
template <class T, unsigned N>
std::vector<int> values(const aie::vector<T, N>& v) {
  std::vector<int> out;
  for (unsigned i = 0; i < N; ++i) out.push_back(static_cast<int>(v.get(i)));
  return out;
}

class Modes : public testing::Test {
 protected:
  void TearDown() override { aie::detail::modes = {}; }
};

TEST(AieVector, UnwrittenLanesArePoison) {
  const aie::vector<int32, 16> v;
  EXPECT_EQ(static_cast<uint32>(v.get(3)), 0xCDCDCDCDu);
  const auto grown = iota<int16, 8>().grow<16>(1);
  EXPECT_EQ(static_cast<uint16>(grown.get(7)), 0xCDCDu);
  EXPECT_EQ(grown.get(8), 0);
  EXPECT_EQ(grown.get(15), 7);
  EXPECT_EQ(static_cast<uint16>(aie::shuffle_up(iota<int16, 8>(), 1).get(0)), 0xCDCDu);
}

TEST(AieVector, ElementsAndParts) {
  auto v = iota<int8, 32>();
  v[3] = int8{-5};
  EXPECT_EQ(v[3], -5);
  EXPECT_EQ(v.extract<16>(1).get(0), 16);
  v.insert(1, aie::broadcast<int8, 16>(int8{9}));
  EXPECT_EQ(v.get(16) + v.get(31), 18);
  EXPECT_EQ(v.get(15), 15);
  v.push(77);
  EXPECT_EQ(v.get(0), 77);
  EXPECT_EQ(v.get(1), 0);
  EXPECT_EQ(v.get(4), -5);
  const auto [low, high] = iota<int32, 8>().split<4>();
  EXPECT_EQ(low.get(3), 3);
  EXPECT_EQ(high.get(0), 4);
  EXPECT_EQ(values(aie::concat(low, high)), values(iota<int32, 8>()));
  EXPECT_EQ(values(iota<int32, 4>().grow_replicate<8>()), (std::vector{0, 1, 2, 3, 0, 1, 2, 3}));
  const aie::vector<int32, 4> listed(4, 3, 2, 1);
  EXPECT_EQ(values(listed), (std::vector{4, 3, 2, 1}));
  EXPECT_EQ((aie::vector<int4, 64>::bytes()), 32u);
}

TEST(AieVector, CastKeepsBytes) {
  const auto v = iota<uint8, 16>();
  EXPECT_EQ(v.cast_to<uint32>().get(1), 0x07060504u);
  EXPECT_EQ(aie::vector_cast<uint8>(v.cast_to<int16>()).get(9), 9);
}

TEST(AieVector, NibbleOrder) {
  alignas(64) uint8 bytes[32];
  for (unsigned i = 0; i < 32; ++i) bytes[i] = static_cast<uint8>(i % 16 | (15 - i % 16) << 4);
  const auto unsigned_lanes = aie::load_v<64>(reinterpret_cast<const uint4*>(bytes));
  const auto signed_lanes = aie::load_v<64>(reinterpret_cast<const int4*>(bytes));
  for (unsigned i = 0; i < 32; ++i) {
    const int low = static_cast<int>(i % 16), high = 15 - low;
    EXPECT_EQ(unsigned_lanes.get(2 * i), low);
    EXPECT_EQ(unsigned_lanes.get(2 * i + 1), high);
    EXPECT_EQ(signed_lanes.get(2 * i), low < 8 ? low : low - 16);
    EXPECT_EQ(signed_lanes.unpack().get(2 * i + 1), high < 8 ? high : high - 16);
    EXPECT_EQ(unsigned_lanes.unpack_sign(true).get(2 * i), static_cast<uint8>(low < 8 ? low : low - 16));
    EXPECT_EQ(signed_lanes.unpack_sign(false).get(2 * i), low);
  }
  alignas(64) uint8 back[32] = {};
  aie::store_v(reinterpret_cast<int4*>(back), signed_lanes);
  EXPECT_TRUE(std::equal(bytes, bytes + 32, back));
  EXPECT_EQ(signed_lanes.cast_to<uint8>().get(5), bytes[5]);
}

TEST_F(Modes, PackSaturatesByMode) {
  const auto wide = aie::vector<int16, 8>(int16{300}, int16{-300}, int16{127}, int16{-128}, int16{-127}, int16{0}, int16{128}, int16{-129}).grow_replicate<16>();
  EXPECT_EQ(values(aie::pack(wide).extract<16>(0))[0], static_cast<int8>(300));
  aie::set_saturation(aie::saturation_mode::saturate);
  EXPECT_EQ(values(wide.pack<int8>()), (std::vector{127, -128, 127, -128, -127, 0, 127, -128, 127, -128, 127, -128, -127, 0, 127, -128}));
  aie::set_saturation(aie::saturation_mode::symmetric);
  EXPECT_EQ(values(wide.pack<int8>())[3], -127);
}

// v / 4 for v = -7 .. 7, by each mode; written out, not computed.
TEST_F(Modes, RoundingTable) {
  using enum aie::rounding_mode;
  const std::pair<aie::rounding_mode, std::vector<int>> table[] = {
      {floor, {-2, -2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1}},
      {ceil, {-1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2}},
      {symmetric_floor, {-1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1}},
      {symmetric_ceil, {-2, -2, -2, -1, -1, -1, -1, 0, 1, 1, 1, 1, 2, 2, 2}},
      {negative_inf, {-2, -2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2}},
      {positive_inf, {-2, -1, -1, -1, -1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2}},
      {symmetric_zero, {-2, -1, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2}},
      {symmetric_inf, {-2, -2, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 2, 2}},
      {conv_even, {-2, -2, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2}},
      {conv_odd, {-2, -1, -1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 1, 1, 2}},
  };
  for (const auto& [mode, want] : table) {
    aie::set_rounding(mode);
    EXPECT_EQ(aie::get_rounding(), mode);
    const aie::accum<acc32, 16> acc(iota<int32, 16>(-7));
    auto got = values(acc.to_vector<int16>(2));
    got.pop_back();
    EXPECT_EQ(got, want) << static_cast<unsigned>(mode);
  }
}

TEST_F(Modes, AccumulatorShifts) {
  const aie::accum<acc64, 16> acc(iota<int32, 16>(1), 20);
  EXPECT_EQ(acc.to_vector<int32>(20).get(4), 5);
  EXPECT_EQ(acc.to_vector<int32>(0).get(4), 5 << 20);
  EXPECT_EQ(acc.to_vector<int16>(0).get(4), 0);  // low 16 bits
  aie::set_saturation(aie::saturation_mode::saturate);
  EXPECT_EQ(acc.to_vector<int16>(0).get(4), 32767);
  EXPECT_EQ((aie::accum<acc32, 16>(iota<int32, 16>(1)).to_vector<int16>(-3).get(2)), 24);
}

TEST_F(Modes, BfloatRounding) {
  EXPECT_EQ(bfloat16(1.0f).bits, 0x3F80);
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x3F808000u)).bits, 0x3F80);  // a tie goes to even
  EXPECT_EQ(bfloat16(std::bit_cast<float>(0x3F818000u)).bits, 0x3F82);
  EXPECT_TRUE(std::isnan(static_cast<float>(bfloat16(std::nanf("")))));
  const auto narrowed = [](float f) { return aie::accum<accfloat, 16>(aie::broadcast<float, 16>(f)).to_vector<bfloat16>().get(0).bits; };
  const float above = std::bit_cast<float>(0x3F80C000u), below_zero = -above;
  EXPECT_EQ(narrowed(above), 0x3F80);
  EXPECT_EQ(narrowed(below_zero), 0xBF81);
  aie::set_rounding(aie::rounding_mode::conv_even);
  EXPECT_EQ(narrowed(above), 0x3F81);
  EXPECT_EQ(narrowed(below_zero), 0xBF81);
}

template <class T, unsigned N>
void check_arithmetic(std::mt19937& random) {
  const auto a = random_vector<T, N>(random), b = random_vector<T, N>(random);
  const T s = b.get(1);
  for (unsigned i = 0; i < N; ++i) {
    const auto x = static_cast<int64>(a.get(i)), y = static_cast<int64>(b.get(i)), z = static_cast<int64>(s);
    ASSERT_EQ(aie::add(a, b).get(i), static_cast<T>(x + y));
    ASSERT_EQ(aie::add(a, s).get(i), static_cast<T>(x + z));
    ASSERT_EQ(aie::sub(a, b).get(i), static_cast<T>(x - y));
    ASSERT_EQ(aie::sub(s, a).get(i), static_cast<T>(z - x));
    ASSERT_EQ(aie::min(a, b).get(i), std::min(a.get(i), b.get(i)));
    ASSERT_EQ(aie::max(a, s).get(i), std::max(a.get(i), s));
    ASSERT_EQ(aie::neg(a).get(i), static_cast<T>(-x));
    ASSERT_EQ(aie::abs(a).get(i), static_cast<T>(x < 0 ? -x : x));
    ASSERT_EQ(aie::bit_and(a, b).get(i), static_cast<T>(x & y));
    ASSERT_EQ(aie::bit_or(a, s).get(i), static_cast<T>(x | z));
    ASSERT_EQ(aie::bit_xor(a, b).get(i), static_cast<T>(x ^ y));
    ASSERT_EQ(aie::bit_not(a).get(i), static_cast<T>(~x));
    ASSERT_EQ(aie::upshift(a, 3).get(i), static_cast<T>(static_cast<uint64>(x) << 3));
    ASSERT_EQ(aie::downshift(a, 3).get(i), static_cast<T>(x >> 3));
    ASSERT_EQ(aie::logical_downshift(a, 3).get(i), static_cast<T>(static_cast<std::make_unsigned_t<T>>(a.get(i)) >> 3));
    ASSERT_EQ(aie::lt(a, b).test(i), x < y);
    ASSERT_EQ(aie::ge(a, b).test(i), x >= y);
    ASSERT_EQ(aie::select(a, b, aie::lt(a, b)).get(i), std::max(a.get(i), b.get(i)));
  }
  uint64 sum = 0;
  for (unsigned i = 0; i < N; ++i) sum += static_cast<uint64>(a.get(i));
  EXPECT_EQ(aie::reduce_add(a), static_cast<T>(sum));
  EXPECT_EQ(aie::reduce_max(a), *std::max_element(a.lanes.begin(), a.lanes.end()));
  EXPECT_EQ(aie::reduce_min(a), *std::min_element(a.lanes.begin(), a.lanes.end()));
}
TEST(AieArithmetic, EqualsScalarLoops) {
  std::mt19937 random(3);
  for (int i = 0; i < 20; ++i) {
    check_arithmetic<int8, 64>(random);
    check_arithmetic<uint8, 32>(random);
    check_arithmetic<int16, 32>(random);
    check_arithmetic<uint16, 16>(random);
    check_arithmetic<int32, 16>(random);
    check_arithmetic<uint32, 32>(random);
  }
}

TEST(AieArithmetic, Products) {
  std::mt19937 random(4);
  const auto a = random_vector<int8, 32>(random), b = random_vector<int8, 32>(random);
  const auto p = aie::mul(a, b);
  static_assert(std::is_same_v<decltype(p)::value_type, acc32>);
  const auto q = aie::msc(aie::mac(p, a, int8{3}), b, b), n = aie::negmul(a, b);
  for (unsigned i = 0; i < 32; ++i) {
    EXPECT_EQ(p.lanes[i], a.get(i) * b.get(i));
    EXPECT_EQ(q.lanes[i], a.get(i) * b.get(i) + 3 * a.get(i) - b.get(i) * b.get(i));
    EXPECT_EQ(n.lanes[i], -a.get(i) * b.get(i));
  }
  const auto wide = aie::mul(aie::broadcast<int32, 16>(1 << 30), 8);
  EXPECT_EQ(wide.lanes[0], int64{1} << 33);
  const auto f = aie::mac(aie::zeros<accfloat, 16>(), aie::broadcast<bfloat16, 16>(bfloat16(1.5f)), aie::broadcast<bfloat16, 16>(bfloat16(-2.0f)));
  EXPECT_EQ(f.to_vector<float>().get(9), -3.0f);
  EXPECT_EQ(aie::add(p, aie::broadcast<int32, 32>(7)).lanes[5], p.lanes[5] + 7);
  EXPECT_EQ(aie::mul(a, b[2]).lanes[1], a.get(1) * b.get(2));
  EXPECT_EQ(aie::add(a, b[2]).get(1), static_cast<int8>(a.get(1) + b.get(2)));
  EXPECT_EQ(aie::gt(a, int8{0}).count(), aie::lt(int8{0}, a).count());
}

TEST(AieShuffle, Moves) {
  const auto v = iota<int32, 8>(), w = iota<int32, 8>(10);
  EXPECT_EQ(values(aie::shuffle_up_rotate(v, 3)), (std::vector{5, 6, 7, 0, 1, 2, 3, 4}));
  EXPECT_EQ(values(aie::shuffle_down_rotate(v, 3)), (std::vector{3, 4, 5, 6, 7, 0, 1, 2}));
  EXPECT_EQ(values(aie::shuffle_up_fill(v, w, 2)), (std::vector{16, 17, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values(aie::shuffle_down_fill(v, w, 2)), (std::vector{2, 3, 4, 5, 6, 7, 10, 11}));
  EXPECT_EQ(values(aie::shuffle_up_replicate(v, 2)), (std::vector{0, 0, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values(aie::shuffle_down_replicate(v, 2)), (std::vector{2, 3, 4, 5, 6, 7, 7, 7}));
  EXPECT_EQ(values(aie::reverse(v)), (std::vector{7, 6, 5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(values(aie::transpose(v, 2, 4)), (std::vector{0, 4, 1, 5, 2, 6, 3, 7}));
  const auto [low, high] = aie::interleave_zip(v, w, 2);
  EXPECT_EQ(values(low), (std::vector{0, 1, 10, 11, 2, 3, 12, 13}));
  EXPECT_EQ(values(high), (std::vector{4, 5, 14, 15, 6, 7, 16, 17}));
  const auto [even, odd] = aie::interleave_unzip(low, high, 2);
  EXPECT_EQ(values(even), values(v));
  EXPECT_EQ(values(odd), values(w));
  EXPECT_EQ(values(aie::filter_even(v)), (std::vector{0, 2, 4, 6}));
  EXPECT_EQ(values(aie::filter_odd(v, 2)), (std::vector{2, 3, 6, 7}));
}

TEST(AieMemory, LoadsStoresIterators) {
  alignas(64) int16 in[96], out[96] = {};
  std::iota(in, in + 96, int16{0});
  auto from = aie::cbegin_vector<32>(static_cast<const int16*>(in));
  auto to = aie::begin_restrict_vector<32>(out);
  for (int i = 0; i < 3; ++i) *to++ = aie::add(*from++, int16{1});
  for (int i = 0; i < 96; ++i) EXPECT_EQ(out[i], i + 1);
  EXPECT_EQ(from - aie::cbegin_vector<32>(static_cast<const int16*>(in)), 3);
  aie::vector<int16, 32> both = *(aie::begin_vector<32>(in) + 2);
  EXPECT_EQ(both.get(0), 64);
  EXPECT_EQ(aie::load_unaligned_v<16>(in + 3).get(0), 3);
  EXPECT_EQ(aie::load_floor_v<16>(in + 19).get(0), 16);
  aie::store_unaligned_v(out + 1, aie::broadcast<int16, 8>(int16{-1}));
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[8], -1);
  EXPECT_EQ(out[9], 10);
  EXPECT_DEATH(aie::load_v<32>(in + 1), "misaligned");
  alignas(64) uint8 nibbles[64] = {};
  auto n = aie::begin_vector<64>(reinterpret_cast<int4*>(nibbles));
  ++n;
  *n = aie::broadcast<int4, 64>(int4(-1));
  EXPECT_EQ(nibbles[31], 0);
  EXPECT_EQ(nibbles[32], 0xFF);
}

template <unsigned M, unsigned K, unsigned N, class A, class B>
void check_mmul(std::mt19937& random) {
  using Mul = aie::mmul<M, K, N, A, B>;
  const auto a = random_vector<A, M * K>(random), a2 = random_vector<A, M * K>(random);
  const auto b = random_vector<B, K * N>(random), b2 = random_vector<B, K * N>(random);
  Mul c;
  c.mul(a, b);
  c.mac(a2, b2);
  for (unsigned i = 0; i < M; ++i)
    for (unsigned j = 0; j < N; ++j) {
      if constexpr (aie::detail::is_float<A>) {
        double want = 0, size = 0;
        for (unsigned k = 0; k < K; ++k)
          for (const double term : {double(float(a.get(i * K + k))) * float(b.get(k * N + j)), double(float(a2.get(i * K + k))) * float(b2.get(k * N + j))})
            want += term, size += std::abs(term);
        // Each of 2K additions errs by at most half a unit in the last place of a partial sum.
        EXPECT_NEAR(c.template to_vector<float>().get(i * N + j), want, size * 2 * K * 6e-8);
      } else {
        uint32 want = 0;
        for (unsigned k = 0; k < K; ++k)
          want += static_cast<uint32>(int64{a.get(i * K + k)} * int64{b.get(k * N + j)} + int64{a2.get(i * K + k)} * int64{b2.get(k * N + j)});
        ASSERT_EQ(static_cast<uint32>(c.template to_vector<int32>().get(i * N + j)), want) << i << "," << j;
      }
    }
}
TEST(AieMmul, BlocksAreRowMajor) {
  std::mt19937 random(5);
  for (int i = 0; i < 10; ++i) {
    check_mmul<8, 8, 8, int8, int8>(random);
    check_mmul<4, 8, 8, int8, int8>(random);
    check_mmul<2, 8, 8, uint8, int8>(random);
    check_mmul<8, 8, 8, uint8, uint8>(random);
    check_mmul<4, 16, 16, int8, int4>(random);
    check_mmul<4, 16, 16, int8, uint4>(random);
    check_mmul<4, 4, 8, int16, int16>(random);
    check_mmul<8, 2, 8, uint16, int16>(random);
    check_mmul<8, 8, 8, bfloat16, bfloat16>(random);
    check_mmul<4, 8, 8, bfloat16, bfloat16>(random);
    check_mmul<4, 8, 4, bfloat16, bfloat16>(random);
  }
}

TEST(AieMmul, FirstMacOfANewOneIsAMul) {
  aie::mmul<8, 8, 8, int8, int8> c;
  c.mac(aie::broadcast<int8, 64>(1), aie::broadcast<int8, 64>(2));
  EXPECT_EQ(c.to_vector<int32>().get(5), 16);
  c.mac(aie::broadcast<int8, 64>(1), aie::broadcast<int8, 64>(2));
  EXPECT_EQ(c.to_vector<int32>().get(5), 32);
}

TEST(AieMmul, ExtremesDoNotSaturate) {
  aie::mmul<8, 8, 8, int8, int8> c(aie::broadcast<int32, 64>(INT32_MAX));
  c.mac(aie::broadcast<int8, 64>(int8{-128}), aie::broadcast<int8, 64>(int8{-128}));
  EXPECT_EQ(static_cast<uint32>(c.to_vector<int32>().get(63)), 0x7FFFFFFFu + 8u * 16384u);
}

// What the headers of this generation do not have, the model has not either: a kernel that needs it does not compile here.
template <class T, class U>
concept Unpacks = requires(aie::vector<T, 32> v) { v.template unpack<U>(); };
template <class T, class U>
concept Packs = requires(aie::vector<T, 32> v) { v.template pack<U>(); };
template <class A, class B>
concept Multiplies = requires(aie::vector<A, 32> a, aie::vector<B, 32> b) { aie::mul(a, b); };
template <class T>
concept HasBits = requires(aie::vector<T, 32> v) { aie::bit_and(v, v); };
template <class T>
concept BecomesFloat = requires(aie::vector<T, 32> v) { aie::to_float(v, 0); };

TEST(AieModel, HasNoMoreThanTheHeaders) {
  using namespace aie::detail;
  EXPECT_FALSE((mmul_exists<4, 8, 4, int8, int8>()));    // of the generation before
  EXPECT_FALSE((mmul_exists<4, 16, 8, int8, int8>()));   // sparse only
  EXPECT_FALSE((mmul_exists<4, 16, 8, int8, int4>()));
  EXPECT_FALSE((mmul_exists<8, 8, 8, int8, uint4>()));
  EXPECT_FALSE((mmul_exists<4, 4, 4, int16, int16>()));
  EXPECT_FALSE((mmul_exists<4, 16, 8, bfloat16, bfloat16>()));
  EXPECT_FALSE((mmul_exists<8, 8, 8, float, float>()));
  EXPECT_FALSE((mmul_exists<8, 8, 8, bfloat16, int8>()));
  EXPECT_FALSE((mmul_tag_exists<8, acc64, int8, int8>()));
  EXPECT_FALSE((mmul_tag_exists<2, acc64, int16, int16>()));
  static_assert(std::is_same_v<aie::mmul<4, 4, 8, int16, int16>::accum_type, aie::accum<acc64, 32>>);
  static_assert(Unpacks<uint4, uint8> && Unpacks<int8, int16> && !Unpacks<int16, int32> && !Unpacks<int4, int16> && !Unpacks<bfloat16, float>);
  static_assert(Packs<int16, int8> && Packs<uint8, uint4> && !Packs<int32, int16> && !Packs<int16, int4>);
  static_assert(Multiplies<int32, int32> && Multiplies<int32, int16> && !Multiplies<int32, int8> && !Multiplies<int8, int32> && !Multiplies<bfloat16, float>);
  static_assert(HasBits<uint8> && !HasBits<bfloat16> && BecomesFloat<int32> && !BecomesFloat<float>);
}

TEST(AieCore, LocksReachTheHooks) {
  std::vector<std::string> calls;
  aie::host::core_hooks = {&calls,
                           [](void* c, unsigned id, int v, bool equal) {
                             static_cast<std::vector<std::string>*>(c)->push_back((equal ? "== " : ">= ") + std::to_string(id) + " " + std::to_string(v));
                           },
                           [](void* c, unsigned id, int v) { static_cast<std::vector<std::string>*>(c)->push_back("+= " + std::to_string(id) + " " + std::to_string(v)); },
                           nullptr};
  acquire_greater_equal(48, 1);
  acquire_equal(2, 0);
  release(49, 3);
  aie::host::core_hooks = {};
  release(50, 1);
  EXPECT_EQ(calls, (std::vector<std::string>{">= 48 1", "== 2 0", "+= 49 3"}));
}

}  // namespace
