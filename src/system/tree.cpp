#include "system/tree.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace onebit::system {
namespace {

constexpr int kMaxLinks = 40;  // as Linux allows itself
constexpr size_t kMaxComponents = 256;

// Components of `path` are put before those still to be walked.
void push_components(std::vector<std::string>& rest, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty() && parts.size() < kMaxComponents) {
    const size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  rest.insert(rest.end(), parts.rbegin(), parts.rend());  // walked from the back
}

std::optional<std::string> read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  if (n <= 0 || static_cast<size_t>(n) >= sizeof target) return {};
  return std::string(target, static_cast<size_t>(n));
}

}  // namespace

Result<Tree> Tree::open(const std::string& root) {
  struct stat s{};
  if (stat(root.c_str(), &s) != 0) return fail(Errc::io, "{}: {}, expected a directory that holds a copy of a system", root, std::strerror(errno));
  if (!S_ISDIR(s.st_mode)) return fail(Errc::io, "{}: not a directory, expected one that holds a copy of a system", root);
  Tree tree;
  tree.root_ = root;
  while (!tree.root_.empty() && tree.root_.back() == '/') tree.root_.pop_back();
  return tree;
}

// The path outside, without any link in it. The kernel's own walk would let a copy's links lead out of the copy.
std::optional<std::string> Tree::resolve(std::string_view path) const {
  if (live()) return std::string(path);
  std::vector<std::string> rest, done;
  push_components(rest, path);
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    std::string outside = root_;
    for (const std::string& d : done) outside += "/" + d;
    outside += "/" + part;
    struct stat s{};
    if (outside.size() >= PATH_MAX || lstat(outside.c_str(), &s) != 0) return {};
    if (!S_ISLNK(s.st_mode)) {
      done.push_back(part);
      continue;
    }
    const auto target = read_link(outside);
    if (!target || ++links > kMaxLinks || rest.size() > kMaxComponents) return {};
    if (target->front() == '/') done.clear();
    push_components(rest, *target);
  }
  std::string outside = root_;
  for (const std::string& d : done) outside += "/" + d;
  return outside;
}

std::optional<std::string> Tree::read(std::string_view path, size_t limit) const {
  const auto outside = resolve(path);
  if (!outside) return {};
  // Looked at before it is opened: opening a device may do something, a pipe may block.
  struct stat s{};
  if (stat(outside->c_str(), &s) != 0 || !S_ISREG(s.st_mode)) return {};
  const int fd = ::open(outside->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return {};
  std::string text;
  char chunk[4096];
  while (text.size() < limit) {
    const ssize_t n = ::read(fd, chunk, std::min(sizeof chunk, limit - text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(chunk, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

std::optional<std::string> Tree::line(std::string_view path) const {
  auto text = read(path, 4096);
  if (!text) return {};
  text->resize(std::min(text->find('\n'), text->size()));
  constexpr const char* kSpace = " \t\r";
  const size_t first = text->find_first_not_of(kSpace);
  if (first == std::string::npos) return std::string();
  return text->substr(first, text->find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string> Tree::list(std::string_view path, std::string_view prefix) const {
  std::vector<std::string> names;
  const auto outside = resolve(path);
  DIR* dir = outside ? opendir(outside->c_str()) : nullptr;
  if (!dir) return names;
  for (size_t seen = 0; seen < kScanLimit && names.size() < kListLimit; ++seen) {
    const dirent* entry = readdir(dir);
    if (!entry) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name.starts_with(prefix)) names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<Node> Tree::node(std::string_view path) const {
  const auto outside = resolve(path);
  struct stat s{};
  if (!outside || stat(outside->c_str(), &s) != 0) return {};
  return Node{.character_device = S_ISCHR(s.st_mode), .mode = s.st_mode & 07777u, .uid = s.st_uid, .gid = s.st_gid,
              .size = static_cast<uint64_t>(s.st_size)};
}

std::optional<std::string> Tree::link_name(std::string_view path) const {
  const size_t slash = path.rfind('/');
  const auto parent = resolve(path.substr(0, slash));
  if (!parent) return {};
  const auto target = read_link(*parent + std::string(path.substr(slash)));
  if (!target) return {};
  return target->substr(target->rfind('/') + 1);
}

bool Tree::accessible(std::string_view path) const {
  return live() && faccessat(AT_FDCWD, std::string(path).c_str(), R_OK | W_OK, AT_EACCESS) == 0;
}

std::string printable(std::string_view text, size_t limit) {
  std::string out;
  for (const char c : text.substr(0, limit)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace onebit::system
