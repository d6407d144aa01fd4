// Attention of one token and of a prompt: the bits of src/cpu/attention.
#include "cpu/attention.h"

#include <cmath>

#include "cpu/float_ops.h"
#include "gpu/emulator/test_launch.h"

namespace onebit::gpu {
namespace {

using emulator::Guarded;
using emulator::Order;

struct Shape {
  KvType type;
  uint32_t heads, kv_heads, head_dim;
};

// One layer of caches filled with random keys and values, as the CPU stores them.
class Cache {
 public:
  Cache(const Shape& s, uint32_t capacity, uint32_t length, uint32_t seed)
      : shape_(s),
        capacity_(capacity),
        data_(size_t{2} * s.kv_heads * capacity * s.head_dim * cpu::kv_element_bytes(static_cast<cpu::KvType>(s.type))),
        scales_(size_t{2} * s.kv_heads * capacity) {
    for (uint32_t p = 0; p < length; ++p) {
      const auto k = random_floats(size_t{s.kv_heads} * s.head_dim, seed + 2 * p),
                 v = random_floats(size_t{s.kv_heads} * s.head_dim, seed + 2 * p + 1);
      cpu::kv_store(cpu::float_ops(cpu::Isa::scalar), layer(), p, k.data(), v.data());
    }
  }
  cpu::KvLayer layer() {
    const size_t part = size_t{shape_.kv_heads} * capacity_;
    const size_t bytes = part * shape_.head_dim * cpu::kv_element_bytes(static_cast<cpu::KvType>(shape_.type));
    return {static_cast<cpu::KvType>(shape_.type),
            capacity_,
            shape_.kv_heads,
            shape_.head_dim,
            data_.data(),
            data_.data() + bytes,
            scales_.data(),
            scales_.data() + part};
  }
  KvSequence sequence() { return {data_.data(), scales_.data(), capacity_, 0}; }

 private:
  Shape shape_;
  uint32_t capacity_;
  Guarded<uint8_t> data_;
  Guarded<float> scales_;
};

std::vector<float> on_the_cpu(const Shape& s, std::vector<Cache*> caches, const std::vector<Token>& tokens,
                              const float* q, uint32_t ld_q) {
  std::vector<float> out(tokens.size() * s.heads * s.head_dim);
  std::vector<cpu::AttentionQuery> queries;
  for (size_t t = 0; t < tokens.size(); ++t)
    queries.push_back(
        {q + t * ld_q, out.data() + t * s.heads * s.head_dim, caches[tokens[t].sequence]->layer(), tokens[t].position});
  static ThreadPool pool(1);
  cpu::AttentionScratch scratch;
  const Status status = cpu::attention(cpu::float_ops(cpu::Isa::scalar), pool, queries, s.heads,
                                       1.0f / std::sqrt(static_cast<float>(s.head_dim)), scratch);
  EXPECT_TRUE(status);
  return out;
}

void check_decode(const Shape& s, uint32_t position_a, uint32_t position_b, Order order) {
  const uint32_t ld_q = s.heads * s.head_dim + 5, positions = std::max(position_a, position_b) + 100;
  Cache a(s, position_a + 3, position_a + 1, 100), b(s, position_b + 1, position_b + 1, 7);
  const std::vector<Token> tokens = {{0, position_a, 0, 0}, {0, position_b, 1, 0}};
  Guarded<Token> state(tokens);
  Guarded<KvSequence> sequences(std::vector<KvSequence>{a.sequence(), b.sequence()});
  Guarded<float> q(random_floats(2 * ld_q, 1)), out(size_t{2} * s.heads * s.head_dim),
      scores(size_t{2} * s.heads * positions), partial(size_t{2} * chunks(positions) * s.heads * (s.head_dim + 2));
  const AttentionArgs args{state.data(),
                           sequences.data(),
                           q.data(),
                           out.data(),
                           scores.data(),
                           partial.data(),
                           {s.type, 0, s.heads, s.kv_heads, s.head_dim},
                           ld_q,
                           positions,
                           2,
                           1.0f / std::sqrt(static_cast<float>(s.head_dim))};
  run_kernel("attention_scores", {score_blocks(positions), s.kv_heads, 2}, args, kBlock, order);
  run_kernel("attention_values", {chunks(positions) * value_slices(s.head_dim), s.kv_heads, 2}, args, kValueBlock,
             order);
  run_kernel("attention_combine", {s.heads, 2}, args, kBlock, order);
  expect_same_bits(out.span(), on_the_cpu(s, {&a, &b}, tokens, q.data(), ld_q), "out");
}

TEST(DecodeAttention, ShapesAndTypes) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::q8})
    for (const Shape& s : {Shape{type, 4, 2, 64}, Shape{type, 20, 5, 128}, Shape{type, 3, 3, 100},
                           Shape{type, 16, 1, 256}, Shape{type, 7, 1, 2}}) {
      SCOPED_TRACE(fmt::format("type {}, {} heads of {}", static_cast<int>(type), s.heads, s.head_dim));
      check_decode(s, 0, 63, Order::forward);
      check_decode(s, 64, 200, Order::reverse);
    }
}

TEST(DecodeAttention, SeveralChunks) {
  const Shape s{KvType::f16, 4, 2, 64};
  check_decode(s, 1023, 1024, Order::shuffled);
  check_decode(s, 2100, 5, Order::forward);
}

void check_prefill(const Shape& s, uint32_t first, uint32_t count, Order order) {
  const uint32_t ld_q = s.heads * s.head_dim + 3, d = s.head_dim <= 64 ? 64 : s.head_dim <= 128 ? 128 : 256;
  Cache cache(s, first + count + 2, first + count, 11);
  std::vector<Token> tokens;
  for (uint32_t t = 0; t < count; ++t) tokens.push_back({0, first + t, 0, 0});
  Guarded<Token> state(tokens);
  Guarded<KvSequence> sequences(std::vector<KvSequence>{cache.sequence()});
  Guarded<float> q(random_floats(size_t{count} * ld_q, 1)), out(size_t{count} * s.heads * s.head_dim);
  const AttentionArgs args{state.data(),
                           sequences.data(),
                           q.data(),
                           out.data(),
                           nullptr,
                           nullptr,
                           {s.type, 0, s.heads, s.kv_heads, s.head_dim},
                           ld_q,
                           0,
                           count,
                           1.0f / std::sqrt(static_cast<float>(s.head_dim))};
  const uint32_t rows = count * (s.heads / s.kv_heads);
  run_kernel(fmt::format("attention_prefill_d{}", d), {(rows + prefill_rows(d) - 1) / prefill_rows(d), s.kv_heads},
             args, kBlock, order);
  expect_same_bits(out.span(), on_the_cpu(s, {&cache}, tokens, q.data(), ld_q), "out");
}

TEST(PrefillAttention, ShapesAndTypes) {
  for (const KvType type : {KvType::f32, KvType::f16, KvType::q8})
    for (const Shape& s : {Shape{type, 4, 2, 64}, Shape{type, 8, 2, 128}, Shape{type, 3, 3, 100},
                           Shape{type, 4, 2, 256}, Shape{type, 7, 1, 2}}) {
      SCOPED_TRACE(fmt::format("type {}, {} heads of {}", static_cast<int>(type), s.heads, s.head_dim));
      check_prefill(s, 0, 37, Order::forward);
      check_prefill(s, 59, 10, Order::reverse);
    }
}

TEST(PrefillAttention, SeveralChunks) {
  check_prefill({KvType::f16, 2, 1, 64}, 1010, 30, Order::forward);
  check_prefill({KvType::q8, 4, 1, 128}, 2046, 5, Order::shuffled);
}

}  // namespace
}  // namespace onebit::gpu
