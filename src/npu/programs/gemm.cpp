#include "npu/programs/gemm.h"

#include <cstring>

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint64_t kBlock = 8;  // rows and columns of what one multiplication takes
constexpr uint64_t kTileElements = uint64_t{kGemmTile} * kGemmTile;

struct Waves {
  uint64_t m, n, chunks;  // waves along M and N, chunks of K
};
Waves waves(GemmGrid grid, GemmShape s) {
  const auto ceil = [](uint64_t size, uint64_t unit) { return (size + unit - 1) / unit; };
  return {ceil(s.m, uint64_t{kGemmTile} * grid.rows), ceil(s.n, uint64_t{kGemmTile} * grid.columns), ceil(s.k, kGemmTile)};
}

struct Description {
  Program program;
  std::vector<Fifo> a, b, c;  // with an end in a shim: A by core row, B and C by column
  struct Core {
    Parameter tiles, chunks;
    Signal go;
  };
  std::vector<Core> cores;
};

// The parameters are read behind the signal: a core that has finished a run waits there for the next one's.
Description::Core add_core(Program& p, TileId core, Fifo a, Fifo b, Fifo c) {
  const Description::Core control{p.parameter(core, fmt::format("tiles{}_{}", core.column, core.row)),
                                  p.parameter(core, fmt::format("chunks{}_{}", core.column, core.row)),
                                  p.signal(core, fmt::format("go{}_{}", core.column, core.row))};
  p.run(core, [&](Body& body) {
    body.forever([&] {
      body.wait(control.go);
      body.loop(control.tiles, [&] {
        body.acquire(c);
        body.call("zero_i32", {c[0], kTileElements});
        body.loop(control.chunks, [&] {
          body.acquire(a);
          body.acquire(b);
          body.call("gemm_i8_i32", {a[0], b[0], c[0], kGemmTile, kGemmTile, kGemmTile});
          body.release(a);
          body.release(b);
        });
        body.release(c);
      });
    });
  });
  return control;
}

Description describe(GemmGrid grid) {
  Description d{.program = Program(grid.columns * grid.rows == 1 ? "gemm_1" : fmt::format("gemm_{}x{}", grid.columns, grid.rows)), .a = {}, .b = {}, .c = {}, .cores = {}};
  Program& p = d.program;
  const Type operand = type<int8_t>(kGemmTile, kGemmTile), tile = type<int32_t>(kGemmTile, kGemmTile);
  const Type column_tiles = type<int32_t>(grid.rows, kGemmTile, kGemmTile);
  const auto core = [&](unsigned column, unsigned row) { return p.core(column, 2 + row); };
  std::vector<Fifo> a_in, b_in;
  for (unsigned row = 0; row < grid.rows; ++row) {
    std::vector<TileId> cores;
    for (unsigned column = 0; column < grid.columns; ++column) cores.push_back(core(column, row));
    d.a.push_back(p.fifo(fmt::format("a{}", row), p.shim(row), {p.mem(row)}, operand));
    a_in.push_back(p.fifo(fmt::format("a{}_cores", row), p.mem(row), ends(cores), operand));
    p.forward(d.a.back(), a_in.back());
  }
  for (unsigned column = 0; column < grid.columns; ++column) {
    std::vector<TileId> cores;
    for (unsigned row = 0; row < grid.rows; ++row) cores.push_back(core(column, row));
    d.b.push_back(p.fifo(fmt::format("b{}", column), p.shim(column), {p.mem(column)}, operand));
    b_in.push_back(p.fifo(fmt::format("b{}_cores", column), p.mem(column), ends(cores), operand));
    p.forward(d.b.back(), b_in.back());
  }
  for (unsigned column = 0; column < grid.columns; ++column) {
    std::vector<Fifo> tiles;
    for (unsigned row = 0; row < grid.rows; ++row) {
      tiles.push_back(p.fifo(fmt::format("c{}_{}", column, row), core(column, row), {p.mem(column)}, tile));
      d.cores.push_back(add_core(p, core(column, row), a_in[row], b_in[column], tiles.back()));
    }
    d.c.push_back(p.fifo(fmt::format("c{}", column), p.mem(column), {p.shim(column)}, column_tiles));
    if (grid.rows == 1) p.forward(tiles[0], d.c.back());
    else p.join(tiles, d.c.back());
  }
  return d;
}

// Where element (row, column) of a tile of 64 columns or rows lies among its blocks of 8 x 8. `along_rows`: blocks of one
// row of blocks follow each other, as in A and C; else those of one column of blocks, as in B.
uint64_t in_tile(uint64_t row, uint64_t column, bool along_rows) {
  constexpr uint64_t kBlocks = kGemmTile / kBlock;
  const uint64_t block = along_rows ? row / kBlock * kBlocks + column / kBlock : column / kBlock * kBlocks + row / kBlock;
  return block * kBlock * kBlock + row % kBlock * kBlock + column % kBlock;
}
// A: by core row, then wave of M, then chunk of K.
uint64_t a_index(GemmGrid grid, Waves w, uint64_t row, uint64_t k) {
  const uint64_t tile_row = row / kGemmTile, core_row = tile_row % grid.rows, wave = tile_row / grid.rows;
  return ((core_row * w.m + wave) * w.chunks + k / kGemmTile) * kTileElements + in_tile(row % kGemmTile, k % kGemmTile, true);
}
// B: by column of cores, then wave of N, then chunk of K.
uint64_t b_index(GemmGrid grid, Waves w, uint64_t k, uint64_t column) {
  const uint64_t tile = column / kGemmTile, core_column = tile % grid.columns, wave = tile / grid.columns;
  return ((core_column * w.n + wave) * w.chunks + k / kGemmTile) * kTileElements + in_tile(k % kGemmTile, column % kGemmTile, false);
}
// C: by column of cores, then wave of M, wave of N, core row.
uint64_t c_index(GemmGrid grid, Waves w, uint64_t row, uint64_t column) {
  const uint64_t tile_row = row / kGemmTile, tile_column = column / kGemmTile;
  const uint64_t wave = tile_column % grid.columns * w.m * w.n + tile_row / grid.rows * w.n + tile_column / grid.columns;
  return (wave * grid.rows + tile_row % grid.rows) * kTileElements + in_tile(row % kGemmTile, column % kGemmTile, true);
}

Status check_shape(GemmShape s) {
  for (const auto& [name, size] : {std::pair{"M", s.m}, {"N", s.n}, {"K", s.k}})
    if (size == 0 || size > kMaxGemmSize) return fail(Errc::out_of_range, "GEMM: {} is {}, expected 1 to {}", name, size, kMaxGemmSize);
  return {};
}

GemmShape shape_of(const ExampleShape& s) { return s.sizes.size() == 3 ? GemmShape{s.sizes[0], s.sizes[1], s.sizes[2]} : GemmShape{}; }

template <class T>
std::span<const T> as(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

std::vector<ExampleBuffer> data(GemmGrid grid, const ExampleShape& shape, uint64_t seed) {
  const GemmShape s = shape_of(shape);
  const std::vector<uint8_t> a = example_bytes(size_t{s.m} * s.k, seed), b = example_bytes(size_t{s.k} * s.n, seed + 1);
  const auto x = as<int8_t>(a), y = as<int8_t>(b);
  std::vector<int32_t> c(size_t{s.m} * s.n);
  for (size_t i = 0; i < s.m; ++i)
    for (size_t l = 0; l < s.k; ++l)
      for (size_t j = 0; j < s.n; ++j) c[i * s.n + j] += x[i * s.k + l] * y[l * s.n + j];
  return {{false, gemm_pack_a(grid, s, x)}, {false, gemm_pack_b(grid, s, y)}, {true, gemm_pack_c(grid, s, c)}};
}

ExampleProgram example(GemmGrid grid, std::string name, std::string summary, std::vector<ExampleShape> shapes) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .build = [grid] { return gemm_description(grid); },
          .shapes = std::move(shapes),
          .sequence = [grid](const Lowered& lowered, const ExampleShape& s) { return gemm_sequence(grid, lowered, shape_of(s)); },
          .data = [grid](const ExampleShape& s, uint64_t seed) { return data(grid, s, seed); }};
}

}  // namespace

Result<Program> gemm_description(GemmGrid grid) { return describe(grid).program; }

Result<Transaction> gemm_sequence(GemmGrid grid, const Lowered& lowered, GemmShape shape) {
  ONEBIT_TRY(check_shape(shape));
  const Waves w = waves(grid, shape);
  const Description d = describe(grid);
  Sequence s(lowered);
  for (const Description::Core& core : d.cores)
    s.set(core.tiles, static_cast<int32_t>(w.m * w.n)).set(core.chunks, static_cast<int32_t>(w.chunks)).raise(core.go);
  const uint64_t a_wave = w.chunks * kTileElements, b_column = w.n * w.chunks * kTileElements, c_column = w.m * w.n * grid.rows * kTileElements;
  // Every wave of M meets every wave of N: rows of A again for each N, all of B again for each M.
  for (unsigned row = 0; row < grid.rows; ++row)
    for (uint64_t wave = 0; wave < w.m; ++wave) s.move(d.a[row], 0, {(row * w.m + wave) * a_wave, {{w.n, 0}, {a_wave, 1}}});
  for (unsigned column = 0; column < grid.columns; ++column) s.move(d.b[column], 1, {column * b_column, {{w.m, 0}, {b_column, 1}}});
  for (unsigned column = 0; column < grid.columns; ++column) s.move(d.c[column], 2, linear(column * c_column, c_column));
  return s.finish();
}

std::vector<uint8_t> gemm_pack_a(GemmGrid grid, GemmShape s, std::span<const int8_t> a) {
  const Waves w = waves(grid, s);
  std::vector<uint8_t> packed(grid.rows * w.m * w.chunks * kTileElements);
  for (uint64_t i = 0; i < s.m; ++i)
    for (uint64_t l = 0; l < s.k; ++l) packed[a_index(grid, w, i, l)] = static_cast<uint8_t>(a[i * s.k + l]);
  return packed;
}

std::vector<uint8_t> gemm_pack_b(GemmGrid grid, GemmShape s, std::span<const int8_t> b) {
  const Waves w = waves(grid, s);
  std::vector<uint8_t> packed(grid.columns * w.n * w.chunks * kTileElements);
  for (uint64_t l = 0; l < s.k; ++l)
    for (uint64_t j = 0; j < s.n; ++j) packed[b_index(grid, w, l, j)] = static_cast<uint8_t>(b[l * s.n + j]);
  return packed;
}

std::vector<uint8_t> gemm_pack_c(GemmGrid grid, GemmShape s, std::span<const int32_t> c) {
  const Waves w = waves(grid, s);
  std::vector<uint8_t> packed(grid.columns * grid.rows * w.m * w.n * kTileElements * sizeof(int32_t));
  for (uint64_t i = 0; i < s.m; ++i)
    for (uint64_t j = 0; j < s.n; ++j) std::memcpy(&packed[c_index(grid, w, i, j) * sizeof(int32_t)], &c[i * s.n + j], sizeof(int32_t));
  return packed;
}

std::vector<int32_t> gemm_unpack_c(GemmGrid grid, GemmShape s, std::span<const uint8_t> packed) {
  const Waves w = waves(grid, s);
  std::vector<int32_t> c(size_t{s.m} * s.n);
  for (uint64_t i = 0; i < s.m; ++i)
    for (uint64_t j = 0; j < s.n; ++j) std::memcpy(&c[i * s.n + j], &packed[c_index(grid, w, i, j) * sizeof(int32_t)], sizeof(int32_t));
  return c;
}

ExampleProgram gemm_1_program() {
  return example({1, 1}, "gemm_1", "C = A B on one core, int8 to int32; sizes M x N x K",
                 {{{64, 64, 64}},   {{1, 1, 1}},      {{1, 64, 64}},   {{64, 1, 64}},    {{64, 64, 1}},   {{63, 65, 64}},   {{65, 63, 127}},
                  {{128, 64, 64}},  {{64, 128, 64}},  {{64, 64, 128}}, {{128, 128, 128}}, {{100, 50, 25}}, {{17, 33, 190}},  {{192, 64, 64}},
                  {{64, 192, 320}}, {{129, 129, 129}}, {{7, 200, 300}}, {{200, 7, 300}},   {{31, 31, 512}}, {{256, 256, 64}}, {{256, 256, 256}}});
}

ExampleProgram gemm_8x4_program() {
  return example({8, 4}, "gemm_8x4", "C = A B on 32 cores, int8 to int32; sizes M x N x K",
                 {{{256, 512, 64}},  {{1, 1, 1}},       {{1, 512, 64}},   {{256, 1, 64}},   {{255, 511, 63}}, {{257, 513, 65}}, {{256, 512, 128}},
                  {{512, 512, 64}},  {{256, 1024, 64}}, {{64, 64, 64}},   {{100, 200, 300}}, {{300, 200, 100}}, {{17, 1000, 33}},  {{700, 30, 129}},
                  {{512, 512, 512}}, {{768, 512, 192}}, {{256, 1536, 64}}, {{31, 63, 640}},   {{129, 300, 448}}, {{333, 777, 111}}, {{512, 1024, 320}}});
}

}  // namespace onebit::npu
