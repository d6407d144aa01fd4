// The growing file of a download and what is known of its source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "store/digest.h"
#include "store/http.h"

namespace onebit::store {

class PartialFile {
 public:
  PartialFile() = default;
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  // An empty file is not worth keeping: it goes, unless finish() was called.
  ~PartialFile();

  // Opens or creates `path` (never through a symbolic link). Keeps the bytes that are there if they came from `url` and can be
  // continued: a validator is known, or the digest of the whole is.
  Status open(const std::string& path, const std::string& url, bool digest_known);
  // Empties the file and forgets what was known.
  Status restart();
  // Remembers what the server says of the file.
  Status learn(const HttpHead& head, std::optional<uint64_t> total);
  Status append(const uint8_t* data, size_t size);
  // On the disk; the state is removed.
  Status finish();
  // Both files removed.
  void discard();

  uint64_t size() const { return size_; }
  std::optional<uint64_t> total() const { return total_; }
  const std::string& etag() const { return etag_; }
  // For If-Range: a strong ETag, else the date of the last change; empty: none.
  std::string validator() const;
  std::string digest() { return hash_.finish(); }
  // Errc::io names the path, what is needed and what is there.
  Status check_room(uint64_t total) const;

 private:
  Status read_state(const std::string& url, bool digest_known);
  Status save_state() const;

  int fd_ = -1;
  std::string path_, url_;
  bool finished_ = false;
  uint64_t size_ = 0;
  std::optional<uint64_t> total_;
  std::string etag_, last_modified_;
  Sha256 hash_;
};

}  // namespace onebit::store
