#include "server/metrics.h"

#include <fmt/format.h>

namespace onebit::server {
namespace {

constexpr const char* kEndings[] = {"length", "end_of_text", "stopped", "cancelled", "timed_out", "failed"};

template <class T>
void sample(std::string& out, const char* name, const char* type, const char* help, T value) {
  out += fmt::format("# HELP onebit_{} {}\n# TYPE onebit_{} {}\nonebit_{} {}\n", name, help, name, type, name, value);
}

void head(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP onebit_{} {}\n# TYPE onebit_{} {}\n", name, help, name, type);
}

void write_devices(std::string& out, const PlacementReport& r) {
  cpu::LinearRuns sums[2];
  for (const PlacementLine& line : r.lines) {
    for (size_t phase = 0; phase < 2; ++phase) {
      sums[phase].cpu += line.runs[phase].cpu;
      sums[phase].device += line.runs[phase].device;
      sums[phase].failed += line.runs[phase].failed;
    }
  }
  head(out, "matrix_products_total", "counter", "Products of a matrix with a batch, by phase and by where rows of it ran.");
  for (size_t phase = 0; phase < 2; ++phase) {
    const char* const name = phase == 0 ? "prefill" : "decode";
    out += fmt::format("onebit_matrix_products_total{{phase=\"{}\",device=\"cpu\"}} {}\n", name, sums[phase].cpu);
    if (!r.device.empty()) out += fmt::format("onebit_matrix_products_total{{phase=\"{}\",device=\"npu\"}} {}\n", name, sums[phase].device);
  }
  head(out, "fallbacks_total", "counter", "Work meant for a device that the CPU did in its place: products (NPU), or a GPU that was left.");
  for (size_t phase = 0; phase < 2; ++phase)
    out += fmt::format("onebit_fallbacks_total{{phase=\"{}\",device=\"npu\"}} {}\n", phase == 0 ? "prefill" : "decode", sums[phase].failed);
  out += fmt::format("onebit_fallbacks_total{{device=\"gpu\"}} {}\n", r.gpu.fallbacks);
  head(out, "dispatches_total", "counter", "Commands that a device completed.");
  out += fmt::format("onebit_dispatches_total{{device=\"npu\"}} {}\n", r.dispatches);
  out += fmt::format("onebit_dispatches_total{{device=\"gpu\"}} {}\n", r.gpu.launches + r.gpu.graph_launches);
  head(out, "moved_bytes_total", "counter", "Bytes between the host and a device.");
  out += fmt::format("onebit_moved_bytes_total{{device=\"npu\",direction=\"up\"}} {}\n", r.uploaded_bytes);
  out += fmt::format("onebit_moved_bytes_total{{device=\"npu\",direction=\"down\"}} {}\n", r.downloaded_bytes);
  out += fmt::format("onebit_moved_bytes_total{{device=\"gpu\",direction=\"up\"}} {}\n", r.gpu.uploaded_bytes);
  out += fmt::format("onebit_moved_bytes_total{{device=\"gpu\",direction=\"down\"}} {}\n", r.gpu.downloaded_bytes);
}

}  // namespace

void Metrics::Histogram::add(double value) {
  size_t i = 0;
  while (i < std::size(kBounds) && value > kBounds[i]) ++i;
  ++counts[i];
  sum += value;
}

void Metrics::Histogram::write(std::string& out, const char* name, const char* help) const {
  head(out, name, "histogram", help);
  uint64_t total = 0;
  for (size_t i = 0; i <= std::size(kBounds); ++i) {
    total += counts[i];
    const std::string bound = i < std::size(kBounds) ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("onebit_{}_bucket{{le=\"{}\"}} {}\n", name, bound, total);
  }
  out += fmt::format("onebit_{}_sum {}\nonebit_{}_count {}\n", name, sum, name, total);
}

void Metrics::request(const std::string& path, int status) {
  const std::lock_guard lock(mutex_);
  ++requests_[{path, status}];
}

void Metrics::ended(const RequestStats& s) {
  const std::lock_guard lock(mutex_);
  queued_.add(s.queued_s);
  if (s.generated_tokens > 0) first_token_.add(s.queued_s + s.prompt_s);
  if (s.generated_tokens > 1) token_.add(s.decode_s / (s.generated_tokens - 1));
  whole_.add(s.queued_s + s.prompt_s + s.decode_s);
}

std::string Metrics::text(const HttpServer::Counters& http, const Scheduler* scheduler) const {
  std::string out;
  {
    const std::lock_guard lock(mutex_);
    head(out, "http_requests_total", "counter", "Responses by path and status.");
    for (const auto& [key, count] : requests_) out += fmt::format("onebit_http_requests_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first, key.second, count);
    queued_.write(out, "queue_seconds", "Time that a text waited for a slot.");
    first_token_.write(out, "first_token_seconds", "Time from a request to its first token.");
    token_.write(out, "token_seconds", "Time between tokens of a text, its mean.");
    whole_.write(out, "text_seconds", "Time from a request to the end of its text.");
  }
  sample(out, "connections_total", "counter", "Connections accepted.", http.connections);
  sample(out, "connections_refused_total", "counter", "Connections refused because too many were open.", http.refused);
  sample(out, "connections_timed_out_total", "counter", "Connections closed because a request did not come in time.", http.timed_out);
  sample(out, "connections_open", "gauge", "Connections open.", http.open);
  if (!scheduler) return out;
  const SchedulerCounters c = scheduler->counters();
  sample(out, "texts_accepted_total", "counter", "Texts accepted.", c.accepted);
  sample(out, "texts_refused_total", "counter", "Texts refused because the queue was full.", c.refused);
  head(out, "texts_ended_total", "counter", "Texts by how they ended.");
  for (size_t i = 0; i < std::size(kEndings); ++i) out += fmt::format("onebit_texts_ended_total{{ending=\"{}\"}} {}\n", kEndings[i], c.endings[i]);
  sample(out, "texts_active", "gauge", "Texts being read or written.", c.active);
  sample(out, "texts_waiting", "gauge", "Texts waiting for a slot.", c.waiting);
  sample(out, "prompt_tokens_total", "counter", "Tokens of prompts.", c.prompt_tokens);
  sample(out, "prompt_tokens_cached_total", "counter", "Tokens of prompts that were in the cache.", c.cached_tokens);
  sample(out, "generated_tokens_total", "counter", "Tokens generated.", c.generated_tokens);
  sample(out, "steps_total", "counter", "Forward passes.", c.steps);
  sample(out, "step_tokens_total", "counter", "Tokens of all forward passes.", c.batch_tokens);
  sample(out, "step_seconds_total", "counter", "Time spent in forward passes and choices.", c.busy_s);
  write_devices(out, scheduler->placement());
  return out;
}

}  // namespace onebit::server
