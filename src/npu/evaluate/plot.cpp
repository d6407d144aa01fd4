// Horizontal bars: our figures by label, published ones below them, one scale.
#include <algorithm>

#include <fmt/format.h>

#include "npu/evaluate/references.h"
#include "npu/evaluate/report.h"

namespace onebit::npu::evaluate {
namespace {

struct Bar {
  std::string what, kind;
  double value;
};

constexpr std::pair<const char*, const char*> kColours[] = {
    {"measured", "#1b7837"}, {"simulated", "#2166ac"}, {"estimated", "#92c5de"}, {"published", "#999999"}};
constexpr double kBarHeight = 20, kGap = 8, kLeft = 330, kWidth = 560, kTop = 70;

const char* colour(const std::string& kind) {
  for (const auto& [name, value] : kColours)
    if (kind == name) return value;
  return "#000000";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return out;
}

std::vector<Bar> bars(const Report& r) {
  std::vector<Bar> list;
  for (const Section& s : r.sections)
    for (const Figure& f : s.figures)
      if (f.unit == "TOPS" || f.unit == "TFLOPS") list.push_back({f.what, name(f.label), f.value});
  for (const Reference& x : kInt8References) list.push_back({x.what, "published", x.tops});
  for (const Reference& x : kBf16References) list.push_back({x.what, "published", x.tops});
  return list;
}

// 10, 20, 40, 50, 100, ...: the scale's end.
double nice_end(double most) {
  double end = 10;
  for (size_t i = 0; end < most && i < 60; ++i) end *= i % 3 == 1 ? 2.5 : 2;
  return end;
}

}  // namespace

std::string svg(const Report& r) {
  const std::vector<Bar> list = bars(r);
  double most = 0;
  for (const Bar& b : list) most = std::max(most, b.value);
  const double end = nice_end(most), bottom = kTop + static_cast<double>(list.size()) * (kBarHeight + kGap);
  std::string out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
                                "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
                                kLeft + kWidth + 80, bottom + 40);
  out += fmt::format("<text x=\"12\" y=\"24\" font-size=\"16\">TOPS (TFLOPS for bf16), {}</text>\n", escaped(r.device));
  double at = 12;
  for (const auto& [kind, fill] : kColours) {
    out += fmt::format("<rect x=\"{0:.0f}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{1}\"/><text x=\"{2:.0f}\" y=\"49\">{3}</text>\n", at, fill, at + 18, kind);
    at += 110;
  }
  for (int i = 0; i <= 5; ++i) {
    const double x = kLeft + kWidth * i / 5;
    out += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.0f}\" x2=\"{0:.1f}\" y2=\"{2:.0f}\" stroke=\"#dddddd\"/><text x=\"{0:.1f}\" y=\"{3:.0f}\" text-anchor=\"middle\">{4:g}</text>\n",
                       x, kTop - 6, bottom, bottom + 18, end * i / 5);
  }
  double y = kTop;
  for (const Bar& b : list) {
    const double width = std::max(1.0, kWidth * b.value / end);
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>", kLeft - 8, y + 14, escaped(b.what));
    out += fmt::format("<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"{:.1f}\" height=\"{:.0f}\" fill=\"{}\"><title>{} ({})</title></rect>", kLeft, y, width, kBarHeight,
                       colour(b.kind), escaped(b.what), b.kind);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\">{:.2f}</text>\n", kLeft + width + 6, y + 14, b.value);
    y += kBarHeight + kGap;
  }
  return out + "</svg>\n";
}

}  // namespace onebit::npu::evaluate
