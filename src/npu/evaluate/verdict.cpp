// Kill criteria, stated here and nowhere else. Each is decided by the best figure there is: measured before simulated
// before estimated.
#include <algorithm>

#include "npu/evaluate/plan.h"

namespace onebit::npu::evaluate {
namespace {

struct Rule {
  const char* what;
  const char* id;
  const char* instead;  // decides where there is no `id`; null: nothing does
  bool at_most;
  double threshold;
  const char* unit;
  const char* source;
  bool simulator_only = false;  // left out where there is no figure
};

constexpr Rule kRules[] = {
    {"dispatch round trip", "dispatch.us", nullptr, true, 250, "us", "XRT round trips of 158 to 200 us were published; a prefill has 4 per block"},
    {"ternary GEMM, int32 results, M 512", "ternary.tops.m512", nullptr, false, 13.2, "TOPS", "best int32 result of an open compiler"},
    {"prompts of 128 tokens pay", "prefill.whole.ratio.128", "prefill.ratio.128", false, 1.0, "x", "else short prompts stay on the CPU"},
    {"prefill of 512 tokens against the CPU", "prefill.whole.ratio.512", "prefill.ratio.512", false, 1.5, "x", "less does not pay for a second path"},
    {"prefill of 512 tokens against the CPU beside an NPU", "prefill.peak.ratio.512", nullptr, false, 1.0, "x", "Strix Halo at its int8 peak; the CPU here is another", true},
    {"DDR traffic at M 512", "ternary.bytes.m512", nullptr, true, 1.15, "x least", "weights, activations and results once each"},
};

std::string number(double v) { return fmt::format("{:.{}f}", v, v < 10 ? 2 : v < 100 ? 1 : 0); }

Criterion apply(const Rule& r, const Report& report) {
  Criterion c{.what = r.what, .threshold = fmt::format("at {} {:g} {}", r.at_most ? "most" : "least", r.threshold, r.unit), .source = r.source, .value = {}, .decided_by = {}};
  const Figure* f = report.find(r.id);
  if (!f && r.instead) f = report.find(r.instead);
  if (!f) {
    c.value = "no figure";
    return c;
  }
  c.value = fmt::format("{} {} ({})", number(f->value), r.unit, name(f->label));
  c.decided_by = name(f->label);
  c.outcome = (r.at_most ? f->value <= r.threshold : f->value >= r.threshold) ? Outcome::pass : Outcome::fail;
  return c;
}

Criterion exactness(const Checks& checks) {
  Criterion c{.what = "exact results", .threshold = "no element differs", .source = "scalar oracle; docs/exactness.md", .value = {}, .decided_by = {}};
  if (checks.elements == 0) {
    c.value = "nothing ran";
    return c;
  }
  c.value = fmt::format("{} wrong of {}", checks.wrong, checks.elements);
  c.outcome = checks.wrong ? Outcome::fail : Outcome::pass;
  return c;
}

Criterion energy(const Report& report) {
  Criterion c{.what = "energy of a prefilled token", .threshold = "less than on the CPU", .source = "a slower path has to save energy", .value = "not reported", .decided_by = {}};
  const Figure *npu = report.find("energy.npu"), *cpu = report.find("energy.cpu");
  if (!npu || !cpu) return c;
  c.decided_by = name(std::max(npu->label, cpu->label));
  c.value = fmt::format("{} against {} mJ ({})", number(npu->value), number(cpu->value), c.decided_by);
  c.outcome = npu->value < cpu->value ? Outcome::pass : Outcome::fail;
  return c;
}

}  // namespace

Verdict decide(const Report& report) {
  Verdict v;
  v.criteria.push_back(exactness(report.checks));
  for (const Rule& r : kRules)
    if (!r.simulator_only || report.find(r.id)) v.criteria.push_back(apply(r, report));
  v.criteria.push_back(energy(report));
  size_t failed = 0, unknown = 0, not_measured = 0;
  for (const Criterion& c : v.criteria) {
    failed += c.outcome == Outcome::fail;
    unknown += c.outcome == Outcome::unknown;
    not_measured += !c.decided_by.empty() && c.decided_by != name(Label::measured);
  }
  if (report.checks.wrong) {
    v.outcome = Outcome::fail;
    v.text = "Results are wrong: no speed makes up for that.";
    return v;
  }
  v.outcome = failed ? Outcome::fail : unknown || not_measured ? Outcome::unknown : Outcome::pass;
  v.text = failed           ? fmt::format("{} of {} criteria fail.", failed, v.criteria.size())
           : v.outcome == Outcome::pass ? "Every criterion passes, measured."
                            : "No criterion fails, but not all are measured: a device has to confirm it.";
  if (unknown) v.text += fmt::format(" {} cannot be decided here.", unknown);
  if (not_measured) v.text += fmt::format(" {} rest on simulated or estimated figures.", not_measured);
  return v;
}

}  // namespace onebit::npu::evaluate
