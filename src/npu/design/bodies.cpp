// Bodies of cores: checked, then as core programs.
#include <algorithm>
#include <set>

#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

// Follows a body and keeps count of the elements it holds.
class BodyCheck {
 public:
  BodyCheck(const Program& p, TileId core) : p_(p), core_(core), what_(tile_name(p.device(), core)) {}

  Status run(const std::vector<Step>& list) { return steps(list, 0); }
  const std::set<uint32_t>& acquired() const { return acquired_; }

 private:
  Status steps(const std::vector<Step>& list, unsigned depth) {
    for (size_t i = 0; i < list.size(); ++i) {
      ONEBIT_TRY(std::visit([&](const auto& s) { return step(s, depth); }, list[i].body));
      const auto* loop = std::get_if<Repeat>(&list[i].body);
      if (loop && loop->forever && i + 1 < list.size()) return fail(Errc::out_of_range, "{}: steps after a forever loop are never reached", what_);
    }
    return {};
  }

  // The end of the fifo in this core.
  Result<const End*> end_of(Fifo f) {
    if (f.index >= p_.fifos().size()) return fail(Errc::out_of_range, "{}: unknown fifo {}, the program has {}", what_, f.index, p_.fifos().size());
    const FifoSpec& spec = p_.fifos()[f.index];
    if (spec.from.tile == core_ && !is_linked(p_, f.index, false, core_)) return &spec.from;
    for (const End& to : spec.to)
      if (to.tile == core_ && !is_linked(p_, f.index, true, core_)) return &to;
    return fail(Errc::out_of_range, "{}: the body uses fifo '{}', which has no end there", what_, spec.name);
  }

  Status step(const AcquireElements& s, unsigned) {
    ONEBIT_ASSIGN(const End* end, end_of(s.fifo));
    const FifoSpec& f = p_.fifos()[s.fifo.index];
    unsigned depth = end_depth(f, *end);
    if (is_shared(p_, s.fifo.index)) depth = std::max(end_depth(f, f.from), end_depth(f, f.to[0]));
    const unsigned held = held_[s.fifo.index] + s.count;
    if (s.count == 0) return fail(Errc::out_of_range, "{}: the body acquires 0 elements of fifo '{}'", what_, f.name);
    if (held > depth)
      return fail(Errc::out_of_range, "{}: the body holds {} elements of fifo '{}', whose depth there is {}", what_, held, f.name, depth);
    held_[s.fifo.index] = held;
    acquired_.insert(s.fifo.index);
    blocks_ = true;
    return {};
  }
  Status step(const ReleaseElements& s, unsigned) {
    ONEBIT_TRY(end_of(s.fifo));
    unsigned& held = held_[s.fifo.index];
    if (s.count == 0 || held < s.count)
      return fail(Errc::out_of_range, "{}: the body releases {} elements of fifo '{}', but holds {}", what_, s.count, p_.fifos()[s.fifo.index].name, held);
    held -= s.count;
    return {};
  }
  Status step(const WaitSignal& s, unsigned) {
    if (s.signal.index >= p_.signals().size())
      return fail(Errc::out_of_range, "{}: unknown signal {}, the program has {}", what_, s.signal.index, p_.signals().size());
    const SignalSpec& spec = p_.signals()[s.signal.index];
    if (spec.tile != core_) return fail(Errc::out_of_range, "{}: the body waits for signal '{}' of {}", what_, spec.name, name(spec.tile));
    blocks_ = true;
    return {};
  }
  Status step(const CallKernel& s, unsigned) {
    if (s.kernel.empty() || s.kernel.size() > 255)
      return fail(Errc::out_of_range, "{}: the body calls a kernel with a name of {} bytes, expected 1 to 255", what_, s.kernel.size());
    for (const Argument& a : s.arguments) ONEBIT_TRY(std::visit([&](const auto& body) { return argument(s.kernel, body); }, a.body));
    return {};
  }
  Status step(const Repeat& s, unsigned depth) {
    if (depth >= kMaxLoopDepth) return fail(Errc::out_of_range, "{}: loops nest {} deep, {} available", what_, depth + 1, kMaxLoopDepth);
    if (const auto* n = std::get_if<uint32_t>(&s.count.body); !s.forever && n && (*n == 0 || *n > 0x7FFFFFFF))
      return fail(Errc::out_of_range, "{}: a loop runs {} times, expected 1 to 2147483647", what_, *n);
    if (const auto* parameter = std::get_if<Parameter>(&s.count.body)) ONEBIT_TRY(argument("a loop", *parameter));
    const auto before = held_;
    const bool outer = std::exchange(blocks_, false);
    ONEBIT_TRY(steps(s.body, depth + 1));
    for (const auto& [fifo, held] : held_) {
      const auto at = before.find(fifo);
      const unsigned was = at == before.end() ? 0 : at->second;
      if (held != was)
        return fail(Errc::out_of_range, "{}: a loop's body starts with {} and ends with {} elements of fifo '{}', expected as many", what_, was, held,
                    p_.fifos()[fifo].name);
    }
    if (s.forever && !blocks_) return fail(Errc::out_of_range, "{}: a forever loop neither acquires nor waits", what_);
    blocks_ |= outer;
    return {};
  }

  Status argument(const std::string&, int32_t) { return {}; }
  Status argument(const std::string& user, Parameter a) {
    if (a.index >= p_.parameters().size())
      return fail(Errc::out_of_range, "{}: {}: unknown parameter {}, the program has {}", what_, user, a.index, p_.parameters().size());
    const ParameterSpec& spec = p_.parameters()[a.index];
    if (spec.tile != core_) return fail(Errc::out_of_range, "{}: {}: parameter '{}' is in {}", what_, user, spec.name, name(spec.tile));
    return {};
  }
  Status argument(const std::string& user, Buffer a) {
    if (a.index >= p_.buffers().size())
      return fail(Errc::out_of_range, "{}: {}: unknown buffer {}, the program has {}", what_, user, a.index, p_.buffers().size());
    const BufferSpec& spec = p_.buffers()[a.index];
    if (!core_window(core_, spec.tile, p_.device()))
      return fail(Errc::out_of_range, "{}: {}: buffer '{}' in {} is out of reach, expected the core's own tile or its south, west or north neighbour", what_,
                  user, spec.name, name(spec.tile));
    return {};
  }
  Status argument(const std::string& user, const Item& a) {
    ONEBIT_TRY(end_of(a.fifo));
    if (a.ahead >= held_[a.fifo.index])
      return fail(Errc::out_of_range, "{}: {}: element {} of fifo '{}', but the body holds {}", what_, user, a.ahead, p_.fifos()[a.fifo.index].name,
                  held_[a.fifo.index]);
    return {};
  }

  const Program& p_;
  TileId core_;
  std::string what_;
  std::map<uint32_t, unsigned> held_;  // by fifo
  std::set<uint32_t> acquired_;
  bool blocks_ = false;
};

Status check_core(const Program& p, const CoreSpec& c) {
  const std::string what = tile_name(p.device(), c.tile);
  if (!p.device().contains(c.tile)) return fail(Errc::out_of_range, "body: tile {} lies outside the {} x {} array", name(c.tile), p.device().columns, p.device().rows);
  if (p.device().kind(c.tile.row) != TileKind::core) return fail(Errc::out_of_range, "{}: has a body, but runs no programs", what);
  if (c.steps.empty()) return fail(Errc::out_of_range, "{}: its body is empty", what);
  BodyCheck body(p, c.tile);
  ONEBIT_TRY(body.run(c.steps));
  for (uint32_t i = 0; i < p.fifos().size(); ++i) {
    const FifoSpec& f = p.fifos()[i];
    const bool consumes = !is_linked(p, i, true, c.tile) && end_in(f, c.tile);
    const bool produces = !is_linked(p, i, false, c.tile) && f.from.tile == c.tile;
    if ((consumes || produces) && !body.acquired().contains(i))
      return fail(Errc::out_of_range, "fifo '{}': {} {} it, but its body never acquires an element", f.name, what, consumes ? "receives" : "sends");
  }
  return {};
}

// A body's steps with locks, rings and addresses in the core's view.
class BodyLowering {
 public:
  BodyLowering(const Plan& plan, TileId core) : plan_(plan), core_(core) {}

  CoreProgram run(const CoreSpec& spec) {
    out_.machine_code = !spec.code.empty();
    out_.steps = steps(spec.steps);
    return std::move(out_);
  }

 private:
  struct RingUse {
    uint16_t index;
    uint8_t take, give;  // locks to acquire and to release
  };

  const RingUse& ring(Fifo f) {
    if (const auto known = rings_.find(f.index); known != rings_.end()) return known->second;
    const Ring& r = plan_.rings[plan_.core_rings.at({core_, f.index})];
    const CoreWindow window = *core_window(core_, r.tile, plan_.device());
    CoreRing ring;
    for (const uint32_t a : r.addresses) ring.addresses.push_back(window.base + a);
    ring.bytes = static_cast<uint32_t>(r.bytes);
    const bool produces = plan_.program.fifos()[f.index].from.tile == core_;
    const auto lock = [&window](unsigned id) { return static_cast<uint8_t>(window.locks + id); };
    const uint8_t empty = lock(r.parts[0].empty), full = lock(r.parts[0].full);
    out_.rings.push_back(std::move(ring));
    return rings_[f.index] = {static_cast<uint16_t>(out_.rings.size() - 1), produces ? empty : full, produces ? full : empty};
  }
  CoreValue value(Parameter p) const { return {true, 0, kCoreOwnWindow + plan_.parameters[p.index].address}; }

  std::vector<CoreStep> steps(const std::vector<Step>& list) {
    std::vector<CoreStep> out;
    for (const Step& s : list) std::visit([&](const auto& body) { step(body, out); }, s.body);
    return out;
  }
  void step(const AcquireElements& s, std::vector<CoreStep>& out) {
    out.push_back({StepAcquire{ring(s.fifo).take, static_cast<int8_t>(s.count), false}});
  }
  void step(const ReleaseElements& s, std::vector<CoreStep>& out) {
    const RingUse use = ring(s.fifo);
    out.push_back({StepRelease{use.give, static_cast<int8_t>(s.count)}});
    out.push_back({StepAdvance{use.index, static_cast<uint16_t>(s.count)}});
  }
  void step(const WaitSignal& s, std::vector<CoreStep>& out) {
    out.push_back({StepAcquire{static_cast<uint8_t>(kCoreOwnLocks + plan_.signals[s.signal.index].id), 1, false}});
  }
  void step(const CallKernel& s, std::vector<CoreStep>& out) {
    auto kernel = std::find(out_.kernels.begin(), out_.kernels.end(), s.kernel);
    if (kernel == out_.kernels.end()) kernel = out_.kernels.insert(kernel, s.kernel);
    StepCall call{static_cast<uint16_t>(kernel - out_.kernels.begin()), {}};
    for (const Argument& a : s.arguments) call.arguments.push_back(std::visit([&](const auto& body) { return argument(body); }, a.body));
    out.push_back({std::move(call)});
  }
  void step(const Repeat& s, std::vector<CoreStep>& out) {
    CoreValue count{false, -1, 0};
    if (const auto* p = std::get_if<Parameter>(&s.count.body)) count = value(*p);
    else if (!s.forever) count.number = static_cast<int32_t>(std::get<uint32_t>(s.count.body));
    out.push_back({StepLoop{count, steps(s.body)}});
  }
  CoreArgument argument(int32_t number) const { return CoreValue{false, number, 0}; }
  CoreArgument argument(Parameter p) const { return value(p); }
  CoreArgument argument(Buffer b) const {
    const BufferSpec& spec = plan_.program.buffers()[b.index];
    const CoreWindow window = *core_window(core_, spec.tile, plan_.device());
    return ArgBuffer{window.base + plan_.buffer_addresses[b.index], static_cast<uint32_t>(spec.type.bytes())};
  }
  CoreArgument argument(const Item& i) { return ArgRing{ring(i.fifo).index, static_cast<uint16_t>(i.ahead)}; }

  const Plan& plan_;
  TileId core_;
  CoreProgram out_;
  std::map<uint32_t, RingUse> rings_;
};

// Bytes of program memory that compiled code takes; data segments stay in the part kept for the stack.
Result<uint32_t> check_code(const Plan& plan, const CoreSpec& c) {
  const TileModel& model = plan.device().tile(TileKind::core);
  const std::string what = tile_name(plan.device(), c.tile);
  uint64_t code = 0;
  for (const Segment& s : c.code) {
    const uint64_t stop = uint64_t{s.address} + s.bytes.size();
    if (s.address % 4) return fail(Errc::out_of_range, "{}: code segment at {:#x}, expected a multiple of 4", what, s.address);
    if (stop <= model.program_bytes) code = std::max(code, stop);
    else if (s.address < kCoreOwnWindow || stop > kCoreOwnWindow + plan.program.stack_bytes())
      return fail(Errc::out_of_range, "{}: code segment of {} bytes at {:#x}, expected program memory below {:#x} or the {} bytes kept at {:#x}", what,
                  s.bytes.size(), s.address, model.program_bytes, plan.program.stack_bytes(), kCoreOwnWindow);
  }
  return static_cast<uint32_t>(code);
}

}  // namespace

Status check_bodies(const Program& p) {
  std::set<TileId> cores;
  for (const CoreSpec& c : p.cores()) {
    if (!cores.insert(c.tile).second) return fail(Errc::out_of_range, "{}: has two bodies", tile_name(p.device(), c.tile));
    ONEBIT_TRY(check_core(p, c));
  }
  const auto needs_body = [&](const FifoSpec& f, TileId tile) -> Status {
    if (p.device().kind(tile.row) != TileKind::core || cores.contains(tile)) return {};
    return fail(Errc::out_of_range, "fifo '{}': {} has no body", f.name, tile_name(p.device(), tile));
  };
  for (uint32_t i = 0; i < p.fifos().size(); ++i) {
    const FifoSpec& f = p.fifos()[i];
    if (!is_linked(p, i, false, f.from.tile)) ONEBIT_TRY(needs_body(f, f.from.tile));
    for (const End& to : f.to)
      if (!is_linked(p, i, true, to.tile)) ONEBIT_TRY(needs_body(f, to.tile));
  }
  return {};
}

Status lower_bodies(Plan& plan) {
  const uint32_t available = plan.device().tile(TileKind::core).program_bytes;
  for (const CoreSpec& c : plan.program.cores()) {
    PlacedCore core;
    core.tile = c.tile;
    core.program = BodyLowering(plan, c.tile).run(c);
    ONEBIT_ASSIGN(core.code_bytes, check_code(plan, c));
    auto record = write_core_record(core.program);
    if (!record) return with_context(std::move(record).error(), tile_name(plan.device(), c.tile));
    core.record_bytes = static_cast<uint32_t>(record->size());
    const uint64_t used = uint64_t{core.code_bytes} + core.record_bytes;
    if (used > available)
      return fail(Errc::out_of_range, "{}: program memory: {} bytes used (code {}, record {}), {} available", tile_name(plan.device(), c.tile), used,
                  core.code_bytes, core.record_bytes, available);
    plan.used(c.tile).program_bytes = static_cast<uint32_t>(used);
    plan.cores.push_back(std::move(core));
  }
  return {};
}

}  // namespace onebit::npu::design
