// Energy of the processor package, where the system reports it: Linux powercap, RAPL packages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace onebit::npu::evaluate {

class EnergyMeter {
 public:
  // `root`: /sys/class/powercap. Errors: no package there, or counters that this user may not read.
  static Result<EnergyMeter> open(const std::string& root);

  // Begins again; joules() counts from here.
  Status restart();
  // Since open() or restart(). A counter that passed its end once is taken into account.
  Result<double> joules() const;
  size_t packages() const { return packages_.size(); }

 private:
  struct Package {
    std::string path;  // of the counter, in microjoules
    uint64_t range = 0, start = 0;
  };
  std::vector<Package> packages_;
};

}  // namespace onebit::npu::evaluate
