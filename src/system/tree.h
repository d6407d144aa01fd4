// Files of the running system, or of a recorded copy of one under a directory. Reads are bounded, links are followed
// inside the root only and a limited number of times, and nothing that is not a regular file is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace onebit::system {

inline constexpr size_t kReadLimit = size_t{64} << 10;  // bytes of a file, unless the caller wants more
inline constexpr size_t kListLimit = 4096;                // entries of a directory that are kept
inline constexpr size_t kScanLimit = size_t{1} << 18;     // entries of a directory that are looked at

struct Node {
  bool character_device = false;
  uint32_t mode = 0;  // permission bits
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0;
};

class Tree {
 public:
  // Errors: `root` is not a directory.
  static Result<Tree> open(const std::string& root);

  bool live() const { return root_.empty(); }

  // Paths are absolute, as the system itself names them. A path that leads nowhere, in circles or to something of the
  // wrong kind gives nothing.
  std::optional<std::string> read(std::string_view path, size_t limit = kReadLimit) const;  // at most `limit` bytes of it
  std::string text(std::string_view path, size_t limit = kReadLimit) const { return read(path, limit).value_or(""); }
  std::optional<std::string> line(std::string_view path) const;     // the first line, without spaces around it
  // Names that begin with `prefix`, sorted; the first kListLimit met.
  std::vector<std::string> list(std::string_view path, std::string_view prefix = {}) const;
  std::optional<Node> node(std::string_view path) const;            // of what the links lead to
  bool exists(std::string_view path) const { return node(path).has_value(); }
  std::optional<std::string> link_name(std::string_view path) const;  // last component of where a link points
  // Whether this process may read and write it; only for the running system.
  bool accessible(std::string_view path) const;

 private:
  std::optional<std::string> resolve(std::string_view path) const;

  std::string root_;  // without a trailing slash; empty for the running system
};

// Printable ASCII only, at most `limit` characters: text of a system goes to a terminal and into bug reports.
std::string printable(std::string_view text, size_t limit = 80);

}  // namespace onebit::system
