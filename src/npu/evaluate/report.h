// What an evaluation found: figures that each say what kind of figure they are, checks against the scalar oracle, and a
// verdict by criteria that were stated beforehand. Rendered as Markdown, and as an SVG plot beside published results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onebit::npu::evaluate {

// Best first: the best there is decides a criterion. A sum has one label for all its parts, a ratio that of its weaker side.
enum class Label : uint8_t {
  measured,   // by a clock, on what `how` says
  simulated,  // by the clocks of the array simulator
  estimated,  // by the performance model, or scaled
};
const char* name(Label label);

struct Figure {
  std::string id;  // "ternary.tops.m512"; several labels may share one
  std::string what;
  double value = 0;
  std::string unit;
  Label label = Label::estimated;
  std::string how;
};

struct Section {
  std::string title;
  std::vector<Figure> figures{};
  std::vector<std::string> notes{};
};

// Results held against the scalar oracle.
struct Checks {
  uint64_t products = 0, elements = 0, wrong = 0;
  std::string first_wrong{};
};

enum class Outcome : uint8_t { pass, fail, unknown };
const char* name(Outcome outcome);  // "pass", "FAIL", "unknown"

struct Criterion {
  std::string what, threshold, source;
  std::string value;    // with its label; why not where unknown
  std::string decided_by;  // label, or empty
  Outcome outcome = Outcome::unknown;
};

struct Verdict {
  std::vector<Criterion> criteria;
  Outcome outcome = Outcome::unknown;
  std::string text;  // a sentence
};

// A published result.
struct Reference {
  const char* what;
  double tops;
  const char* source;
};

struct Report {
  std::string device, model, machine;
  bool quick = false;
  std::vector<Section> sections{};
  Checks checks{};
  Verdict verdict{};

  // The figure of that id with the best label; null where there is none.
  const Figure* find(const std::string& id) const;
};

// `plot`: the file name of the plot beside the report, or empty.
std::string markdown(const Report& report, const std::string& plot);
// Bars of every figure in TOPS or TFLOPS and of the published results.
std::string svg(const Report& report);

}  // namespace onebit::npu::evaluate
