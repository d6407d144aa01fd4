// norm_quant, embed, rope_kv, linear_float and gate_float give the bits of src/cpu.
#include "cpu/attention.h"
#include "cpu/float_ops.h"
#include "gpu/emulator/half.h"
#include "gpu/emulator/test_launch.h"

namespace onebit::gpu {
namespace {

using emulator::Guarded;
using emulator::Order;

const cpu::FloatOps& ops() { return cpu::float_ops(cpu::Isa::scalar); }
const float kNan = std::nanf(""), kInf = INFINITY;

struct NormCase {
  uint32_t cols, tokens;
  bool weight;
};

void check_norm(const std::vector<float>& x, const NormCase& c, Order order) {
  const uint32_t stride = quant_stride(c.cols);
  Guarded<float> dx(x), weight(random_floats(c.cols, 3)), y(x.size()), inv(c.tokens);
  Guarded<int8_t> q(size_t{c.tokens} * stride);
  Guarded<int32_t> sum(c.tokens);
  run_kernel("norm_quant", {c.tokens},
             NormQuantArgs{dx.data(), c.weight ? weight.data() : nullptr, y.data(), q.data(), inv.data(), sum.data(),
                           c.cols, 1e-5f},
             kBlock, order);
  for (uint32_t t = 0; t < c.tokens; ++t) {
    std::vector<float> expected(x.begin() + t * c.cols, x.begin() + (t + 1) * c.cols);
    if (c.weight) ops().rms_norm(expected.data(), x.data() + size_t{t} * c.cols, weight.data(), c.cols, 1e-5f);
    expect_same_bits(y.span().subspan(size_t{t} * c.cols, c.cols), expected, "y");
    std::vector<int8_t> eq(stride, 99);
    float einv;
    int32_t esum;
    ops().quantize(eq.data(), stride, expected.data(), c.cols, &einv, &esum);
    ASSERT_EQ(std::memcmp(eq.data(), q.data() + size_t{t} * stride, stride), 0) << "token " << t;
    expect_same_bits(std::span(&inv[t], 1), std::span(&einv, 1), "inv_scale");
    ASSERT_EQ(sum[t], esum);
  }
}

TEST(NormQuant, RaggedShapes) {
  for (const uint32_t cols : {1u, 31u, 64u, 100u, 256u, 1280u, 2561u, 9000u})
    for (const bool weight : {true, false})
      for (const Order order : {Order::forward, Order::reverse}) {
        SCOPED_TRACE(cols);
        check_norm(random_floats(3 * cols, cols, 2.0f), {cols, 3, weight}, order);
      }
}

TEST(NormQuant, TiesZerosTinyAndValuesThatAreNotFinite) {
  std::vector<float> x(4 * 300, 0.0f);
  for (uint32_t i = 0; i < 300; ++i) {
    x[300 + i] = 1e-9f * static_cast<float>(i);        // below the least absmax
    x[600 + i] = static_cast<float>(i % 128) - 63.5f;  // halves after scaling
    x[900 + i] = static_cast<float>(i);
  }
  x[600] = 127.0f;
  check_norm(x, {300, 4, false}, Order::shuffled);
  for (const float bad : {kNan, kInf, -kInf, 3e38f}) {
    x[1000] = bad;
    check_norm(x, {300, 4, true}, Order::forward);
    check_norm(x, {300, 4, false}, Order::forward);
  }
}

TEST(Embed, EveryType) {
  const uint32_t dim = 77, vocab = 9;
  const auto values = random_floats(size_t{dim} * vocab, 1);
  std::vector<uint16_t> f16(values.size()), bf16(values.size());
  ops().f32_to_f16(f16.data(), values.data(), values.size());
  for (size_t i = 0; i < values.size(); ++i) bf16[i] = static_cast<uint16_t>(std::bit_cast<uint32_t>(values[i]) >> 16);
  Guarded<Token> tokens(std::vector<Token>{{8, 0, 0, 0}, {0, 1, 0, 0}, {5, 2, 0, 0}});
  Guarded<float> f32(values), x(3 * dim);
  Guarded<uint16_t> half(f16), brain(bf16);
  for (const FloatType type : {FloatType::f32, FloatType::f16, FloatType::bf16}) {
    const void* table = type == FloatType::f32   ? static_cast<void*>(f32.data())
                        : type == FloatType::f16 ? half.data()
                                                 : brain.data();
    run_kernel("embed", {3}, EmbedArgs{tokens.data(), table, x.data(), type, dim});
    for (uint32_t t = 0; t < 3; ++t) {
      std::vector<float> expected(dim);
      for (uint32_t i = 0; i < dim; ++i) {
        const size_t at = static_cast<size_t>(tokens[t].id) * dim + i;
        if (type == FloatType::f32) expected[i] = values[at];
        if (type == FloatType::f16) ops().f16_to_f32(&expected[i], &f16[at], 1);
        if (type == FloatType::bf16) expected[i] = std::bit_cast<float>(uint32_t{bf16[at]} << 16);
      }
      expect_same_bits(x.span().subspan(t * dim, dim), expected, "x");
    }
  }
}

TEST(Half, EveryValueBothWays) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const auto half = static_cast<uint16_t>(h);
    float expected;
    ops().f16_to_f32(&expected, &half, 1);
    const float actual = emulator::half_to_float(half);
    ASSERT_TRUE(std::bit_cast<uint32_t>(actual) == std::bit_cast<uint32_t>(expected) ||
                (actual != actual && expected != expected))
        << h;
  }
  std::mt19937 rng(1);
  for (int i = 0; i < 2000000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(rng()));
    uint16_t expected;
    ops().f32_to_f16(&expected, &x, 1);
    ASSERT_EQ(emulator::float_to_half(x), expected) << x;
  }
}

class RopeKv : public testing::TestWithParam<std::tuple<KvType, bool, uint32_t>> {};

TEST_P(RopeKv, AsOnTheCpu) {
  const auto [type, neox, head_dim] = GetParam();
  const uint32_t heads = 6, kv_heads = 2, capacity = 7, layers = 2, layer = 1, tokens = 2;
  const uint32_t half = head_dim / 2 - 1;  // a pair that is not rotated
  const KvShape shape{type, layer, heads, kv_heads, head_dim};
  const size_t rows = size_t{layers} * 2 * kv_heads * capacity,
               bytes = rows * head_dim * cpu::kv_element_bytes(static_cast<cpu::KvType>(type));
  Guarded<float> q(random_floats(tokens * heads * head_dim, 1)), k(random_floats(tokens * kv_heads * head_dim, 2)),
      v(random_floats(tokens * kv_heads * head_dim, 3)), cos(random_floats(capacity * half, 4)),
      sin(random_floats(capacity * half, 5));
  std::fill_n(v.data(), head_dim, 0.0f);  // a row whose scale is 0
  const std::vector<float> q0(q.span().begin(), q.span().end());
  Guarded<uint8_t> data_a(bytes), data_b(bytes);
  Guarded<float> scales_a(rows), scales_b(rows);
  Guarded<KvSequence> sequences(std::vector<KvSequence>{{data_a.data(), scales_a.data(), capacity, 0},
                                                        {data_b.data(), scales_b.data(), capacity, 0}});
  Guarded<Token> state(std::vector<Token>{{1, 6, 1, 0}, {2, 3, 0, 0}});
  run_kernel("rope_kv", {tokens},
             RopeArgs{state.data(), sequences.data(), q.data(), k.data(), v.data(), cos.data(), sin.data(), shape,
                      heads * head_dim, kv_heads * head_dim, half, neox});

  std::vector<uint8_t> expected[2] = {std::vector<uint8_t>(bytes, 0xff), std::vector<uint8_t>(bytes, 0xff)};
  std::vector<float> scales[2] = {std::vector<float>(rows, std::bit_cast<float>(0xffffffffu)),
                                  std::vector<float>(rows, std::bit_cast<float>(0xffffffffu))};
  std::vector<float> eq = q0;
  for (uint32_t t = 0; t < tokens; ++t) {
    const uint32_t p = state[t].position, s = state[t].sequence;
    for (uint32_t h = 0; h < heads; ++h)
      ops().rope(eq.data() + (t * heads + h) * head_dim, cos.data() + p * half, sin.data() + p * half, half, neox);
    std::vector<float> ek(k.data() + t * kv_heads * head_dim, k.data() + (t + 1) * kv_heads * head_dim);
    for (uint32_t h = 0; h < kv_heads; ++h)
      ops().rope(ek.data() + h * head_dim, cos.data() + p * half, sin.data() + p * half, half, neox);
    const size_t part = size_t{kv_heads} * capacity, element = cpu::kv_element_bytes(static_cast<cpu::KvType>(type));
    uint8_t* base = expected[s].data() + layer * 2 * part * head_dim * element;
    float* sc = scales[s].data() + layer * 2 * part;
    const cpu::KvLayer kv{static_cast<cpu::KvType>(type),   capacity, kv_heads, head_dim, base,
                          base + part * head_dim * element, sc,       sc + part};
    cpu::kv_store(ops(), kv, p, ek.data(), v.data() + t * kv_heads * head_dim);
  }
  expect_same_bits(q.span(), eq, "q");
  EXPECT_EQ(std::memcmp(expected[0].data(), data_a.data(), bytes), 0);
  EXPECT_EQ(std::memcmp(expected[1].data(), data_b.data(), bytes), 0);
  expect_same_bits(scales_a.span(), scales[0], "scale");
  expect_same_bits(scales_b.span(), scales[1], "scale");
}
INSTANTIATE_TEST_SUITE_P(Every, RopeKv,
                         testing::Combine(testing::Values(KvType::f32, KvType::f16, KvType::q8), testing::Bool(),
                                          testing::Values(64, 100, 128, 256)));

TEST(LinearFloat, BitsOfTheCpu) {
  const uint32_t rows = 21, cols = 333, tokens = 2;
  Guarded<float> w(random_floats(rows * cols, 1)), x(random_floats(tokens * cols, 2)),
      y(random_floats(tokens * rows, 3));
  std::vector<float> expected(y.span().begin(), y.span().end());
  run_kernel("linear_float", {(rows + 7) / 8, tokens},
             FloatLinearArgs{w.data(), x.data(), y.data(), FloatType::f32, rows, cols, rows, 0.37f, 1});
  for (uint32_t t = 0; t < tokens; ++t)
    for (uint32_t r = 0; r < rows; ++r)
      expected[t * rows + r] += ops().dot(w.data() + r * cols, x.data() + t * cols, cols) * 0.37f;
  expect_same_bits(y.span(), expected, "y");
}

TEST(Gate, BitsOfTheCpu) {
  const uint32_t n = 1000;
  auto values = random_floats(n, 1, 30.0f);
  values[3] = kNan, values[4] = 200.0f, values[5] = -200.0f, values[6] = -kInf;
  Guarded<float> gate(values), up(random_floats(n, 2)), h(n);
  for (const uint32_t silu : {0u, 1u}) {
    run_kernel("gate_float", {(n + 255) / 256}, GateArgs{gate.data(), up.data(), h.data(), n, silu});
    std::vector<float> expected(n);
    (silu ? ops().silu_gate_f : ops().relu2_gate_f)(expected.data(), gate.data(), up.data(), n);
    expect_same_bits(h.span(), expected, "h");
  }
}

}  // namespace
}  // namespace onebit::gpu
