// Bytes of tokens as text that can be sent: whole UTF-8 sequences, nothing that a stop string might still begin with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace onebit::server {

class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stops = {}) : stops_(std::move(stops)) {}

  // Text that became certain. Bytes that cannot be UTF-8 come out as U+FFFD.
  std::string push(std::string_view bytes);
  // The rest, at the end of the text.
  std::string finish();
  // A stop string was met; it and what followed are not part of the text.
  bool stopped() const { return stopped_; }

 private:
  std::string take(size_t bytes);

  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

// `text` with what is not UTF-8 replaced.
std::string valid_utf8(std::string_view text);

}  // namespace onebit::server
