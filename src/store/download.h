// A file from the network onto the disk: resumed where it broke off, hashed on the way, retried where that may help.
//
// The bytes go to PATH, beside it PATH.state holds what the server said of them (JSON: url, etag, last_modified, total). A later
// download of the same URL goes on where PATH ends if the server still has the same file: it is asked with If-Range, its answer has
// to start at the byte asked for and to be of the same length and ETag; else it begins again. A file that was pieced together and
// does not have the digest that is expected is fetched once more from the start before that is an error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "store/http.h"

namespace onebit::store {

struct Wanted {
  std::string url;               // http, https or file
  std::string bearer;            // for the URL's own origin
  std::optional<uint64_t> size;  // what it has to be, where that is known
  std::string sha256;            // the same; empty: not known
};

struct DownloadOptions {
  HttpRules http;
  uint64_t max_bytes = uint64_t{1} << 38;
  // Tries in a row that bring less than kProgressBytes each.
  unsigned retries = 5;
  std::chrono::milliseconds backoff{500};  // doubles with each of them, up to a minute
  // Bytes so far and in all (0: not known), several times a second; false interrupts with Errc::cancelled.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  // What went wrong and is tried again, and that a download goes on.
  std::function<void(const std::string&)> note;
};

constexpr uint64_t kProgressBytes = uint64_t{64} << 10;

struct Fetched {
  uint64_t bytes = 0;
  std::string sha256;
  uint64_t resumed_at = 0;  // bytes that were there already
  unsigned attempts = 0;
};

// Afterwards PATH is complete and on the disk (fsync), and PATH.state is gone. After an error that another try may mend, both stay.
// Errors: the rules of http.h, a size or digest other than the one expected, more than max_bytes, no room on the disk.
Result<Fetched> download(const Wanted& wanted, const std::string& path, const DownloadOptions& options);

}  // namespace onebit::store
