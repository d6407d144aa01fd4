#include "npu/programs/ternary.h"

#include <bit>
#include <cstring>
#include <numeric>
#include <vector>

namespace onebit::npu {
namespace {

using namespace design;

constexpr unsigned kColumns = 8, kCoreRows = 4;

// A code of row k, column c of a group of 16 columns (gemm_i8_t2_i32.cpp), four bytes a row.
void place_code(uint8_t* group, uint64_t k, uint64_t c, uint8_t code) {
  const unsigned shift = static_cast<unsigned>(c % 2 * 4 + c / 8 * 2);
  uint8_t& byte = group[k * 4 + c % 8 / 2];
  byte = static_cast<uint8_t>((byte & ~(3u << shift)) | code << shift);
}
constexpr uint8_t kPadding = 0x55;  // four times code 1

// Columns in blocks of 8 with odd number are 4 times too large.
int32_t factor_of(uint64_t column) { return column / 8 % 2 ? 4 : 1; }

uint64_t ceil_div(uint64_t size, uint64_t unit) { return (size + unit - 1) / unit; }

std::vector<uint8_t> random_codes(size_t count, uint64_t seed) {
  std::vector<uint8_t> codes = example_bytes(count, seed);
  for (uint8_t& c : codes) c %= 3;
  return codes;
}

// ---- one token

constexpr uint64_t kGemvCoreBytes = kGemvRows * kGemvChunk / 4;

struct GemvShape {
  uint64_t n, k;
  uint64_t units() const { return ceil_div(n, kGemvUnit); }
  uint64_t chunks() const { return ceil_div(k, kGemvChunk); }
  uint64_t units_of(unsigned column) const { return units() > column ? ceil_div(units() - column, kColumns) : 0; }
  // Of a unit, among all in the order of columns.
  uint64_t place(uint64_t unit) const {
    uint64_t before = 0;
    for (unsigned c = 0; c < unit % kColumns; ++c) before += units_of(c);
    return before + unit / kColumns;
  }
};

struct Gemv {
  Program program{"gemv_ternary"};
  std::vector<Fifo> x{}, w{}, y{};  // by column, with an end in a shim
  struct Core {
    unsigned column;
    Parameter units, chunks;
    Signal go;
  };
  std::vector<Core> cores{};
};

void gemv_body(Body& body, const Gemv::Core& core, Fifo x, Fifo w, Fifo y) {
  const auto chunk = [&](int accumulate) {
    body.acquire(x);
    body.acquire(w);
    body.call("gemv_t2_i32", {x[0], w[0], y[0], kGemvChunk, kGemvRows, accumulate});
    body.release(x);
    body.release(w);
  };
  body.forever([&] {
    body.wait(core.go);
    body.loop(core.units, [&] {
      body.acquire(y);
      chunk(0);
      body.loop(core.chunks, [&] { chunk(1); });
      body.release(y);
    });
  });
}

Gemv describe_gemv() {
  Gemv g;
  Program& p = g.program;
  const Type x = type<int8_t>(2 * kGemvChunk), w = type<uint8_t>(kGemvCoreBytes), y = type<int32_t>(kGemvRows);
  for (unsigned column = 0; column < kColumns; ++column) {
    std::vector<TileId> cores;
    std::vector<Fifo> weights, rows;
    for (unsigned row = 0; row < kCoreRows; ++row) cores.push_back(p.core(column, 2 + row));
    g.x.push_back(p.fifo(fmt::format("x{}", column), p.shim(column), {p.mem(column)}, x));
    const Fifo x_cores = p.fifo(fmt::format("x{}_cores", column), p.mem(column), ends(cores), x);
    p.forward(g.x.back(), x_cores);
    g.w.push_back(p.fifo(fmt::format("w{}", column), p.shim(column), {p.mem(column)}, type<uint8_t>(kCoreRows, kGemvCoreBytes)));
    for (const TileId core : cores) {
      weights.push_back(p.fifo(fmt::format("w{}_{}", column, core.row), p.mem(column), {core}, w));
      rows.push_back(p.fifo(fmt::format("y{}_{}", column, core.row), core, {p.mem(column)}, y));
      const Gemv::Core control{column, p.parameter(core, fmt::format("units{}_{}", column, core.row)),
                               p.parameter(core, fmt::format("chunks{}_{}", column, core.row)), p.signal(core, fmt::format("go{}_{}", column, core.row))};
      p.run(core, [&](Body& body) { gemv_body(body, control, x_cores, weights.back(), rows.back()); });
      g.cores.push_back(control);
    }
    p.split(g.w.back(), weights);
    g.y.push_back(p.fifo(fmt::format("y{}", column), p.mem(column), {p.shim(column)}, type<int32_t>(kCoreRows, kGemvRows)));
    p.join(rows, g.y.back());
  }
  return g;
}

Result<GemvShape> gemv_shape(const ExampleShape& s) {
  if (s.sizes.size() != 2) return fail(Errc::usage, "GEMV: {} sizes, expected N and K", s.sizes.size());
  for (const auto& [name, size] : {std::pair{"N", s.sizes[0]}, {"K", s.sizes[1]}})
    if (size == 0 || size > kMaxGemvSize) return fail(Errc::out_of_range, "GEMV: {} is {}, expected 1 to {}", name, size, kMaxGemvSize);
  return GemvShape{s.sizes[0], s.sizes[1]};
}

Result<Transaction> gemv_sequence(const Lowered& lowered, const ExampleShape& shape) {
  ONEBIT_ASSIGN(const GemvShape g, gemv_shape(shape));
  const Gemv d = describe_gemv();
  Sequence s(lowered);
  for (const Gemv::Core& core : d.cores)
    s.set(core.units, static_cast<int32_t>(g.units_of(core.column))).set(core.chunks, static_cast<int32_t>(g.chunks() - 1)).raise(core.go);
  const uint64_t unit_bytes = g.chunks() * kCoreRows * kGemvCoreBytes, x_bytes = g.chunks() * 2 * kGemvChunk;
  uint64_t before = 0;
  for (unsigned column = 0; column < kColumns; ++column) {
    const uint64_t units = g.units_of(column);
    if (units == 0) break;
    s.move(d.x[column], 0, {0, {{units, 0}, {x_bytes, 1}}});
    s.move(d.w[column], 1, linear(before * unit_bytes, units * unit_bytes));
    s.move(d.y[column], 2, linear(before * kGemvUnit, units * kGemvUnit));
    before += units;
  }
  return s.finish();
}

std::vector<ExampleBuffer> gemv_data(const ExampleShape& shape, uint64_t seed) {
  const GemvShape g = gemv_shape(shape).value();
  const std::vector<uint8_t> bytes = example_bytes(g.k, seed), codes = random_codes(g.n * g.k, seed + 1);
  const std::vector<int8_t> x(bytes.begin(), bytes.end());
  const int32_t sum_x = std::accumulate(x.begin(), x.end(), 0);
  std::vector<uint8_t> px(g.chunks() * 2 * kGemvChunk), pw(g.units() * g.chunks() * kCoreRows * kGemvCoreBytes, kPadding);
  std::vector<int32_t> y(g.units() * kGemvUnit);
  for (uint64_t k = 0; k < g.k; ++k) px[k / 8 * 16 + k % 8] = bytes[k];
  for (uint64_t n = 0; n < g.units() * kGemvUnit; ++n) {
    const uint64_t place = g.place(n / kGemvUnit), core = n % kGemvUnit / kGemvRows, row = n % kGemvRows;
    int32_t want = 0;  // what a layer wants: the sum over weights -1, 0, 1
    for (uint64_t k = 0; n < g.n && k < g.k; ++k) {
      want += (codes[n * g.k + k] - 1) * x[k];
      uint8_t* chunk = &pw[((place * g.chunks() + k / kGemvChunk) * kCoreRows + core) * kGemvCoreBytes];
      place_code(chunk + row / 16 * (16 * kGemvChunk / 4), k % kGemvChunk, row % 16, codes[n * g.k + k]);
    }
    y[place * kGemvUnit + n % kGemvUnit] = (want + sum_x) * factor_of(row);
  }
  std::vector<uint8_t> py(y.size() * sizeof(int32_t));
  std::memcpy(py.data(), y.data(), py.size());
  return {{false, std::move(px)}, {false, std::move(pw)}, {true, std::move(py)}};
}

// ---- results as bfloat16

constexpr GemmGrid kGrid{kColumns, kCoreRows};
constexpr uint32_t kLinearM = 32, kLinearN = 64, kLinearK = 256;
constexpr uint64_t kLinearChunkBytes = uint64_t{kLinearN} * kLinearK / 4;

GemmShape shape_of(const ExampleShape& s) { return s.sizes.size() == 3 ? GemmShape{s.sizes[0], s.sizes[1], s.sizes[2]} : GemmShape{}; }

uint16_t to_bf16(float f) {  // to nearest, ties to even; finite numbers
  const auto u = std::bit_cast<uint32_t>(f);
  return static_cast<uint16_t>((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

std::vector<ExampleBuffer> linear_data(const ExampleShape& shape, uint64_t seed) {
  const GemmForm form = linear_bf16_form("");
  const GemmShape s = shape_of(shape);
  const GemmWaves w = gemm_waves(kGrid, form, s);
  const std::vector<uint8_t> a = example_bytes(size_t{s.m} * s.k, seed), codes = random_codes(size_t{s.n} * s.k, seed + 1);
  const std::vector<uint8_t> scale_bytes = example_bytes(size_t{s.m} * 2, seed + 2);
  std::vector<uint8_t> pa(gemm_a_size(kGrid, form, s)), pw(kColumns * w.n * w.chunks * kLinearChunkBytes, kPadding);
  std::vector<uint8_t> pc(gemm_c_size(kGrid, form, s) * sizeof(uint16_t));
  for (size_t n = 0; n < s.n; ++n)
    for (size_t k = 0; k < s.k; ++k) {
      const uint64_t tile = n / kLinearN, chunk = (tile % kColumns * w.n + tile / kColumns) * w.chunks + k / kLinearK;
      place_code(&pw[chunk * kLinearChunkBytes + n % kLinearN / 16 * (16 * kLinearK / 4)], k % kLinearK, n % 16, codes[n * s.k + k]);
    }
  for (size_t m = 0; m < s.m; ++m) {
    int32_t correction = 0;
    for (size_t k = 0; k < s.k; ++k) {
      pa[gemm_a_index(kGrid, form, w, m, k)] = a[m * s.k + k];
      correction += static_cast<int8_t>(a[m * s.k + k]);
    }
    const float scale = static_cast<float>(scale_bytes[2 * m] + 256 * scale_bytes[2 * m + 1] + 1) / 65536;
    uint8_t* rows = &pa[gemm_after_index(kGrid, form, w, m)];
    for (size_t i = 0; i < 8; ++i) {
      const size_t at = (m % kLinearM * 8 + i) * 4;
      std::memcpy(rows + at, &correction, 4);
      std::memcpy(rows + kLinearM * 8 * 4 + at, &scale, 4);
    }
    for (size_t n = 0; n < s.n; ++n) {
      int32_t sum = 0;
      for (size_t k = 0; k < s.k; ++k) sum += (codes[n * s.k + k] - 1) * static_cast<int8_t>(a[m * s.k + k]);
      const uint16_t want = to_bf16(static_cast<float>(sum) * scale);
      std::memcpy(&pc[gemm_c_index(kGrid, form, w, m, n) * 2], &want, 2);
    }
  }
  return {{false, std::move(pa)}, {false, std::move(pw)}, {true, std::move(pc)}};
}

}  // namespace

ExampleProgram gemv_ternary_program() {
  return {.name = "gemv_ternary",
          .summary = "y = W x on 32 cores, ternary W in 2 bits, int8 to int32; sizes N x K",
          .build = []() -> Result<Program> { return describe_gemv().program; },
          .shapes = {{{128, 256}},  {{1, 1}},      {{1, 256}},    {{128, 1}},    {{127, 255}},  {{129, 257}}, {{1024, 256}},
                     {{1025, 256}}, {{1023, 300}}, {{2560, 512}}, {{640, 2560}}, {{33, 1000}},  {{300, 700}}, {{1, 6912}},
                     {{2049, 129}}, {{31, 31}},    {{1500, 64}},  {{900, 900}},  {{16, 16}},    {{512, 511}}, {{3840, 600}}},
          .sequence = gemv_sequence,
          .data = gemv_data};
}

// A core keeps the sums of its tile, which no fifo takes; what arrives behind the chunks of A is the correction and the
// scale of each row.
GemmForm linear_bf16_form(std::string name) {
  GemmForm form{.name = std::move(name), .tile_m = kLinearM, .tile_n = kLinearN, .tile_k = kLinearK};
  form.a = type<int8_t>(kLinearM, kLinearK);
  form.b = type<uint8_t>(kLinearChunkBytes);
  form.c = type(Element::bfloat16, {kLinearM, kLinearN});
  form.after = 1;
  form.first = 1;
  form.tile = [](Program& p, const GemmCore& core) {
    const Buffer sums = p.buffer(core.tile, fmt::format("sums{}_{}", core.tile.column, core.tile.row), type<int32_t>(kLinearM, kLinearN));
    return [core, sums](Body& body) {
      const auto chunk = [&](int accumulate) {
        body.acquire(core.a);
        body.acquire(core.b);
        body.call("gemm_i8_t2_i32", {core.a[0], core.b[0], sums, kLinearM, kLinearK, kLinearN, 0, accumulate});
        body.release(core.a);
        body.release(core.b);
      };
      chunk(0);
      body.loop(core.chunks, [&] { chunk(1); });
      body.acquire(core.a);
      body.acquire(core.c);
      body.call("scale_bf16", {sums, core.a[0], core.c[0], kLinearM, kLinearN});
      body.release(core.a);
      body.release(core.c);
    };
  };
  return form;
}

ExampleProgram linear_bf16_program() {
  const GemmForm form = linear_bf16_form("linear_bf16");
  return {.name = form.name,
          .summary = "C = A W' scaled by row, on 32 cores, int8 and ternary in 2 bits to bfloat16; sizes M x N x K",
          .build = [form]() -> Result<Program> { return gemm_grid_program(kGrid, form); },
          .shapes = {{{128, 512, 256}},  {{1, 1, 1}},       {{1, 512, 256}},  {{128, 1, 256}},   {{127, 511, 255}}, {{129, 513, 257}}, {{128, 512, 512}},
                     {{256, 512, 256}},  {{128, 1024, 256}}, {{32, 64, 64}},  {{50, 100, 300}},  {{150, 100, 50}},  {{9, 1000, 33}},   {{300, 30, 129}},
                     {{256, 512, 1024}}, {{384, 256, 192}}, {{64, 1536, 64}}, {{31, 63, 1280}},  {{65, 300, 448}},  {{111, 777, 111}}, {{33, 65, 2560}}},
          .sequence = [form](const Lowered& lowered, const ExampleShape& s) { return gemm_grid_sequence(kGrid, form, lowered, shape_of(s)); },
          .data = linear_data};
}

}  // namespace onebit::npu
