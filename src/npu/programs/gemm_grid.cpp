#include "npu/programs/gemm_grid.h"

#include <vector>

namespace onebit::npu {
namespace {

using namespace design;

constexpr uint64_t kBlock = 8;  // rows and columns of what one multiplication takes

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
Description::Core add_core(Program& p, const GemmForm& form, TileId core, Fifo a, Fifo b, Fifo c) {
  const Description::Core control{p.parameter(core, fmt::format("tiles{}_{}", core.column, core.row)),
                                  p.parameter(core, fmt::format("chunks{}_{}", core.column, core.row)),
                                  p.signal(core, fmt::format("go{}_{}", core.column, core.row))};
  const std::function<void(Body&)> tile = form.tile(p, {core, a, b, c, control.chunks});
  p.run(core, [&](Body& body) {
    body.forever([&] {
      body.wait(control.go);
      body.loop(control.tiles, [&] { tile(body); });
    });
  });
  return control;
}

Description describe(GemmGrid grid, const GemmForm& form) {
  Description d{.program = Program(form.name), .a = {}, .b = {}, .c = {}, .cores = {}};
  Program& p = d.program;
  Type column_tiles = form.c;
  column_tiles.shape.insert(column_tiles.shape.begin(), grid.rows);
  const auto core = [&](unsigned column, unsigned row) { return p.core(column, 2 + row); };
  std::vector<Fifo> a_in, b_in;
  for (unsigned row = 0; row < grid.rows; ++row) {
    std::vector<TileId> cores;
    for (unsigned column = 0; column < grid.columns; ++column) cores.push_back(core(column, row));
    d.a.push_back(p.fifo(fmt::format("a{}", row), p.shim(row), {p.mem(row)}, form.a));
    a_in.push_back(p.fifo(fmt::format("a{}_cores", row), p.mem(row), ends(cores), form.a));
    p.forward(d.a.back(), a_in.back());
  }
  for (unsigned column = 0; column < grid.columns; ++column) {
    std::vector<TileId> cores;
    for (unsigned row = 0; row < grid.rows; ++row) cores.push_back(core(column, row));
    d.b.push_back(p.fifo(fmt::format("b{}", column), p.shim(column), {p.mem(column)}, form.b));
    b_in.push_back(p.fifo(fmt::format("b{}_cores", column), p.mem(column), ends(cores), form.b));
    p.forward(d.b.back(), b_in.back());
  }
  for (unsigned column = 0; column < grid.columns; ++column) {
    std::vector<Fifo> tiles;
    for (unsigned row = 0; row < grid.rows; ++row) {
      tiles.push_back(p.fifo(fmt::format("c{}_{}", column, row), End(core(column, row)).with_depth(form.c_depth), {p.mem(column)}, form.c));
      d.cores.push_back(add_core(p, form, core(column, row), a_in[row], b_in[column], tiles.back()));
    }
    d.c.push_back(p.fifo(fmt::format("c{}", column), p.mem(column), {p.shim(column)}, column_tiles));
    if (grid.rows == 1) p.forward(tiles[0], d.c.back());
    else p.join(tiles, d.c.back());
  }
  return d;
}

// Where element (row, column) of a chunk lies among its blocks of 8 x 8. `along_rows`: blocks of one row of blocks follow
// each other, `blocks` of them, as in A and C; else those of one column of blocks, as in B.
uint64_t in_chunk(uint64_t row, uint64_t column, uint64_t blocks, bool along_rows) {
  const uint64_t block = along_rows ? row / kBlock * blocks + column / kBlock : column / kBlock * blocks + row / kBlock;
  return block * kBlock * kBlock + row % kBlock * kBlock + column % kBlock;
}

uint64_t a_chunk(const GemmForm& f) { return uint64_t{f.tile_m} * f.tile_k; }
uint64_t b_chunk(const GemmForm& f) { return uint64_t{f.tile_k} * f.tile_n; }
uint64_t c_tile(const GemmForm& f) { return uint64_t{f.tile_m} * f.tile_n; }
// A: by core row, then wave of M, then chunk of K.
uint64_t a_wave(GemmGrid grid, const GemmForm& f, const GemmWaves& w, uint64_t row) {
  const uint64_t tile_row = row / f.tile_m;
  return (tile_row % grid.rows * w.m + tile_row / grid.rows) * (w.chunks + f.after) * a_chunk(f);
}

}  // namespace

Status check_gemm_shape(GemmShape s) {
  for (const auto& [name, size] : {std::pair{"M", s.m}, {"N", s.n}, {"K", s.k}})
    if (size == 0 || size > kMaxGemmSize) return fail(Errc::out_of_range, "GEMM: {} is {}, expected 1 to {}", name, size, kMaxGemmSize);
  return {};
}

GemmWaves gemm_waves(GemmGrid grid, const GemmForm& f, GemmShape s) {
  const auto ceil = [](uint64_t size, uint64_t unit) { return (size + unit - 1) / unit; };
  return {ceil(s.m, uint64_t{f.tile_m} * grid.rows), ceil(s.n, uint64_t{f.tile_n} * grid.columns), ceil(s.k, f.tile_k)};
}

Program gemm_grid_program(GemmGrid grid, const GemmForm& form) { return describe(grid, form).program; }

Result<Transaction> gemm_grid_sequence(GemmGrid grid, const GemmForm& form, const Lowered& lowered, GemmShape shape) {
  ONEBIT_TRY(check_gemm_shape(shape));
  const GemmWaves w = gemm_waves(grid, form, shape);
  const Description d = describe(grid, form);
  Sequence s(lowered);
  for (const Description::Core& core : d.cores)
    s.set(core.tiles, static_cast<int32_t>(w.m * w.n)).set(core.chunks, static_cast<int32_t>(w.chunks - form.first)).raise(core.go);
  // Elements of the fifos' types, several of which may be one byte (packed codes).
  const uint64_t a_row = (w.chunks + form.after) * form.a.count(), b_column = w.n * w.chunks * form.b.count();
  const uint64_t c_column = w.m * w.n * grid.rows * form.c.count();
  // Every wave of M meets every wave of N: rows of A again for each N, all of B again for each M.
  for (unsigned row = 0; row < grid.rows; ++row)
    for (uint64_t wave = 0; wave < w.m; ++wave) s.move(d.a[row], 0, {(row * w.m + wave) * a_row, {{w.n, 0}, {a_row, 1}}});
  for (unsigned column = 0; column < grid.columns; ++column) s.move(d.b[column], 1, {column * b_column, {{w.m, 0}, {b_column, 1}}});
  for (unsigned column = 0; column < grid.columns; ++column) s.move(d.c[column], 2, linear(column * c_column, c_column));
  return s.finish();
}

uint64_t gemm_a_size(GemmGrid grid, const GemmForm& f, GemmShape s) {
  const GemmWaves w = gemm_waves(grid, f, s);
  return grid.rows * w.m * (w.chunks + f.after) * a_chunk(f);
}
uint64_t gemm_b_size(GemmGrid grid, const GemmForm& f, GemmShape s) {
  const GemmWaves w = gemm_waves(grid, f, s);
  return grid.columns * w.n * w.chunks * b_chunk(f);
}
uint64_t gemm_c_size(GemmGrid grid, const GemmForm& f, GemmShape s) {
  const GemmWaves w = gemm_waves(grid, f, s);
  return grid.columns * grid.rows * w.m * w.n * c_tile(f);
}

uint64_t gemm_a_index(GemmGrid grid, const GemmForm& f, const GemmWaves& w, uint64_t row, uint64_t k) {
  return a_wave(grid, f, w, row) + k / f.tile_k * a_chunk(f) + in_chunk(row % f.tile_m, k % f.tile_k, f.tile_k / kBlock, true);
}
uint64_t gemm_after_index(GemmGrid grid, const GemmForm& f, const GemmWaves& w, uint64_t row) { return a_wave(grid, f, w, row) + w.chunks * a_chunk(f); }

// B: by column of cores, then wave of N, then chunk of K.
uint64_t gemm_b_index(GemmGrid grid, const GemmForm& f, const GemmWaves& w, uint64_t k, uint64_t column) {
  const uint64_t tile = column / f.tile_n;
  return ((tile % grid.columns * w.n + tile / grid.columns) * w.chunks + k / f.tile_k) * b_chunk(f) +
         in_chunk(k % f.tile_k, column % f.tile_n, f.tile_k / kBlock, false);
}
// C: by column of cores, then wave of M, wave of N, core row.
uint64_t gemm_c_index(GemmGrid grid, const GemmForm& f, const GemmWaves& w, uint64_t row, uint64_t column) {
  const uint64_t tile_row = row / f.tile_m, tile_column = column / f.tile_n;
  const uint64_t wave = tile_column % grid.columns * w.m * w.n + tile_row / grid.rows * w.n + tile_column / grid.columns;
  return (wave * grid.rows + tile_row % grid.rows) * c_tile(f) + in_chunk(row % f.tile_m, column % f.tile_n, f.tile_n / kBlock, true);
}

}  // namespace onebit::npu
