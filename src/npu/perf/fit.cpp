#include "npu/perf/fit.h"

#include <cmath>
#include <set>

#include "npu/perf/presets.h"

namespace onebit::npu::perf {
namespace {

constexpr double kCoupling[] = {3, 4, 5, 6, 8, 12};
constexpr double kLaunch[] = {0, 5e-6, 10e-6, 13.5e-6, 18e-6, 22e-6};
constexpr double kWaveTurn[] = {0, 300, 620, 900, 1200, 1800};

struct Candidate {
  Rates rates;
  std::vector<Comparison> rows;
};

Result<std::vector<Candidate>> candidates() {
  std::vector<Candidate> all;
  for (const double coupling : kCoupling)
    for (const double launch : kLaunch)
      for (const double turn : kWaveTurn) {
        Rates rates{.launch_s = launch, .wave_turn_cycles = turn, .coupling = coupling};
        ONEBIT_ASSIGN(std::vector<Comparison> rows, compare(rates));
        all.push_back({rates, std::move(rows)});
      }
  return all;
}

bool of_family(const Comparison& c, const std::string& family) { return find_preset(c.row->design)->family == family; }

double error_without(const Candidate& candidate, const std::string& family) {
  double sum = 0;
  for (const Comparison& c : candidate.rows)
    if (!of_family(c, family)) sum += std::abs(c.error());
  return sum;  // the same rows for every candidate: the sum orders as the mean does
}

}  // namespace

Result<std::vector<LeftOut>> leave_one_family_out() {
  ONEBIT_ASSIGN(const std::vector<Candidate> all, candidates());
  std::set<std::string> families;
  for (const Preset& p : presets()) families.insert(p.family);
  std::vector<LeftOut> result;
  for (const std::string& family : families) {
    const Candidate* best = nullptr;
    double least = INFINITY;
    for (const Candidate& c : all)
      if (const double e = error_without(c, family); e < least) {
        least = e;
        best = &c;
      }
    std::vector<Comparison> own;
    for (const Comparison& c : best->rows)
      if (of_family(c, family)) own.push_back(c);
    const Rates& r = best->rates;
    result.push_back({family, r.coupling, r.launch_s, r.wave_turn_cycles, summarize(own, true)});
  }
  return result;
}

}  // namespace onebit::npu::perf
