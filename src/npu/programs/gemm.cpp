#include "npu/programs/gemm.h"

#include <bit>
#include <cstring>
#include <vector>

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint64_t kTileElements = uint64_t{kGemmTile} * kGemmTile;

GemmForm form_of(std::string name, Element operand, Element result) {
  return {.name = std::move(name),
          .tile_m = kGemmTile,
          .tile_n = kGemmTile,
          .tile_k = kGemmTile,
          .a = type(operand, {kGemmTile, kGemmTile}),
          .b = type(operand, {kGemmTile, kGemmTile}),
          .c = type(result, {kGemmTile, kGemmTile})};
}

GemmShape shape_of(const ExampleShape& s) { return s.sizes.size() == 3 ? GemmShape{s.sizes[0], s.sizes[1], s.sizes[2]} : GemmShape{}; }

// The packed arguments of a row-major A (m x k), B (k x n), and C (m x n) as the product gives it.
template <class In, class Out>
std::vector<ExampleBuffer> pack(GemmGrid grid, const GemmForm& form, GemmShape s, const std::vector<In>& a, const std::vector<In>& b, const std::vector<Out>& c) {
  const GemmWaves w = gemm_waves(grid, form, s);
  std::vector<uint8_t> pa(gemm_a_size(grid, form, s) * sizeof(In)), pb(gemm_b_size(grid, form, s) * sizeof(In)), pc(gemm_c_size(grid, form, s) * sizeof(Out));
  for (uint64_t i = 0; i < s.m; ++i)
    for (uint64_t l = 0; l < s.k; ++l) std::memcpy(&pa[gemm_a_index(grid, form, w, i, l) * sizeof(In)], &a[i * s.k + l], sizeof(In));
  for (uint64_t l = 0; l < s.k; ++l)
    for (uint64_t j = 0; j < s.n; ++j) std::memcpy(&pb[gemm_b_index(grid, form, w, l, j) * sizeof(In)], &b[l * s.n + j], sizeof(In));
  for (uint64_t i = 0; i < s.m; ++i)
    for (uint64_t j = 0; j < s.n; ++j) std::memcpy(&pc[gemm_c_index(grid, form, w, i, j) * sizeof(Out)], &c[i * s.n + j], sizeof(Out));
  return {{false, std::move(pa)}, {false, std::move(pb)}, {true, std::move(pc)}};
}

// Plain loops.
template <class T, class Out>
std::vector<Out> product(GemmShape s, const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<Out> c(size_t{s.m} * s.n);
  for (size_t i = 0; i < s.m; ++i)
    for (size_t l = 0; l < s.k; ++l)
      for (size_t j = 0; j < s.n; ++j) c[i * s.n + j] += static_cast<Out>(a[i * s.k + l]) * static_cast<Out>(b[l * s.n + j]);
  return c;
}

std::vector<ExampleBuffer> data_i8(GemmGrid grid, const GemmForm& form, GemmShape s, uint64_t seed) {
  const std::vector<uint8_t> bytes_a = example_bytes(size_t{s.m} * s.k, seed), bytes_b = example_bytes(size_t{s.k} * s.n, seed + 1);
  const std::vector<int8_t> a(bytes_a.begin(), bytes_a.end()), b(bytes_b.begin(), bytes_b.end());
  return pack(grid, form, s, a, b, product<int8_t, int32_t>(s, a, b));
}

// Integers from -15 to 15: products and sums of 4096 of them are exact in fp32, in whatever order they are added.
std::vector<ExampleBuffer> data_bf16(GemmGrid grid, const GemmForm& form, GemmShape s, uint64_t seed) {
  const auto small = [](const std::vector<uint8_t>& bytes) {
    std::vector<float> values;
    for (const uint8_t b : bytes) values.push_back(static_cast<float>(b % 31 - 15));
    return values;
  };
  const auto upper = [](const std::vector<float>& values) {
    std::vector<uint16_t> bits;
    for (const float v : values) bits.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
    return bits;
  };
  const std::vector<float> a = small(example_bytes(size_t{s.m} * s.k, seed)), b = small(example_bytes(size_t{s.k} * s.n, seed + 1));
  return pack(grid, form, s, upper(a), upper(b), product<float, float>(s, a, b));
}

using Data = std::vector<ExampleBuffer> (*)(GemmGrid, const GemmForm&, GemmShape, uint64_t);

ExampleProgram example(GemmGrid grid, GemmForm form, Data data, std::string summary, std::vector<ExampleShape> shapes) {
  return {.name = form.name,
          .summary = std::move(summary),
          .build = [grid, form]() -> Result<Program> { return gemm_grid_program(grid, form); },
          .shapes = std::move(shapes),
          .sequence = [grid, form](const Lowered& lowered, const ExampleShape& s) { return gemm_grid_sequence(grid, form, lowered, shape_of(s)); },
          .data = [grid, form, data](const ExampleShape& s, uint64_t seed) { return data(grid, form, shape_of(s), seed); }};
}

std::vector<ExampleShape> shapes_1() {
  return {{{64, 64, 64}},   {{1, 1, 1}},      {{1, 64, 64}},    {{64, 1, 64}},    {{64, 64, 1}},   {{63, 65, 64}},   {{65, 63, 127}},
          {{128, 64, 64}},  {{64, 128, 64}},  {{64, 64, 128}},  {{128, 128, 128}}, {{100, 50, 25}}, {{17, 33, 190}},  {{192, 64, 64}},
          {{64, 192, 320}}, {{129, 129, 129}}, {{7, 200, 300}}, {{200, 7, 300}},   {{31, 31, 512}}, {{256, 256, 64}}, {{256, 256, 256}}};
}
std::vector<ExampleShape> shapes_8x4() {
  return {{{256, 512, 64}},  {{1, 1, 1}},       {{1, 512, 64}},   {{256, 1, 64}},   {{255, 511, 63}}, {{257, 513, 65}}, {{256, 512, 128}},
          {{512, 512, 64}},  {{256, 1024, 64}}, {{64, 64, 64}},   {{100, 200, 300}}, {{300, 200, 100}}, {{17, 1000, 33}},  {{700, 30, 129}},
          {{512, 512, 512}}, {{768, 512, 192}}, {{256, 1536, 64}}, {{31, 63, 640}},   {{129, 300, 448}}, {{333, 777, 111}}, {{512, 1024, 320}}};
}

}  // namespace

GemmForm gemm_i8_form(std::string name) {
  GemmForm form = form_of(std::move(name), Element::int8, Element::int32);
  form.tile = [](Program&, const GemmCore& core) {
    return [core](Body& body) {
      body.acquire(core.c);
      body.call("zero_i32", {core.c[0], kTileElements});
      body.loop(core.chunks, [&] {
        body.acquire(core.a);
        body.acquire(core.b);
        body.call("gemm_i8_i32", {core.a[0], core.b[0], core.c[0], kGemmTile, kGemmTile, kGemmTile});
        body.release(core.a);
        body.release(core.b);
      });
      body.release(core.c);
    };
  };
  return form;
}

// Two chunks of each operand are 32 KiB of a core's 64, a tile of C is 16: there is room for one. The next tile starts when
// it has left.
GemmForm gemm_bf16_form(std::string name) {
  GemmForm form = form_of(std::move(name), Element::bfloat16, Element::float32);
  form.c_depth = 1;
  form.first = 1;
  form.tile = [](Program&, const GemmCore& core) {
    return [core](Body& body) {
      const auto chunk = [&](int accumulate) {
        body.acquire(core.a);
        body.acquire(core.b);
        body.call("gemm_bf16", {core.a[0], core.b[0], core.c[0], kGemmTile, kGemmTile, kGemmTile, accumulate});
        body.release(core.a);
        body.release(core.b);
      };
      body.acquire(core.c);
      chunk(0);
      body.loop(core.chunks, [&] { chunk(1); });
      body.release(core.c);
    };
  };
  return form;
}

ExampleProgram gemm_1_program() { return example({1, 1}, gemm_i8_form("gemm_1"), data_i8, "C = A B on one core, int8 to int32; sizes M x N x K", shapes_1()); }
ExampleProgram gemm_8x4_program() {
  return example({8, 4}, gemm_i8_form("gemm_8x4"), data_i8, "C = A B on 32 cores, int8 to int32; sizes M x N x K", shapes_8x4());
}
ExampleProgram gemm_bf16_1_program() {
  return example({1, 1}, gemm_bf16_form("gemm_bf16_1"), data_bf16, "C = A B on one core, bfloat16 to fp32; sizes M x N x K", shapes_1());
}
ExampleProgram gemm_bf16_8x4_program() {
  return example({8, 4}, gemm_bf16_form("gemm_bf16_8x4"), data_bf16, "C = A B on 32 cores, bfloat16 to fp32; sizes M x N x K", shapes_8x4());
}

}  // namespace onebit::npu
