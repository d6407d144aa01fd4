#include <algorithm>
#include <array>
#include <iterator>

#include "npu/design/draw.h"
#include "npu/design/plan.h"

namespace onebit::npu::design {
namespace {

// Pixels.
constexpr double kTile = 150, kHeight = 104, kGapX = 46, kGapY = 36, kMargin = 40, kTop = 64, kLegend = 270, kLegendStep = 22;

struct Point {
  double x, y;
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

// Hues a golden angle apart, dark enough for white paper.
std::string colour(uint32_t fifo) { return fmt::format("hsl({:.0f},{}%,{}%)", fifo * 137.5 - 360 * static_cast<int>(fifo * 137.5 / 360), 70, fifo % 2 ? 38 : 46); }

class Svg {
 public:
  explicit Svg(const Lowered& l) : l_(l), d_(l.program.device()) {}

  std::string run() {
    const double grid = kTop + d_.rows * (kHeight + kGapY) + kMargin;
    legend_rows_ = static_cast<size_t>((grid - kTop - kMargin) / kLegendStep);
    const size_t legends = (l_.program.fifos().size() + legend_rows_ - 1) / legend_rows_;
    const double width = 2 * kMargin + d_.columns * (kTile + kGapX) + kLegend * static_cast<double>(legends), height = grid;
    put("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" font-family=\"sans-serif\" font-size=\"11\">\n", width, height);
    put("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{:.0f}\" y=\"34\" font-size=\"20\">{}</text>\n", kMargin, escaped(l_.program.name()));
    put("<text x=\"{:.0f}\" y=\"52\" fill=\"#555\">{}, {} columns x {} rows{}</text>\n", kMargin, d_.name, d_.columns, d_.rows,
        l_.machine_code ? "" : "; no machine code: for the simulator only");
    for (uint8_t c = 0; c < d_.columns; ++c)
      for (uint8_t r = 0; r < d_.rows; ++r) tile({c, r});
    for (const Route& r : l_.routes) route(r);
    shared();
    for (const TileUse& u : l_.use) labels(u);
    legend();
    put("</svg>\n");
    return std::move(text_);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  Point corner(TileId t) const { return {kMargin + t.column * (kTile + kGapX), kTop + (d_.rows - 1 - t.row) * (kHeight + kGapY)}; }

  // A place on the edge or inside of a tile. A master and the slave it drives lie opposite each other.
  Point place(TileId t, Port p, bool master) const {
    const Point o = corner(t);
    const auto along = [&p](double from, unsigned lanes) { return from + 0.44 * (p.channel + 0.5) / lanes; };
    if (d_.kind(t.row) == TileKind::shim && p.bundle == Bundle::south) {
      for (const ShimDmaPort& s : shim_dma_ports())
        if (s.port == p && (s.direction == Direction::s2mm) == master) return dma(t, s.direction, s.channel);
      return {o.x + kTile / 2, o.y + kHeight};
    }
    switch (p.bundle) {
      case Bundle::north: return {o.x + kTile * (master ? along(0.53, 6) : along(0.03, 4)), o.y};
      case Bundle::south: return {o.x + kTile * (master ? along(0.03, 4) : along(0.53, 6)), o.y + kHeight};
      case Bundle::east: return {o.x + kTile, o.y + kHeight * (master ? along(0.03, 4) : along(0.53, 4))};
      case Bundle::west: return {o.x, o.y + kHeight * (master ? along(0.53, 4) : along(0.03, 4))};
      default: return dma(t, master ? Direction::s2mm : Direction::mm2s, p.channel);
    }
  }
  Point dma(TileId t, Direction direction, unsigned channel) const {
    const Point o = corner(t);
    const unsigned channels = d_.tile(t).dma.channels;
    return {o.x + kTile * ((direction == Direction::s2mm ? 0.08 : 0.56) + 0.36 * (channel + 0.5) / channels), o.y + kHeight * 0.52};
  }

  const TileUse* use(TileId t) const {
    const auto it = std::find_if(l_.use.begin(), l_.use.end(), [t](const TileUse& u) { return u.tile == t; });
    return it == l_.use.end() ? nullptr : &*it;
  }

  void tile(TileId t) {
    const Point o = corner(t);
    const TileUse* u = use(t);
    constexpr std::array<const char*, kTileKinds> kFill{"#eef3fb", "#fdf4e3", "#eef8ee"};
    const TileModel& m = d_.tile(t);
    put("<g><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"6\" fill=\"{}\" stroke=\"{}\"/>", o.x, o.y, kTile, kHeight,
        u ? kFill[static_cast<size_t>(m.kind)] : "#fafafa", u ? "#666" : "#ddd");
    if (!u) put("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#bbb\">{}</text>", o.x + 8, o.y + 18, tile_name(d_, t));
    if (u) contents(t, o);
    put("</g>\n");
  }

  void contents(TileId t, Point o) {
    const TileModel& m = d_.tile(t);
    if (m.data_bytes == 0) return;
    // A bar of the data memory, one block per buffer.
    const double left = o.x + 8, width = kTile - 16, y = o.y + kHeight - 22;
    put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"8\" fill=\"white\" stroke=\"#999\" stroke-width=\"0.5\"/>", left, y, width);
    for (const PlacedBuffer& b : l_.buffers)
      if (b.tile == t)
        put("<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"8\" fill=\"{}\" stroke=\"white\" stroke-width=\"0.3\"><title>{}: {} bytes at {:#x}</title></rect>",
            left + width * b.address / m.data_bytes, y, std::max(0.8, width * b.bytes / m.data_bytes), buffer_colour(b), escaped(b.name), b.bytes, b.address);
  }

  // What has to be readable, above the routes.
  void labels(const TileUse& u) {
    const TileId t = u.tile;
    const Point o = corner(t);
    for (const PlacedChannel& c : l_.channels) {
      if (c.tile != t) continue;
      const Point p = dma(t, c.direction, c.channel);
      put("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"><title>{} {} of {}, {} BDs</title></circle>", p.x, p.y, colour(c.fifos[0]), name(c.direction),
          c.channel, escaped(l_.program.fifos()[c.fifos[0]].name), c.bds.size());
    }
    put("<g stroke=\"white\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\">");
    put("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#222\">{}</text>", o.x + 8, o.y + 18, tile_name(d_, t));
    for (const PlacedCore& c : l_.cores)
      if (c.tile == t) put("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#555\" font-size=\"10\">{}</text>", o.x + 8, o.y + 31, escaped(kernels(c)));
    if (d_.tile(t).data_bytes)
      put("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"#555\" font-size=\"9\">{} B, {} BDs, {} locks</text>", o.x + 8, o.y + kHeight - 4, u.data_bytes, u.bds, u.locks);
    put("</g>\n");
  }

  static std::string kernels(const PlacedCore& c) {
    std::string text;
    for (const std::string& k : c.program.kernels) text += (text.empty() ? "" : ", ") + k;
    if (text.size() <= 26) return text;
    text.resize(23);
    return text + "...";
  }
  std::string buffer_colour(const PlacedBuffer& b) const {
    for (uint32_t i = 0; i < l_.program.fifos().size(); ++i)
      if (b.name.starts_with(l_.program.fifos()[i].name + "[")) return colour(i);
    return "#888";
  }

  void route(const Route& r) {
    put("<g stroke=\"{}\" stroke-width=\"1.6\" fill=\"none\"><title>{}</title>", colour(r.fifo), escaped(l_.program.fifos()[r.fifo].name));
    for (const Hop& h : r.hops) {
      const Point a = place(h.tile, h.slave, false), b = place(h.tile, h.master, true);
      put("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}", a.x, a.y, b.x, b.y);
      if (const auto next = slave_driven_by(d_, h.tile, h.master)) {
        const Point c = place(next->tile, next->port, false);
        put("L{:.1f} {:.1f}", c.x, c.y);
      }
      put("\"/>");
    }
    put("</g>\n");
  }

  // Fifos in shared memory, dashed from core to core.
  void shared() {
    for (uint32_t i = 0; i < l_.program.fifos().size(); ++i) {
      if (std::any_of(l_.routes.begin(), l_.routes.end(), [i](const Route& r) { return r.fifo == i; })) continue;
      const FifoSpec& f = l_.program.fifos()[i];
      const Point a = corner(f.from.tile), b = corner(f.to[0].tile);
      put("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" stroke=\"{}\" stroke-width=\"5\" stroke-dasharray=\"7 4\" fill=\"none\"><title>{}, in shared memory</title></path>\n",
          a.x + kTile / 2, a.y + kHeight / 2, b.x + kTile / 2, b.y + kHeight / 2, colour(i), escaped(f.name));
    }
  }

  void legend() {
    for (uint32_t i = 0; i < l_.program.fifos().size(); ++i) {
      const FifoSpec& f = l_.program.fifos()[i];
      const size_t column = i / legend_rows_, row = i % legend_rows_;
      const double x = kMargin + d_.columns * (kTile + kGapX) + kLegend * static_cast<double>(column);
      const double y = kTop + 8 + kLegendStep * static_cast<double>(row);
      put("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"16\" height=\"5\" fill=\"{}\"/><text x=\"{:.0f}\" y=\"{:.0f}\">{} <tspan fill=\"#777\">{}, depth {}</tspan></text>\n", x, y,
          colour(i), x + 24, y + 7, escaped(f.name), name(f.type), f.options.depth);
    }
  }

  const Lowered& l_;
  const Device& d_;
  size_t legend_rows_ = 1;
  std::string text_;
};

}  // namespace

std::string draw_svg(const Lowered& lowered) { return Svg(lowered).run(); }

}  // namespace onebit::npu::design
