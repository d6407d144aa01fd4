#include "npu/evaluate/energy.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/file.h"

namespace onebit::npu::evaluate {
namespace {

Result<uint64_t> read_counter(const std::string& path) {
  ONEBIT_ASSIGN(const std::string text, read_text(path, 64));
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return fail(Errc::format, "{}: '{}' is not a number of microjoules", path, text);
  return value;
}

// A package is intel-rapl:0; its parts are intel-rapl:0:0. The name holds on AMD processors too.
bool is_package(const std::string& name) {
  return name.starts_with("intel-rapl:") && std::count(name.begin(), name.end(), ':') == 1;
}

}  // namespace

Result<EnergyMeter> EnergyMeter::open(const std::string& root) {
  EnergyMeter meter;
  std::error_code error;
  for (auto it = std::filesystem::directory_iterator(root, error); !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!is_package(name)) continue;
    const std::string base = it->path().string();
    ONEBIT_ASSIGN(const uint64_t range, read_counter(base + "/max_energy_range_uj"));
    meter.packages_.push_back({.path = base + "/energy_uj", .range = range});
  }
  if (meter.packages_.empty()) return fail(Errc::unsupported, "{}: no RAPL package", root);
  ONEBIT_TRY(meter.restart());
  return meter;
}

Status EnergyMeter::restart() {
  for (Package& p : packages_) {
    ONEBIT_ASSIGN(p.start, read_counter(p.path));
  }
  return {};
}

Result<double> EnergyMeter::joules() const {
  double sum = 0;
  for (const Package& p : packages_) {
    ONEBIT_ASSIGN(const uint64_t now, read_counter(p.path));
    if (now < p.start && p.range < p.start) return fail(Errc::format, "{}: {} after {}, its range is {}", p.path, now, p.start, p.range);
    sum += static_cast<double>(now >= p.start ? now - p.start : now + (p.range - p.start));
  }
  return sum * 1e-6;
}

}  // namespace onebit::npu::evaluate
