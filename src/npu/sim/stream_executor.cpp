// Executes configurations and instruction streams: each operation in turn, the array running while one waits.
#include <algorithm>

#include "npu/device/registers.h"
#include "npu/sim/array.h"
#include "npu/sim/trace.h"

namespace onebit::npu {

namespace {

// Of locks to the DMA of stub cores, in a context: enough for every buffer of a long run, few enough to end.
constexpr uint64_t kMaxGrants = 1 << 22;

}  // namespace

Status Array::apply(const Cdo& cdo) {
  for (const CdoCommand& c : cdo.commands)
    if (auto applied = apply(c); !applied) return with_context(std::move(applied).error(), fmt::format("CDO {} at {:#x}", command_name(c), c.offset));
  ONEBIT_TRY(settle());
  return {};
}

Status Array::apply(const CdoCommand& command) {
  struct Visitor {
    Array& a;
    Status operator()(const CdoNop&) const { return {}; }
    Status operator()(const CdoWrite& w) const { return a.write(w.address, w.value); }
    Status operator()(const CdoMaskWrite& w) const { return a.mask_write(w.address, w.mask, w.value); }
    Status operator()(const CdoDmaWrite& w) const { return a.write_block(w.address, w.data); }
    Status operator()(const CdoMaskPoll& p) const { return a.poll(p.address, p.mask, p.expected); }
    Status operator()(const CdoOther&) const {
      return a.skip("is not modelled, expected WRITE, MASK_WRITE, MASK_POLL, DMA_WRITE or NOP", command_name(command));
    }
    const CdoCommand& command;
  };
  return std::visit(Visitor{*this, command}, command.body);
}

// What foreign images contain beyond the model is passed over with a notice; with real cores it is an error.
Status Array::skip(const char* why, const std::string& what) {
  if (!options.stub_cores) return fail(Errc::unsupported, "{}", why);
  notices_.insert(fmt::format("{} {}; it was passed over", what, why));
  return {};
}

// A stub does not know the whole protocol of the core it stands for. Where the array has come to rest and a core tile's
// channel waits for a lock that no DMA releases, the real core, or a neighbour, would have: true when that was done.
bool Array::grant_core_locks() {
  if (!options.stub_cores || grants_ >= kMaxGrants) return false;
  bool granted = false;
  for (const auto& tile : tiles_) {
    if (!tile->core) continue;
    for (const auto& channels : tile->channels) {
      for (const auto& c : channels) {
        const Wait w = c->wait();
        if (w.what != Wait::For::lock) continue;
        const auto releases = [&](const auto& list) {
          return std::any_of(list.begin(), list.end(), [&](const auto& o) { return o->releases(*tile, w.lock); });
        };
        if (std::any_of(tile->channels.begin(), tile->channels.end(), releases)) continue;
        Lock& lock = tile->locks[w.lock];
        lock.value = w.wanted;
        if (options.timed) lock.credits.assign(static_cast<size_t>(w.wanted), c->clock);
        lock_changed(lock);
        notices_.insert(fmt::format("stub cores: lock {} of {} was given without a rule for it", w.lock, name(tile->id)));
        granted = true;
        ++grants_;
      }
    }
  }
  return granted;
}

Result<bool> Array::run_until(const std::function<bool()>& done) {
  ONEBIT_ASSIGN(bool came, scheduler.run(done));
  while (!came && grant_core_locks()) {
    ONEBIT_ASSIGN(came, scheduler.run(done));
  }
  return came;
}

Status Array::poll(uint64_t address, uint32_t mask, uint32_t expected) {
  ONEBIT_ASSIGN(const TileAddress at, locate(address));
  ONEBIT_ASSIGN(uint32_t value, read(at.tile, at.offset));
  const auto satisfied = [&] {
    const auto word = read(at.tile, at.offset);
    value = word ? *word : 0;
    return (value & mask) == expected;
  };
  ONEBIT_ASSIGN(const bool done, run_until(satisfied));
  if (done) return {};
  const auto reg = find_register(device, device.kind(at.tile.row), at.offset);
  return fail(Errc::unsupported, "deadlock: waits for {} {} & {:#x} to be {:#x}, it is {:#x}: {}", name(at.tile),
              reg ? reg->name : fmt::format("{:#x}", at.offset), mask, expected, value & mask, explain_all());
}

// Cores that only work the memory of another tile have no stub of their own, and tiles of theirs need one.
void Array::place_stubs() {
  for (const auto& tile : tiles_) {
    if (!tile->core || tile->core->loaded()) continue;
    const bool used = std::any_of(tile->channels.begin(), tile->channels.end(), [](const auto& list) {
      return std::any_of(list.begin(), list.end(), [](const auto& c) { return c->tasks_pushed() > 0; });
    });
    bool seen = false;
    for (const auto& [dc, dr] : {std::pair{0, 1}, {0, -1}, {1, 0}, {-1, 0}}) {
      const Tile* other = find(tile->id.column + dc, tile->id.row + dr);
      seen |= other && other->core && other->core->loaded();
    }
    if (used && seen) tile->core->start_stub();
  }
}

// Stubs look at their descriptors again: the stream may have changed them.
void Array::wake_stubs() {
  if (!options.stub_cores) return;
  place_stubs();
  for (const auto& tile : tiles_)
    if (tile->core) scheduler.wake(tile->core.get());
}

Status Array::settle() {
  wake_stubs();
  return rest();
}

Status Array::wait_token(const TxnSync& sync) {
  if (sync.columns == 0 || sync.rows == 0) return fail(Errc::out_of_range, "waits for {} x {} tiles, expected 1 or more", sync.columns, sync.rows);
  for (unsigned c = sync.column; c < unsigned{sync.column} + sync.columns; ++c) {
    for (unsigned r = sync.row; r < unsigned{sync.row} + sync.rows; ++r) {
      if (!find(static_cast<int>(c), static_cast<int>(r)))
        return fail(Errc::out_of_range, "waits for tile ({},{}), which lies outside the {} x {} array", c, r, device.columns, device.rows);
      const TileId id{static_cast<uint8_t>(c), static_cast<uint8_t>(r)};
      if (sync.channel >= device.tile(id).dma.channels)
        return fail(Errc::out_of_range, "waits for {} channel {} of {}, expected below {}", name(sync.direction), sync.channel, name(id),
                    device.tile(id).dma.channels);
      const TokenKey key{id, sync.direction, sync.channel};
      Tokens& tokens = tokens_[key];
      ONEBIT_ASSIGN(const bool came, run_until([&] { return !tokens.arrived.empty(); }));
      if (!came)
        return fail(Errc::unsupported, "deadlock: waits for a token of {} {} {}{}", name(id), name(sync.direction), sync.channel, explain_sync(key));
      now_ = std::max(now_, tokens.arrived.front().time);
      tokens.waited = tokens.arrived.front().task;
      tokens.arrived.pop_front();
    }
  }
  ++report.syncs;
  return {};
}

Status Array::patch(const TxnDdrPatch& p) {
  ONEBIT_ASSIGN(const TileAddress at, locate(p.address));
  Tile& t = tile(at.tile);
  const auto bd = find_bd_register(*t.model, at.offset);
  if (t.model->kind != TileKind::shim || !bd || bd->word != 1)
    return fail(Errc::unsupported, "patches {:#x} of {}, expected word 1 of a shim descriptor", at.offset, name(at.tile));
  if (p.argument >= buffers_.size()) return fail(Errc::out_of_range, "names bo{}, there are {} buffers", p.argument, buffers_.size());
  if (p.offset % 4 || p.offset > buffers_[p.argument].size())
    return fail(Errc::out_of_range, "offset {:#x} of bo{} is not a multiple of 4 inside its {:#x} bytes", p.offset, p.argument,
                buffers_[p.argument].size());
  const uint64_t target = buffer_address(p.argument) + p.offset;
  const uint32_t high = peek(t, at.offset + 4);
  ONEBIT_TRY(write(t, at.offset, static_cast<uint32_t>(target)));
  return write(t, at.offset + 4, (high & 0xFFFF0000u) | static_cast<uint32_t>(target >> 32 & 0xFFFF));
}

Status Array::execute(const TxnOp& op) {
  struct Visitor {
    Array& a;
    Status operator()(const TxnNoop&) const { return {}; }
    Status operator()(const TxnPreempt&) const { return {}; }
    Status operator()(const TxnWrite& w) const { return a.write(w.address, w.value); }
    Status operator()(const TxnBlockWrite& w) const { return a.write_block(w.address, w.data); }
    Status operator()(const TxnMaskWrite& w) const { return a.mask_write(w.address, w.mask, w.value); }
    Status operator()(const TxnMaskPoll& p) const {
      a.wake_stubs();
      return a.poll(p.address, p.mask, p.value);
    }
    Status operator()(const TxnSync& s) const {
      a.wake_stubs();
      return a.wait_token(s);
    }
    Status operator()(const TxnDdrPatch& p) const { return a.patch(p); }
    Status operator()(const TxnLoadPdi& l) const { return fail(Errc::unsupported, "loading PDI {} is not modelled", l.pdi_id); }
    Status operator()(const TxnOther&) const { return a.skip("is not modelled", op_name(op)); }
    const TxnOp& op;
  };
  return std::visit(Visitor{*this, op}, op.body);
}

Result<RunReport> Array::run(const Transaction& stream, std::span<const std::span<uint8_t>> buffers, size_t stream_bytes) {
  report = {};
  buffers_ = buffers;
  scheduler.refill();
  const double start = now_;
  ONEBIT_TRY(begin_run());
  const TimingModel& timing = options.timing;
  if (options.timed) now_ += timing.cycles(timing.dispatch_single_s + (fresh_ ? timing.fresh_context_s : 0));
  fresh_ = false;
  const double per_op =
      stream.ops.empty() ? 0 : timing.cycles(timing.stream_s_per_byte * static_cast<double>(stream_bytes)) / static_cast<double>(stream.ops.size());
  for (size_t i = 0; i < stream.ops.size(); ++i) {
    const TxnOp& op = stream.ops[i];
    const double began = now_;
    if (options.timed) now_ += per_op;
    if (auto done = execute(op); !done) return with_context(std::move(done).error(), fmt::format("op {} ({})", i, op_name(op)));
    ++report.operations;
    if (options.trace && options.timed) options.trace->slice("instruction stream", op_name(op), began, now_);
  }
  const double end = now_;
  ONEBIT_TRY(settle());
  end_run();
  report.timed = options.timed;
  report.cycles = options.timed ? end - start : 0;
  report.seconds = timing.seconds(report.cycles);
  buffers_ = {};
  return std::move(report);
}

Status Array::begin_run() {
  for (const auto& tile : tiles_) {
    for (const auto& channels : tile->channels)
      for (const auto& c : channels) {
        c->words = c->tasks = 0;
        c->pushed_before_run = c->tasks_pushed();
        if (auto bound = c->rebind(); !bound) return with_context(std::move(bound).error(), c->name());
      }
  }
  return {};
}

void Array::end_run() {
  for (const auto& tile : tiles_) {
    for (const auto& channels : tile->channels) {
      for (const auto& c : channels) {
        report.array_words += c->words;
        if (tile->model->kind != TileKind::shim) continue;
        (c->direction() == Direction::mm2s ? report.ddr_read_bytes : report.ddr_write_bytes) += 4 * c->words;
        if (c->words) report.shim.push_back({tile->id, c->direction(), static_cast<uint8_t>(c->channel()), c->words, c->tasks});
        if (c->active()) report.still_active.push_back(fmt::format("{} ({})", c->name(), c->activity()));
        const uint64_t pushed = c->tasks_pushed() - c->pushed_before_run;
        const uint64_t waited = tokens_[{tile->id, c->direction(), static_cast<uint8_t>(c->channel())}].waited;
        if (c->direction() == Direction::s2mm && pushed > 0 && waited < c->tasks_pushed())
          report.unwaited.push_back(
              fmt::format("{}: no wait covers the last {} of {} tasks", c->name(), std::min(pushed, c->tasks_pushed() - waited), pushed));
      }
    }
  }
  report.notices.assign(notices_.begin(), notices_.end());
  report.steps = scheduler.spent();
}

}  // namespace onebit::npu
