// Fifos into rings and streams; channels, locks and descriptors handed out against their budgets.
#include "npu/design/plan.h"

#include <algorithm>
#include <numeric>

#include "npu/design/access.h"

namespace onebit::npu::design {
namespace {

constexpr unsigned kParities = 2;
constexpr unsigned kBdsPerParity = 24;  // of a memory tile: even channels 0-23, odd ones 24-47

std::unexpected<Error> over_budget(const Plan& plan, TileId tile, const char* resource, uint64_t used, uint64_t available, const std::string& users) {
  return fail(Errc::out_of_range, "{}: {}: {} used ({}), {} available", tile_name(plan.device(), tile), resource, used, users, available);
}

uint32_t add_ring(Plan& plan, std::string name, TileId tile, uint64_t bytes, unsigned depth, std::vector<Part> parts) {
  Ring r;
  r.name = std::move(name);
  r.tile = tile;
  r.bytes = bytes;
  r.depth = depth;
  r.parts = std::move(parts);
  plan.rings.push_back(std::move(r));
  return static_cast<uint32_t>(plan.rings.size() - 1);
}

void add_stream(Plan& plan, uint32_t fifo, const End& end, Direction direction, uint32_t ring, size_t first, size_t count, const Type& type) {
  Stream s;
  s.fifo = fifo;
  s.tile = end.tile;
  s.direction = direction;
  s.ring = ring;
  s.first_part = first;
  s.part_count = count;
  s.pattern = end.pattern;
  s.element = type.element;
  plan.streams.push_back(std::move(s));
}

void add_core_end(Plan& plan, uint32_t index, const End& end, Direction direction) {
  const FifoSpec& f = plan.program.fifos()[index];
  const uint64_t bytes = end_type(f, end).bytes();
  const uint32_t ring = add_ring(plan, f.name, end.tile, bytes, end_depth(f, end), {{0, bytes}});
  plan.core_rings[{end.tile, index}] = ring;
  add_stream(plan, index, end, direction, ring, 0, 1, end_type(f, end));
}

void add_fifo(Plan& plan, uint32_t index) {
  const FifoSpec& f = plan.program.fifos()[index];
  if (is_shared(plan.program, index)) {
    const TileId owner = *shared_owner(f, plan.device());
    const uint64_t bytes = end_type(f, f.from).bytes();
    const unsigned depth = std::max(end_depth(f, f.from), end_depth(f, f.to[0]));
    const uint32_t ring = add_ring(plan, f.name, owner, bytes, depth, {{0, bytes}});
    plan.core_rings[{f.from.tile, index}] = plan.core_rings[{f.to[0].tile, index}] = ring;
    return;
  }
  if (plan.kind(f.from.tile) == TileKind::core && !is_linked(plan.program, index, false, f.from.tile)) add_core_end(plan, index, f.from, Direction::mm2s);
  for (const End& to : f.to)
    if (plan.kind(to.tile) == TileKind::core && !is_linked(plan.program, index, true, to.tile)) add_core_end(plan, index, to, Direction::s2mm);
}

// A ring of one element with a part per slot, so that both sides get a descriptor and a lock pair per slot.
void add_store(Plan& plan, const LinkSpec& link) {
  const FifoSpec& in = plan.program.fifos()[link.in[0].index];
  const FifoSpec& out = plan.program.fifos()[link.out[0].index];
  const End& end = *end_in(in, link_tile(plan.program, link));
  const uint64_t bytes = link.store_bytes / link.store_slots;
  std::vector<Part> parts;
  for (uint32_t i = 0; i < link.store_slots; ++i) parts.push_back({i * bytes, bytes});
  const uint32_t ring = add_ring(plan, in.name, end.tile, link.store_bytes, 1, std::move(parts));
  plan.rings[ring].store = true;
  add_stream(plan, link.in[0].index, end, Direction::s2mm, ring, 0, link.store_slots, end_type(in, end));
  add_stream(plan, link.out[0].index, out.from, Direction::mm2s, ring, 0, link.store_slots, end_type(out, out.from));
}

void add_link(Plan& plan, const LinkSpec& link) {
  if (link.store_slots) return add_store(plan, link);
  const auto& fifos = plan.program.fifos();
  const bool join = link.kind == LinkSpec::Kind::join;
  const std::vector<Fifo>& part_fifos = join ? link.in : link.out;
  const FifoSpec& whole = fifos[join ? link.out[0].index : link.in[0].index];
  const TileId tile = link_tile(plan.program, link);
  const End& end = join ? whole.from : *end_in(whole, tile);
  const Type& type = end_type(whole, end);
  // The receiving end decides the depth.
  const FifoSpec& receiving = fifos[link.in[0].index];
  const unsigned depth = end_depth(receiving, *end_in(receiving, tile));

  std::vector<Part> parts;
  for (size_t i = 0; i < part_fifos.size(); ++i) {
    const uint64_t equal = type.bytes() / part_fifos.size(), size = bytes_of(type.element);
    const uint64_t offset = link.offsets.empty() ? i * equal : link.offsets[i] * size;
    const uint64_t stop = link.offsets.empty() ? offset + equal : i + 1 < link.offsets.size() ? link.offsets[i + 1] * size : type.bytes();
    const unsigned repeat = fifos[(join ? link.out[0] : link.out[i]).index].options.repeat;
    parts.push_back({offset, stop - offset, repeat});
  }
  const uint32_t ring = add_ring(plan, whole.name, end.tile, type.bytes(), depth, parts);
  for (size_t i = 0; i < link.in.size(); ++i) {
    const FifoSpec& f = fifos[link.in[i].index];
    const End& to = *end_in(f, tile);
    add_stream(plan, link.in[i].index, to, Direction::s2mm, ring, join ? i : 0, join ? 1 : parts.size(), end_type(f, to));
  }
  for (size_t i = 0; i < link.out.size(); ++i) {
    const FifoSpec& f = fifos[link.out[i].index];
    add_stream(plan, link.out[i].index, f.from, Direction::mm2s, ring, join ? 0 : i, join ? parts.size() : 1, end_type(f, f.from));
  }
}

void add_feed(Plan& plan, const FeedSpec& feed) {
  const FifoSpec& f = plan.program.fifos()[feed.fifo.index];
  const BufferSpec& b = plan.program.buffers()[feed.buffer.index];
  const uint32_t ring = add_ring(plan, b.name, b.tile, b.type.bytes(), 1, {{0, b.type.bytes()}});
  plan.rings[ring].locked = false;
  plan.rings[ring].constants = feed.buffer.index;
  add_stream(plan, feed.fifo.index, f.from, Direction::mm2s, ring, 0, 1, b.type);
}

// The words that one descriptor of the stream moves, checked against its part.
Result<Walk> part_walk(const Plan& plan, const Stream& s, size_t part) {
  const Part& p = plan.rings[s.ring].parts[part];
  const std::string where = fmt::format("fifo '{}' at {}", plan.program.fifos()[s.fifo].name, name(s.tile));
  if (s.pattern.whole()) return Walk{0, {{p.bytes / 4, 1}}};
  auto walk = to_words(s.pattern, s.element, p.bytes / bytes_of(s.element));
  if (!walk) return with_context(std::move(walk).error(), where);
  if (walk->last() * 4 + 4 > p.bytes)
    return fail(Errc::out_of_range, "{}: the pattern reaches byte {} of an element of {} bytes", where, walk->last() * 4 + 3, p.bytes);
  return walk;
}

// Bytes moved per element, all parts of the stream together.
Result<uint64_t> stream_bytes(const Plan& plan, const Stream& s) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < s.part_count; ++i) {
    ONEBIT_ASSIGN(const Walk walk, part_walk(plan, s, s.first_part + i));
    bytes += walk.words() * 4;
  }
  return bytes;
}

// Whole elements at one end make whole elements at the other.
Status check_lengths(Plan& plan) {
  std::map<uint32_t, std::pair<TileId, uint64_t>> pushed, taken;  // by fifo
  for (const Stream& s : plan.streams) {
    if (plan.rings[s.ring].store) continue;  // known at run time
    ONEBIT_ASSIGN(const uint64_t bytes, stream_bytes(plan, s));
    if (s.direction == Direction::mm2s) pushed[s.fifo] = {s.tile, bytes};
  }
  for (const Stream& s : plan.streams) {
    if (plan.rings[s.ring].store) continue;  // known at run time
    ONEBIT_ASSIGN(const uint64_t bytes, stream_bytes(plan, s));
    if (s.direction != Direction::s2mm) continue;
    auto& longest = taken[s.fifo];
    longest = {s.tile, std::max<uint64_t>(longest.second ? std::lcm(longest.second, bytes) : bytes, bytes)};
    const auto from = pushed.find(s.fifo);
    if (from == pushed.end()) continue;
    const auto [small, large] = std::minmax(from->second.second, bytes);
    if (large % small)
      return fail(Errc::out_of_range, "fifo '{}': {} pushes {} bytes per element, {} takes {}; expected one to be a multiple of the other",
                  plan.program.fifos()[s.fifo].name, name(from->second.first), from->second.second, name(s.tile), bytes);
  }
  for (ShimEnd& e : plan.shim_ends) {
    const auto& far = e.direction == Direction::mm2s ? taken : pushed;
    const auto at = far.find(e.fifo);
    e.object_bytes = at == far.end() ? 4 : at->second.second;
  }
  return {};
}

Status add_shim_ends(Plan& plan) {
  std::map<std::pair<TileId, Direction>, std::vector<std::string>> users;
  const auto add = [&](uint32_t fifo, TileId tile, Direction direction) {
    const FifoSpec& f = plan.program.fifos()[fifo];
    auto& list = users[{tile, direction}];
    plan.shim_ends.push_back({fifo, tile, direction, static_cast<uint8_t>(list.size()), bytes_of(f.type.element), 0});
    list.push_back(f.name);
  };
  for (uint32_t i = 0; i < plan.program.fifos().size(); ++i) {
    const FifoSpec& f = plan.program.fifos()[i];
    if (plan.kind(f.from.tile) == TileKind::shim) add(i, f.from.tile, Direction::mm2s);
    for (const End& to : f.to)
      if (plan.kind(to.tile) == TileKind::shim) add(i, to.tile, Direction::s2mm);
  }
  for (const auto& [key, list] : users) {
    const unsigned channels = plan.device().tile(key.first).dma.channels;
    if (list.size() > channels)
      return over_budget(plan, key.first, key.second == Direction::mm2s ? "MM2S channels" : "S2MM channels", list.size(), channels,
                         fmt::format("{}", fmt::join(list, ", ")));
    TileUse& u = plan.used(key.first);
    (key.second == Direction::mm2s ? u.mm2s : u.s2mm) = static_cast<uint32_t>(list.size());
  }
  return {};
}

// Locks of one tile, handed out in order.
Status give_locks(Plan& plan) {
  std::map<TileId, std::vector<std::string>> users;
  const auto take = [&](TileId tile, const std::string& name, unsigned initial) {
    auto& list = users[tile];
    PlacedLock lock{name, tile, static_cast<uint8_t>(list.size()), static_cast<uint8_t>(initial)};
    list.push_back(name);
    return lock;
  };
  for (Ring& r : plan.rings) {
    if (!r.locked) continue;
    for (size_t i = 0; i < r.parts.size(); ++i) {
      Part& part = r.parts[i];
      const std::string base = r.parts.size() == 1 ? r.name : fmt::format("{}[{}]", r.name, i);
      const uint64_t initial = r.depth == 1 ? part.repeat : r.depth;
      if (initial > kMaxLockValue)
        return over_budget(plan, r.tile, "lock value", initial, kMaxLockValue, base);
      plan.locks.push_back(take(r.tile, base + ".empty", static_cast<unsigned>(initial)));
      part.empty = plan.locks.back().id;
      plan.locks.push_back(take(r.tile, base + ".full", 0));
      part.full = plan.locks.back().id;
    }
  }
  for (const SignalSpec& s : plan.program.signals()) {
    plan.locks.push_back(take(s.tile, s.name, 0));
    plan.signals.push_back(plan.locks.back());
  }
  for (const auto& [tile, list] : users) {
    const unsigned count = plan.device().tile(tile).locks.count;
    if (list.size() > count) return over_budget(plan, tile, "locks", list.size(), count, fmt::format("{}", fmt::join(list, ", ")));
    plan.used(tile).locks = static_cast<uint32_t>(list.size());
  }
  return {};
}

Status check_channels(Plan& plan) {
  std::map<std::pair<TileId, Direction>, std::vector<std::string>> users;
  for (const Stream& s : plan.streams) users[{s.tile, s.direction}].push_back(plan.program.fifos()[s.fifo].name);
  for (const auto& [key, list] : users) {
    const unsigned channels = plan.device().tile(key.first).dma.channels;
    const bool sends = key.second == Direction::mm2s;
    if (list.size() > channels)
      return over_budget(plan, key.first, sends ? "MM2S channels" : "S2MM channels", list.size(), channels, fmt::format("{}", fmt::join(list, ", ")));
    TileUse& u = plan.used(key.first);
    (sends ? u.mm2s : u.s2mm) = static_cast<uint32_t>(list.size());
  }
  return {};
}

// Channels and descriptors of one tile. A core's channels share one pool; a memory tile's have one pool per
// parity, so a stream takes the lowest free channel whose pool has room for its ring.
Status give_channels(Plan& plan, TileId tile) {
  const bool mem = plan.kind(tile) == TileKind::mem;
  const DmaModel& dma = plan.device().tile(tile).dma;
  const unsigned pool_size = mem ? kBdsPerParity : dma.bds;
  std::array<unsigned, kParities> next{};
  std::array<std::vector<bool>, 2> taken{std::vector<bool>(dma.channels), std::vector<bool>(dma.channels)};
  std::vector<std::string> users;
  uint64_t demand = 0;
  std::vector<Stream*> streams;
  for (Stream& s : plan.streams) {
    if (s.tile != tile) continue;
    streams.push_back(&s);
    const uint64_t n = s.descriptors(plan.rings[s.ring]);
    demand += n;
    users.push_back(fmt::format("{} {}", plan.program.fifos()[s.fifo].name, n));
  }
  // Stores first: the instruction stream may place them in a neighbour's memory, which the lower channels reach.
  std::stable_partition(streams.begin(), streams.end(), [&](const Stream* s) { return plan.rings[s->ring].store; });
  const uint64_t available = uint64_t{pool_size} * (mem ? kParities : 1);
  for (Stream* s : streams) {
    const size_t n = s->descriptors(plan.rings[s->ring]);
    std::vector<bool>& channels = taken[static_cast<size_t>(s->direction)];
    std::optional<unsigned> choice;
    for (unsigned c = 0; c < dma.channels && !choice; ++c)
      if (!channels[c] && next[mem ? c % 2 : 0] + n <= pool_size) choice = c;
    if (!choice)
      return over_budget(plan, tile, mem ? "descriptors (24 for even, 24 for odd channels)" : "descriptors", demand, available,
                         fmt::format("{}", fmt::join(users, ", ")));
    channels[*choice] = true;
    s->channel = static_cast<uint8_t>(*choice);
    const unsigned pool = mem ? *choice % 2 : 0;
    for (size_t i = 0; i < n; ++i) s->bds.push_back(static_cast<uint8_t>(pool * kBdsPerParity + next[pool]++));
  }
  plan.used(tile).bds = static_cast<uint32_t>(demand);
  return {};
}

}  // namespace

size_t Stream::descriptors(const Ring& r) const {
  size_t n = 0;
  for (size_t i = 0; i < part_count; ++i) n += direction == Direction::mm2s && r.depth > 1 ? r.parts[first_part + i].repeat : 1;
  return n * r.depth;
}

Status make_plan(Plan& plan) {
  for (uint32_t i = 0; i < plan.program.fifos().size(); ++i) add_fifo(plan, i);
  for (const LinkSpec& l : plan.program.links()) add_link(plan, l);
  for (const FeedSpec& f : plan.program.feeds()) add_feed(plan, f);
  ONEBIT_TRY(add_shim_ends(plan));
  ONEBIT_TRY(check_lengths(plan));
  ONEBIT_TRY(check_channels(plan));
  std::vector<TileId> tiles;
  for (const Stream& s : plan.streams) tiles.push_back(s.tile);
  std::sort(tiles.begin(), tiles.end());
  tiles.erase(std::unique(tiles.begin(), tiles.end()), tiles.end());
  for (const TileId tile : tiles) ONEBIT_TRY(give_channels(plan, tile));
  return give_locks(plan);
}

std::vector<PlacedStore> placed_stores(const Plan& plan) {
  std::vector<PlacedStore> stores;
  for (size_t i = 0; i < plan.rings.size(); ++i) {
    const Ring& ring = plan.rings[i];
    if (!ring.store) continue;
    PlacedStore store{ring.tile, ring.addresses[0], static_cast<uint32_t>(ring.bytes)};
    for (const Part& p : ring.parts) {
      store.empty.push_back(p.empty);
      store.full.push_back(p.full);
    }
    for (const Stream& s : plan.streams) {
      if (s.ring != i) continue;
      const bool receives = s.direction == Direction::s2mm;
      (receives ? store.in_channel : store.out_channel) = s.channel;
      (receives ? store.in_bds : store.out_bds) = s.bds;
    }
    stores.push_back(std::move(store));
  }
  return stores;
}

Result<std::vector<PlacedChannel>> make_descriptors(const Plan& plan) {
  std::vector<PlacedChannel> channels;
  for (const Stream& s : plan.streams) {
    const TileKind kind = plan.kind(s.tile);
    const Ring& ring = plan.rings[s.ring];
    if (ring.store) continue;
    const bool receives = s.direction == Direction::s2mm;
    const uint32_t locks = kind == TileKind::mem ? kMemLocks : 0;
    const uint32_t base = kind == TileKind::mem ? kMemWindowBytes / 4 : 0;
    PlacedChannel channel{s.tile, s.direction, s.channel, {s.fifo}, {}};
    for (unsigned slot = 0; slot < ring.depth; ++slot) {
      const unsigned sends = receives || ring.depth == 1 ? 1 : ring.parts[s.first_part].repeat;
      for (unsigned send = 0; send < sends; ++send)
        for (size_t i = 0; i < s.part_count; ++i) {
          const Part& part = ring.parts[s.first_part + i];
          const std::string where = fmt::format("fifo '{}' at {}", plan.program.fifos()[s.fifo].name, name(s.tile));
          ONEBIT_ASSIGN(const Walk walk, part_walk(plan, s, s.first_part + i));
          BufferDescriptor bd;
          bd.base = base + (ring.addresses[slot] + part.offset) / 4 + walk.offset;
          if (auto set = set_walk(kind, walk, bd); !set) return with_context(std::move(set).error(), where);
          const int credits = receives && ring.depth == 1 ? static_cast<int>(part.repeat) : 1;
          if (ring.locked && send == 0) {
            bd.acquire = true;
            bd.acquire_lock = locks + (receives ? part.empty : part.full);
            bd.acquire_value = -credits;
          }
          if (ring.locked && send + 1 == sends) {
            bd.release_lock = locks + (receives ? part.full : part.empty);
            bd.release_value = credits;
          }
          const size_t n = channel.bds.size();
          bd.use_next = true;
          bd.next = s.bds[(n + 1) % s.bds.size()];
          auto words = encode_bd(kind, bd);
          if (!words) return with_context(std::move(words).error(), where);
          channel.bds.push_back({s.bds[n], std::move(*words)});
        }
    }
    channels.push_back(std::move(channel));
  }
  return channels;
}

}  // namespace onebit::npu::design
