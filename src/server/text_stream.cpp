#include "server/text_stream.h"

#include <algorithm>

#include "text/utf8.h"

namespace onebit::server {
namespace {

// Bytes at the end of `text` that may be the beginning of a sequence: 0..3.
size_t incomplete_tail(std::string_view text) {
  for (size_t n = 1; n <= std::min<size_t>(3, text.size()); ++n) {
    const auto lead = static_cast<unsigned char>(text[text.size() - n]);
    if ((lead & 0xc0) == 0x80) continue;
    const size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return wanted > n ? n : 0;
  }
  return 0;
}

}  // namespace

std::string valid_utf8(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t run = utf8_valid_run(text, at);
    out.append(text.substr(at, run));
    at += run;
    if (at == text.size()) break;
    out += "\xef\xbf\xbd";
    // One mark for all bytes of a broken sequence.
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
  return out;
}

std::string TextStream::take(size_t bytes) {
  std::string out = valid_utf8(std::string_view(pending_).substr(0, bytes));
  pending_.erase(0, bytes);
  return out;
}

std::string TextStream::push(std::string_view bytes) {
  if (stopped_) return {};
  pending_ += bytes;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    std::string out = take(first);
    pending_.clear();
    return out;
  }
  size_t held = incomplete_tail(pending_);
  for (const std::string& stop : stops_)
    for (size_t n = std::min(stop.size() - 1, pending_.size()); n > held; --n)
      if (std::string_view(pending_).ends_with(std::string_view(stop).substr(0, n))) held = n;
  return take(pending_.size() - held);
}

std::string TextStream::finish() {
  std::string out = take(pending_.size());
  return out;
}

}  // namespace onebit::server
