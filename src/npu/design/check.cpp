// The description by itself: names, tiles, handles, types, links. Budgets come later, in plan.cpp.
#include <algorithm>
#include <set>
#include <tuple>

#include "npu/design/access.h"
#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

constexpr unsigned kMostDepth = kMaxLockValue;  // a lock counts the elements of a ring

Status check_tile(const Program& p, const std::string& what, TileId tile) {
  if (p.device().contains(tile)) return {};
  return fail(Errc::out_of_range, "{}: tile {} lies outside the {} x {} array", what, name(tile), p.device().columns, p.device().rows);
}

Status check_kind(const Program& p, const std::string& what, TileId tile, TileKind kind) {
  ONEBIT_TRY(check_tile(p, what, tile));
  if (p.device().kind(tile.row) == kind) return {};
  return fail(Errc::out_of_range, "{}: {} is a {} tile, expected a {} tile", what, name(tile), name(p.device().kind(tile.row)), name(kind));
}

Status check_type(const std::string& what, const Type& type) {
  if (type.count() == 0) return fail(Errc::out_of_range, "{}: {} has no elements", what, name(type));
  if (type.bytes() % 4) return fail(Errc::out_of_range, "{}: {} has {} bytes, expected a multiple of 4", what, name(type), type.bytes());
  return {};
}

template <class Specs>
Status check_names(const char* what, const Specs& specs) {
  std::set<std::string> seen;
  for (const auto& s : specs) {
    if (s.name.empty()) return fail(Errc::out_of_range, "{}: a name is empty", what);
    if (!seen.insert(s.name).second) return fail(Errc::out_of_range, "{} '{}': the name is used twice", what, s.name);
  }
  return {};
}

Status check_end(const Program& p, const FifoSpec& f, const End& end) {
  const std::string what = fmt::format("fifo '{}'", f.name);
  ONEBIT_TRY(check_tile(p, what, end.tile));
  ONEBIT_TRY(check_type(what, end_type(f, end)));
  const unsigned depth = end_depth(f, end);
  if (depth < 1 || depth > kMostDepth)
    return fail(Errc::out_of_range, "{}: depth at {} is {}, expected 1 to {}", what, name(end.tile), depth, kMostDepth);
  if (p.device().kind(end.tile.row) == TileKind::shim && (!end.pattern.whole() || end.depth || !end.type.shape.empty()))
    return fail(Errc::out_of_range, "{}: the end in shim tile {} has a depth, pattern or type, expected none: the sequence gives each transfer its own", what,
                name(end.tile));
  const Type& type = end_type(f, end);
  auto walk = to_words(end.pattern, type.element, type.count());
  if (!walk) return with_context(std::move(walk).error(), fmt::format("fifo '{}' at {}", f.name, name(end.tile)));
  return {};
}

Status check_fifo(const Program& p, const FifoSpec& f) {
  const std::string what = fmt::format("fifo '{}'", f.name);
  ONEBIT_TRY(check_end(p, f, f.from));
  if (f.to.empty()) return fail(Errc::out_of_range, "{}: has no consumer", what);
  std::set<TileId> seen;
  for (const End& to : f.to) {
    ONEBIT_TRY(check_end(p, f, to));
    if (!seen.insert(to.tile).second) return fail(Errc::out_of_range, "{}: {} is named twice as a consumer", what, name(to.tile));
    if (to.tile == f.from.tile && p.device().kind(to.tile.row) == TileKind::core)
      return fail(Errc::out_of_range, "{}: {} is producer and consumer", what, name(to.tile));
  }
  const auto in_shim = [&p](const End& e) { return p.device().kind(e.tile.row) == TileKind::shim; };
  const auto shims = in_shim(f.from) + std::count_if(f.to.begin(), f.to.end(), in_shim);
  if (shims > 1) return fail(Errc::out_of_range, "{}: {} ends in shim tiles, expected at most 1: the sequence moves one", what, shims);
  if (f.options.repeat == 0) return fail(Errc::out_of_range, "{}: repeat is 0, expected 1 or more", what);
  if (f.options.repeat > 1 && p.device().kind(f.from.tile.row) != TileKind::mem)
    return fail(Errc::out_of_range, "{}: repeat is {}, but the producer {} is no memory tile", what, f.options.repeat, name(f.from.tile));
  if (f.options.transport == Transport::shared) {
    std::string why;
    if (!shared_owner(f, p.device(), &why)) return fail(Errc::out_of_range, "{}: shared memory cannot carry it: {}", what, why);
  }
  return {};
}

Status check_handle(const Program& p, const std::string& what, Fifo f) {
  if (f.index < p.fifos().size()) return {};
  return fail(Errc::out_of_range, "{}: unknown fifo {}, the program has {}", what, f.index, p.fifos().size());
}

const char* link_name(LinkSpec::Kind kind) {
  constexpr const char* kNames[] = {"forward", "split", "join"};
  return kNames[static_cast<size_t>(kind)];
}

// Checks that the fifos of a link meet in one tile, where the outgoing ones start.
Status check_meeting(const Program& p, const LinkSpec& link, const std::string& what) {
  const FifoSpec& first = p.fifos()[link.out[0].index];
  const TileId tile = first.from.tile;
  if (!p.device().contains(tile) || p.device().kind(tile.row) == TileKind::shim)
    return fail(Errc::out_of_range, "{}: fifo '{}' starts in {}, expected a memory or core tile", what, first.name, name(tile));
  for (const Fifo out : link.out) {
    const FifoSpec& f = p.fifos()[out.index];
    if (f.from.tile != tile) return fail(Errc::out_of_range, "{}: fifo '{}' starts in {}, expected {}", what, f.name, name(f.from.tile), name(tile));
  }
  for (const Fifo in : link.in) {
    const FifoSpec& f = p.fifos()[in.index];
    if (!end_in(f, tile)) return fail(Errc::out_of_range, "{}: fifo '{}' has no end in {}, where '{}' starts", what, f.name, name(tile), first.name);
  }
  return {};
}

// Offsets and sizes of the parts of a split or join.
Status check_parts(const Program& p, const LinkSpec& link, const std::string& what) {
  if (link.kind == LinkSpec::Kind::forward) return {};
  const bool split = link.kind == LinkSpec::Kind::split;
  const std::vector<Fifo>& parts = split ? link.out : link.in;
  const FifoSpec& f = p.fifos()[split ? link.in[0].index : link.out[0].index];
  const End& end = split ? *end_in(f, link_tile(p, link)) : f.from;
  const Type& whole = end_type(f, end);
  if (!end.pattern.whole())
    return fail(Errc::out_of_range, "{}: fifo '{}' has a pattern in {}, expected none: the parts have theirs", what, f.name, name(end.tile));
  if (link.offsets.empty()) {
    if (whole.bytes() % (4 * parts.size()))
      return fail(Errc::out_of_range, "{}: {} bytes do not divide into {} parts of whole words", what, whole.bytes(), parts.size());
    return {};
  }
  if (link.offsets.size() != parts.size())
    return fail(Errc::out_of_range, "{}: {} offsets for {} parts", what, link.offsets.size(), parts.size());
  for (size_t i = 0; i < link.offsets.size(); ++i) {
    const uint64_t next = i + 1 < link.offsets.size() ? link.offsets[i + 1] : whole.count();
    if ((i == 0 && link.offsets[0] != 0) || link.offsets[i] >= next || link.offsets[i] * bytes_of(whole.element) % 4)
      return fail(Errc::out_of_range, "{}: offset {} of part {}, expected 0 first, then ascending on whole words below {}", what, link.offsets[i], i, whole.count());
  }
  return {};
}

// Ends that links take care of: fifo, whether it ends or starts, where.
using TakenEnds = std::set<std::tuple<uint32_t, bool, TileId>>;

Status take_end(const Program& p, TakenEnds& taken, Fifo f, bool receives, TileId tile) {
  if (taken.insert({f.index, receives, tile}).second) return {};
  return fail(Errc::out_of_range, "fifo '{}': its {} belongs to two links", p.fifos()[f.index].name, receives ? "end" : "start");
}

Status check_link(const Program& p, const LinkSpec& link, TakenEnds& taken) {
  std::string what = link_name(link.kind);
  if (link.in.empty() || link.out.empty()) return fail(Errc::out_of_range, "{}: no fifo to link", what);
  for (const auto* list : {&link.in, &link.out})
    for (const Fifo f : *list) ONEBIT_TRY(check_handle(p, what, f));
  what = fmt::format("{} of fifo '{}'", what, p.fifos()[link.in[0].index].name);
  ONEBIT_TRY(check_meeting(p, link, what));
  const TileId tile = link_tile(p, link);
  for (const Fifo f : link.in) ONEBIT_TRY(take_end(p, taken, f, true, tile));
  for (const Fifo f : link.out) ONEBIT_TRY(take_end(p, taken, f, false, tile));
  if (link.store_slots) {
    ONEBIT_TRY(check_kind(p, "store", tile, TileKind::mem));
    if (link.store_bytes == 0 || link.store_bytes % (64 * link.store_slots))
      return fail(Errc::out_of_range, "store of fifo '{}': {} bytes, expected a multiple of {}", p.fifos()[link.in[0].index].name, link.store_bytes, 64 * link.store_slots);
    return {};
  }
  return check_parts(p, link, what);
}

Status check_feed(const Program& p, const FeedSpec& feed, TakenEnds& taken) {
  ONEBIT_TRY(check_handle(p, "feed", feed.fifo));
  const FifoSpec& f = p.fifos()[feed.fifo.index];
  const std::string what = fmt::format("feed of fifo '{}'", f.name);
  if (feed.buffer.index >= p.buffers().size())
    return fail(Errc::out_of_range, "{}: unknown buffer {}, the program has {}", what, feed.buffer.index, p.buffers().size());
  const BufferSpec& b = p.buffers()[feed.buffer.index];
  ONEBIT_TRY(check_kind(p, what, f.from.tile, TileKind::mem));
  if (b.tile != f.from.tile)
    return fail(Errc::out_of_range, "{}: buffer '{}' is in {}, the fifo starts in {}", what, b.name, name(b.tile), name(f.from.tile));
  if (b.initial.empty()) return fail(Errc::out_of_range, "{}: buffer '{}' has no contents", what, b.name);
  return take_end(p, taken, feed.fifo, false, f.from.tile);
}

Status check_memory_ends(const Program& p, const TakenEnds& taken) {
  for (uint32_t i = 0; i < p.fifos().size(); ++i) {
    const FifoSpec& f = p.fifos()[i];
    if (p.device().kind(f.from.tile.row) == TileKind::mem && !taken.contains({i, false, f.from.tile}))
      return fail(Errc::out_of_range, "fifo '{}': starts in memory tile {}, but no forward, split, join or feed fills it", f.name, name(f.from.tile));
    if (f.options.transport == Transport::shared && !is_shared(p, i))
      return fail(Errc::out_of_range, "fifo '{}': shared memory cannot carry it: an end belongs to a link", f.name);
    for (const End& to : f.to)
      if (p.device().kind(to.tile.row) == TileKind::mem && !taken.contains({i, true, to.tile}))
        return fail(Errc::out_of_range, "fifo '{}': ends in memory tile {}, but no forward, split or join takes it on", f.name, name(to.tile));
  }
  return {};
}

Status check_buffers(const Program& p) {
  for (const BufferSpec& b : p.buffers()) {
    const std::string what = fmt::format("buffer '{}'", b.name);
    ONEBIT_TRY(check_tile(p, what, b.tile));
    if (p.device().kind(b.tile.row) == TileKind::shim) return fail(Errc::out_of_range, "{}: shim tile {} has no memory", what, name(b.tile));
    ONEBIT_TRY(check_type(what, b.type));
    if (!b.initial.empty() && b.initial.size() != b.type.bytes())
      return fail(Errc::out_of_range, "{}: {} bytes of contents, expected {}", what, b.initial.size(), b.type.bytes());
  }
  for (const ParameterSpec& s : p.parameters()) ONEBIT_TRY(check_kind(p, fmt::format("parameter '{}'", s.name), s.tile, TileKind::core));
  for (const SignalSpec& s : p.signals()) ONEBIT_TRY(check_kind(p, fmt::format("signal '{}'", s.name), s.tile, TileKind::core));
  return {};
}

}  // namespace

std::string tile_name(const Device& device, TileId tile) {
  const TileKind kind = device.kind(tile.row);
  return fmt::format("{} tile {}", kind == TileKind::mem ? "memory" : name(kind), name(tile));
}

const Type& end_type(const FifoSpec& fifo, const End& end) { return end.type.shape.empty() ? fifo.type : end.type; }

std::optional<CoreWindow> core_window(TileId core, TileId owner, const Device& device) {
  if (device.kind(owner.row) != TileKind::core) return std::nullopt;
  const int columns = int{owner.column} - core.column, rows = int{owner.row} - core.row;
  if (columns == 0 && rows == 0) return CoreWindow{kCoreOwnWindow, kCoreOwnLocks};
  if (columns == 0 && rows == -1) return CoreWindow{kCoreSouthWindow, kCoreSouthLocks};
  if (columns == -1 && rows == 0) return CoreWindow{kCoreWestWindow, kCoreWestLocks};
  if (columns == 0 && rows == 1) return CoreWindow{kCoreNorthWindow, kCoreNorthLocks};
  return std::nullopt;
}

std::optional<TileId> shared_owner(const FifoSpec& f, const Device& device, std::string* why) {
  const auto no = [why](std::string reason) {
    if (why) *why = std::move(reason);
    return std::optional<TileId>();
  };
  if (f.to.size() != 1) return no(fmt::format("it has {} consumers", f.to.size()));
  const End& to = f.to[0];
  for (const TileId t : {f.from.tile, to.tile})
    if (device.kind(t.row) != TileKind::core) return no(fmt::format("{} is a {} tile", name(t), name(device.kind(t.row))));
  if (!f.from.pattern.whole() || !to.pattern.whole()) return no("an end has a pattern");
  if (end_type(f, f.from).bytes() != end_type(f, to).bytes()) return no("the ends have elements of different sizes");
  if (core_window(to.tile, f.from.tile, device)) return f.from.tile;
  if (core_window(f.from.tile, to.tile, device)) return to.tile;
  return no(fmt::format("{} and {} are no neighbours", name(f.from.tile), name(to.tile)));
}

const End* end_in(const FifoSpec& fifo, TileId tile) {
  const auto it = std::find_if(fifo.to.begin(), fifo.to.end(), [tile](const End& e) { return e.tile == tile; });
  return it == fifo.to.end() ? nullptr : &*it;
}

TileId link_tile(const Program& program, const LinkSpec& link) { return program.fifos()[link.out[0].index].from.tile; }

bool is_linked(const Program& p, uint32_t fifo, bool receives, TileId tile) {
  for (const LinkSpec& l : p.links())
    for (const Fifo f : receives ? l.in : l.out)
      if (f.index == fifo && link_tile(p, l) == tile) return true;
  if (receives) return false;
  return std::any_of(p.feeds().begin(), p.feeds().end(), [fifo](const FeedSpec& f) { return f.fifo.index == fifo; });
}

bool is_shared(const Program& p, uint32_t fifo) {
  const FifoSpec& f = p.fifos()[fifo];
  if (f.options.transport == Transport::stream || f.to.size() != 1) return false;
  if (is_linked(p, fifo, false, f.from.tile) || is_linked(p, fifo, true, f.to[0].tile)) return false;
  return shared_owner(f, p.device()).has_value();
}

Status check_program(const Program& p) {
  if (p.name().empty()) return fail(Errc::out_of_range, "program: the name is empty");
  ONEBIT_TRY(check_names("fifo", p.fifos()));
  ONEBIT_TRY(check_names("buffer", p.buffers()));
  ONEBIT_TRY(check_names("parameter", p.parameters()));
  ONEBIT_TRY(check_names("signal", p.signals()));
  for (const FifoSpec& f : p.fifos()) ONEBIT_TRY(check_fifo(p, f));
  ONEBIT_TRY(check_buffers(p));
  TakenEnds taken;
  for (const LinkSpec& l : p.links()) ONEBIT_TRY(check_link(p, l, taken));
  for (const FeedSpec& f : p.feeds()) ONEBIT_TRY(check_feed(p, f, taken));
  ONEBIT_TRY(check_memory_ends(p, taken));
  return check_bodies(p);
}

}  // namespace onebit::npu::design
