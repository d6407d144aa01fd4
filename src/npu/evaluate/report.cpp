#include "npu/evaluate/report.h"

#include <fmt/format.h>

#include "npu/evaluate/references.h"

namespace onebit::npu::evaluate {

const char* name(Label label) {
  switch (label) {
    case Label::measured: return "measured";
    case Label::simulated: return "simulated";
    case Label::estimated: break;
  }
  return "estimated";
}

const char* name(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::fail: return "FAIL";
    case Outcome::unknown: break;
  }
  return "unknown";
}

const Figure* Report::find(const std::string& id) const {
  const Figure* best = nullptr;
  for (const Section& s : sections)
    for (const Figure& f : s.figures)
      if (f.id == id && (!best || f.label < best->label)) best = &f;
  return best;
}

namespace {

// Names of models and files end up in table cells.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

std::string figure_value(const Figure& f) { return fmt::format("{:.{}f} {}", f.value, f.value < 10 ? 2 : f.value < 100 ? 1 : 0, f.unit); }

void add_section(const Section& s, std::string& out) {
  out += fmt::format("\n## {}\n\n", s.title);
  if (!s.figures.empty()) {
    out += "| what | value | label | how |\n| --- | --: | --- | --- |\n";
    for (const Figure& f : s.figures) out += fmt::format("| {} | {} | {} | {} |\n", cell(f.what), figure_value(f), name(f.label), cell(f.how));
  }
  if (!s.figures.empty() && !s.notes.empty()) out += "\n";
  for (const std::string& n : s.notes) out += fmt::format("* {}\n", n);
}

void add_references(std::string& out) {
  out += "\n## Published results\n\n| what | TOPS | source |\n| --- | --: | --- |\n";
  for (const Reference& r : kInt8References) out += fmt::format("| {} | {} | {} |\n", r.what, r.tops, r.source);
  for (const Reference& r : kBf16References) out += fmt::format("| {} | {} | {} |\n", r.what, r.tops, r.source);
}

}  // namespace

std::string markdown(const Report& r, const std::string& plot) {
  std::string out = "# NPU evaluation\n\n";
  out += fmt::format("* device: {}\n* model: {}\n* CPU: {}\n* plan: {}\n", r.device, r.model, r.machine, r.quick ? "quick" : "full");
  out += "\nEvery figure is **measured** (a clock, on the device named above or on this CPU), **simulated** (clocks of the array simulator) or\n"
         "**estimated** (performance model, or scaled); a ratio has the label of its weaker side. docs/npu-evaluate.md says how each is made.\n";
  out += fmt::format("\n## Verdict: {}\n\n{}\n\n| criterion | threshold | value | outcome | threshold from |\n| --- | --- | --- | --- | --- |\n",
                     name(r.verdict.outcome), r.verdict.text);
  for (const Criterion& c : r.verdict.criteria)
    out += fmt::format("| {} | {} | {} | {} | {} |\n", c.what, c.threshold, cell(c.value), name(c.outcome), c.source);
  if (!plot.empty()) out += fmt::format("\n![Rates beside published results]({})\n", plot);
  for (const Section& s : r.sections) add_section(s, out);
  out += fmt::format("\n## Exactness\n\n{} products, {} elements compared with the scalar oracle, {} wrong", r.checks.products, r.checks.elements, r.checks.wrong);
  out += r.checks.wrong ? fmt::format("; the first: {}\n", r.checks.first_wrong) : "\n";
  add_references(out);
  return out;
}

}  // namespace onebit::npu::evaluate
