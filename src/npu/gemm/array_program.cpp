#include "npu/gemm/array_program.h"

#include "npu/gemm/replay.h"

namespace onebit::npu::gemm {

using namespace design;

// A wave: the first chunk of K takes a strip of C after the other and overwrites it, those in the middle add to it, the
// last one gives each strip away as soon as it is complete; a single chunk does both. A core whose column rests in the
// last wave of a group lets its activations pass, one whose half rests in the last wave along M the weights. Parameters
// are read behind the signal.
ArrayProgram::Core ArrayProgram::add_core(Program& p, TileId core, uint32_t half, Fifo x, Fifo w, Fifo c) {
  const auto parameter = [&](const char* name) { return p.parameter(core, fmt::format("{}{}_{}", name, core.column, core.row)); };
  const Core control{core.column,          half,
                     parameter("groups"),  parameter("waves_m"),
                     parameter("waves_n"), parameter("singles"),
                     parameter("middle"),  parameter("idle_x"),
                     parameter("idle_w"),  p.signal(core, fmt::format("go{}_{}", core.column, core.row))};
  p.run(core, [&](Body& body) {
    const auto multiply = [&](unsigned held, uint32_t strip, bool accumulate) {
      body.call("gemm_i8_t2_i32", {x[0], w[0], c[held], kTileM, kChunkK, kStripN, strip * kStripN, accumulate ? 1 : 0});
    };
    const auto chunk = [&](const std::function<void(uint32_t)>& strip) {
      body.acquire(x);
      body.acquire(w);
      for (uint32_t s = 0; s < kStrips; ++s) strip(s);
      body.release(x);
      body.release(w);
    };
    const auto pass = [&](Parameter chunks, Fifo fifo) {
      body.loop(chunks, [&] {
        body.acquire(fifo);
        body.release(fifo);
      });
    };
    const auto wave = [&] {
      chunk([&](uint32_t s) {
        body.acquire(c);
        multiply(s, s, false);
      });
      body.loop(control.middle, [&] { chunk([&](uint32_t s) { multiply(s, s, true); }); });
      chunk([&](uint32_t s) {
        multiply(0, s, true);
        body.release(c);
      });
    };
    const auto single = [&] {
      chunk([&](uint32_t s) {
        body.acquire(c);
        multiply(0, s, false);
        body.release(c);
      });
    };
    body.forever([&] {
      body.wait(control.go);
      body.loop(control.groups, [&] {
        body.loop(control.waves_m, [&] {
          body.loop(control.waves_n, wave);
          body.loop(control.singles, single);
          pass(control.idle_x, x);
        });
        pass(control.idle_w, w);
      });
    });
  });
  return control;
}

ArrayProgram::Description ArrayProgram::describe() {
  Description d;
  Program& p = d.program;
  const Type x_chunk = type<int8_t>(kTileM, kChunkK), w_chunk = type<uint8_t>(kChunkBytesW);
  const Type strip = type<int32_t>(kTileM, kStripN), strips = type<int32_t>(kHalfRows, kTileM, kStripN);
  const auto core = [&p](unsigned column, unsigned row) { return p.core(column, 2 + row); };
  std::array<Fifo, kRows> x_cores{};
  std::array<Fifo, kColumns> w_cores{};
  for (unsigned row = 0; row < kRows; ++row) {
    std::vector<TileId> cores;
    for (unsigned column = 0; column < kColumns; ++column) cores.push_back(core(column, row));
    d.x[row] = p.fifo(fmt::format("x{}", row), p.shim(row * kTilesOfRow), {p.mem(row * kTilesOfRow)}, x_chunk);
    x_cores[row] = p.fifo(fmt::format("x{}_cores", row), p.mem(row * kTilesOfRow), ends(cores), x_chunk);
  }
  for (unsigned column = 0; column < kColumns; ++column) {
    std::vector<TileId> cores;
    for (unsigned row = 0; row < kRows; ++row) cores.push_back(core(column, row));
    d.w[column] = p.fifo(fmt::format("w{}", column), p.shim(column), {p.mem(column)}, w_chunk);
    w_cores[column] = p.fifo(fmt::format("w{}_cores", column), p.mem(column), ends(cores), w_chunk);
  }
  // A memory tile's rings lie in the order of their links: results at the bottom, then X, then W.
  for (unsigned column = 0; column < kColumns; ++column)
    for (unsigned half = 0; half < kHalves; ++half) {
      std::vector<Fifo> parts;
      for (unsigned row = half * kHalfRows; row < (half + 1) * kHalfRows; ++row) {
        parts.push_back(p.fifo(fmt::format("c{}_{}", column, row), End(core(column, row)).with_depth(kStrips), {p.mem(column)}, strip));
        d.cores.push_back(add_core(p, core(column, row), half, x_cores[row], w_cores[column], parts.back()));
      }
      d.c[column][half] = p.fifo(fmt::format("c{}{}", column, half ? "_upper" : "_lower"), p.mem(column), {p.shim(column)}, strips);
      p.join(parts, d.c[column][half]);
    }
  for (unsigned row = 0; row < kRows; ++row) d.x_store[row] = p.store(d.x[row], x_cores[row], kStreamBytesX, kSlots);
  for (unsigned column = 0; column < kColumns; ++column)
    d.w_store[column] = p.store(d.w[column], w_cores[column], kResidentBytes + (column % kTilesOfRow ? kStreamBytesX : 0), kSlots);
  return d;
}

Result<ArrayProgram> ArrayProgram::make(const std::function<Result<Lowered>(const Program&)>& lower) {
  Description d = describe();
  ONEBIT_ASSIGN(Lowered lowered, lower(d.program));
  return ArrayProgram(std::move(d), std::move(lowered));
}

// W lies at the top of its memory tile, resident X below it, in two tiles; streamed X at the bottom of its own store.
void ArrayProgram::stores(const Plan& plan, const Phase& p, Sequence& s) const {
  const Waves& w = plan.waves;
  // Fills of a resident operand's place, or chunk by chunk.
  const auto add = [&](const Replay& replay, bool resident, uint32_t fills, uint32_t waves) {
    if (resident) add_replay(lowered_, replay, fills, 0, s);
    else add_replay(lowered_, replay, waves * w.chunks / kSlots, waves * w.chunks % kSlots, s);
  };
  const auto w_chunks = [&](const Phase& phase) { return phase.w_resident ? phase.group * w.chunks : kSlots; };
  const auto w_address = [&](const Phase& phase) { return kMemTileBytes - w_chunks(phase) * kChunkBytesW; };
  for (unsigned column = 0; column < kColumns; ++column) {
    const Phase own = plan.of_column(p, column);
    if (own.count == 0) continue;
    const PlacedStore& placed = lowered_.stores[description_.w_store[column].index];
    add({placed, kChunkBytesW, spread(w_address(own), kChunkBytesW, w_chunks(own)), own.w_resident ? w.m : 1}, own.w_resident, own.groups(), w.m * own.count);
  }
  for (unsigned row = 0; row < kRows; ++row) {
    const PlacedStore& placed = lowered_.stores[description_.x_store[row].index];
    const uint32_t waves_m = waves_of_half(plan.shape, row / kHalfRows);
    if (waves_m == 0) continue;
    if (p.x == HoldX::none) {
      add({placed, kChunkBytesX, spread(placed.address, kChunkBytesX, kSlots), 1}, false, 0, waves_m * p.count);
      continue;
    }
    const bool all = p.x != HoldX::wave;
    const uint32_t chunks = (all ? waves_m : 1) * w.chunks;
    add({placed, kChunkBytesX, spread_over_two(w_address(p), kChunkBytesX, chunks), all ? p.count : p.group, p.x == HoldX::kept}, true,
        all ? 1 : p.groups() * waves_m, 0);
  }
}

void ArrayProgram::start_core(const Plan& plan, const Phase& p, const Core& core, Sequence& s) const {
  const uint32_t chunks = plan.waves.chunks, waves_m = waves_of_half(plan.shape, core.half), waves_n = plan.of_column(p, core.column).group;
  const bool single = chunks == 1;
  const PlacedParameter& first = lowered_.parameters[core.groups.index];
  s.add({TxnBlockWrite{address_of(first.tile, first.address),
                       {p.groups(), waves_m, single ? 0 : waves_n, single ? waves_n : 0, single ? 0 : chunks - 2, (p.group - waves_n) * chunks,
                        (plan.waves.m - waves_m) * waves_n * chunks}}});
  s.raise(core.go);
}

void ArrayProgram::phase(const Plan& plan, const Phase& p, Sequence& s) const {
  const Waves& w = plan.waves;
  stores(plan, p, s);
  for (const Core& core : description_.cores) start_core(plan, p, core, s);

  // X: by core row, wave along M, chunk.
  const uint64_t x_wave = uint64_t{w.chunks} * kChunkBytesX, x_row = w.m * x_wave;
  for (unsigned row = 0; row < kRows; ++row) {
    const uint32_t waves_m = waves_of_half(plan.shape, row / kHalfRows);
    if (waves_m == 0) continue;
    if (p.x == HoldX::kept) continue;
    if (p.x != HoldX::none || p.group == 1) {
      s.move(description_.x[row], 0, {row * x_row, {{p.x == HoldX::all ? 1 : p.groups(), 0}, {waves_m * x_wave, 1}}});
    } else {
      for (uint32_t m = 0; m < waves_m; ++m) s.move(description_.x[row], 0, {row * x_row + m * x_wave, {{p.count, 0}, {x_wave, 1}}});
    }
  }
  // W: by column of cores, wave along N, chunk.
  const uint64_t w_wave = uint64_t{w.chunks} * kChunkBytesW;
  for (unsigned column = 0; column < kColumns; ++column) {
    const Phase own = plan.of_column(p, column);
    if (own.count == 0) continue;
    s.move(description_.w[column], 1, {(uint64_t{column} * w.n + p.first) * w_wave, {{p.w_resident ? 1 : w.m, 0}, {own.count * w_wave, 1}}});
    for (unsigned half = 0; half < kHalves; ++half) {
      const uint64_t waves_m = waves_of_half(plan.shape, half);
      if (waves_m == 0) continue;
      const uint64_t offset = plan.c_offset(column, half) + plan.c_wave(column, half, 0, p.first) * kHalfElements;
      s.move(description_.c[column][half], 2, linear(offset, waves_m * own.count * kHalfElements));
    }
  }
}

Result<Transaction> ArrayProgram::stream(const Plan& plan) const {
  Sequence s(lowered_);
  for (const Phase& p : plan.phases) {
    phase(plan, p, s);
    s.wait();
  }
  return s.finish();
}

}  // namespace onebit::npu::gemm
