// Files: read-only mappings, and output that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace onebit {

// A read-only mapping of a regular file. An empty file maps to an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  static Result<MappedFile> open(const std::string& path);

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Lets the system take back the pages that lie wholly inside [offset, offset + length); reading
  // them again is still valid. Keeps peak memory near one copy of the weights while a model loads.
  void release(size_t offset, size_t length) const;
  // Copies bytes of the file without making pages of the mapping resident. False when the system
  // could not read them all.
  bool read(size_t offset, size_t length, void* out) const;
  // Announces a sequential read of the range.
  void prefetch(size_t offset, size_t length) const;

 private:
  int fd_ = -1;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

// Reads a whole file or, with path "-", standard input; refuses more than `limit` bytes.
Result<std::string> read_text(const std::string& path, size_t limit);

// A file written beside its destination as `PATH.partial` and renamed over it by commit(); without
// commit() the partial file is removed and the destination is as it was.
class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  static Result<OutputFile> create(const std::string& path);

  Status write(const void* data, size_t size);
  Status write(std::string_view text) { return write(text.data(), text.size()); }
  uint64_t position() const { return position_; }
  Status commit();

 private:
  Status flush();

  int fd_ = -1;
  uint64_t position_ = 0;
  std::string path_;
  std::string partial_;
  std::string pending_;
};

}  // namespace onebit
