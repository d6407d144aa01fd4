// What happened when, as Chrome trace events: a JSON file that Perfetto and chrome://tracing open. One track per
// channel, core and the instruction stream; times are simulated.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onebit::npu {

class Trace {
 public:
  // Array cycles. Beyond `kMaxSlices` slices are counted only.
  void slice(const std::string& track, std::string what, double start, double end);
  std::string to_json(double clock_hz) const;

  static constexpr size_t kMaxSlices = 1 << 20;
  uint64_t dropped() const { return dropped_; }

 private:
  struct Slice {
    uint32_t track;
    std::string what;
    double start, end;
  };
  std::map<std::string, uint32_t> tracks_;
  std::vector<Slice> slices_;
  uint64_t dropped_ = 0;
};

}  // namespace onebit::npu
