// What /metrics says, in the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats).
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/scheduler.h"
#include "server/http.h"

namespace onebit::server {

class Metrics {
 public:
  void request(const std::string& path, int status);
  void ended(const RequestStats& stats);

  // scheduler: null while the model is loading.
  std::string text(const HttpServer::Counters& http, const Scheduler* scheduler) const;

 private:
  static constexpr double kBounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
  struct Histogram {
    uint64_t counts[std::size(kBounds) + 1] = {};
    double sum = 0;
    void add(double value);
    void write(std::string& out, const char* name, const char* help) const;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> requests_;
  Histogram queued_, first_token_, token_, whole_;
};

}  // namespace onebit::server
