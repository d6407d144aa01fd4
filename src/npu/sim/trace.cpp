#include "npu/sim/trace.h"

#include <iterator>

#include <fmt/format.h>

namespace onebit::npu {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

void Trace::slice(const std::string& track, std::string what, double start, double end) {
  if (slices_.size() >= kMaxSlices) {
    ++dropped_;
    return;
  }
  const uint32_t id = tracks_.try_emplace(track, static_cast<uint32_t>(tracks_.size() + 1)).first->second;
  slices_.push_back({id, std::move(what), start, end});
}

std::string Trace::to_json(double clock_hz) const {
  const double us = 1e6 / clock_hz;
  std::string out = "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"times\":\"simulated\"},\"traceEvents\":[\n";
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{{\"name\":\"NPU array (simulated)\"}}}}");
  for (const auto& [name, id] : tracks_)
    fmt::format_to(to, ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{},\"name\":\"thread_name\",\"args\":{{\"name\":{}}}}}", id, quoted(name));
  for (const Slice& s : slices_)
    fmt::format_to(to, ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"name\":{},\"ts\":{:.4f},\"dur\":{:.4f}}}", s.track, quoted(s.what), s.start * us,
                   (s.end - s.start) * us);
  out += "\n]}\n";
  return out;
}

}  // namespace onebit::npu
