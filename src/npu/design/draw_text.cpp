#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include <fmt/ranges.h>

#include "npu/design/draw.h"
#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

using Out = std::back_insert_iterator<std::string>;

const TileUse* use_of(const Lowered& l, TileId tile) {
  const auto it = std::find_if(l.use.begin(), l.use.end(), [tile](const TileUse& u) { return u.tile == tile; });
  return it == l.use.end() ? nullptr : &*it;
}

// The cell of a tile: what its DMA channels do, and how full its memory is.
std::string cell(const Lowered& l, TileId tile) {
  const TileUse* u = use_of(l, tile);
  const bool crossed = std::any_of(l.routes.begin(), l.routes.end(), [tile](const Route& r) {
    return std::any_of(r.hops.begin(), r.hops.end(), [tile](const Hop& h) { return h.tile == tile; });
  });
  if (!u) return crossed ? "    ~     " : "    .     ";
  const uint32_t memory = l.program.device().tile(tile).data_bytes;
  std::string text = fmt::format("{}in {}out", u->s2mm, u->mm2s);
  if (memory) text += fmt::format(" {}%", (uint64_t{u->data_bytes} * 100 + memory - 1) / memory);
  return text;
}

void draw_grid(const Lowered& l, Out out) {
  const Device& d = l.program.device();
  std::string rule = "             ";
  for (unsigned c = 0; c < d.columns; ++c) rule += "+------------";
  rule += "+\n";
  fmt::format_to(out, "{:13}", "");
  for (unsigned c = 0; c < d.columns; ++c) fmt::format_to(out, "   column {}  ", c);
  fmt::format_to(out, "\n{}", rule);
  for (unsigned r = d.rows; r-- > 0;) {
    fmt::format_to(out, "row {} {:<6} ", r, d.kind(static_cast<uint8_t>(r)) == TileKind::mem ? "memory" : name(d.kind(static_cast<uint8_t>(r))));
    for (unsigned c = 0; c < d.columns; ++c) fmt::format_to(out, "|{:^12}", cell(l, {static_cast<uint8_t>(c), static_cast<uint8_t>(r)}));
    fmt::format_to(out, "|\n{}", rule);
  }
  fmt::format_to(out, "in, out: DMA channels from and to the switches; %: data memory in use; ~ only routed through\n");
}

std::string pattern_text(const Pattern& p) {
  if (p.whole()) return "";
  std::string text = " walks";
  if (p.offset) text += fmt::format(" from {}", p.offset);
  for (const Dim& d : p.dims) text += fmt::format(" {}@{}", d.size, d.stride);
  return text;
}

std::string end_text(const Lowered& l, uint32_t fifo, const End& end, Direction direction) {
  const FifoSpec& f = l.program.fifos()[fifo];
  std::string text = name(end.tile);
  for (const PlacedChannel& c : l.channels)
    if (c.tile == end.tile && c.direction == direction && c.fifos[0] == fifo) text += fmt::format(" {} {}", name(direction), c.channel);
  if (l.program.device().kind(end.tile.row) != TileKind::shim) text += fmt::format(" depth {}", end_depth(f, end));
  return text + pattern_text(end.pattern);
}

void draw_fifos(const Lowered& l, Out out) {
  fmt::format_to(out, "\nfifos\n");
  for (uint32_t i = 0; i < l.program.fifos().size(); ++i) {
    const FifoSpec& f = l.program.fifos()[i];
    fmt::format_to(out, "  {}  {}{}\n    from {}\n", f.name, name(f.type), f.options.repeat > 1 ? fmt::format(", each sent {} times", f.options.repeat) : "",
                   end_text(l, i, f.from, Direction::mm2s));
    for (const End& to : f.to) fmt::format_to(out, "    to   {}\n", end_text(l, i, to, Direction::s2mm));
    const auto route = std::find_if(l.routes.begin(), l.routes.end(), [i](const Route& r) { return r.fifo == i; });
    if (route == l.routes.end()) {
      fmt::format_to(out, "    in memory that both cores reach\n");
      continue;
    }
    std::vector<std::string> hops;
    for (const Hop& h : route->hops) hops.push_back(fmt::format("{} {}>{}", name(h.tile), name(h.slave), name(h.master)));
    for (size_t h = 0; h < hops.size(); h += 4)
      fmt::format_to(out, "    {} {}\n", h == 0 ? "via " : "    ", fmt::join(hops.begin() + static_cast<ptrdiff_t>(h), hops.begin() + static_cast<ptrdiff_t>(std::min(h + 4, hops.size())), ", "));
  }
}

void draw_links(const Lowered& l, Out out) {
  constexpr const char* kNames[] = {"forward", "split", "join"};
  const auto names = [&l](const std::vector<Fifo>& list) {
    std::vector<std::string> n;
    for (const Fifo f : list) n.push_back(l.program.fifos()[f.index].name);
    return fmt::format("{}", fmt::join(n, ", "));
  };
  for (const LinkSpec& k : l.program.links()) fmt::format_to(out, "  {} {} -> {}\n", kNames[static_cast<size_t>(k.kind)], names(k.in), names(k.out));
  for (const FeedSpec& k : l.program.feeds())
    fmt::format_to(out, "  feed {} -> {}\n", l.program.buffers()[k.buffer.index].name, l.program.fifos()[k.fifo.index].name);
}

void draw_memory(const Lowered& l, Out out) {
  fmt::format_to(out, "\nmemory\n");
  std::vector<PlacedBuffer> buffers = l.buffers;
  std::sort(buffers.begin(), buffers.end(), [](const PlacedBuffer& a, const PlacedBuffer& b) { return std::tie(a.tile, a.address) < std::tie(b.tile, b.address); });
  for (const PlacedBuffer& b : buffers) {
    const bool core = l.program.device().kind(b.tile.row) == TileKind::core;
    fmt::format_to(out, "  {} {:#07x} {:>7} bytes  {}{}\n", name(b.tile), b.address, b.bytes, b.name, core ? fmt::format("  window {}", b.address / kBankBytes) : "");
  }
  for (size_t i = 0; i < l.parameters.size(); ++i)
    fmt::format_to(out, "  {} {:#07x} {:>7} bytes  parameter {}\n", name(l.parameters[i].tile), l.parameters[i].address, 4, l.program.parameters()[i].name);
  for (size_t i = 0; i < l.signals.size(); ++i) fmt::format_to(out, "  {} lock {}  signal {}\n", name(l.signals[i].tile), l.signals[i].id, l.signals[i].name);
}

// Bodies, equal ones once.
void draw_cores(const Lowered& l, Out out) {
  std::vector<std::pair<std::string, std::vector<std::string>>> bodies;
  for (const PlacedCore& c : l.cores) {
    const std::string text = to_text(c.program);
    const auto known = std::find_if(bodies.begin(), bodies.end(), [&text](const auto& b) { return b.first == text; });
    if (known != bodies.end())
      known->second.push_back(name(c.tile));
    else
      bodies.push_back({text, {name(c.tile)}});
  }
  for (const auto& [text, tiles] : bodies) {
    fmt::format_to(out, "\ncore{} {}\n", tiles.size() == 1 ? "" : "s", fmt::join(tiles, " "));
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = std::min(text.find('\n', at), text.size());
      fmt::format_to(out, "  {}\n", text.substr(at, end - at));
      at = end + 1;
    }
  }
}

void draw_budgets(const Lowered& l, Out out) {
  const Device& d = l.program.device();
  fmt::format_to(out, "\nbudgets (used / available)\n  {:<20} {:>15} {:>13} {:>7} {:>7} {:>5} {:>5}\n", "tile", "data bytes", "program", "BDs", "locks", "S2MM", "MM2S");
  for (const TileUse& u : l.use) {
    const TileModel& m = d.tile(u.tile);
    const auto of = [](uint64_t used, uint64_t available) { return available ? fmt::format("{}/{}", used, available) : std::string("-"); };
    const bool shim = m.kind == TileKind::shim;  // its descriptors and locks are the sequence's
    fmt::format_to(out, "  {:<20} {:>15} {:>13} {:>7} {:>7} {:>5} {:>5}\n", tile_name(d, u.tile), of(u.data_bytes, m.data_bytes), of(u.program_bytes, m.program_bytes),
                   shim ? "-" : of(u.bds, m.dma.bds), shim ? "-" : of(u.locks, m.locks.count), of(u.s2mm, m.dma.channels), of(u.mm2s, m.dma.channels));
  }
}

}  // namespace

std::string draw_text(const Lowered& l) {
  std::string text;
  const Out out = std::back_inserter(text);
  const Device& d = l.program.device();
  fmt::format_to(out, "{}: {}, {} columns x {} rows; PDI {} bytes, xclbin {} bytes{}\n\n", l.program.name(), d.name, d.columns, d.rows, l.pdi.size(), l.xclbin.size(),
                 l.machine_code ? "" : "; no machine code: for the simulator only");
  draw_grid(l, out);
  draw_fifos(l, out);
  draw_links(l, out);
  draw_memory(l, out);
  draw_cores(l, out);
  draw_budgets(l, out);
  return text;
}

}  // namespace onebit::npu::design
